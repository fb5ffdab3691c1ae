"""Blur: convolution, which is a product of frequencies."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basis import on
from .linear import Operator

# A share of the picture: what a blur damps below it is drowned by the rounding of a file.
LOST = 0.01


class Blur(Operator):
    """Convolution with a `kernel` (k, k), k odd and at most `size`.

    The picture repeats beyond its borders: what leaves it on the right comes in on the left.
    Frequencies that the kernel damps to less than 1% (`LOST`) count as not measured. Raises
    ValueError for another kernel.
    """

    def __init__(self, kernel: Tensor, size: int = 64):
        k = len(kernel)
        if kernel.shape != (k, k) or k % 2 == 0 or k > size or not kernel.isfinite().all():
            raise ValueError(
                f"kernel must be square, odd, at most {size} wide and finite, "
                f"got {tuple(kernel.shape)}"
            )
        self.kernel = kernel.double()
        padded = F.pad(self.kernel, (0, size - k, 0, size - k))
        response = torch.fft.fft2(padded.roll((-(k // 2), -(k // 2)), (0, 1)))
        s = response.abs()
        self.singular_values = torch.where(s >= LOST, s, 0)
        self._phase = torch.where(s >= LOST, response / s, 0)

    @classmethod
    def gaussian(cls, sigma: float, size: int = 64) -> Blur:
        """A Gaussian of standard deviation `sigma` pixels, cut off below 1e-5 of its peak.

        Raises ValueError for a sigma that is not above 0 and finite.
        """
        if not 0 < sigma < math.inf:
            raise ValueError(f"sigma must be a number above 0 pixels, got {sigma}")
        reach = min(math.ceil(4.8 * sigma), (size - 1) // 2)
        pixels = torch.arange(-reach, reach + 1, dtype=torch.float64)
        line = torch.exp(-(pixels**2) / (2 * sigma**2))
        return cls(torch.outer(line, line) / line.sum() ** 2, size)

    @classmethod
    def uniform(cls, width: int, size: int = 64) -> Blur:
        """The mean over a square of `width` x `width` pixels.

        Raises ValueError for a width that is not odd.
        """
        if width < 1 or width % 2 == 0:
            raise ValueError(f"width must be odd and at least 1 pixel, got {width}")
        return cls(torch.full((width, width), 1 / width**2, dtype=torch.float64), size)

    @classmethod
    def motion(cls, length: float, angle: float = 0.0, size: int = 64) -> Blur:
        """The camera moved `length` pixels along a line `angle` degrees up from horizontal.

        Raises ValueError for a length that is not above 0 or does not fit the picture.
        """
        if not 0 < length <= size - 2:
            raise ValueError(
                f"length must be above 0 and at most {size - 2} pixels, got {length}"
            )
        reach = math.ceil(length / 2)
        way = torch.linspace(-length / 2, length / 2, 64 * reach + 1, dtype=torch.float64)
        x, y = way * math.cos(math.radians(angle)), -way * math.sin(math.radians(angle))
        cells = torch.arange(-reach, reach + 1, dtype=torch.float64)
        # Each point is shared by four pixels.
        near = [(1 - (cells[:, None] - p).abs()).clamp(min=0) for p in (y, x)]
        kernel = near[0] @ near[1].T
        return cls(kernel / kernel.sum(), size)

    def V(self, c):
        return torch.fft.ifft2(c, norm="ortho").real

    def V_adjoint(self, x):
        return torch.fft.fft2(x, norm="ortho")

    def U(self, c):
        return self.V(on(self._phase, c.device, c.dtype) * c)

    def U_adjoint(self, y):
        c = self.V_adjoint(y)
        return on(self._phase, c.device, c.dtype).conj() * c


def smooth(x: Tensor, sigma: float) -> Tensor:
    """`x` (..., H, W) blurred by a Gaussian of `sigma` pixels, cut at 4 sigma; edges repeat."""
    if sigma == 0:
        return x
    reach = round(4 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).to(x) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    flat = F.pad(x.reshape(-1, 1, *x.shape[-2:]), [reach] * 4, mode="replicate")
    across = F.conv2d(flat, kernel[None, None, None])
    return F.conv2d(across, kernel[None, None, :, None]).reshape(x.shape)
