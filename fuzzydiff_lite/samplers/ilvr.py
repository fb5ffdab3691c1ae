"""Like a picture from afar: SDEdit (Meng et al., ICLR 2022), ILVR (Choi et al., ICCV 2021)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..schedule import travel
from ..steps import noise_to, posterior
from .checks import check_level, check_picture
from .loop import Step, clean_guess


def sdedit(
    prior: Prior,
    y: Tensor,
    start: int = 400,
    steps: int = 100,
    noise: Noise | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Noise the picture `y` (B, 3, H, W) in [-1, 1] to level `start` and sample on from there.

    The higher the start, the less of y is left. The levels below `start` are those of `steps`
    steps from the top. Raises ValueError for another y and a start outside 1..T.

    Source: Meng et al. 2022; Eq. (sdedit), book/restoring/ilvr.
    """
    check_picture(y, prior)
    check_level(prior, start=start)
    y = y.to(prior.device)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    x = noise_to(y, noise.like(y), alpha_bar[start])  # (sdedit)
    for t, s, left in travel(prior.schedule.levels(steps, start=start)):
        x0 = clean_guess(prior, x, t, clip)
        mean, variance = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        x = mean + variance.sqrt() * noise.like(x)  # (ancestral)
        yield Step(s, x, x0, left)


def ilvr(
    prior: Prior,
    y: Tensor,
    low_pass: Callable[[Tensor], Tensor],
    steps: int = 100,
    until: int = 0,
    noise: Noise | None = None,
    clip: bool = True,
) -> Iterator[Step]:
    """Sample a picture with the low-pass part of the reference `y` (B, 3, H, W) in [-1, 1].

    `low_pass` is a linear map of pictures, e.g. `AveragePool(8).project`. Where it is a
    projection, as that one is, the result satisfies low_pass(x) = low_pass(y) exactly. The
    reference is followed down to level `until` and let go below it. `steps` network calls.
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
    y = y.to(prior.device)
    noise, alpha_bar = noise or Noise(), prior.schedule.alpha_bar
    given = noise.branch(1)
    x = noise.like(y)
    for t, s, left in travel(prior.schedule.levels(steps)):
        x0 = clean_guess(prior, x, t, clip)
        mean, variance = posterior(x, x0, alpha_bar[t], alpha_bar[s])
        x = mean + variance.sqrt() * noise.like(x)  # (ancestral)
        if s >= until:
            reference = noise_to(y, given.like(x), alpha_bar[s])  # (context)
            x = x + low_pass(reference - x)  # (ilvr)
        yield Step(s, x, x0, left)
