"""The machine's own rate: work by which `benchmarks.network` measures how well it is used."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d

SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
WIDE = {"cpu": (8, 256), "cuda": (64, 1024)}  # convolution: 32 x 32 pictures, and channels


def yardsticks(dtype: torch.dtype, device: str) -> dict[str, tuple[Callable[[], Tensor], int]]:
    """What a machine multiplies fastest: {name: (work, its operations)}."""
    side, (batch, width) = SIDE[device], WIDE[device]
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    x = torch.randn(batch, width, 32, 32, device=device)
    kernels = torch.randn(width, width, 3, 3, device=device)
    x, kernels = (z.to(dtype, memory_format=torch.channels_last) for z in (x, kernels))
    count = 2 * batch * 32**2 * 9 * width**2
    return {
        "product": (lambda: a @ b, 2 * side**3),
        "convolution": (lambda: conv2d(x, kernels, padding=1), count),
    }
