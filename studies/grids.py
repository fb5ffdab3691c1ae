"""Bake the frames of the fuzzy chapter's explorer: `book/data/fuzzy.json` and `fuzzy.webp`.

99 pictures for each number of repeats, 785 network calls on each in all. Each number of repeats
is kept in `runs/grids` when it is done, so that an interrupted run goes on where it stopped.
"""

import functools
import hashlib
import math
import time
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from fuzzydiff_lite import Prior, Walk, load_prior, masks, run
from fuzzydiff_lite.data import astronaut, people
from fuzzydiff_lite.metrics import psnr
from fuzzydiff_lite.networks import SHA256
from fuzzydiff_lite.noise import Shared
from fuzzydiff_lite.samplers import fuzzy
from fuzzydiff_lite.show.widgets import save_grid

ROOT = Path(__file__).parents[1]
FILE = ROOT / "book" / "data" / "fuzzy.json"
PEOPLE = {"person 1": 36, "person 2": 58}  # their numbers among `people()`
AXES = {
    "picture": ["astronaut", *PEOPLE],
    "mask": ["box", "half", "stripes"],
    "m": [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
    "J": [1, 2, 3, 5, 10, 20],
}
STEPS, BATCH = 20, 33


@functools.cache
def truth(name: str) -> Tensor:
    """The undamaged picture, (1, 3, 64, 64)."""
    return astronaut() if name == "astronaut" else people()[PEOPLE[name], None]


def restored(prior: Prior, axes: dict, repeats: int) -> Tensor:
    """A picture for each (picture, mask, m) of the axes in order, (n, 3, 64, 64) in [-1, 1]."""
    settings = list(product(axes["picture"], axes["mask"], axes["m"]))
    xs = []
    for first in range(0, len(settings), BATCH):
        part = settings[first : first + BATCH]
        maps = torch.cat([m * masks.named(mask) for _, mask, m in part])
        pairs = [(truth(picture), masks.named(mask)) for picture, mask, _ in part]
        ys = torch.cat([masks.apply(x, keep) for x, keep in pairs])
        ys, maps = ys.to(prior.device), maps.to(prior.device)
        xs.append(
            run(
                fuzzy(prior, ys, maps, walk=Walk(STEPS, repeats=repeats), noise=Shared(0))
            ).cpu()
        )
    return torch.cat(xs)


def frame(x: Tensor, picture: str, mask: str, J: int) -> tuple[Tensor, str]:
    """The explorer's frame: the given picture, restored x (1, 3, 64, 64), how close that is."""
    keep, calls = masks.named(mask), STEPS * J - J + 1
    hole, kept = (psnr(x, truth(picture), weight).item() for weight in (1 - keep, keep))
    outside = "exact" if math.isinf(kept) else f"{kept:.1f} dB"
    both = torch.cat([masks.apply(truth(picture), keep), x], 3)
    return both, f"PSNR in the hole {hole:.1f} dB, outside {outside}; {calls} network calls"


def bake(prior: Prior, axes: dict, file: Path, cache: Path, stamp: str) -> None:
    """Write the grid of `axes` to `file`; `cache` keeps what is done, by all settings."""
    cache.mkdir(parents=True, exist_ok=True)
    settings = repr((stamp, PEOPLE, STEPS, axes | {"J": None}))
    settings = hashlib.sha256(settings.encode()).hexdigest()
    done = {}
    for repeats in axes["J"]:
        part, begin = cache / f"{settings[:16]}-{repeats}.pt", time.time()
        if not part.is_file():
            torch.save(restored(prior, axes, repeats), part.with_suffix(".new"))
            part.with_suffix(".new").rename(part)
        frames = product(axes["picture"], axes["mask"], axes["m"])
        done[repeats] = dict(zip(frames, torch.load(part).split(1)))
        took = time.time() - begin
        print(f"J = {repeats}: {len(done[repeats])} pictures, {took:.0f} s", flush=True)

    def compute(picture, mask, m, J):
        return frame(done[J][picture, mask, m], picture, mask, J)

    save_grid(file, compute, axes, weights_sha256=stamp)


def main() -> None:
    """All axes, with the shipped weights in bfloat16."""
    prior, cache = load_prior(dtype=torch.bfloat16), ROOT / "runs" / "grids"
    bake(prior, AXES, FILE, cache, SHA256["faces64"])
    size = FILE.stat().st_size + FILE.with_suffix(".webp").stat().st_size
    print(f"{FILE.name} and its sprite: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
