"""Unseen faces restored: `data/restoration.json` and `images/restoration.webp` in `book`.

Real faces that the prior has never seen: all 50 London test faces, and from Congress the first
50 colour and the first 50 monochrome validation faces by name: nobody chose among them. Four
kinds of damage, each repaired by two methods and a classical one, seed 0, in bfloat16, with the
label of the right tone. Needs the faces64 folder. About 70 000 network calls on one picture.
Each run is kept in `runs/restoration` when it is done, so that an interrupted measurement goes
on where it stopped.
"""

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, load_prior, metrics, restore, run
from fuzzydiff_lite.data import from_uint8, load_faces64
from studies.common import DATA, IMAGES, kept, save_sheet, write
from studies.tasks import MASKS, TASKS, classical, damage

FILE, PICTURE = DATA / "restoration.json", IMAGES / "restoration.webp"
COUNT = 50  # of faces in a group
# name -> which faces of faces64, of what tone, and how many of the first ones the picture shows
GROUPS = {
    "London": ({"split": "test", "source": "london"}, "colour", 4),
    "Congress, colour": ({"split": "val", "source": "congress"}, "colour", 2),
    "Congress, monochrome": ({"split": "val", "source": "congress"}, "mono", 2),
}
FILL = {"ddnm": {"steps": 50}, "repaint": {"steps": 25, "repeats": 3}}
METHODS = {  # without DDRM: where nothing is noisy it is DDNM
    "hole": FILL,
    "half face": FILL,
    "50 % of pixels missing": FILL,
    "×4": {"ddnm": {"steps": 50}, "diffpir": {"steps": 50}},
}


def group(wanted: dict[str, str], tone: str) -> tuple[Tensor, list[str]]:
    """The first COUNT faces by name, (COUNT, 3, 64, 64), and their names."""
    pictures, _, names = load_faces64(tone=tone, **wanted)
    first = sorted(range(len(names)), key=names.__getitem__)[:COUNT]
    return from_uint8(pictures[first]), [names[i] for i in first]


def settings(title: str, method: str) -> dict:
    """All settings of a method for a kind of damage."""
    task = "inpaint" if title in MASKS else TASKS[title]
    return restore.settings(task, method, **METHODS[title][method])


def restored(prior: Prior, given: restore.Measurement, method: str, values: dict) -> Tensor:
    """The damaged faces of a group restored with these settings, in [-1, 1]."""
    x = run(restore.restorer(prior, given, method, Noise(0), **values))
    return x.float().cpu().clamp(-1, 1)


def scores(x: Tensor, truth: Tensor, given: restore.Measurement) -> dict[str, Tensor]:
    """PSNR and SSIM of each face, (B,), of the missing pixels if there are any, else of all."""
    missing = None if given.m is None else 1 - given.m
    return {"psnr": metrics.psnr(x, truth, missing), "ssim": metrics.ssim(x, truth, missing)}


def row(each: dict[str, Tensor], baseline: dict[str, Tensor] | None = None) -> dict:
    """Mean and standard error over the faces, and those of gains on a `baseline` by face."""
    if baseline is not None:
        each = each | {f"{name}_gain": values - baseline[name] for name, values in each.items()}
    rows = {}
    for name, values in each.items():
        error = values.std() / len(values) ** 0.5
        rows[name] = [round(values.mean().item(), 4), round(error.item(), 4)]
    return rows


def compare(
    prior: Prior, faces: Tensor, title: str, name: str
) -> tuple[dict, dict[str, Tensor]]:
    """A damage's rows for a group of faces, and pictures: true, given, restored in each way."""
    given = damage(title, faces)
    old, x = classical(title, given)
    baseline = scores(x, faces, given)
    rows, pictures = {old: row(baseline)}, {"truth": faces, "given": given.picture, old: x}
    for method in METHODS[title]:
        values, part = settings(title, method), f"{name}, {title}, {method}"
        how = {"settings": values, "faces": len(faces)}
        x = kept("restoration", part, restored, prior, given, method, values, **how)
        pictures[method] = x
        rows[method] = row(scores(x, faces, given), baseline)
    return rows, pictures


def main() -> None:
    """All groups and kinds of damage."""
    table, tiles, shown, counts = {}, {}, [], {}
    for name, (wanted, tone, few) in GROUPS.items():
        faces, names = group(wanted, tone)
        prior = load_prior(tone=tone, dtype=torch.bfloat16)
        table[name], counts[name] = {}, len(faces)
        shown += names[:few]
        for title in METHODS:
            table[name][title], pictures = compare(prior, faces, title, name)
            for way, x in pictures.items():
                tiles.setdefault((title, way), []).append(x[:few])
    used = {t: {method: settings(t, method) for method in METHODS[t]} for t in METHODS}
    calls = {
        t: {m: restore.calls(prior.schedule, **values) for m, values in used[t].items()}
        for t in used
    }
    facts = {
        "faces": counts,
        "settings": used,
        "calls": calls,
        "scores": table,  # of each: mean and standard error
        "rows": [list(key) for key in tiles],
        "columns": shown,
    }
    write(FILE, "restoration", facts)
    whole = torch.cat([x for row_ in tiles.values() for x in row_])
    save_sheet(PICTURE, whole, len(shown), quality=90)


if __name__ == "__main__":
    main()
