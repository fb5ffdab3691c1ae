"""Bake the frames of the fuzzy chapter's workbench: `book/data/fuzzy.json` and `fuzzy.webp`.

99 pictures for each number of repeats, 404 network calls on each in all. Each number of repeats
is kept in `runs/grids` when it is done, so that an interrupted run goes on where it stopped.
"""

import functools
import math
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from fuzzydiff_lite import Prior, Walk, load_prior, masks, run
from fuzzydiff_lite.data import astronaut, people
from fuzzydiff_lite.metrics import psnr
from fuzzydiff_lite.noise import Shared
from fuzzydiff_lite.samplers import fuzzy
from fuzzydiff_lite.show.widgets import save_grid
from fuzzydiff_lite.show.workbench import weights
from studies.common import DATA, SHIPPED, kept

FILE = DATA / "fuzzy.json"
PEOPLE = {"person 1": 36, "person 2": 58}  # their numbers among `people()`
STEPS, BATCH = 20, 33
AXES = {
    "picture": ["astronaut", *PEOPLE],
    "mask": ["box", "half", "stripes"],
    "m": weights(STEPS),
    "J": [1, 2, 3, 5, 10],
}


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
        walk = Walk(STEPS, repeats=repeats)
        xs.append(run(fuzzy(prior, ys, maps, walk=walk, noise=Shared(0))).cpu())
    return torch.cat(xs)


def frame(x: Tensor, picture: str, mask: str, J: int) -> tuple[Tensor, str]:
    """The explorer's frame: the given picture, restored x (1, 3, 64, 64), how close that is."""
    keep, calls = masks.named(mask), STEPS * J - J + 1
    hole, rest = (psnr(x, truth(picture), weight).item() for weight in (1 - keep, keep))
    outside = "exact" if math.isinf(rest) else f"{rest:.1f} dB"
    both = torch.cat([masks.apply(truth(picture), keep), x], 3)
    return both, f"PSNR in the hole {hole:.1f} dB, outside {outside}; {calls} network calls"


def bake(prior: Prior, axes: dict, file: Path, weights: str) -> None:
    """Write the grid of `axes` to `file`."""
    settings = {"people": PEOPLE, "steps": STEPS, "axes": axes | {"J": None}}
    how, done = {"weights": weights, **settings}, {}
    for repeats in axes["J"]:
        x = kept("grids", f"J = {repeats}", restored, prior, axes, repeats, **how)
        frames = product(axes["picture"], axes["mask"], axes["m"])
        done[repeats] = dict(zip(frames, x.split(1)))

    def compute(picture, mask, m, J):
        return frame(done[J][picture, mask, m], picture, mask, J)

    save_grid(file, compute, axes, weights_sha256=weights)


def main() -> None:
    """All axes, with the shipped weights."""
    bake(load_prior(), AXES, FILE, SHIPPED)
    size = FILE.stat().st_size + FILE.with_suffix(".webp").stat().st_size
    print(f"{FILE.name} and its sprite: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
