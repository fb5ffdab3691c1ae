"""The one source of randomness: counter-based, so that it gives the same noise everywhere.

Number `index` of draw `draw` of stream `stream` is a hash of
(seed, branch, draw, stream, index) and nothing else. So the noise does not depend on device,
batch size or library, and `show/js/noise.js` draws the same in a browser.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

MASK = 0xFFFFFFFF
GOLDEN = 0x9E3779B9  # 2^32 / golden ratio: spreads neighbouring counters over all bits


def hash32(h):
    """Mix the bits of numbers 0..2^32 - 1: Python int, NumPy int64 array or torch int64 tensor.

    Source: the two-multiplication hash of C. Wellons' search for low-bias integer hashes
    (2018, public domain).
    """
    h = h ^ (h >> 16)  # a new array; from here on in place, which is twice as fast
    h *= 0x7FEB352D
    h &= MASK
    h ^= h >> 15
    h *= 0x846CA68B
    h &= MASK
    h ^= h >> 16
    return h


def _key(*counters):
    """One hash of all counters, each an int or an int64 array of values 0..2^32 - 1."""
    key = 0
    for counter in counters:
        key = hash32((key ^ counter & MASK) + GOLDEN & MASK)
    return key


def _normals(xp, keys, counters):
    """Box-Muller on hashed counters: `keys` (B, 1, 1) and `counters` (2, n), int64 of `xp`."""
    uniform = xp.asarray(hash32(counters ^ keys), dtype=xp.float64) / 2.0**32
    radius = xp.sqrt(-2.0 * xp.log(uniform[:, 0] + 2.0**-32))  # never the log of 0
    angle = (2.0 * math.pi) * uniform[:, 1]
    return radius * xp.cos(angle), radius * xp.sin(angle)


def _counters(count: int) -> np.ndarray:
    """Counters for `count` numbers, (2, n): 0, 2, ... and 1, 3, ..., spread over 32 bits."""
    return np.arange((count + 1) // 2 * 2, dtype=np.int64).reshape(-1, 2).T * GOLDEN & MASK


@functools.lru_cache(maxsize=8)
def _counters_on(count: int, device: torch.device) -> Tensor:
    return torch.from_numpy(_counters(count)).contiguous().to(device)


def standard_normal(
    seed: int, stream: int, draw: int, count: int, branch: int = 0
) -> np.ndarray:
    """`count` standard normal numbers in NumPy, float32: what `Noise` gives for one picture.

    The first half are the cosines of Box-Muller, the second half the sines.
    """
    keys = np.array([[[_key(seed, branch, draw, stream)]]], dtype=np.int64)
    cos, sin = _normals(np, keys, _counters(count))
    return np.concatenate([cos, sin], 1)[0, :count].astype(np.float32)


class Noise:
    """Standard normal noise. Each call draws anew; each picture of a batch has its own stream.

    `Noise(seed)` on a batch of n gives picture i what `Noise(seed, first=i)` gives a batch of
    one. `branch(k)` is an independent source with the same seed: a sampler draws what it adds
    to the picture from one branch and what it adds to its measurement from another, so that
    both can be compared with simpler samplers. Seeds count modulo 2^32. Raises ValueError for a
    seed that is not a whole number of at least 0.
    """

    def __init__(self, seed: int = 0, first: int = 0, _branch: int = 0):
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
        self.seed, self.first, self._branch, self._draw = seed, first, _branch, 0

    def branch(self, number: int) -> Noise:
        """An independent source: same seed and streams, other noise."""
        return Noise(self.seed, self.first, _key(self._branch, number))

    def __call__(self, shape: Iterable[int], device="cpu", dtype=torch.float32) -> Tensor:
        """The next draw: shape (B, ...), the first dimension counts pictures."""
        batch, *rest = shape
        count = math.prod(rest)
        streams = torch.arange(self.first, self.first + batch, device=device)
        keys = _key(self.seed, self._branch, self._draw, streams)
        self._draw += 1
        counters = _counters_on(count, torch.device(device))
        cos, sin = _normals(torch, keys[:, None, None], counters)
        return torch.cat([cos, sin], 1)[:, :count].to(dtype).reshape(batch, *rest)

    def like(self, x: Tensor) -> Tensor:
        """The next draw, with the shape, device and dtype of `x`."""
        return self(x.shape, x.device, x.dtype)


class Shared(Noise):
    """Noise that is the same for every picture of a batch: that of its first picture.

    So pictures restored together differ only by their settings: each is as it would be alone.
    """

    def branch(self, number: int) -> Shared:
        return Shared(self.seed, self.first, _key(self._branch, number))

    def __call__(self, shape: Iterable[int], device="cpu", dtype=torch.float32) -> Tensor:
        batch, *rest = shape
        return super().__call__((1, *rest), device, dtype).expand(batch, *rest)


class Replay:
    """For tests: hands out recorded draws in order; every branch shares the one list."""

    def __init__(self, draws: Iterable[Tensor]):
        self._draws = iter(draws)

    def branch(self, number: int) -> Replay:
        """The same list: a recording has its draws in the order in which they are used."""
        return self

    def __call__(self, shape: Iterable[int], device="cpu", dtype=torch.float32) -> Tensor:
        """The next recorded draw, which must have this shape."""
        return self.like(torch.empty(tuple(shape), device=device, dtype=dtype))

    def like(self, x: Tensor) -> Tensor:
        """The next recorded draw, which must have the shape of `x`."""
        draw = next(self._draws, None)
        if draw is None:
            raise ValueError("the sampler draws more often than was recorded")
        if draw.shape != x.shape:
            raise ValueError(
                f"the recorded draw has shape {tuple(draw.shape)}, "
                f"the sampler wants {tuple(x.shape)}"
            )
        return draw.to(x)
