"""The denoising diffusion null-space model (Wang, Yu & Zhang, ICLR 2023)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import Draw, mixed, renoise, spectral_step
from ..walk import Visits, Walk
from .checks import check_measurement, check_share
from .loop import Step, begin, predict


def ddnm(
    prior: Prior,
    y: Tensor,
    A,
    sigma: float = 0.0,
    *,
    walk: Visits = 100,
    x: Tensor | None = None,
    eta: float = 0.85,
    draw: Draw | None = None,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore `y` = A x: each x0 takes what A measures from y, all else from the prior.

    With noise of standard deviation `sigma` (in units of [-1, 1]) in the measurement y this is
    DDNM+, which takes a coefficient from y where its noise is less than the level's. Without
    noise, the result satisfies A x = y, and `A` may be a `Jpeg`, or any operator with `pinv`
    and `project`. A step keeps the noise that the prior predicted, but for a share `eta` of
    fresh noise, as the authors' program with singular values does. `draw` takes the place of
    eta, without sigma only: `ancestral()` is Algorithm 1 as published, the posterior given the
    corrected x0. The repeats of the walk are the paper's time travel.

    Raises ValueError for a y that A does not measure, eta outside [0, 1], and a `draw` beside
    sigma.
    Source: Wang, Yu & Zhang 2023, Algorithm 1, appendix I, and their program with the singular
    value decomposition, whose step is the default;
    Eq. (null-space-guess) and (ddnm-plus), book/restoring/ddnm.
    """
    check_measurement(y, A, sigma, prior, "linear" if sigma else "inverse")
    check_share(eta=eta)
    if sigma and draw:
        raise ValueError("with sigma above 0, DDNM+ draws by its eta: leave draw out")
    given, alpha_bar, draw = (
        A.pinv(y.to(prior.device)),
        prior.schedule.alpha_bar,
        draw or mixed(eta),
    )
    walk, noise = Walk.of(walk), noise or Noise()
    if sigma:
        coefficients = A.V_adjoint(given)
        std_y = A.std(sigma, coefficients)
    x = begin(prior, len(y), walk, x, noise)
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        prediction, z = predict(prior, x, t, clip), noise.like(x)
        x0, eps, _ = prediction
        if sigma == 0:
            consistent = x0 + given - A.project(x0)  # (null-space-guess)
            mean, std = draw(x, prediction._replace(x0=consistent), prior.schedule, t, s)
            x = mean + std * z
        else:
            parts = map(A.V_adjoint, (x0, eps, z))
            c = spectral_step(*parts, coefficients, std_y, alpha_bar[s], eta)  # (ddnm-plus)
            x = A.V(c)
        yield Step(s, x, x0, left)
