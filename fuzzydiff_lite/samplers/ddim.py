"""Denoising diffusion implicit models (Song, Meng & Ermon 2021)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import ddim_step, renoise
from ..walk import Visits, Walk
from .checks import check_share
from .loop import Step, begin, predict


def ddim(
    prior: Prior,
    n: int = 1,
    *,
    walk: Visits = 50,
    x: Tensor | None = None,
    eta: float = 0.0,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Draw `n` pictures from the prior; with `eta` 0 only the start is random, 1 is DDPM.

    `x` (n, *prior.shape) is the state to begin with, else noise. Raises ValueError for eta
    outside [0, 1]. Source: Song et al. 2021, Eq. 12; Eq. (ddim), book/prior/sampling.
    """
    check_share(eta=eta)
    walk, noise = Walk.of(walk), noise or Noise()
    x, alpha_bar = begin(prior, n, walk, x, noise), prior.schedule.alpha_bar
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0, eps, _ = predict(prior, x, t, clip)
        z = noise.like(x) if eta else 0
        x = ddim_step(x0, eps, z, alpha_bar[t], alpha_bar[s], eta)  # (ddim)
        yield Step(s, x, x0, left)
