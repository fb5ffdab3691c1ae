"""Fit and judge projection attention: `book/data/attention.json` and a picture.

Writes the statistics of training faces, `fuzzydiff_lite/assets/attention-*.safetensors`, then
finds and mends seven kinds of damage on London test faces and Congress validation faces, and
looks at what happens to faces that are not damaged. Needs faces64. About 80 000 network calls
on single faces. Each part is kept in `runs/attention` when it is done, so that an interrupted
run goes on where it stopped.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import skimage.data
import torch
from PIL import Image
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, Walk, load_prior, run
from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.data import crop_square, damage, from_uint8, load_faces64, sheet, to_tensor
from fuzzydiff_lite.metrics import auroc, average_precision, psnr, ssim
from fuzzydiff_lite.networks import SHA256
from fuzzydiff_lite.restore.attention import PAPER, Settings, attention, residuals, squared
from fuzzydiff_lite.restore.blind import correct
from fuzzydiff_lite.restore.likeness import LEAST_LIKENESS, likeness
from fuzzydiff_lite.restore.statistics import Statistics
from fuzzydiff_lite.samplers import fuzzy, sdedit

ROOT = Path(__file__).parents[1]
FILE = ROOT / "book" / "data" / "attention.json"
PICTURES = ROOT / "book" / "images" / "correct.webp"
OWN = Settings()
ONE, SHARED = Settings(draws=1), Settings(shared=True)
CALL = replace(PAPER, steps=1)
DEPTHS = OWN.depths
BATCH, KINDS = 64, list(damage.KINDS)
OTHERS = ["coffee", "chelsea", "hubble_deep_field", "retina"]
OTHERS += ["grass", "brick", "camera", "moon"]
FACE = (..., slice(16, 58), slice(14, 50))  # of an aligned picture, with little background
CHEEKS = (slice(38, 43), [20, 21, 22, 23, 24, 39, 40, 41, 42, 43])

# What people who look at the pictures see, by the number of the face in its part of faces64.
CONGRESS = {  # validation, colour
    "glasses": [6, 10, 14, 16, 19, 21, 23, 24, 25, 27, 28, 29, 32, 37, 39, 42, 57],
    "beard or moustache": [1, 3, 4, 14, 27, 36, 39, 45, 62],
    "painting or print": [0, 1, 2, 3, 4, 5, 7, 8, 51, 52, 53, 54, 55, 56],
}
LONDON = {"beard or moustache": [1, 7, 12, 13, 26, 32, 37, 38]}  # test


def faces(count: int | None = None, **wanted: str) -> Tensor:
    """`count` faces of a part of faces64, spread over it evenly; all of them unless told."""
    pictures = from_uint8(load_faces64(**wanted)[0])
    if count is None:
        return pictures
    return pictures[torch.linspace(0, len(pictures) - 1, count).round().long()]


def good(tone: str, count: int) -> Tensor:
    """What the statistics are made of: training faces of Congress and, in colour, of London.

    The prior has seen them, but learned next to nothing by heart: `seen` in the result compares
    them with faces that it has not seen. So all validation and test faces are left to judge by.
    """
    if tone == "mono":
        return faces(count, source="congress", split="train", tone="mono")
    london = faces(80 * count // 256, source="london", split="train")
    congress = faces(count - len(london), source="congress", split="train", tone="colour")
    return torch.cat([london, congress])


def kept(name: str, make: Callable[[], Tensor]) -> Tensor:
    """A tensor, from `runs/attention` where an earlier run with these weights has left it."""
    file = ROOT / "runs" / "attention" / f"{SHA256['faces64'][:16]}-{name}.pt"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(make(), file.with_suffix(".new"))
        file.with_suffix(".new").rename(file)
        print(name, flush=True)
    return torch.load(file)


def taken(name: str, prior: Prior, x: Tensor, settings: Settings, seed: int = 0) -> Tensor:
    """The residuals of pictures, in batches that are kept one by one."""

    def part(i: int) -> Tensor:
        return residuals(prior, x[i : i + BATCH], settings, Noise(seed, i)).half()

    parts = [kept(f"{name}-{i}", lambda i=i: part(i)) for i in range(0, len(x), BATCH)]
    return torch.cat(parts).float()


def summary(r: Tensor, x: Tensor, prior: Prior, settings: Settings) -> Statistics:
    """What `fit` makes of faces x with the residuals r."""
    e = squared(r, settings.blur).double()
    mean, deviation = e.mean(0).float(), e.std(0, correction=0).float()
    made = settings, prior.tone, prior.weights, len(r)
    return Statistics(mean, deviation, x.mean(0), *made)


def pooled(r: Tensor, s: Statistics) -> Tensor:
    """One attention a pixel, of residuals: the highest, or of the paper's colours the mean."""
    A = attention(s.scores(squared(r, s.settings.blur)))
    # Of the paper's three colours the mean does better.
    return A.mean(1, keepdim=True) if s.settings.blur is None else A.amax(1, keepdim=True)


