"""The faces that `studies.elbo` measures: of the validation set, and of the training set."""

import io
from typing import NamedTuple

import torch
from torch import Tensor

from fuzzydiff_lite.data import from_uint8, load_faces64, to_image


class Faces(NamedTuple):
    """The validation faces, (n, 3, 64, 64): in colour from Congress and then London, and
    monochrome ones, of which the first `bound_mono` are those whose bound is measured.
    """

    colour: Tensor
    london: int
    mono: Tensor
    bound_mono: int


def webp(face: Tensor) -> float:
    """Bits per dimension of a face (3, H, W) in a lossless WebP file, its header included."""
    file = io.BytesIO()
    to_image(face).save(file, "webp", lossless=True, quality=100, method=6)
    return 8 * len(file.getvalue()) / face.numel()


def select(split: str, tone: str, **wanted: str) -> Tensor:
    """The faces of a split of faces64 and a tone, (n, 3, 64, 64) in [-1, 1]."""
    return from_uint8(load_faces64(split=split, tone=tone, **wanted)[0])


def validation_faces() -> Faces:
    """All of them, every third monochrome one before the others."""
    london, mono = select("val", "colour", source="london"), select("val", "mono")
    colour = torch.cat([select("val", "colour", source="congress"), london])
    third = torch.arange(len(mono)) % 3 == 0
    return Faces(colour, len(london), torch.cat([mono[third], mono[~third]]), int(third.sum()))


def training_faces() -> Tensor:
    """Colour faces spread over the training set, as many of each source as for validation."""
    picked = []
    for source in ("congress", "london"):
        count = len(select("val", "colour", source=source))
        faces = select("train", "colour", source=source)
        picked.append(faces[:: len(faces) // count][:count])
    return torch.cat(picked)
