"""Denoising diffusion restoration models, also for JPEG (Kawar et al. 2022, two papers)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import churn_step, eps_from_x0, noise_to, spectral_step
from .checks import check_level, check_measurement, check_share
from .loop import Step, clean_guess


def ddrm(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    steps: int = 50,
    churn: float = 0.85,
    trust: float = 1.0,
    noise: Noise | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Restore the measurement `y` = A x + noise, coefficient by coefficient.

    `A` is an `operators.Operator`, `sigma` the deviation of the noise, in units of [-1, 1].
    `churn` is the share of fresh noise where the measurement says nothing or too little
    (the paper's eta), `trust` the share of the measurement in a coefficient that it knows
    better than the level does (its eta_b); without noise the last step trusts fully, so that
    A x = y. `steps` network calls.

    Raises ValueError for a y that A does not measure, and for churn or trust outside [0, 1].
    Source: Kawar, Elad, Ermon & Song 2022; Eq. (ddrm-update) and (churn), book/restoring/ddrm.
    """
    check_measurement(y, A, sigma, prior)
    check_share(churn=churn, trust=trust)
    y = y.to(prior.device)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given = A.V_adjoint(A.pinv(y))
    spread = A.spread(sigma, given)
    x = noise((len(y), *prior.shape), prior.device, prior.dtype)
    for t, s, left in travel(prior.schedule.levels(steps)):
        x0 = clean_guess(prior, x, t, clip)
        parts = map(A.V_adjoint, (x0, eps_from_x0(x, x0, alpha_bar[t]), noise.like(x)))
        share = trust if sigma or s else 1.0
        c = spectral_step(*parts, given, spread, alpha_bar[s], churn, share)  # (ddrm-update)
        x = A.V(c)
        yield Step(s, x, x0, left)


def ddrm_jpeg(
    prior: Prior,
    y: Tensor,
    A,
    start: int = 400,
    steps: int = 100,
    churn: float = 1.0,
    trust: float = 0.4,
    noise: Noise | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Restore what an operator without singular values left.

    `A` is a `Jpeg`, a `Quantize`, or any `Operator`; `y` is what it measures, for a JPEG the
    decoded picture. Sampling starts at level `start` from its noised pseudo-inverse, and each
    step but the last moves the guess by the share `trust` towards agreement with y; the last
    one fully. The levels are those of `steps` steps from the top.

    Raises ValueError for a y that A does not measure, a start outside 1..T, and churn or trust
    outside [0, 1].
    Source: Kawar, Song, Ermon & Elad 2022, Eq. 6; Eq. (jpeg-update) and (churn), book/restoring/ddrm.
    """
    check_measurement(y, A, 0.0, prior, "inverse")
    check_share(churn=churn, trust=trust)
    check_level(prior, start=start)
    given = A.pinv(y.to(prior.device))
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    x = noise_to(given, noise.like(given), alpha_bar[start])  # (sdedit)
    for t, s, left in travel(prior.schedule.levels(steps, start=start)):
        x0 = clean_guess(prior, x, t, clip)
        eps = eps_from_x0(x, x0, alpha_bar[t])
        share = trust if s else 1.0
        agreed = x0 + share * (given - A.project(x0))  # (jpeg-update)
        x = churn_step(agreed, eps, noise.like(x), alpha_bar[s], churn)  # (churn)
        yield Step(s, x, x0, left)
