"""Unseen faces restored: `data/restoration.json` and `images/restoration.webp` in `book`.

Real faces that the prior has never seen: all 50 London test faces, and from Congress the first
50 colour and the first 50 monochrome validation faces by name: nobody chose among them. Four
kinds of damage, each repaired by two methods and a classical one, seed 0, in bfloat16, with the
label of the right tone. Needs the faces64 folder. About 70 000 network calls on one picture.
Each run is kept in `runs/restoration` when it is done, so that an interrupted measurement goes
on where it stopped.
"""

import json
import time
from pathlib import Path

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, load_prior, metrics, restore, run
from fuzzydiff_lite.data import from_uint8, load_faces64, sheet
from fuzzydiff_lite.networks import SHA256
from studies.tasks import MASKS, TASKS, classical, damage

ROOT = Path(__file__).parents[1]
FILE = ROOT / "book" / "data" / "restoration.json"
PICTURE = ROOT / "book" / "images" / "restoration.webp"
PARTS = ROOT / "runs" / "restoration"
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


def restored(
    prior: Prior, given: restore.Measurement, title: str, method: str, name: str
) -> Tensor:
    """The damaged faces of a group restored, in [-1, 1].

    From `runs/restoration` where these weights and settings are.
    """
    values, stamp = settings(title, method), SHA256["faces64"]
    number = list(METHODS).index(title)
    file = PARTS / f"{stamp[:16]}-{name.replace(', ', '-')}-{number}-{method}.pt"
    saved = torch.load(file) if file.is_file() else {}
    if saved.get("state") != [len(given.y), values]:
        began = time.monotonic()
        x = run(restore.restorer(prior, given, method, Noise(0), **values))
        saved = {"state": [len(given.y), values], "x": x.float().cpu().clamp(-1, 1)}
        PARTS.mkdir(parents=True, exist_ok=True)
        torch.save(saved, file.with_suffix(".new"))
        file.with_suffix(".new").rename(file)
        print(f"{name}, {title}, {method}: {time.monotonic() - began:.0f} s", flush=True)
    return saved["x"]


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
        pictures[method] = restored(prior, given, title, method, name)
        rows[method] = row(scores(pictures[method], faces, given), baseline)
    return rows, pictures


def main() -> None:
    """All groups and kinds of damage."""
    stamp, table, tiles, shown, counts = SHA256["faces64"], {}, {}, [], {}
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
        "weights_sha256": stamp,
        "command": "python -m studies.restoration",
        "faces": counts,
        "settings": used,
        "calls": calls,
        "scores": table,  # of each: mean and standard error
        "rows": [list(key) for key in tiles],
        "columns": shown,
    }
    FILE.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    whole = torch.cat([x for row_ in tiles.values() for x in row_])
    sheet(whole, columns=len(shown)).save(PICTURE, quality=90, method=6, xmp=stamp.encode())


if __name__ == "__main__":
    main()
