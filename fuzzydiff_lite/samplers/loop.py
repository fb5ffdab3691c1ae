"""What a sampler yields, and how to run one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..priors.prior import Prior


class Step(NamedTuple):
    """One denoising step: the `level` reached and the pictures `x` (B, C, H, W) there.

    `x0`, of the same shape, are the clean pictures that the prior saw in the input, and `left`
    counts the calls of the prior still to come.
    """

    level: int
    x: Tensor
    x0: Tensor
    left: int


def run(sampler: Iterable[Step], progress: bool = False) -> Tensor:
    """Take a sampler to its end and return the pictures it ends with.

    `progress` shows a bar of calls of the prior.
    Raises ValueError for a sampler that has no step left.
    """
    step = bar = None
    for step in sampler:
        if bar is None:  # only now: a sampler that refuses its input leaves no bar behind
            bar = tqdm(total=1 + step.left, disable=not progress, unit=" calls")
        bar.update()
    if step is None:
        raise ValueError("the sampler has no step left: make a new one for each run")
    bar.close()
    return step.x


def clean_guess(prior: Prior, x: Tensor, t: int, clip: bool) -> Tensor:
    """The prior's x0, clamped to [-1, 1] where `clip` says so."""
    x0 = prior.x0(x, t)
    return x0.clamp(-1, 1) if clip else x0


def guess_and_gradient(
    prior: Prior, x: Tensor, t: int, value: Callable[[Tensor], Tensor], clip: bool
) -> tuple[Tensor, Tensor]:
    """The prior's x0, and the gradient in x of `value(x0)`, one number a picture.

    The gradient is taken before x0 is clipped. Neither of the two carries a gradient on. The
    cost of two to three plain calls.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        x0 = prior.x0(x, t)
        (gradient,) = torch.autograd.grad(value(x0).sum(), x)
    x0 = x0.detach()
    return (x0.clamp(-1, 1) if clip else x0), gradient
