"""How much a picture looks like an aligned face."""

from __future__ import annotations

from torch import Tensor

from ..operators.blur import smooth
from .statistics import Statistics

LEAST_LIKENESS = 0.22  # of a face, damaged or not: studies/attention_undamaged.py says why


def likeness(x: Tensor, statistics: Statistics) -> Tensor:
    """How much pictures x (B, 3, H, W) look like an aligned face, (B,) in [-1, 1].

    The correlation of their lightness with that of the mean face, in the middle of the picture,
    both less what is coarser than 4 of 64 pixels and finer than one. Eyes, nose and mouth in
    their places count; a flat picture has 0.
    """
    side, pixel = x.shape[-1], x.shape[-1] / 64
    middle = (..., slice(side // 4, side * 29 // 32), slice(side * 7 // 32, side * 25 // 32))

    def band(picture):
        lightness = picture.mean(1, keepdim=True)
        b = (smooth(lightness, pixel) - smooth(lightness, 4 * pixel))[middle].flatten(1)
        b = b - b.mean(1, keepdim=True)
        return b / b.norm(dim=1, keepdim=True).clamp(min=1e-6)

    return (band(x) * band(statistics.face.to(x)[None])).sum(1)
