"""Which settings to restore with: `book/data/sweep.json`, the source of `restore.py`'s presets.

Each method is tried with a grid of settings on eight London validation faces, never on the test
faces. Needs the faces64 folder. The best mean PSNR wins; what the settings change by less than
0.1 dB is left at the default. `python -m studies.sweep [TASK ...]` measures these tasks, or all.
A method is kept in `runs/sweep` when it is done, so that an interrupted run goes on where it
stopped.
"""

import json
import sys
from collections.abc import Iterator
from itertools import product

import torch

from fuzzydiff_lite import load_prior, metrics, restore, run
from fuzzydiff_lite.data import from_uint8, load_faces64
from fuzzydiff_lite.noise import Noise
from studies.common import DATA, SHIPPED, kept, write
from studies.tasks import OPERATORS, TASKS, damage

FILE = DATA / "sweep.json"
# One for each task; ×2 and ×8 go with ×4.
TITLES = ["hole", "×4", "colouring", "Gaussian blur", "noise", "JPEG 10"]
STEPS, MARGIN = 50, 0.1
AXES = {  # method -> setting -> values
    "repaint": {"repeats": [1, 5, 10], "jump": [1, 5]},
    "sdedit": {"start": [100, 200, 300, 400]},
    "ddrm": {"eta": [0.3, 0.6, 0.85, 1.0]},
    "ddrm_jpeg": {"start": [200, 400, 600], "eta": [0.5, 1.0], "eta_b": [0.4, 0.7, 1.0]},
    "ddnm": {"eta": [0.3, 0.6, 0.85, 1.0], "repeats": [1, 3]},
    "diffpir": {
        "lam": [0.3, 1.0, 3.0, 10.0],
        "zeta": [0.09, 0.36, 1.0],
        "spacing": ["uniform", "quadratic"],
    },
    "mcg": {"step_size": [1.0, 3.0, 10.0]},
    "dps": {"step_size": [1.0, 3.0, 10.0, 30.0]},
    "pigdm": {"eta": [0.0, 0.5, 1.0]},
}


def combinations(method: str, noisy: bool) -> Iterator[dict]:
    """Every combination of a method's values; without noise DiffPIR's lam changes nothing."""
    axes = dict(AXES[method])
    if method == "diffpir" and not noisy:
        axes["lam"] = [1.0]
    for values in product(*axes.values()):
        if values != (1, 5):  # a jump without repeats is none
            yield dict(zip(axes, values))


def is_noisy(title: str) -> bool:
    """Whether the task has measurement noise."""
    return title in OPERATORS and OPERATORS[title][1] > 0


def measured(title: str, method: str, faces: torch.Tensor, prior) -> list[dict]:
    """A row for each combination: its settings, PSNR and SSIM on average over the faces."""
    given, rows = damage(title, faces), []
    for chosen in combinations(method, is_noisy(title)):
        values = restore.settings(TASKS[title], method, **{"steps": STEPS} | chosen)
        x = run(restore.restorer(prior, given, method, Noise(0), **values))
        psnr, ssim = (score(x, faces).mean().item() for score in (metrics.psnr, metrics.ssim))
        rows.append({"settings": chosen, "psnr": round(psnr, 2), "ssim": round(ssim, 4)})
    return rows


def main(titles: list[str]) -> None:
    """The titles given, or all; of the others the file keeps what these weights have left."""
    prior = load_prior(dtype=torch.bfloat16)
    faces = from_uint8(load_faces64(split="val", source="london")[0])[::3][:8]
    before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    rows = before["rows"] if before.get("weights_sha256") == SHIPPED else {}
    for title in titles or TITLES:
        rows[title] = {}
        for method in filter(AXES.__contains__, restore.TASKS[TASKS[title]]):
            tried = {"steps": STEPS, "tried": list(combinations(method, is_noisy(title)))}
            of = title, method, faces, prior
            rows[title][method] = kept("sweep", f"{title}, {method}", measured, *of, **tried)
    write(FILE, "sweep", {"rows": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
