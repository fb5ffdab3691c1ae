"""Orthonormal bases of pictures, so that the map m can weigh frequencies instead of pixels."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


@functools.lru_cache(maxsize=64)
def on(table: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A table, converted once for each device and precision, not in every step."""
    with torch.inference_mode(False):  # what is kept may be needed with gradients later
        return table.to(device, dtype)


class Orthonormal(Protocol):
    """An orthonormal basis of pictures: an `Operator`, a `Basis`, or `Pixels`."""

    def V(self, c: Tensor) -> Tensor:
        """The picture with the coefficients c."""
        ...

    def V_adjoint(self, x: Tensor) -> Tensor:
        """The coefficients of a picture."""
        ...


class Pixels:
    """The pictures as they are: every coefficient is a pixel."""

    @staticmethod
    def V(c: Tensor) -> Tensor:
        """The picture with the coefficients c."""
        return c

    V_adjoint = V


class Basis:
    """One orthonormal `matrix` W (size, size) along columns and rows of pictures: c = W x W^T.

    Colour by colour. The rows of W go from low to high frequency. The coefficients c
    (B, C, size, size) fall into octaves: coefficient (i, j) is in band 0 for i = j = 0, else in
    band 1 + floor(log2(max(i, j))). So there are 1 + log2(size) bands, and `bands` (size, size)
    holds the band of each coefficient.

    Raises ValueError for a matrix that is not orthonormal and for a size that is no power of
    two, 2 or more. Eq. (basis) and (bands), book/fuzzy/frequency.
    """

    def __init__(self, matrix: Tensor):
        size = _power_of_two(len(matrix))
        if matrix.shape != (size, size):
            raise ValueError(f"a square matrix is wanted, got {tuple(matrix.shape)}")
        self.matrix = matrix.double()
        self._back = self.matrix.T.contiguous()
        off = (self.matrix @ self._back - torch.eye(size).to(self.matrix)).abs().max()
        if not off < 1e-6:  # true for NaN too
            raise ValueError(
                f"the rows must be orthonormal, their products are off by {off:.2g}"
            )
        # 0, 1, 2, 2, 3, 3, 3, 3, ...
        octave = torch.tensor([i.bit_length() for i in range(size)])
        self.bands = torch.maximum(octave[:, None], octave)

    @classmethod
    def dct(cls, size: int = 64) -> Basis:
        """Cosines over the whole picture: the discrete cosine transform.

        Eq. (dct-matrix), book/fuzzy/frequency.
        """
        i = torch.arange(_power_of_two(size), dtype=torch.float64)
        k = i[:, None]
        waves = math.sqrt(2 / size) * torch.cos(math.pi * k * (2 * i + 1) / (2 * size))
        waves[0] /= math.sqrt(2)
        return cls(waves)

    @classmethod
    def haar(cls, size: int = 64) -> Basis:
        """Haar's wavelets, which have a place: means of blocks and differences of their halves.

        The bands up to k together are the means of blocks of size / 2^k pixels.
        Eq. (haar-matrix), book/fuzzy/frequency.
        """
        pair = torch.tensor([[[1, 1]], [[1, -1]]], dtype=torch.float64)
        matrix = torch.ones(1, 1, dtype=torch.float64)
        while len(matrix) < _power_of_two(size):
            here = torch.eye(len(matrix), dtype=torch.float64)
            halves = [torch.kron(matrix, pair[0]), torch.kron(here, pair[1])]
            matrix = torch.cat(halves) / math.sqrt(2)
        return cls(matrix)

    def V_adjoint(self, x: Tensor) -> Tensor:
        """The coefficients of pictures (B, C, size, size)."""
        return on(self.matrix, x.device, x.dtype) @ x @ on(self._back, x.device, x.dtype)

    def V(self, c: Tensor) -> Tensor:
        """The pictures with these coefficients."""
        return on(self._back, c.device, c.dtype) @ c @ on(self.matrix, c.device, c.dtype)

    def weights(self, bands: Sequence[float], pixels: Tensor | None = None) -> Tensor:
        """A map m over the coefficients, from one weight for each band, lowest first.

        It is (1 | B, 1 | C, size, size). With a map `pixels` of such a shape the weight of each
        coefficient is multiplied by a mean of that map, over the pixels that its wave covers,
        each counted by the square of the wave there. So a wavelet is kept as far as its place
        in the picture is. All weights lie in [0, 1].

        Raises ValueError for another number of bands, a map of another shape, and weights
        outside [0, 1] or NaN. Eq. (coefficient-weights), book/fuzzy/frequency.
        """
        bands, wanted = torch.as_tensor(bands, dtype=torch.float32), int(self.bands.max()) + 1
        if bands.shape != (wanted,):
            raise ValueError(
                f"one weight for each of {wanted} bands is wanted, got {tuple(bands.shape)}"
            )
        weights = bands[self.bands][None, None]
        if pixels is None:
            return _in_range(weights)
        size, given = len(self.matrix), tuple(pixels.shape)
        if pixels.ndim != 4 or given[2:] != (size, size):
            raise ValueError(f"a map (B, C, {size}, {size}) is wanted, got {given}")
        weights, power = _in_range(weights).to(pixels), self.matrix.square().to(pixels)
        return weights * (power @ _in_range(pixels) @ power.T).clamp(max=1)  # but for rounding


def _power_of_two(size):
    if size < 2 or size & (size - 1):
        raise ValueError(f"the size must be a power of two, 2 or more, got {size}")
    return size


def _in_range(weights):
    if not ((weights >= 0) & (weights <= 1)).all():
        raise ValueError("weights must lie in [0, 1] and have no NaN")
    return weights
