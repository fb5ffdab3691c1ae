"""Ancestral sampling (Ho et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import Draw, ancestral, renoise
from ..walk import Visits, Walk
from .loop import Step, begin, predict


def ddpm(
    prior: Prior,
    n: int = 1,
    *,
    walk: Visits = None,
    x: Tensor | None = None,
    draw: Draw | None = None,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Draw `n` pictures from the prior; over all levels unless told.

    Each step draws x_s from q(x_s | x_t, x_0) with the prior's x_0 in place of the unknown one,
    or as `draw` says, e.g. `ancestral("beta")`. `x` (n, *prior.shape) is the state to begin
    with, else noise.
    Source: Ho et al. 2020, Algorithm 2; Eq. (ancestral), book/prior/sampling.
    """
    walk, draw, noise = Walk.of(walk), draw or ancestral(), noise or Noise()
    x, alpha_bar = begin(prior, n, walk, x, noise), prior.schedule.alpha_bar
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        prediction = predict(prior, x, t, clip)
        mean, std = draw(x, prediction, prior.schedule, t, s)
        x = mean + std * noise.like(x)  # (ancestral)
        yield Step(s, x, prediction.x0, left)
