"""DiffPIR: plug-and-play restoration by a diffusion prior (Zhu et al., CVPR workshops 2023)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import churn_step, eps_from_x0
from .checks import check_measurement, check_share
from .loop import Step, clean_guess


def diffpir(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    steps: int = 100,
    lam: float = 1.0,
    churn: float = 1.0,
    noise: Noise | None = None,
    spacing: str = "quadratic",
    clip: bool = True,
) -> Iterator[Step]:
    """Restore the measurement `y` = A x + noise by splitting.

    `sigma` is the deviation of the noise, in units of [-1, 1]. Each step asks the prior for its
    guess and then solves for the picture that fits y and stays near the guess: `A.prox` with
    rho = lam sigma^2 / (noise-to-signal ratio of the level). A larger `lam` trusts the prior
    more. `churn` is the share of fresh noise, the root of the paper's zeta. Without noise in y,
    A x = y. `steps` network calls.

    Raises ValueError for a y that A does not measure, a negative lam and churn outside [0, 1].
    Source: Zhu et al. 2023, Algorithm 1;
    Eq. (proximal), (rho) and (effective-eps), book/restoring/diffpir.
    """
    check_measurement(y, A, sigma, prior)
    check_share(churn=churn)
    if not 0 <= lam < float("inf"):
        raise ValueError(f"lam must be a number of at least 0, got {lam}")
    y = y.to(prior.device)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    x = noise((len(y), *prior.shape), prior.device, prior.dtype)
    for t, s, left in travel(prior.schedule.levels(steps, spacing)):
        guess = clean_guess(prior, x, t, clip)
        rho = lam * sigma**2 * float(prior.schedule.snr[t])  # (rho)
        x0 = A.prox(guess, y, rho)  # (proximal)
        eps = eps_from_x0(x, x0, alpha_bar[t])  # (effective-eps)
        x = churn_step(x0, eps, noise.like(x), alpha_bar[s], churn)  # (churn)
        yield Step(s, x, x0, left)
