"""Diffusion projection attention (El Helou, ICIP 2023): what in a picture surprises a prior."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..noise import Noise
from ..operators.blur import smooth
from ..priors.prior import Prior
from ..samplers import run, sdedit
from ..walk import Walk

BRANCH = 5  # projections share no number with what a sampler of the same seed draws


@dataclass(frozen=True)
class Settings:
    """How pictures are projected, and how the change is counted.

    The projection to a depth noises a picture to that level and denoises it again, as `sdedit`
    does, on the levels of `steps` steps from the top; with one step it is the
    clean picture that the prior predicts. The mean of `draws` projections counts. Each depth
    has noise of its own, or all have the same where it is `shared`. `blur` is the standard
    deviation in pixels of the Gaussian that blurs the squared errors of lightness and colour;
    with None each channel is squared by itself.
    """

    depths: tuple[int, ...] = (100, 200, 400, 700)
    steps: int = 1
    draws: int = 4
    blur: float | None = 1.0
    shared: bool = False


OURS = Settings()
# The depths and the plain square are the paper's; it does not say how many steps, how many
# draws and which noise, so these three are our reading.
PAPER = Settings((300, 400, 500, 600), steps=50, draws=1, blur=None, shared=True)


def residuals(
    prior: Prior, x: Tensor, settings: Settings = OURS, noise: Noise | None = None
) -> Tensor:
    """Pictures x (B, 3, H, W) in [-1, 1] minus their projections, (B, len(depths), 3, H, W).

    With one step, len(depths) * draws network calls. Raises ValueError like `sdedit` and for no
    draws. Eq. (projection-error), book/fuzzy/attention.
    """
    if settings.draws < 1:
        raise ValueError(f"draws must be at least 1, got {settings.draws}")
    noise, rows = (noise or Noise()).branch(BRANCH), []
    for depth in settings.depths:
        own = noise if settings.shared else noise.branch(depth)
        sources = [own.branch(k) for k in range(settings.draws)]
        walk = Walk(settings.steps, start=depth)
        projections = [run(sdedit(prior, x, walk=walk, noise=z)).to(x) for z in sources]
        rows.append(x - sum(projections) / settings.draws)
    return torch.stack(rows, 1)


def squared(r: Tensor, blur: float | None = 1.0) -> Tensor:
    """Squared errors from residuals r (B, D, 3, H, W).

    With `blur` None the paper's, (B, D, 3, H, W): each colour channel by itself. Else
    (B, D, 2, H, W): of lightness, the mean of the channels, and of colour, what the channels
    have beside it; both blurred by a Gaussian with that standard deviation in pixels. Faces
    vary much in lightness and little in colour.
    Eq. (projection-error) and (opponent-error), book/fuzzy/attention.
    """
    if blur is None:
        return r**2
    lightness = r.mean(2, keepdim=True)
    e = torch.cat([lightness**2, ((r - lightness) ** 2).mean(2, keepdim=True)], 2)
    return smooth(e, blur)


def errors(
    prior: Prior, x: Tensor, settings: Settings = OURS, noise: Noise | None = None
) -> Tensor:
    """How much projections change pictures x (B, 3, H, W) in [-1, 1].

    The result, (B, len(depths), 3 | 2, H, W), is the `squared` `residuals`, whose errors these
    are. Near to the paper's: errors(prior, x, PAPER).
    Eq. (projection-error) and (opponent-error), book/fuzzy/attention.
    """
    return squared(residuals(prior, x, settings, noise), settings.blur)


def attention(z: Tensor, low: float = 1.0, high: float = 6.0) -> Tensor:
    """The map of attention A (B, C, H, W) in [0, 1] from scores z (B, D, C, H, W).

    A mean over the depths: a depth counts 0 where its score is below `low` standard deviations,
    1 where it is above `high`, and in between in proportion.
    Eq. (attention), book/fuzzy/attention.
    """
    return ((z.clamp(low, high) - low) / (high - low)).mean(1)


def trust(A: Tensor, scale: float = 1.0) -> Tensor:
    """The map m = scale (1 - A)^2 in [0, scale]: where attention is high, little is kept.

    Eq. (attention-trust), book/fuzzy/attention.
    """
    return scale * (1 - A) ** 2
