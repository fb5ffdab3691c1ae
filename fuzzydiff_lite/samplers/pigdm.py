"""Pseudo-inverse guided diffusion, PiGDM (Song, Vahdat, Mardani & Kautz, ICLR 2023)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import ddim_step, eps_from_x0, renoise
from ..walk import Visits, Walk
from .checks import check_clip, check_measurement, check_share
from .loop import Step, begin, clipped, predict_with_gradient


def pigdm(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    *,
    walk: Visits = 100,
    x: Tensor | None = None,
    eta: float = 1.0,
    adaptive: bool = False,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore the measurement `y` = A x + noise by the score of p(y | x_t) in closed form.

    `sigma` is the standard deviation of the noise, in units of [-1, 1]. Given x_t, the clean
    picture is taken to be normal around the prior's x0 with variance r^2 = 1 - alpha_bar_t.
    Then r^2 times the score is the transposed Jacobian of the prior times the way from x0 to
    `A.prox`. Without noise A need not be linear, a `Jpeg` will do, and the last x0 is made to
    satisfy A x = y. `eta` is that of DDIM.

    The score moves x0, and a DDIM step goes on from there, which is Bayes' rule. `adaptive` is
    the paper's way instead: the step is that of the prior alone, and r^2 times the score is
    added to it with the weight sqrt(alpha_bar_s alpha_bar_t).

    Raises ValueError for a y that A does not measure and for eta outside [0, 1].
    Source: Song et al. 2023, Eq. 7 to 9 and Algorithm 1;
    Eq. (pigdm-score) and (pigdm-guess), book/restoring/gradients.
    """
    check_measurement(y, A, sigma, prior, "prox" if sigma else "inverse")
    check_share(eta=eta)
    check_clip(clip)
    walk, noise = Walk.of(walk), noise or Noise()
    y, alpha_bar = y.to(prior.device), prior.schedule.alpha_bar
    given = A.pinv(y) if sigma == 0 else None
    x = begin(prior, len(y), walk, x, noise)

    def towards(x0, t):
        # r^2 A^T (r^2 A A^T + sigma^2)^-1 (y - A x0) with r^2 = 1 - alpha_bar_t
        if sigma == 0:
            return given - A.project(x0)
        return A.prox(x0, y, sigma**2 / float(1 - alpha_bar[t])) - x0

    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue

        def along(x0, t=t):
            # Its gradient is the Jacobian of the prior, transposed, times the vector.
            return (x0 * towards(x0.detach(), t)).flatten(1).sum(1)

        a_t, a_s, z = alpha_bar[t], alpha_bar[s], noise.like(x)
        # Bayes' rule moves x0, and clamps it only then.
        now = clip if adaptive or clip == "gradient" else False
        made, gradient = predict_with_gradient(prior, x, t, along, now)  # (pigdm-score)
        if adaptive:
            x0, eps, _ = made
            x = ddim_step(x0, eps, z, a_t, a_s, eta) + (a_s * a_t).sqrt() * gradient
        else:
            x0 = made.x0 + gradient / a_t.sqrt()  # (pigdm-guess)
            made = made._replace(x0=x0, eps=eps_from_x0(x, x0, a_t))
            x0, eps, _ = clipped(made, x, a_t, clip)
            x = ddim_step(x0, eps, z, a_t, a_s, eta)  # (ddim)
        if s == 0 and sigma == 0:
            x = x + given - A.project(x)
        yield Step(s, x, x0, left)
