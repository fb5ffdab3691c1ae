"""Denoising diffusion implicit models (Song, Meng & Ermon 2021)."""

from __future__ import annotations

from collections.abc import Iterator

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import ddim_step, eps_from_x0
from .loop import Step, clean_guess


def ddim(
    prior: Prior,
    n: int = 1,
    steps: int = 50,
    eta: float = 0.0,
    noise: Noise | None = None,
    spacing="uniform",
    clip=True,
) -> Iterator[Step]:
    """Draw `n` pictures in `steps` steps; with `eta` 0 only the start is random, 1 is DDPM.

    Raises ValueError for eta outside [0, 1]. Eq. (ddim), book/prior/sampling.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be in [0, 1], got {eta}")
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    x = noise((n, *prior.shape), prior.device, prior.dtype)
    for t, s, left in travel(prior.schedule.levels(steps, spacing)):
        x0 = clean_guess(prior, x, t, clip)
        eps = eps_from_x0(x, x0, alpha_bar[t])  # the noise that agrees with the clipped x0
        z = noise.like(x) if eta else 0
        x = ddim_step(x0, eps, z, alpha_bar[t], alpha_bar[s], eta)  # (ddim)
        yield Step(s, x, x0, left)
