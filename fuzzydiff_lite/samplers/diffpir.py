"""DiffPIR: plug-and-play restoration by a diffusion prior (Zhu et al., CVPR workshops 2023)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import eps_from_x0, mix_step, renoise
from ..walk import Visits, Walk
from .checks import check_measurement, check_share
from .loop import Step, begin, predict


def diffpir(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    *,
    walk: Visits = Walk(100, "quadratic"),
    x: Tensor | None = None,
    lam: float = 1.0,
    zeta: float = 1.0,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore the measurement `y` = A x + noise by splitting: first the prior, then y.

    `sigma` is the standard deviation of the noise, in units of [-1, 1]. Each step asks the
    prior for x0 and then solves for the picture that fits y and stays near x0: `A.prox` with
    rho = lam sigma^2 times the signal-to-noise ratio of the level. A larger `lam` stays nearer
    to the prior's x0. `zeta` in [0, 1] is the share of fresh noise in the variance. Without
    noise in y, A x = y. The authors' levels are `Walk(20, "diffpir")`, and the repeats of a
    walk are their program's iterations at one level.

    Raises ValueError for a y that A does not measure, a negative lam and zeta outside [0, 1].
    Source: Zhu et al. 2023, Algorithm 1;
    Eq. (proximal), (rho) and (effective-eps), book/restoring/diffpir.
    """
    check_measurement(y, A, sigma, prior, "prox")
    check_share(zeta=zeta)
    if not 0 <= lam < float("inf"):
        raise ValueError(f"lam must be a number of at least 0, got {lam}")
    walk, noise = Walk.of(walk), noise or Noise()
    y, alpha_bar, snr = y.to(prior.device), prior.schedule.alpha_bar, prior.schedule.snr
    x = begin(prior, len(y), walk, x, noise)
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0, _, _ = predict(prior, x, t, clip)
        rho = lam * sigma**2 * float(snr[t])  # (rho)
        x0 = A.prox(x0, y, rho)  # (proximal)
        eps = eps_from_x0(x, x0, alpha_bar[t])  # (effective-eps)
        x = mix_step(x0, eps, noise.like(x), alpha_bar[s], zeta**0.5)  # (churn)
        yield Step(s, x, x0, left)
