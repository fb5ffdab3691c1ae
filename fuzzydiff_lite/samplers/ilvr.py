"""Like a picture from afar: SDEdit (Meng et al., ICLR 2022), ILVR (Choi et al., ICCV 2021)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import Draw, ancestral, noise_to, renoise
from ..walk import Visits, Walk
from .checks import check_level, check_picture
from .loop import Step, begin, predict


def sdedit(
    prior: Prior,
    y: Tensor,
    *,
    walk: Visits = Walk(100, start=400),
    draw: Draw | None = None,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Noise the picture `y` to the start of the walk, and sample from there.

    `y` is (B, 3, H, W) in [-1, 1]. The higher the start, the less of y is left. A step draws as
    `draw` says, else as `ddpm` does. Raises ValueError for another y.

    Source: Meng et al. 2022; Eq. (sdedit), book/restoring/ilvr.
    """
    check_picture(y, prior)
    walk, draw, noise = Walk.of(walk), draw or ancestral(), noise or Noise()
    y, alpha_bar, moves = (
        y.to(prior.device),
        prior.schedule.alpha_bar,
        walk.moves(prior.schedule),
    )
    x = noise_to(y, noise.like(y), alpha_bar[moves[0].t])  # (sdedit)
    for t, s, left in moves:
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        prediction = predict(prior, x, t, clip)
        mean, std = draw(x, prediction, prior.schedule, t, s)
        x = mean + std * noise.like(x)  # (ancestral)
        yield Step(s, x, prediction.x0, left)


def ilvr(
    prior: Prior,
    y: Tensor,
    low_pass: Callable[[Tensor], Tensor],
    *,
    walk: Visits = 100,
    x: Tensor | None = None,
    draw: Draw | None = None,
    until: int = 0,
    noise: Noise | None = None,
    clip: bool | str = True,
) -> Iterator[Step]:
    """Sample a picture with the low-pass part of the reference `y` (B, 3, H, W) in [-1, 1].

    `low_pass` is a linear map of pictures, e.g. `AveragePool(8).project`. Where it is a
    projection, as that one is, the result satisfies low_pass(x) = low_pass(y) exactly. The
    reference is followed down to level `until` and let go below it. A step draws as `draw`
    says, else as `ddpm` does.
    Raises ValueError for another y, a filter that does not give pictures, and an `until`
    outside 0..T.

    Source: Choi et al. 2021, Algorithm 1; Eq. (ilvr), book/restoring/ilvr.
    """
    check_picture(y, prior)
    check_level(prior, least=0, until=until)
    if low_pass(y).shape != y.shape:
        raise ValueError(
            f"low_pass must give pictures of the shape {tuple(y.shape)}, "
            f"got {tuple(low_pass(y).shape)}"
        )
    walk, draw, noise = Walk.of(walk), draw or ancestral(), noise or Noise()
    y, alpha_bar, given = y.to(prior.device), prior.schedule.alpha_bar, noise.branch(1)
    x = begin(prior, len(y), walk, x, noise, y.dtype)
    for t, s, left in walk.moves(prior.schedule):
        if s > t:
            x = renoise(x, noise.like(x), alpha_bar[t], alpha_bar[s])  # (forward-between)
            continue
        prediction = predict(prior, x, t, clip)
        mean, std = draw(x, prediction, prior.schedule, t, s)
        x = mean + std * noise.like(x)  # (ancestral)
        if s >= until:
            reference = noise_to(y, given.like(x), alpha_bar[s])  # (context)
            x = x + low_pass(reference - x)  # (ilvr)
        yield Step(s, x, prediction.x0, left)
