"""Inpainting by replacement, and RePaint (Lugmayr et al., CVPR 2022), which repeats it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import noise_to, posterior, renoise
from .checks import check_mask, check_picture
from .loop import Step, clean_guess


def replacement(
    prior: Prior,
    y: Tensor,
    m: Tensor,
    steps: int = 100,
    noise: Noise | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Fill in the pixels of `y` (B, 3, H, W) in [-1, 1] where the mask `m` is 0.

    Where it is 1 the result equals y: after each step the known pixels are replaced by the
    given ones, noised to the level reached. `m` has 0 and 1 only and broadcasts to y. `steps`
    network calls. Raises ValueError for another y or m.

    Source: Sohl-Dickstein et al. 2015, section 2.5, and Song et al. 2021 (score-based SDE),
    appendix I.2; Eq. (replacement), book/restoring/repaint.
    """
    check_picture(y, prior)
    y = y.to(prior.device)
    m = torch.as_tensor(m, dtype=y.dtype, device=y.device)
    check_mask(m, y)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given = noise.branch(1)
    x = noise.like(y)
    for t, s, left in travel(prior.schedule.levels(steps)):
        x0 = clean_guess(prior, x, t, clip)
        mean, variance = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        unknown = mean + variance.sqrt() * noise.like(x)  # (ancestral)
        known = noise_to(y, given.like(x), alpha_bar[s])  # (context)
        x = m * known + (1 - m) * unknown  # (replacement)
        yield Step(s, x, x0, left)


def repaint(
    prior: Prior,
    y: Tensor,
    m: Tensor,
    steps: int = 50,
    repeats: int = 10,
    noise: Noise | None = None,
    jump: int = 1,
    clip: bool = True,
) -> Iterator[Step]:
    """`replacement` that walks each stretch of `jump` steps `repeats` times in all.

    In between it goes back up, so known and unknown pixels get to agree. `repeats` 10 with
    `jump` 10 over 250 steps is the paper's setting. `schedule.calls(steps, repeats, jump)`
    network calls. Raises ValueError for another y or m.

    Source: Lugmayr et al. 2022, Algorithm 1, corrected;
    Eq. (replacement) and (resampling), book/restoring/repaint.
    """
    check_picture(y, prior)
    y = y.to(prior.device)
    m = torch.as_tensor(m, dtype=y.dtype, device=y.device)
    check_mask(m, y)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given = noise.branch(1)
    x = noise.like(y)
    for t, s, left in travel(prior.schedule.levels(steps), repeats, jump):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (resampling)
            continue
        x0 = clean_guess(prior, x, t, clip)
        mean, variance = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        unknown = mean + variance.sqrt() * noise.like(x)  # (ancestral)
        known = noise_to(y, given.like(x), alpha_bar[s])  # (context)
        x = m * known + (1 - m) * unknown  # (replacement)
        yield Step(s, x, x0, left)