def judged(A: Tensor, truth: Tensor) -> dict[str, dict[str, float]]:
    """How well maps of attention (7 kinds, n, 1, H, W) find the damage, kind by kind."""
    return {
        kind: {
            "auroc": auroc(a, t),
            "ap": average_precision(a, t),
            "inside": a[t > 0].mean().item(),
            "outside": a[t == 0].mean().item(),
        }
        for kind, a, t in zip(KINDS, A, truth, strict=True)
    }


def damaged(x: Tensor) -> tuple[Tensor, Tensor]:
    """All damage to faces (n, 3, H, W): pictures (7, n, 3, H, W) and truth (7, n, 1, H, W)."""
    y, truth = zip(*(damage.named(kind, x, Noise(2)) for kind in KINDS))
    return torch.stack(y), torch.stack(truth)


def clean_rows(
    A: Tensor, change: Tensor, groups: dict[str, list[int]]
) -> dict[str, dict[str, float]]:
    """Attention, false alarms and change, in the face, for groups of faces without damage."""
    return {
        name: {
            "faces": len(rows),
            "attention": A[rows][FACE].mean().item(),
            "alarms": (A[rows][FACE] > 0.5).double().mean().item(),
            "change": change[rows][FACE].square().mean().sqrt().item(),
        }
        for name, rows in groups.items()
    }


