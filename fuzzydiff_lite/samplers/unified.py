"""One step for all methods: mix the given and the hallucinated, coefficient by coefficient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from ..basis import Orthonormal, Pixels
from ..noise import Noise
from ..priors.prior import Prior
from ..steps import noise_to, renoise
from ..walk import Visits, Walk
from .checks import check_picture
from .loop import Step, predict


class Mix(NamedTuple):
    """How a step mixes: four numbers, or tensors that broadcast to the coefficients.

    `w` is the weight of what is given in the clean part, `p` the standard deviation of the
    predicted noise that is left over, `q` and `r` those of new noise, from the sampler and from
    its branch for what is given. Eq. (one-formula), book/fuzzy/one_formula.
    """

    w: Tensor | float
    p: Tensor | float
    q: Tensor | float
    r: Tensor | float = 0.0


Rule = Callable[[Tensor, Tensor], Mix]  # of alpha_bar_t and alpha_bar_s


def unified(
    prior: Prior,
    y: Tensor,
    rule: Rule,
    *,
    walk: Visits = 50,
    basis: Orthonormal = Pixels,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Restore `y` (B, 3, H, W), the given picture or A† of a measurement, by a method's `rule`.

    `basis` has V_adjoint(x), the coefficients of a picture in an orthonormal basis, and its
    inverse V(c): an operator, a `Basis`, or the pixels themselves. A step mixes them by
    `rule(alpha_bar_t, alpha_bar_s)`. Where the walk has a start, sampling begins there from the
    noised y, else with noise.

    Raises ValueError for a y that is no batch of the prior's pictures.
    Eq. (one-formula), book/fuzzy/one_formula.
    """
    check_picture(y, prior, bounded=False)
    walk, noise = Walk.of(walk), noise or Noise()
    y, alpha_bar = y.to(prior.device), prior.schedule.alpha_bar
    moves = walk.moves(prior.schedule)  # which refuse a start that is no level
    given, other = basis.V_adjoint(y), noise.branch(1)
    x = noise((len(y), *prior.shape), prior.device, prior.dtype)
    if walk.start is not None:
        x = noise_to(y, x, alpha_bar[walk.start])  # (sdedit)
    for t, s, left in moves:
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0, eps, _ = predict(prior, x, t, clip)
        w, p, q, r = rule(alpha_bar[t], alpha_bar[s])
        predicted, old, fresh, context = map(
            basis.V_adjoint, (x0, eps, noise.like(x), other.like(x))
        )
        clean = alpha_bar[s].sqrt() * (predicted + w * (given - predicted))
        c = clean + p * old + q * fresh + r * context  # (one-formula)
        x = basis.V(c)
        yield Step(s, x, x0, left)
