"""Which settings to restore with: `book/data/sweep.json`, the source of `restore.py`'s presets.

Each method is tried with a grid of settings on eight London validation faces, never on the test
faces. Needs the faces64 folder. The best mean PSNR wins; what the settings change by less than
0.1 dB is left at the default. `python -m studies.sweep [TASK ...]` measures anew what was
measured with other weights or settings.
"""

import json
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch

from fuzzydiff_lite import load_prior, metrics, restore, run
from fuzzydiff_lite.data import from_uint8, load_faces64
from fuzzydiff_lite.networks import SHA256
from fuzzydiff_lite.noise import Noise
from studies.tasks import OPERATORS, TASKS, damage

FILE = Path(__file__).parents[1] / "book" / "data" / "sweep.json"
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
    """The titles given, or all; the file is written after each method."""
    prior = load_prior(dtype=torch.bfloat16)
    faces = from_uint8(load_faces64(split="val", source="london")[0])[::3][:8]
    result = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    if result.get("weights_sha256") != SHA256["faces64"]:
        result = {"weights_sha256": SHA256["faces64"], "command": "python -m studies.sweep"}
        result["rows"] = {}
    for title in titles or TITLES:
        for method in restore.TASKS[TASKS[title]]:
            known = [row["settings"] for row in result["rows"].get(title, {}).get(method, [])]
            if method not in AXES or known == list(combinations(method, is_noisy(title))):
                continue
            began = time.monotonic()
            result["rows"].setdefault(title, {})[method] = measured(title, method, faces, prior)
            text = json.dumps(result, indent=1, ensure_ascii=False)
            FILE.write_text(text + "\n", encoding="utf-8")
            print(f"{title}, {method}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
