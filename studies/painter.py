"""Bake the painter of the fuzzy chapter, `fuzzydiff_lite/assets/painter.json`.

It is the Gaussian of the faces, made small: averaging 2 x 2 pixels is linear, so it makes a
Gaussian of a Gaussian. Takes seconds.
"""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool2d

from fuzzydiff_lite import GaussianPrior
from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.data import astronaut, people
from fuzzydiff_lite.networks import load_net
from fuzzydiff_lite.show.painter import SIZE, save
from studies.common import SHIPPED

FILE = FOLDER / "painter.json"
PEOPLE = {"person 1": 36, "person 2": 58}  # their numbers among `people()`, as in the explorer
STAIN = 0.9, -0.6, -0.9  # its colour, as in the chapter
DIRECTIONS = 70


def smaller(prior: GaussianPrior, size: int, directions: int) -> GaussianPrior:
    """`prior` averaged to `size` pixels: first `directions`, the mean variance of the rest."""
    factor = prior.shape[-1] // size
    # The covariance is spread spread^T plus rest (1 - D D^T).
    spread = prior.directions * prior.variances.sqrt()
    pooled = avg_pool2d(spread.T.reshape(-1, *prior.shape), factor).flatten(1).double()
    _, deviations, across = torch.linalg.svd(pooled, full_matrices=False)
    white = float(prior.rest) / factor**2
    d, variances = pooled.shape[1], deviations**2
    rest = white + float(variances[directions:].sum()) / (d - directions)
    mean, along = avg_pool2d(prior.mean, factor), across[:directions].T.float().contiguous()
    return GaussianPrior(mean, rest, along, (variances[:directions] + white).float())


def pictures() -> dict[str, torch.Tensor]:
    """What can be painted on, (1, 3, 32, 32) by name; the stain lies as in the chapter."""
    faces = {"astronaut": astronaut()}
    faces |= {name: people()[number, None] for name, number in PEOPLE.items()}
    stained = faces["person 1"].clone()
    stained[..., 30:50, 20:44] = torch.tensor(STAIN)[:, None, None]
    faces["person 1, stained"] = stained
    return {name: avg_pool2d(face, 2) for name, face in faces.items()}


def main() -> None:
    """With the shipped weights."""
    small = smaller(load_net().gaussian(), SIZE, DIRECTIONS)
    save(FILE, small, pictures(), weights_sha256=SHIPPED)
    print(f"{FILE.name}: {FILE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
