"""Inpainting by replacement, and RePaint (Lugmayr et al., CVPR 2022), which repeats it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import Draw, ancestral, noise_to, renoise
from ..walk import Visits, Walk
from .checks import check_mask, check_picture
from .loop import Step, begin, predict


def replacement(
    prior: Prior,
    y: Tensor,
    m: Tensor,
    *,
    walk: Visits = 100,
    **others,
) -> Iterator[Step]:
    """`repaint` that walks each step once, in 100 steps unless told.

    Source: Sohl-Dickstein et al. 2015, section 2.5, and Song et al. 2021 (score-based SDE),
    appendix I.2; Eq. (replacement), book/restoring/repaint.
    """
    return repaint(prior, y, m, walk=walk, **others)


def repaint(
    prior: Prior,
    y: Tensor,
    m: Tensor,
    *,
    walk: Visits = Walk(50, repeats=10),
    x: Tensor | None = None,
    draw: Draw | None = None,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Fill in the pixels of `y` (B, 3, H, W) in [-1, 1] where the mask `m` is 0.

    Where it is 1 the result equals y: after each step the known pixels are replaced by the
    given ones, noised to the level reached. `m` has 0 and 1 only and broadcasts to y. A walk
    with repeats goes back up in between, so that known and unknown pixels get to agree;
    Walk(250, repeats=10, jump=10) is the paper's. A step draws as `draw` says, else as `ddpm`
    does. Raises ValueError for another y or m.

    Source: Lugmayr et al. 2022, Algorithm 1, corrected;
    Eq. (replacement) and (resampling), book/restoring/repaint.
    """
    check_picture(y, prior)
    y = y.to(prior.device)
    m = torch.as_tensor(m, dtype=y.dtype, device=y.device)
    check_mask(m, y)
    walk, draw, noise = Walk.of(walk), draw or ancestral(), noise or Noise()
    alpha_bar, given = prior.schedule.alpha_bar, noise.branch(1)
    x = begin(prior, len(y), walk, x, noise, y.dtype)
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (resampling)
            continue
        prediction = predict(prior, x, t, clip)
        mean, std = draw(x, prediction, prior.schedule, t, s)
        unknown = mean + std * noise.like(x)  # (ancestral)
        known = noise_to(y, given.like(x), alpha_bar[s])  # (context)
        x = m * known + (1 - m) * unknown  # (replacement)
        yield Step(s, x, prediction.x0, left)
