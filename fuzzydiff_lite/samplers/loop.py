"""What a sampler yields, how to run one, and what they all begin and go on with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..noise import Noise
from ..priors.prior import Prior
from ..steps import Prediction, eps_from_x0, spectral_step
from ..walk import Walk
from .checks import check_clip


class Step(NamedTuple):
    """One denoising step: the `level` reached and the pictures `x` (B, C, H, W) there.

    `x0_hat`, of the same shape, are the clean pictures that the prior predicted from the input
    of the step, and `left` counts the calls of the prior still to come.
    """

    level: int
    x: Tensor
    x0_hat: Tensor
    left: int


def run(sampler: Iterable[Step], progress: bool = False) -> Tensor:
    """Take a sampler to its end and return the pictures it ends with.

    `progress` shows a bar of calls of the prior.
    Raises ValueError for a sampler that has no step left.
    """
    step = bar = None
    for step in sampler:
        if bar is None:  # only now: a sampler that refuses its input leaves no bar behind
            bar = tqdm(total=1 + step.left, disable=not progress, unit=" calls")
        bar.update()
    if step is None:
        raise ValueError("the sampler has no step left: make a new one for each run")
    bar.close()
    return step.x


def begin(
    prior: Prior, n: int, walk: Walk, x: Tensor | None, noise: Noise, dtype=None
) -> Tensor:
    """The state to begin with: `x` (n, *prior.shape) where it is given, else noise.

    Raises ValueError for an x of another shape, with NaN or of whole numbers, and for a walk
    with a `start` and no x. A list of levels begins with noise wherever it begins.
    """
    shape = (n, *prior.shape)
    if x is None:
        if walk.start is not None:
            raise ValueError(
                f"a walk that starts at level {walk.start} needs x, the pictures at that level"
            )
        return noise(shape, prior.device, dtype or prior.dtype)
    if tuple(x.shape) != shape or not x.is_floating_point() or not x.isfinite().all():
        raise ValueError(
            f"x must hold finite floating-point numbers of shape {shape}, "
            f"got {x.dtype} of shape {tuple(x.shape)}"
        )
    return x.to(prior.device)


def from_measurement(A, y: Tensor, sigma: float, alpha_bar_t, noise: Noise) -> Tensor:
    """The measurement `y` as a state at a level: A† y where it is cleaner than it, else noise.

    To be given to a sampler as `x`, with a walk that starts at that level. What is taken has
    the noise of the level, some of it that of y. `A` is an `Operator`, `sigma` the standard
    deviation of the noise in y, in units of [-1, 1].
    Source: Kawar et al. 2022, Eq. 7, at the top.
    """
    picture = A.pinv(y)
    given, z = A.V_adjoint(picture), A.V_adjoint(noise.like(picture))
    return A.V(spectral_step(0 * z, z, z, given, A.std(sigma, given), alpha_bar_t, 1.0))


def predict(prior: Prior, x: Tensor, t: int, clip: bool | str) -> Prediction:
    """What the prior predicts, x0 clamped to [-1, 1] as `clip` says.

    False: as it is. True: clamped, and the noise is that which agrees with the clamped picture.
    "x0": clamped, and the noise as it was predicted. "gradient": as True, and
    `predict_with_gradient` takes its gradient through the clamping. Raises ValueError for
    another value.
    """
    check_clip(clip)
    return clipped(prior.predict(x, t), x, prior.schedule.alpha_bar[t], clip)


def clipped(made: Prediction, x: Tensor, alpha_bar_t, clip: bool | str) -> Prediction:
    """What was predicted of `x`, clamped as `predict` says."""
    if not clip:
        return made
    x0 = made.x0.clamp(-1, 1)
    return made._replace(
        x0=x0, eps=made.eps if clip == "x0" else eps_from_x0(x, x0, alpha_bar_t)
    )


def predict_with_gradient(
    prior: Prior, x: Tensor, t: int, value: Callable[[Tensor], Tensor], clip: bool | str
) -> tuple[Prediction, Tensor]:
    """`predict`, and the gradient in x of `value(x0)`, one number a picture.

    The gradient is taken before x0 is clamped, unless `clip` is "gradient". Neither of the two
    carries a gradient on. The cost of about three plain calls.
    """
    check_clip(clip)
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        made = predict(prior, x, t, clip if clip == "gradient" else False)
        (gradient,) = torch.autograd.grad(value(made.x0).sum(), x)
    made = Prediction(*(part if part is None else part.detach() for part in made))
    if clip == "gradient":
        return made, gradient
    return clipped(made, x.detach(), prior.schedule.alpha_bar[t], clip), gradient
