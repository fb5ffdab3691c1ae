"""Draw the first picture of the book: damaged faces and four guesses at each,
`book/images/cover.webp`.
"""

from pathlib import Path

import torch

from fuzzydiff_lite import Noise, load_prior, masks, run
from fuzzydiff_lite.data import astronaut, people
from fuzzydiff_lite.plots import sheet
from fuzzydiff_lite.samplers import fuzzy
from fuzzydiff_lite.weights import SHA256

FILE = Path(__file__).parents[1] / "book" / "images" / "cover.webp"
GUESSES, STEPS, REPEATS = 4, 50, 5
MAN, WOMAN = 36, 58  # their numbers among `people()`, chosen for their clear faces


def main() -> None:
    """One row a face: what is given, then guesses that differ by their noise alone, the first
    ones of seed 0.
    """
    prior, rows = load_prior(), []
    for true, mask in [
        (people()[MAN, None], "half"),
        (people()[WOMAN, None], "stripes"),
        (astronaut(), "box"),
    ]:
        keep = masks.named(mask)
        given = masks.apply(true, keep)
        batch = given.expand(GUESSES, -1, -1, -1).to(prior.device)
        restored = run(fuzzy(prior, batch, keep.to(prior.device), STEPS, REPEATS, Noise(0)))
        rows += [given, restored.cpu()]
    sheet(torch.cat(rows), columns=1 + GUESSES, scale=2).save(
        FILE, lossless=True, method=6, xmp=SHA256["faces64"].encode()
    )


if __name__ == "__main__":
    main()
