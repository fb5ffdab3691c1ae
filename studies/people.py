"""Draw the book's people who do not exist: `fuzzydiff_lite/assets/people.webp`."""

import torch

from fuzzydiff_lite import Noise, load_prior, run
from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.samplers import ddim
from studies.common import save_sheet


def main(count: int = 256, batch: int = 32) -> None:
    """`count` colour faces, uncurated, pictures 0.. of seed 0, 50 DDIM steps, in 16 columns."""
    prior = load_prior()
    firsts = range(0, count, batch)
    faces = [run(ddim(prior, batch, walk=50, noise=Noise(0, first))).cpu() for first in firsts]
    save_sheet(FOLDER / "people.webp", torch.cat(faces), 16, quality=95)


if __name__ == "__main__":
    main()
