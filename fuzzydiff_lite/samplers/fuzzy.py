"""Fuzzy-conditioned diffusion (El Helou, ICIP 2023)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..noise import Noise
from ..prior import Prior
from ..schedule import travel
from ..steps import fuse, noise_to, posterior, renoise
from .checks import check_map, check_picture
from .step import Step, clean_guess


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
) -> Iterator[Step]:
    """Restore `y` (B, 3, H, W) in [-1, 1], trusting each of its pixels by `m`: 1 = keep, 0 = hallucinate.

    `m` is a number in [0, 1] or a map that broadcasts to y. Every step but the last is walked `repeats` times (the
    slides' J), or stretches of `jump` steps are (see `travel`). `fix` corrects the variance of the blend. Where m is 1
    the result equals y. `steps` * `repeats` - `repeats` + 1 network calls with `jump` 1. The result is on the prior's
    device.

    Raises ValueError for y or m of another shape, outside its range, or with NaN.
    Source: El Helou 2023, Algorithm 1, corrected; Eq. (fuzzy-fusion) and (walk), book/12_fuzzy.
    """
    check_picture(y, prior)
    y = y.to(prior.device)
    m = torch.as_tensor(m, dtype=y.dtype, device=y.device)
    check_map(m, y)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given = noise.branch(1)  # so that m = 0 draws exactly what ddpm draws
    x = noise.like(y)
    for t, s, left in travel(prior.schedule.levels(steps), repeats, jump):
        if s > t:  # back up, to let both parts of the picture agree
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0 = clean_guess(prior, x, t, clip)
        mean, variance = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        hallucinated = mean + variance.sqrt() * noise.like(x)  # (ancestral)
        context = noise_to(y, given.like(x), alpha_bar[s])  # (context)
        # At level 0 there is no noise whose variance could be wrong.
        x = fuse(context, hallucinated, alpha_bar[s].sqrt() * y, m, fix=fix and s > 0)  # (fuzzy-fusion)
        yield Step(s, x, x0, left)
