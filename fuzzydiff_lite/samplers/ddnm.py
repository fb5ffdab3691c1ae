"""The denoising diffusion null-space model (Wang, Yu & Zhang, ICLR 2023)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import churn_step, eps_from_x0, renoise, spectral_step
from .checks import check_measurement, check_share
from .loop import Step, clean_guess


def ddnm(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    steps: int = 100,
    repeats: int = 1,
    noise: Noise | None = None,
    churn: float = 0.85,
    jump: int = 1,
    clip: bool = True,
) -> Iterator[Step]:
    """Restore `y` = A x: each guess has its range part from y, its null part from the prior.

    With noise of deviation `sigma` (in units of [-1, 1]) in the measurement y this is DDNM+,
    which takes from y only what it knows better than the level does. Without, the result
    satisfies A x = y, and `A` may be a `Jpeg`. `churn` is the share of fresh noise
    (the paper's eta). Every stretch of `jump` steps is walked `repeats` times (time travel).
    `schedule.calls(steps, repeats, jump)` network calls.

    Raises ValueError for a y that A does not measure and for churn outside [0, 1].
    Source: Wang, Yu & Zhang 2023, Algorithms 1 and 2, appendix I;
    Eq. (null-space-guess) and (ddnm-plus), book/restoring/ddnm.
    """
    check_measurement(y, A, sigma, prior, "linear" if sigma else "inverse")
    check_share(churn=churn)
    given = A.pinv(y.to(prior.device))
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    if sigma:
        coefficients = A.V_adjoint(given)
        spread = A.spread(sigma, coefficients)
    x = noise((len(y), *prior.shape), prior.device, prior.dtype)
    for t, s, left in travel(prior.schedule.levels(steps), repeats, jump):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0 = clean_guess(prior, x, t, clip)
        eps, z = eps_from_x0(x, x0, alpha_bar[t]), noise.like(x)
        if sigma == 0:
            consistent = x0 + given - A.project(x0)  # (null-space-guess)
            x = churn_step(consistent, eps, z, alpha_bar[s], churn)
        else:
            parts = map(A.V_adjoint, (x0, eps, z))
            c = spectral_step(*parts, coefficients, spread, alpha_bar[s], churn)  # (ddnm-plus)
            x = A.V(c)
        yield Step(s, x, x0, left)
