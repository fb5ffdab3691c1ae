"""Every method on every damage: `data/compare.json` and `images/compare.webp` in `book`.

The 20 London test faces that ship with the package, 50 steps, all other settings those of
`restore.py`, seed 0. `python -m studies.compare [TASK ...]` measures anew what was measured
with other weights or settings, or the tasks that are named; each is kept when it is done, so
that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, load_prior, metrics, restore, run
from fuzzydiff_lite.data import london, sheet
from fuzzydiff_lite.networks import SHA256
from studies.tasks import TASKS, classical, damage

BOOK = Path(__file__).parents[1] / "book"
FILE, PICTURE = BOOK / "data" / "compare.json", BOOK / "images" / "compare.webp"
CACHE = Path(__file__).parents[1] / "runs" / "compare"
STEPS, SHOWN = 50, [0, 5, 10, 15]  # the faces of the picture rows
# Without fuzzy: with a mask of zeros and ones it is repaint, bit by bit.
METHODS = ["sdedit", "replacement", "repaint", "ilvr", "ddrm", "ddrm_jpeg", "ddnm"]
METHODS += ["diffpir", "mcg", "dps", "pigdm"]


def scores(x: Tensor, truth: Tensor, given: restore.Measurement) -> dict:
    """PSNR (mean, each) and SSIM of all pixels, PSNR of missing ones, rms misfit |A x - y|."""
    each = metrics.psnr(x, truth)
    row = {"psnr": each.mean().item(), "ssim": metrics.ssim(x, truth).mean().item()}
    if given.m is not None:
        row["psnr_missing"] = metrics.psnr(x, truth, 1 - given.m).mean().item()
    row["misfit"] = (given.A(x) - given.y).square().mean().sqrt().item()
    return row | {"psnr_each": [round(value, 2) for value in each.tolist()]}


def restored(prior: Prior, title: str, method: str, faces: Tensor) -> tuple[Tensor, dict]:
    """The faces restored by a method, and its row of the table."""
    given, values = damage(title, faces), restore.settings(TASKS[title], method, steps=STEPS)
    began = time.perf_counter()
    x = run(restore.restorer(prior, given, method, Noise(0), **values)).cpu()
    calls = restore.calls(prior.schedule, **values)
    row = {"calls": calls, "seconds": (time.perf_counter() - began) / len(faces)}
    return x, scores(x, faces, given) | row | {"settings": values}


def compare(prior: Prior, title: str, faces: Tensor) -> dict:
    """All rows of a task, and the pictures of the faces in SHOWN for each."""
    given = damage(title, faces)
    name, x = classical(title, given)
    rows = {"damaged": scores(given.picture, faces, given), name: scores(x, faces, given)}
    pictures = {"truth": faces, "damaged": given.picture, name: x}
    for method in filter(restore.TASKS[TASKS[title]].__contains__, METHODS):
        pictures[method], rows[method] = restored(prior, title, method, faces)
        psnr, seconds = rows[method]["psnr"], rows[method]["seconds"]
        print(f"{title}, {method}: {psnr:.2f} dB, {seconds:.2f} s a face", flush=True)
    return {"rows": rows, "pictures": {name: x[SHOWN] for name, x in pictures.items()}}


def write(done: dict[str, dict], stamp: str) -> None:
    """The table as JSON; a sheet with a row of pictures for each task and method, in order."""
    shown = torch.cat([x for task in done.values() for x in task["pictures"].values()])
    sheet(shown, columns=len(SHOWN)).save(PICTURE, quality=90, method=6, xmp=stamp.encode())
    rounded = {
        title: {name: _rounded(row) for name, row in task["rows"].items()}
        for title, task in done.items()
    }
    order = {title: list(task["pictures"]) for title, task in done.items()}
    facts = {"weights_sha256": stamp, "command": "python -m studies.compare"}
    facts |= {"faces": 20, "shown": SHOWN, "rows": rounded, "pictures": order}
    FILE.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rounded(row: dict) -> dict:
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in row.items()}


def main(titles: list[str]) -> None:
    """The titles given, or all that are not there."""
    stamp, faces, prior = SHA256["faces64"], london(20), load_prior(dtype=torch.bfloat16)
    CACHE.mkdir(parents=True, exist_ok=True)
    done = {}
    for number, title in enumerate(TASKS):
        part = CACHE / f"{number}.pt"
        kept = torch.load(part) if part.is_file() else {}
        task = TASKS[title]
        settings = {m: restore.settings(task, m, steps=STEPS) for m in restore.TASKS[task]}
        state = [stamp, settings]
        if kept.get("state") != state or title in titles:
            kept = compare(prior, title, faces) | {"state": state}
            torch.save(kept, part)
        done[title] = kept
    write(done, stamp)


if __name__ == "__main__":
    main(sys.argv[1:])
