"""Fuzzy-conditioned diffusion (El Helou, ICIP 2023)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..basis import Pixels
from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import fuse, fusion_weight, noise_to, posterior, renoise
from .checks import check_map, check_per, check_picture
from .loop import Step, clean_guess


def fuzzy(
    prior: Prior,
    y: Tensor,
    m: Tensor | float,
    steps: int = 50,
    repeats: int = 1,
    noise: Noise | None = None,
    fix: bool = True,
    jump: int = 1,
    clip: bool = True,
    per: str = "fusion",
    basis=None,
    variance: Tensor | float | None = None,
) -> Iterator[Step]:
    """Restore `y` (B, 3, H, W) in [-1, 1], trusting pixels by `m`: 1 = keep, 0 = hallucinate.

    `m` is a number in [0, 1] or a map that broadcasts to y. Every step but the last is walked
    `repeats` times (the slides' J), or stretches of `jump` steps are (see `travel`). `fix`
    corrects the variance of the blend. Where m is 1 the result equals y. With `jump` 1
    (`steps` - 1) * `repeats` + 1 network calls. The result is on the prior's device.

    `per` says what m is: the weight of every "fusion", as in the paper, so that more steps and
    repeats condition more; or the share of the given picture that a whole "run" keeps, whatever
    their numbers; of fine detail it keeps less. With a `basis`, e.g. `Basis.haar()` or an
    operator with the coefficients of a picture as V_adjoint(x) and its inverse V(c), m trusts
    coefficients instead of pixels. A run counts with the `variance` of the prior's pictures: by
    default `prior.variance`, one number; or a map with one for each coefficient.

    Raises ValueError for y or m of another shape, outside its range, or with NaN, for another
    `per`, and for a run of a prior whose variance nobody knows.
    Source: El Helou 2023, Algorithm 1, corrected;
    Eq. (fuzzy-fusion), (walk) and (fusion-weight), book/fuzzy/fuzzy;
    Eq. (fusion-in-a-basis), book/fuzzy/frequency.
    """
    check_picture(y, prior)
    if per == "run" and variance is None:
        variance = prior.variance
    check_per(per, variance)
    y = y.to(prior.device)
    basis = basis or Pixels
    m = torch.as_tensor(m, dtype=y.dtype, device=y.device)
    check_map(m, basis.V_adjoint(y))
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given = noise.branch(1)  # so that m = 0 draws exactly what ddpm draws
    x = noise.like(y)
    for t, s, left in travel(prior.schedule.levels(steps), repeats, jump):
        if s > t:  # back up, to let both parts of the picture agree
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0 = clean_guess(prior, x, t, clip)
        mean, beta_tilde = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        hallucinated = mean + beta_tilde.sqrt() * noise.like(x)  # (ancestral)
        context = noise_to(y, given.like(x), alpha_bar[s])  # (context)
        fix_now = fix and s > 0  # at level 0 there is no noise whose variance could be wrong
        weight = m
        if per == "run":
            weight = fusion_weight(m, alpha_bar[t], alpha_bar[s], variance, fix_now)
        parts = map(basis.V_adjoint, (context, hallucinated, alpha_bar[s].sqrt() * y))
        x = basis.V(fuse(*parts, weight, fix_now))  # (fuzzy-fusion), (fusion-in-a-basis)
        yield Step(s, x, x0, left)
