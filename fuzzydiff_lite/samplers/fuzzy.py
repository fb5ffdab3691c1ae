"""Fuzzy-conditioned diffusion (El Helou, ICIP 2023)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..basis import Orthonormal, Pixels
from ..noise import Noise
from ..priors.prior import Prior
from ..steps import Draw, ancestral, fuse, fusion_weight, noise_to, renoise
from ..walk import Visits, Walk
from .checks import check_map, check_picture, check_variance
from .loop import Step, begin, predict


def fuzzy(
    prior: Prior,
    y: Tensor,
    m: Tensor | float,
    *,
    walk: Visits = 50,
    x: Tensor | None = None,
    draw: Draw | None = None,
    noise: Noise | None = None,
    rescale: bool = True,
    basis: Orthonormal = Pixels,
    variance: Tensor | float | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore `y` (B, 3, H, W) in [-1, 1], keeping of each pixel as much as `m` says.

    `m` is a number in [0, 1] or a map that broadcasts to y: 1 = keep, 0 = hallucinate. The
    repeats of the walk are the paper's J. A step draws as `draw` says, else as `ddpm` does.
    `rescale` corrects the variance of the blend. Where m is 1 the result equals y. The result
    is on the prior's device.

    m is the weight of every fusion, as in the paper, so more steps keep more of y, and repeats
    change how much. With a `variance` it is instead the share of y, less the prior's mean, that
    the whole run keeps, whatever their numbers; of fine detail it keeps less. The variance is
    that of the prior's pictures: one number, `prior.variance` where it is known; or a map with
    one for each coefficient. With a `basis`, e.g. `Basis.haar()` or an operator with the
    coefficients of a picture as V_adjoint(x) and its inverse V(c), m weighs coefficients
    instead of pixels.

    Raises ValueError for y or m of another shape, outside its range, or with NaN, and for a
    variance that is not above 0.
    Source: El Helou 2023, Algorithm 1, corrected;
    Eq. (fuzzy-fusion), (walk) and (fusion-weight), book/fuzzy/fuzzy;
    Eq. (fusion-in-a-basis), book/fuzzy/frequency.
    """
    check_picture(y, prior)
    check_variance(variance)
    y = y.to(prior.device)
    m = torch.as_tensor(m, dtype=y.dtype, device=y.device)
    check_map(m, basis.V_adjoint(y))
    walk, draw, noise = Walk.of(walk), draw or ancestral(), noise or Noise()
    alpha_bar, given = prior.schedule.alpha_bar, noise.branch(1)  # m = 0 draws what ddpm draws
    x = begin(prior, len(y), walk, x, noise, y.dtype)
    for t, s, left in walk.moves(prior.schedule):
        if s > t:  # back up, to let both parts of the picture agree
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        prediction = predict(prior, x, t, clip)
        mean, std = draw(x, prediction, prior.schedule, t, s)
        hallucinated = mean + std * noise.like(x)  # (ancestral)
        context = noise_to(y, given.like(x), alpha_bar[s])  # (context)
        noisy = rescale and s > 0  # at level 0 there is no noise whose variance could be wrong
        weight = m
        if variance is not None:
            weight = fusion_weight(m, alpha_bar[t], alpha_bar[s], variance, noisy)
        parts = map(basis.V_adjoint, (context, hallucinated, alpha_bar[s].sqrt() * y))
        x = basis.V(fuse(*parts, weight, noisy))  # (fuzzy-fusion), (fusion-in-a-basis)
        yield Step(s, x, prediction.x0, left)
