"""The faces of the book, which ship with the package."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from ..assets import FOLDER
from .pictures import crop_square, to_tensor

ASTRONAUT_BOX = (142, 20, 312, 190)  # left, top, right, bottom in the 512x512 portrait


def astronaut() -> Tensor:
    """The face of scikit-image's astronaut, (1, 3, 64, 64) in [-1, 1].

    A NASA portrait of Eileen Collins, in the public domain, cropped like the faces the prior
    was trained on. A real face that the prior has never seen.
    """
    from skimage.data import astronaut as picture

    return to_tensor(crop_square(Image.fromarray(picture()), ASTRONAUT_BOX))


def _from_sheet(file: str, n: int) -> Tensor:
    """The first `n` 64×64 faces of a sheet, row by row; ValueError where it has fewer."""
    whole = to_tensor(Image.open(FOLDER / file))[0]
    tiles = whole.unfold(1, 64, 64).unfold(2, 64, 64)  # (3, rows, columns, 64, 64)
    faces = tiles.flatten(1, 2).transpose(0, 1)
    if not 1 <= n <= len(faces):
        raise ValueError(f"n must be between 1 and {len(faces)}, got {n}")
    return faces[:n].contiguous()


def people(n: int = 256) -> Tensor:
    """The first `n` of 256 people who do not exist, (n, 3, 64, 64) in [-1, 1].

    The shipped prior drew them. Raises ValueError for an `n` outside 1..256.
    """
    return _from_sheet("people.webp", n)


def london(n: int = 20) -> Tensor:
    """The first `n` of 20 real people, unseen by the prior, (n, 3, 64, 64) in [-1, 1].

    In colour. They consented in writing to publication. By the order of their numbers in the
    set, neutral and smiling by turns. From the Face Research Lab London Set by Lisa DeBruine
    and Benedict Jones (2017), doi 10.6084/m9.figshare.5047666, CC BY 4.0; aligned, cropped and
    reduced.
    Raises ValueError for an `n` outside 1..20.
    """
    return _from_sheet("london.webp", n)


def portrait() -> Tensor:
    """Halbert Eleazer Paine (1826-1905), Representative of Wisconsin.

    (1, 3, 64, 64) in [-1, 1]. A monochrome photograph in the public domain (credit:
    voteview.com, UCLA). A validation face, on which the prior was not trained. The three
    channels are equal: nobody knows the colours.
    """
    return _from_sheet("portrait.webp", 1)
