"""Make the book's real faces: `london.webp` and `portrait.webp` in `fuzzydiff_lite/assets`.

Needs the faces64 folder. Both files are lossless, so that they are the faces of the collection,
pixel by pixel.
"""

from collections import defaultdict

import torch
from torch import Tensor

from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.data import from_uint8, load_faces64, sheet

PORTRAIT = "wiki_007166"


def londoners(count: int = 20) -> Tensor:
    """The first `count` people of the London test split by number, uint8 (count, 3, 64, 64).

    One picture each: neutral and smiling by turns, and the only one of a person with one.
    """
    people = defaultdict(list)
    # The collection lists all neutral faces, then the smiling ones.
    for picture, name in zip(*load_faces64(source="london", split="test")[::2], strict=True):
        people[name.rpartition("_")[2]].append(picture)
    poses = [people[number] for number in sorted(people)[:count]]
    return torch.stack([pictures[i % len(pictures)] for i, pictures in enumerate(poses)])


def main() -> None:
    """Write the sheet of the London faces, in 5 columns, and the portrait."""
    portrait, _, _ = load_faces64(name=PORTRAIT, split="val")
    for file, faces in [("london.webp", londoners()), ("portrait.webp", portrait)]:
        picture = sheet(from_uint8(faces), columns=min(5, len(faces)))
        picture.save(FOLDER / file, lossless=True, method=6)


if __name__ == "__main__":
    main()
