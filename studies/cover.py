"""Draw `book/images/cover.webp`, the first picture: damaged faces and four guesses at each."""

import torch

from fuzzydiff_lite import Noise, Walk, load_prior, masks, run
from fuzzydiff_lite.data import astronaut, people
from fuzzydiff_lite.samplers import fuzzy
from studies.common import IMAGES, save_sheet

FILE = IMAGES / "cover.webp"
GUESSES, STEPS, REPEATS = 4, 50, 5
MAN, WOMAN = 36, 58  # their numbers among `people()`, chosen for their clear faces


def main() -> None:
    """A row a face: given, then guesses that differ by noise alone, the first of seed 0."""
    prior, rows = load_prior(), []
    man, woman = people()[MAN, None], people()[WOMAN, None]
    for true, mask in [(man, "half"), (woman, "stripes"), (astronaut(), "box")]:
        keep = masks.named(mask)
        given = masks.apply(true, keep)
        batch = given.expand(GUESSES, -1, -1, -1).to(prior.device)
        walk = Walk(STEPS, repeats=REPEATS)
        sampler = fuzzy(prior, batch, keep.to(prior.device), walk=walk, noise=Noise(0))
        rows += [given, run(sampler).cpu()]
    save_sheet(FILE, torch.cat(rows), 1 + GUESSES, scale=2, lossless=True)


if __name__ == "__main__":
    main()
