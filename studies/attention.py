"""Fit and judge projection attention: `book/data/attention.json` and a picture.

Writes the statistics of training faces, `fuzzydiff_lite/assets/attention-*.safetensors`, then
finds and mends seven kinds of damage on London test faces and Congress validation faces, and
looks at what happens to faces that are not damaged. Needs faces64. About 80 000 network calls
on single faces. Each part is kept in `runs/attention` when it is done, so that an interrupted
run goes on where it stopped.
"""

from dataclasses import asdict

import torch
from torch import Tensor

from fuzzydiff_lite import Prior, load_prior
from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.restore.attention import PAPER
from fuzzydiff_lite.restore.statistics import Statistics
from studies import attention_maps as maps
from studies import attention_mended as mended
from studies import attention_undamaged as undamaged
from studies.attention_faces import KINDS, groups, spread, unseen
from studies.common import DATA, IMAGES, save_sheet, write

FILE, PICTURES = DATA / "attention.json", IMAGES / "correct.webp"


def statistics(priors: dict[str, Prior]) -> tuple[dict[str, Tensor], dict[str, Statistics]]:
    """Residuals of good faces and statistics, in each way; three of these ship."""
    good, made = maps.usual(priors)
    for name in ("colour", "mono", "paper"):
        made[name].save(FOLDER / f"attention-{name}.safetensors")
    return good, made


def seen(clean: dict[str, Tensor], good: dict[str, Tensor]) -> dict[str, float]:
    """How much more faces that the prior has not seen are changed than those that it has."""
    colour = good["colour"]
    known = {"london": colour[:80], "congress": colour[80:], "mono": good["mono"]}
    return {k: (r.square().mean() / known[k].square().mean()).item() for k, r in clean.items()}


def restored(prior: Prior, s: Statistics, x: Tensor, hurts: list[maps.Damaged]) -> dict:
    """What is made of a quarter of the damaged faces in colour: scores, and the picture."""
    y, truth = (torch.cat([hurt[k][:, ::4] for hurt in hurts], 1) for k in (0, 1))
    given, m = y.flatten(0, 1), 1 - truth.flatten(0, 1)
    ways, trust = mended.ways(prior, s, given, m)
    true = x.repeat(len(KINDS), 1, 1, 1)
    turns = [i % len(KINDS) for i in range(len(x))]  # every face once, the kinds by turns
    twelve = [turn * len(x) + i for i, turn in enumerate(turns)]
    tiles = [given, trust.expand(-1, 3, -1, -1) * 2 - 1, ways["found"], true]
    save_sheet(PICTURES, torch.cat([z[twelve] for z in tiles]), len(x), quality=95)
    return {
        "restored": {name: mended.scores(z, true, m) for name, z in ways.items()},
        "pictures": ["damaged", "trust", "restored", "true"],
        "twelve": [KINDS[turn] for turn in turns],
    }


def unharmed(
    prior: Prior, s: Statistics, sets: dict[str, Tensor], clean: dict[str, Tensor]
) -> dict:
    """What happens to faces that are not damaged, by groups and face by face."""
    rows, people = {}, {}
    for name, of in groups(sets["london"]).items():
        x, A = sets[name], maps.pooled(clean[name], s)
        change = undamaged.corrected(name, prior, s, x) - x
        rows[name] = undamaged.by_group(A, change, of)
        people[name] = undamaged.by_face(x, A, change)
    pair = torch.tensor([people["london"]["skin"], people["london"]["attention"]])
    correlation = torch.corrcoef(pair)[0, 1].item()
    return {"undamaged": rows, "people": people, "skin_correlation": correlation}


def main() -> None:
    """Everything, with the shipped weights in bfloat16."""
    prior = load_prior(dtype=torch.bfloat16)
    priors = {"colour": prior, "mono": load_prior(tone="mono", dtype=torch.bfloat16)}
    good, made = statistics(priors)
    s, sets = made["colour"], unseen()
    tones = {"london": "colour", "congress": "colour", "mono": "mono"}
    clean = {k: maps.taken(f"clean-{k}", priors[tones[k]], x) for k, x in sets.items()}
    some = {name: spread(x, 24) for name, x in sets.items()}
    hurt = {name: maps.hurt(name, priors[tones[name]], x) for name, x in some.items()}
    colour = [hurt["london"], hurt["congress"]]
    x = torch.cat([some[name][::4] for name in ("london", "congress")])
    shown = restored(prior, s, x, colour)
    apart = {
        "faces": torch.cat([sets["london"], sets["congress"]]),
        "damaged": torch.cat([of.y.flatten(0, 1) for of in colour]),
    }
    residuals = {
        "faces": torch.cat([clean["london"], clean["congress"]]),
        "damaged": torch.cat([of.r.flatten(0, 1) for of in colour]),
    }
    others, told = undamaged.others(prior, s, apart, residuals)
    found = {k: maps.judged(of.r, made[tones[k]], of.truth) for k, of in hurt.items()}
    shares = {
        name: {kind: t.mean().item() for kind, t in zip(KINDS, of.truth)}
        for name, of in hurt.items()
    }
    facts = {
        "settings": asdict(maps.OWN),
        "paper": asdict(PAPER),
        "good": {name: value.pictures for name, value in made.items()},
        "seen": seen(clean, good),
        "share": shares,
        "found": found,
        "methods": maps.methods(prior, colour, good),
        "restored": shown.pop("restored"),
        **unharmed(prior, s, sets, clean),
        "others": others,
        "told": told,
        **shown,
    }
    write(FILE, "attention", rounded(facts))


def rounded(value):
    """The same with all numbers to four digits after the point."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
