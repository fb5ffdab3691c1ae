"""Every method on every damage: `data/compare.json` and `images/compare.webp` in `book`.

The 20 London test faces that ship with the package, 50 steps, all other settings those of
`restore.py`, seed 0. `python -m studies.compare [TASK ...]` measures anew what was measured
with other weights or settings, or the tasks that are named; each is kept when it is done, so
that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import sys
import time

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, load_prior, metrics, restore, run
from fuzzydiff_lite.data import london
from studies.common import DATA, IMAGES, kept, save_sheet, write
from studies.tasks import TASKS, classical, damage

FILE, PICTURE = DATA / "compare.json", IMAGES / "compare.webp"
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


def _rounded(row: dict) -> dict:
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in row.items()}


def main(titles: list[str]) -> None:
    """The titles given, or all that are not there.

    The picture has a row for each task and method, in order.
    """
    faces, prior, done = london(20), load_prior(dtype=torch.bfloat16), {}
    for title, task in TASKS.items():
        settings = {m: restore.settings(task, m, steps=STEPS) for m in restore.TASKS[task]}
        how = {"settings": settings, "shown": SHOWN, "anew": title in titles}
        done[title] = kept("compare", title, compare, prior, title, faces, **how)
    rounded = {
        title: {name: _rounded(row) for name, row in task["rows"].items()}
        for title, task in done.items()
    }
    order = {title: list(task["pictures"]) for title, task in done.items()}
    facts = {"faces": len(faces), "shown": SHOWN, "rows": rounded, "pictures": order}
    write(FILE, "compare", facts)
    shown = torch.cat([x for task in done.values() for x in task["pictures"].values()])
    save_sheet(PICTURE, shown, len(SHOWN), quality=90)


if __name__ == "__main__":
    main(sys.argv[1:])
