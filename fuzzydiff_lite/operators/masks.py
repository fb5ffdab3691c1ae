"""Maps m, (1, 1, size, size) in [0, 1]: 1 = keep the given picture, 0 = hallucinate."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..noise import Noise
from .blur import smooth

BRANCH = 2  # drawn masks share no number with what a sampler of the same seed draws


def box(size: int = 64, side: int = 24) -> Tensor:
    """A square hole of `side` pixels in the centre.

    Raises ValueError for a side outside 0..size.
    """
    if not 0 <= side <= size:
        raise ValueError(f"side must be between 0 and {size}, got {side}")
    mask = torch.ones(1, 1, size, size)
    first = (size - side) // 2
    mask[..., first : first + side, first : first + side] = 0
    return mask


def half(size: int = 64) -> Tensor:
    """The right half is missing."""
    mask = torch.ones(1, 1, size, size)
    mask[..., size // 2 :] = 0
    return mask


def stripes(size: int = 64, width: int = 8, gap: int = 8) -> Tensor:
    """Horizontal stripes: `width` rows are kept, `gap` rows missing, and so on from the top.

    Raises ValueError for negative numbers, and where both are 0.
    """
    if width < 0 or gap < 0 or width + gap < 1:
        raise ValueError(
            f"width and gap must be at least 0 and not both 0, got {width} and {gap}"
        )
    kept = torch.arange(size) % (width + gap) < width
    return kept.float()[:, None].expand(1, 1, size, size).clone()


def random_pixels(keep: float = 0.3, size: int = 64, noise: Noise | None = None) -> Tensor:
    """A share `keep` of the pixels is kept, to the nearest pixel, scattered at random.

    Raises ValueError for a share outside [0, 1].
    """
    if not 0 <= keep <= 1:
        raise ValueError(f"keep must be in [0, 1], got {keep}")
    z = (noise or Noise()).branch(BRANCH)((1, size**2))
    mask = torch.zeros(1, size**2)
    mask[0, z[0].argsort(stable=True)[: round(keep * size**2)]] = 1
    return mask.reshape(1, 1, size, size)


def strokes(
    count: int = 3, width: int = 5, size: int = 64, noise: Noise | None = None
) -> Tensor:
    """A free-form hole: `count` strokes of `width` pixels, each through five random points."""
    z = (noise or Noise()).branch(BRANCH)((1, count, 5, 2))[0]
    points = size * torch.special.ndtr(z)  # normal to uniform
    image = Image.new("L", (size, size), 255)
    for stroke in points.tolist():
        path = [tuple(point) for point in stroke]
        ImageDraw.Draw(image).line(path, fill=0, width=width, joint="curve")
    return torch.tensor(list(image.tobytes())).reshape(1, 1, size, size) / 255


NAMES = {mask.__name__: mask for mask in (box, half, stripes, random_pixels, strokes)}


def named(name: str, size: int = 64) -> Tensor:
    """The mask of that name with its usual settings.

    Raises ValueError, which lists the names, for another one.
    """
    if name not in NAMES:
        raise ValueError(f"mask must be one of {', '.join(NAMES)}, got {name!r}")
    return NAMES[name](size=size)


def soften(mask: Tensor, sigma: float) -> Tensor:
    """A fuzzy map in [0, 1]: `mask` (..., H, W) blurred by a Gaussian of `sigma` pixels.

    The borders repeat outwards, and beyond 4 `sigma` from an edge of the mask nothing changes.
    Raises ValueError for a negative sigma.
    """
    if sigma < 0:
        raise ValueError(f"sigma must be at least 0 pixels, got {sigma}")
    return smooth(mask.double(), sigma).to(mask).clamp(0, 1)


def apply(picture: Tensor, mask: Tensor, fill: float = 0.0) -> Tensor:
    """`picture` (B, 3, H, W) in [-1, 1] with the missing part painted `fill`; 0 is mid-grey."""
    return mask * picture + (1 - mask) * fill