def main() -> None:
    prior = load_prior(dtype=torch.bfloat16)
    mono = load_prior(tone="mono", dtype=torch.bfloat16)

    # The statistics, from training faces. Seed 1: no face is judged with a good one's noise.
    statistics, usual = {}, {}
    for name, count, settings in [
        ("colour", 256, OWN),
        ("mono", 256, OWN),
        ("paper", 128, PAPER),
        ("call", 128, CALL),
        ("one", 256, ONE),
        ("shared", 256, SHARED),
    ]:
        source = mono if name == "mono" else prior
        x = good(source.tone, count)
        usual[name] = taken(f"good-{name}", source, x, settings, 1)
        statistics[name] = summary(usual[name], x, source, settings)
        if name in ("colour", "mono", "paper"):
            statistics[name].save(FOLDER / f"attention-{name}.safetensors")

    # Faces that the prior has not seen, and how much more they are changed than those it has.
    sets = {
        "london": faces(source="london", split="test"),
        "congress": faces(source="congress", split="val", tone="colour"),
        "mono": faces(24, source="congress", split="val", tone="mono"),
    }
    priors = {"london": prior, "congress": prior, "mono": mono}
    clean = {name: taken(f"clean-{name}", priors[name], x, OWN) for name, x in sets.items()}
    colour = usual["colour"]
    parts = {"london": colour[:80], "congress": colour[80:], "mono": usual["mono"]}
    seen = {k: (clean[k].square().mean() / parts[k].square().mean()).item() for k in sets}

    # Damage and where it is found.
    some = {k: x[torch.linspace(0, len(x) - 1, 24).round().long()] for k, x in sets.items()}
    found, share, hurt = {}, {}, {}
    for name, x in some.items():
        y, truth = damaged(x)
        s = statistics["mono" if name == "mono" else "colour"]
        r = taken(f"damaged-{name}", priors[name], y.flatten(0, 1), OWN)
        hurt[name] = y, truth, r.unflatten(0, (len(KINDS), 24))
        found[name] = judged(pooled(r, s).unflatten(0, (len(KINDS), 24)), truth)
        share[name] = {kind: t.mean().item() for kind, t in zip(KINDS, truth)}

    # From the paper's way to ours, and depth by depth, on a third of the faces in colour.
    in_colour = hurt["london"], hurt["congress"]
    y, truth, own = (torch.cat([a[:, ::3], b[:, ::3]], 1) for a, b in zip(*in_colour))
    made = {
        "paper": taken("both-paper", prior, y.flatten(0, 1), PAPER),
        "call": taken("both-call", prior, y.flatten(0, 1), CALL),
        "one": taken("both-one", prior, y.flatten(0, 1), ONE),
        "own": own.flatten(0, 1),
        "shared": taken("both-shared", prior, y.flatten(0, 1), SHARED),
    }
    rows = [  # what is said of it, the residuals, the depths, blur
        ("paper", "paper", PAPER.depths, None),
        ("paper, one call a depth", "call", PAPER.depths, None),
        ("paper, lightness and colour", "paper", PAPER.depths, 1.0),
        ("guess, one draw, channels", "one", DEPTHS, None),
        ("guess, channels", "own", DEPTHS, None),
        ("guess, lightness and colour, no blur", "own", DEPTHS, 0.0),
        ("guess, lightness and colour, one draw", "one", DEPTHS, 1.0),
        ("guess, lightness and colour, one noise for all depths", "shared", DEPTHS, 1.0),
        ("guess, lightness and colour", "own", DEPTHS, 1.0),
        *((f"paper, depth {depth}", "paper", (depth,), None) for depth in PAPER.depths),
        *((f"guess, depth {depth}", "own", (depth,), 1.0) for depth in DEPTHS),
    ]
    by_source = {"paper": PAPER, "call": CALL, "one": ONE, "shared": SHARED, "own": OWN}
    methods = []
    for name, source, depths, blur in rows:
        settings = by_source[source]
        chosen = [settings.depths.index(depth) for depth in depths]
        r = usual["colour" if source == "own" else source][:, chosen]
        s = summary(r, r, prior, replace(settings, depths=depths, blur=blur))
        A = pooled(made[source][:, chosen], s).unflatten(0, truth.shape[:2])
        levels = prior.schedule.levels(settings.steps)
        calls = settings.draws * sum(level < depth for depth in depths for level in levels)
        methods.append({"name": name, "calls": calls, "kinds": judged(A, truth)})

    # What is made of it, on a quarter of all: with the map found, with the true one, with none.
    x = torch.cat([some[name][::4] for name in ("london", "congress")])
    y, truth = (torch.cat([of[k][:, ::4] for of in in_colour], 1) for k in (0, 1))
    given, m = y.flatten(0, 1), 1 - truth.flatten(0, 1)
    s, n = statistics["colour"], len(given)

    def way(
        name: str, mend: Callable[[Tensor, Tensor, Noise], Tensor], m: Tensor = m
    ) -> Tensor:
        """All pictures mended in one way with the maps m, kept batch by batch."""

        def part(i: int) -> Tensor:
            return mend(given[i : i + 28], m[i : i + 28], Noise(0, i)).half()

        parts = [kept(f"{name}-{i}", lambda i=i: part(i)) for i in range(0, n, 28)]
        return torch.cat(parts).float()

    def fused(y: Tensor, m: Tensor, noise: Noise) -> Tensor:
        return run(fuzzy(prior, y, m, walk=Walk(25, repeats=3), noise=noise))

    def renewed(y: Tensor, m: Tensor, noise: Noise) -> Tensor:
        return run(sdedit(prior, y, walk=Walk(50, start=400), noise=noise))

    both = way("found", lambda y, m, noise: torch.cat(correct(prior, y, s, noise=noise), 1))
    ways = {
        "given": given,
        "found": both[:, :3],
        "found, per fusion": way("fusion", fused, both[:, 3:4]),
        "true": way("true", fused),
        "sdedit": way("sdedit", renewed),
    }
    true = x.repeat(len(KINDS), 1, 1, 1)
    restored = {name: {} for name in ways}
    for name, z in ways.items():
        for kind, rows in zip(KINDS, torch.arange(n).chunk(len(KINDS))):
            a, b, trust = z[rows], true[rows], m[rows]
            changed = (trust * (a - b)).square().sum().div(3 * trust.sum()).sqrt()
            restored[name][kind] = {
                "damaged": psnr(a, b, 1 - trust).mean().item(),  # in dB, where the damage was
                "changed": changed.item(),  # elsewhere
                "psnr": psnr(a, b).mean().item(),
                "ssim": ssim(a, b).mean().item(),
            }
    # Every face once, the kinds by turns.
    turns = [i % len(KINDS) for i in range(len(x))]
    twelve = [turn * len(x) + i for i, turn in enumerate(turns)]
    tiles = [given, both[:, 3:4].expand(-1, 3, -1, -1) * 2 - 1, ways["found"], true]
    picture = sheet(torch.cat([z[twelve] for z in tiles]), columns=len(x))
    picture.save(PICTURES, quality=95, method=6, xmp=SHA256["faces64"].encode())

    # What happens to faces that are not damaged.
    skin = sets["london"][:, :, CHEEKS[0]][..., CHEEKS[1]].mean((1, 2, 3))
    order = skin.argsort().tolist()
    third = len(order) // 3
    groups = {
        "london": {
            "all": list(range(50)),
            "darkest third": order[:third],
            "middle third": order[third:-third],
            "lightest third": order[-third:],
        }
        | LONDON,
        "congress": {"all": list(range(72))} | CONGRESS,
    }
    groups["congress"]["none of these"] = sorted(set(range(72)).difference(*CONGRESS.values()))

    def corrected(x: Tensor, i: int) -> Tensor:
        return correct(prior, x[i : i + 25], s, noise=Noise(0, i))[0].half()

    undamaged, people = {}, {}
    for name, rows in groups.items():
        x, A = sets[name], pooled(clean[name], s)
        mended = [
            kept(f"kept-{name}-{i}", lambda i=i, x=x: corrected(x, i))
            for i in range(0, len(x), 25)
        ]
        mended = torch.cat(mended).float()
        undamaged[name] = clean_rows(A, mended - x, rows)
        people[name] = {
            "skin": x[:, :, CHEEKS[0]][..., CHEEKS[1]].mean((1, 2, 3)).tolist(),
            "attention": A[FACE].mean((1, 2, 3)).tolist(),
            "change": (mended - x)[FACE].square().mean((1, 2, 3)).sqrt().tolist(),
        }
    pair = torch.tensor([people["london"]["skin"], people["london"]["attention"]])

    # What is no face: neither attention nor likeness has seen any of it.
    x = torch.cat([sets["london"], sets["congress"]])
    strange = [
        to_tensor(crop_square(Image.fromarray(getattr(skimage.data, name)()).convert("RGB")))
        for name in OTHERS
    ]
    strange = {
        "pictures": torch.cat(strange),
        "upside down": x[::4].flip(2),
        "turned left": x[::4].rot90(1, (2, 3)),
        "shifted by a third": x[::4].roll(21, 3),
        "noise": Noise(3)((4, 3, 64, 64)).clamp(-1, 1),
    }
    strange |= {
        "faces": x,
        "damaged": torch.cat([hurt[name][0].flatten(0, 1) for name in ("london", "congress")]),
    }
    means = {
        "faces": torch.cat([clean["london"], clean["congress"]]),
        "damaged": torch.cat([hurt[name][2].flatten(0, 1) for name in ("london", "congress")]),
    }
    means |= {
        name: taken(f"other-{name.replace(' ', '-')}", prior, z, OWN)
        for name, z in strange.items()
        if name not in means
    }
    means = {name: pooled(r, s).mean((1, 2, 3)) for name, r in means.items()}
    others = {
        name: {
            "likeness": likeness(z, s).sort().values.tolist(),
            "attention": means[name].sort().values.tolist(),
        }
        for name, z in strange.items()
    }
    face = [name in ("faces", "damaged") for name in strange]
    pairs = zip(face, strange.values())
    labels = torch.cat([torch.full((len(z),), float(not f)) for f, z in pairs])
    likenesses = [(f, v) for n, f in zip(strange, face) for v in others[n]["likeness"]]
    told = {
        "likeness": auroc(-torch.cat([likeness(z, s) for z in strange.values()]), labels),
        "attention": auroc(torch.cat([means[name] for name in strange]), labels),
        "faces_refused": sum(v < LEAST_LIKENESS for f, v in likenesses if f),
        "others_passed": sum(v >= LEAST_LIKENESS for f, v in likenesses if not f),
    }

    result = {
        "weights_sha256": SHA256["faces64"],
        "command": "python -m studies.attention",
        "settings": asdict(OWN),
        "paper": asdict(PAPER),
        "good": {name: value.pictures for name, value in statistics.items()},
        "seen": seen,
        "share": share,
        "found": found,
        "methods": methods,
        "restored": restored,
        "undamaged": undamaged,
        "people": people,
        "skin_correlation": torch.corrcoef(pair)[0, 1].item(),
        "others": others,
        "told": told,
        "pictures": ["damaged", "trust", "restored", "true"],
        "twelve": [KINDS[turn] for turn in turns],
    }
    FILE.write_text(json.dumps(rounded(result), indent=1) + "\n")


def rounded(value):
    """The same with all numbers to four digits after the point."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
