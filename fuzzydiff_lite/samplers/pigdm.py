"""Pseudo-inverse guided diffusion, PiGDM (Song, Vahdat, Mardani & Kautz, ICLR 2023)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import ddim_step, eps_from_x0
from .checks import check_measurement, check_share
from .loop import Step, guess_and_gradient


def pigdm(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    steps: int = 100,
    eta: float = 1.0,
    noise: Noise | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Restore the measurement `y` = A x + noise by the score of p(y | x_t) in closed form.

    `sigma` is the deviation of the noise. Given x_t, the clean picture is taken to be normal
    around the prior's guess with variance 1 - alpha_bar_t. Then the score is the Jacobian of
    the prior times `A.prox` minus the guess. Without noise A need not be linear, a `Jpeg` will
    do, and the last guess is made to satisfy A x = y. `eta` as in DDIM. `steps` network calls,
    each with its gradient.

    Raises ValueError for a y that A does not measure and for eta outside [0, 1].
    Source: Song et al. 2023, Eq. 7 to 9;
    Eq. (pigdm-score) and (pigdm-guess), book/restoring/gradients.
    """
    check_measurement(y, A, sigma, prior, "linear" if sigma else "inverse")
    check_share(eta=eta)
    y = y.to(prior.device)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given = A.pinv(y) if sigma == 0 else None
    x = noise((len(y), *prior.shape), prior.device, prior.dtype)

    def towards(x0, t):
        # r^2 A^T (r^2 A A^T + sigma^2)^-1 (y - A x0) with r^2 = 1 - alpha_bar_t
        if sigma == 0:
            return given - A.project(x0)
        return A.prox(x0, y, sigma**2 / float(1 - alpha_bar[t])) - x0

    for t, s, left in travel(prior.schedule.levels(steps)):

        def along(x0, t=t):
            # Its gradient is the Jacobian of the prior, transposed, times the vector.
            return (x0 * towards(x0.detach(), t)).flatten(1).sum(1)

        x0, gradient = guess_and_gradient(prior, x, t, along, clip=False)  # (pigdm-score)
        x0 = x0 + gradient / alpha_bar[t].sqrt()  # (pigdm-guess)
        x0 = x0.clamp(-1, 1) if clip else x0
        eps, z = eps_from_x0(x, x0, alpha_bar[t]), noise.like(x)
        x = ddim_step(x0, eps, z, alpha_bar[t], alpha_bar[s], eta)  # (ddim)
        if s == 0 and sigma == 0:
            x = x + given - A.project(x)
        yield Step(s, x, x0, left)
