"""Ancestral sampling (Ho et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import posterior
from .loop import Step, clean_guess


def ddpm(
    prior: Prior, n: int = 1, steps: int | None = None, noise: Noise | None = None, clip=True
) -> Iterator[Step]:
    """Draw `n` pictures from the prior in `steps` steps, all T of them without a number.

    Each step draws x_s from q(x_s | x_t, x_0) with the prior's x_0 in place of the unknown one.
    Eq. (ancestral), book/prior/sampling.
    """
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    x = noise((n, *prior.shape), prior.device, prior.dtype)
    for t, s, left in travel(prior.schedule.levels(steps)):
        x0 = clean_guess(prior, x, t, clip)
        mean, variance = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        x = mean + variance.sqrt() * noise.like(x)  # (ancestral)
        yield Step(s, x, x0, left)
