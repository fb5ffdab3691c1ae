"""Guidance by the misfit's gradient: MCG (NeurIPS 2022) and DPS (ICLR 2023) of Chung et al."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import noise_to, posterior
from .checks import check_measurement
from .loop import Step, guess_and_gradient


def dps(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    steps: int = 100,
    scale: float = 1.0,
    noise: Noise | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Restore `y` = A x + noise: each step also goes down the gradient of |y - A x0|.

    It subtracts `scale` times the gradient, which is taken through the network, so a step costs
    two to three plain ones. `A` is any operator that gradients flow through. Without noise in
    the measurement y (`sigma` 0) the last guess is made to satisfy A x = y. `steps` network
    calls, each with its gradient.

    Raises ValueError for a y that A does not measure.
    Source: Chung et al. 2023; Eq. (dps), book/restoring/gradients.
    """
    check_measurement(y, A, sigma, prior, "forward" if sigma else "inverse")
    y = y.to(prior.device)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    x = noise((len(y), *prior.shape), prior.device, prior.dtype)
    for t, s, left in travel(prior.schedule.levels(steps)):
        x0, gradient = guess_and_gradient(prior, x, t, lambda x0: misfit(A, x0, y), clip)
        mean, variance = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        x = mean + variance.sqrt() * noise.like(x) - scale * gradient  # (dps)
        if s == 0 and sigma == 0:
            x = x + A.pinv(y) - A.project(x)
        yield Step(s, x, x0, left)


def mcg(
    prior: Prior,
    y: Tensor,
    A,
    steps: int = 100,
    scale: float = 1.0,
    noise: Noise | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Restore `y` = A x: the gradient of `dps` in A's null space, replacement in its range.

    What is measured comes from y, noised to the level reached, as in `replacement`; so A x = y
    at the end. `steps` network calls, each with its gradient.

    Raises ValueError for a y that A does not measure.
    Source: Chung, Sim, Ryu & Ye 2022, Algorithm 1; Eq. (mcg), book/restoring/gradients.
    """
    check_measurement(y, A, 0.0, prior)
    y = y.to(prior.device)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given, kept = noise.branch(1), A.pinv(y)
    x = noise((len(y), *prior.shape), prior.device, prior.dtype)
    for t, s, left in travel(prior.schedule.levels(steps)):
        x0, gradient = guess_and_gradient(prior, x, t, lambda x0: misfit(A, x0, y), clip)
        mean, variance = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        x = mean + variance.sqrt() * noise.like(x) - scale * gradient
        known = noise_to(kept, A.project(given.like(x)), alpha_bar[s])  # (context)
        x = x - A.project(x) + known  # (mcg)
        yield Step(s, x, x0, left)


def misfit(A, x0: Tensor, y: Tensor) -> Tensor:
    """|y - A x0| for each picture, (B,): how far a guess is from what was measured.

    Eq. (dps), book/restoring/gradients.
    """
    return (y - A(x0)).flatten(1).norm(dim=1)
