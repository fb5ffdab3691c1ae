"""Denoising diffusion restoration models, also for JPEG (Kawar et al. 2022, two papers)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import mix_step, noise_to, renoise, spectral_step
from ..walk import Visits, Walk
from .checks import check_measurement, check_share
from .loop import Step, begin, predict


def ddrm(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    *,
    walk: Visits = 50,
    x: Tensor | None = None,
    eta: float = 0.85,
    eta_b: float = 1.0,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore the measurement `y` = A x + noise, coefficient by coefficient.

    `A` is an `Operator`, `sigma` the standard deviation of the noise, in units of [-1, 1].
    Where the measurement of a coefficient has less noise than the level, `eta_b` is the share
    that is taken from it; elsewhere `eta` is the share of fresh noise. Without noise the last
    step takes all from the measurement, so that A x = y. `x` is the state to begin with, else
    noise; the paper's is `from_measurement`.

    Raises ValueError for a y that A does not measure, and for eta or eta_b outside [0, 1].
    Source: Kawar, Elad, Ermon & Song 2022; Eq. (ddrm-update) and (churn), book/restoring/ddrm.
    """
    check_measurement(y, A, sigma, prior)
    check_share(eta=eta, eta_b=eta_b)
    y, alpha_bar = y.to(prior.device), prior.schedule.alpha_bar
    given = A.V_adjoint(A.pinv(y))
    std = A.std(sigma, given)
    walk, noise = Walk.of(walk), noise or Noise()
    x = begin(prior, len(y), walk, x, noise)
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0, eps, _ = predict(prior, x, t, clip)
        parts = map(A.V_adjoint, (x0, eps, noise.like(x)))
        share = eta_b if sigma or s else 1.0
        c = spectral_step(*parts, given, std, alpha_bar[s], eta, share)  # (ddrm-update)
        x = A.V(c)
        yield Step(s, x, x0, left)


def ddrm_jpeg(
    prior: Prior,
    y: Tensor,
    A,
    *,
    walk: Visits = Walk(100, start=400),
    eta: float = 1.0,
    eta_b: float = 0.4,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore what a `Jpeg`, or another operator without singular values, has left.

    `A` is a `Jpeg`, a `Quantize`, or any `Operator`; `y` is what it measures, for a JPEG the
    decoded picture. Sampling begins at the start of the walk from the noised pseudo-inverse,
    and each step but the last moves x0 by the share `eta_b` towards agreement with y; the last
    one fully. `eta` is the share of fresh noise.

    Raises ValueError for a y that A does not measure, and eta or eta_b outside [0, 1].
    Source: Kawar, Song, Ermon & Elad 2022, Eq. 6;
    Eq. (jpeg-update) and (churn), book/restoring/ddrm.
    """
    check_measurement(y, A, 0.0, prior, "inverse")
    check_share(eta=eta, eta_b=eta_b)
    given, alpha_bar = A.pinv(y.to(prior.device)), prior.schedule.alpha_bar
    moves, noise = Walk.of(walk).moves(prior.schedule), noise or Noise()
    x = noise_to(given, noise.like(given), alpha_bar[moves[0].t])  # (sdedit)
    for t, s, left in moves:
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0, eps, _ = predict(prior, x, t, clip)
        share = eta_b if s else 1.0
        agreed = x0 + share * (given - A.project(x0))  # (jpeg-update)
        x = mix_step(agreed, eps, noise.like(x), alpha_bar[s], eta)  # (churn)
        yield Step(s, x, x0, left)
