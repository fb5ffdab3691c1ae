"""What a sampler yields, and how to run one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor
from tqdm.auto import tqdm

from ..prior import Prior


class Step(NamedTuple):
    """One denoising step: the level reached, the pictures `x` there, the clean pictures `x0` the prior saw in the
    input, both (B, C, H, W), and the calls of the prior still to come."""

    level: int
    x: Tensor
    x0: Tensor
    left: int


def run(sampler: Iterable[Step], progress: bool = False) -> Tensor:
    """Take a sampler to its end and return the pictures it ends with. `progress` shows a bar of calls of the prior.

    Raises ValueError for a sampler that has no step left.
    """
    step = None
    with tqdm(disable=not progress, unit=" calls") as bar:
        for step in sampler:
            bar.total = bar.n + 1 + step.left
            bar.update()
    if step is None:
        raise ValueError("the sampler has no step left: make a new one for each run")
    return step.x


def clean_guess(prior: Prior, x: Tensor, t: int, clip: bool) -> Tensor:
    """The prior's x0, clamped to [-1, 1] where `clip` says so."""
    x0 = prior.x0(x, t)
    return x0.clamp(-1, 1) if clip else x0
