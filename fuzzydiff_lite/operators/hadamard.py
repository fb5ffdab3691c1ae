"""Compressed sensing: few measurements, each of all pixels."""

from __future__ import annotations

import math

import torch

from ..basis import on
from ..noise import Noise
from .linear import Operator

# Which coefficients are measured shares no number with masks and with measurement noise.
BRANCH = 4


class WalshHadamard(Operator):
    """Compressed sensing: a share `keep` of the shuffled pixels' Walsh-Hadamard coefficients.

    y (B, C, round(keep * size^2)). Which coefficients, and how pixels are shuffled, comes from
    `noise`; the mean is always among them. Raises ValueError for a size that is no power of two
    and a share outside (0, 1].
    """

    def __init__(self, keep: float, size: int = 64, noise: Noise | None = None):
        if size < 1 or size & (size - 1) or not 0 < keep <= 1:
            raise ValueError(
                f"size must be a power of two and keep in (0, 1], got {size} and {keep}"
            )
        butterfly = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64) / math.sqrt(2)
        self._waves = torch.ones(1, 1, dtype=torch.float64)
        while len(self._waves) < size:
            self._waves = torch.kron(self._waves, butterfly)
        z = (noise or Noise()).branch(BRANCH)((2, size**2))
        self._order, self._size = z[0].argsort(stable=True), size
        self._back = self._order.argsort()
        z[1, 0] = -torch.inf  # the mean comes first
        self._kept = z[1].argsort(stable=True)[: max(1, round(keep * size**2))].sort().values
        self.singular_values = torch.zeros(size**2, dtype=torch.float64)
        self.singular_values[self._kept] = 1

    def V_adjoint(self, x):
        return self._transform(x.flatten(2)[..., on(self._order, x.device, torch.int64)])

    def V(self, c):
        pixels = self._transform(c)[..., on(self._back, c.device, torch.int64)]
        return pixels.unflatten(-1, (self._size, self._size))

    def _transform(self, c):
        waves = on(self._waves, c.device, c.dtype)
        return (waves @ c.unflatten(-1, (self._size, self._size)) @ waves).flatten(2)

    def U(self, c):
        return c[..., on(self._kept, c.device, torch.int64)]

    def U_adjoint(self, y):
        c = y.new_zeros(*y.shape[:2], self._size**2)
        c[..., on(self._kept, y.device, torch.int64)] = y
        return c
