"""Guidance by the misfit's gradient: MCG (NeurIPS 2022) and DPS (ICLR 2023) of Chung et al."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import Draw, ancestral, noise_to, renoise
from ..walk import Visits, Walk
from .checks import check_measurement
from .loop import Step, begin, predict_with_gradient


def dps(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    *,
    walk: Visits = 100,
    x: Tensor | None = None,
    draw: Draw | None = None,
    step_size: float = 1.0,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore `y` = A x + noise: each step also goes down the gradient of |y - A x0|.

    It subtracts `step_size` times the gradient, which is taken through the network, so a step
    costs about three plain ones. `A` is any operator that gradients flow through. Without noise
    in the measurement y (`sigma` 0) the last x0 is made to satisfy A x = y. A step draws as
    `draw` says, else as `ddpm` does.

    Raises ValueError for a y that A does not measure.
    Source: Chung et al. 2023; Eq. (dps), book/restoring/gradients.
    """
    check_measurement(y, A, sigma, prior, "forward" if sigma else "inverse")
    walk, draw, noise = Walk.of(walk), draw or ancestral(), noise or Noise()
    y, alpha_bar = y.to(prior.device), prior.schedule.alpha_bar
    x = begin(prior, len(y), walk, x, noise)
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        prediction, gradient = predict_with_gradient(
            prior, x, t, lambda x0: misfit(A, x0, y), clip
        )
        mean, std = draw(x, prediction, prior.schedule, t, s)
        x = mean + std * noise.like(x) - step_size * gradient  # (dps)
        if s == 0 and sigma == 0:
            x = x + A.pinv(y) - A.project(x)
        yield Step(s, x, prediction.x0, left)


def mcg(
    prior: Prior,
    y: Tensor,
    A,
    *,
    walk: Visits = 100,
    x: Tensor | None = None,
    draw: Draw | None = None,
    step_size: float = 1.0,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore `y` = A x: the gradient of `dps` in A's null space, replacement in its range.

    What is measured comes from y, noised to the level reached, as in `replacement`; so A x = y
    at the end. A step draws as `draw` says, else as `ddpm` does.

    Raises ValueError for a y that A does not measure.
    Source: Chung, Sim, Ryu & Ye 2022, Algorithm 1; Eq. (mcg), book/restoring/gradients.
    """
    check_measurement(y, A, 0.0, prior, "prox")
    walk, draw, noise = Walk.of(walk), draw or ancestral(), noise or Noise()
    y, alpha_bar, given = y.to(prior.device), prior.schedule.alpha_bar, noise.branch(1)
    kept = A.pinv(y)
    x = begin(prior, len(y), walk, x, noise)
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        prediction, gradient = predict_with_gradient(
            prior, x, t, lambda x0: misfit(A, x0, y), clip
        )
        mean, std = draw(x, prediction, prior.schedule, t, s)
        x = mean + std * noise.like(x) - step_size * gradient
        known = noise_to(kept, A.project(given.like(x)), alpha_bar[s])  # (context)
        x = x - A.project(x) + known  # (mcg)
        yield Step(s, x, prediction.x0, left)


def misfit(A, x0: Tensor, y: Tensor) -> Tensor:
    """|y - A x0| for each picture, (B,): how far x0 is from what was measured.

    Eq. (dps), book/restoring/gradients.
    """
    return (y - A(x0)).flatten(1).norm(dim=1)
