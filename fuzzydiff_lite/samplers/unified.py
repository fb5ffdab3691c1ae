"""One step for all methods: mix the given and the hallucinated, coefficient by coefficient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from ..basis import Pixels
from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import eps_from_x0, noise_to, renoise
from .checks import check_level, check_picture
from .loop import Step, clean_guess


class Mix(NamedTuple):
    """How a step mixes: four numbers, or tensors that broadcast to the coefficients.

    `w` is the weight of what is given in the clean part, `p` the deviation of the noise that
    the guess left over, `q` and `r` those of new noise, from the sampler and from its branch
    for what is given. Eq. (one-formula), book/fuzzy/one_formula.
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
    basis=Pixels,
    steps: int = 50,
    repeats: int = 1,
    noise: Noise | None = None,
    jump: int = 1,
    spacing: str = "uniform",
    start: int | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Restore `y` (B, 3, H, W), the given picture or A† of a measurement, by a method's `rule`.

    `basis` has V_adjoint(x), the coefficients of a picture in an orthonormal basis, and its
    inverse V(c): an operator, a `Basis`, or the pixels themselves. A step mixes them by
    `rule(alpha_bar_t, alpha_bar_s)`. With a level `start`, sampling begins there from the
    noised y, at the levels that `steps` steps from the top have below it. Without one,
    `schedule.calls(steps, repeats, jump)` network calls.

    Raises ValueError for a y that is no batch of the prior's pictures and a start outside 1..T.
    Eq. (one-formula), book/fuzzy/one_formula.
    """
    check_picture(y, prior, bounded=False)
    y = y.to(prior.device)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given, other = basis.V_adjoint(y), noise.branch(1)
    x = noise((len(y), *prior.shape), prior.device, prior.dtype)
    if start is not None:
        check_level(prior, start=start)
        x = noise_to(y, x, alpha_bar[start])  # (sdedit)
    for t, s, left in travel(prior.schedule.levels(steps, spacing, start), repeats, jump):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        x0 = clean_guess(prior, x, t, clip)
        w, p, q, r = rule(alpha_bar[t], alpha_bar[s])
        parts = x0, eps_from_x0(x, x0, alpha_bar[t]), noise.like(x), other.like(x)
        guess, old, fresh, context = map(basis.V_adjoint, parts)
        clean = alpha_bar[s].sqrt() * (guess + w * (given - guess))
        c = clean + p * old + q * fresh + r * context  # (one-formula)
        x = basis.V(c)
        yield Step(s, x, x0, left)
