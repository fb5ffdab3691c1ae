"""What every sampler asks of its input before the first network call."""

from __future__ import annotations

import torch
from torch import Tensor

from ..operators import Operator
from ..priors.prior import Prior


def check_picture(y: Tensor, prior: Prior, bounded: bool = True) -> None:
    """Raise ValueError unless `y` (B, *prior.shape) holds floats, in [-1, 1] if `bounded`."""
    if not y.is_floating_point():
        raise ValueError(f"y must hold floating-point numbers, got {y.dtype}")
    if y.ndim != len(prior.shape) + 1 or tuple(y.shape[1:]) != prior.shape or len(y) == 0:
        raise ValueError(
            f"y must have shape (B, {', '.join(map(str, prior.shape))}), got {tuple(y.shape)}"
        )
    if not (y.abs() <= (1 if bounded else torch.finfo(y.dtype).max)).all():  # false for NaN too
        raise ValueError(f"y must {'lie in [-1, 1] and ' * bounded}have no NaN")


def check_map(m: Tensor, y: Tensor) -> None:
    """Raise ValueError unless `m` broadcasts to `y` and lies in [0, 1]."""
    if not ((m >= 0) & (m <= 1)).all():
        raise ValueError("m must lie in [0, 1] and have no NaN")
    if m.ndim not in (0, y.ndim) or any(a not in (1, b) for a, b in zip(m.shape, y.shape)):
        raise ValueError(
            f"m has shape {tuple(m.shape)}, which does not fit "
            f"pictures of shape {tuple(y.shape)}"
        )


def check_per(per: str, variance: Tensor | float | None) -> None:
    """Raise ValueError unless `per` is "fusion", or "run" with a variance above 0."""
    if per not in ("fusion", "run"):
        raise ValueError(f'per must be "fusion" or "run", got {per!r}')
    if per == "run" and variance is None:
        raise ValueError(
            "m per run needs the variance of the prior's pictures, "
            "which this prior does not know"
        )
    if per == "run" and not (torch.as_tensor(variance) > 0).all():
        raise ValueError("the variance must be above 0 everywhere and have no NaN")


def check_mask(m: Tensor, y: Tensor) -> None:
    """Raise ValueError unless `m` is a map for `y` that has only zeros and ones."""
    check_map(m, y)
    if not ((m == 0) | (m == 1)).all():
        raise ValueError(
            "m must be 0 or 1 everywhere here; samplers.fuzzy takes what lies between"
        )


def check_measurement(y: Tensor, A, sigma: float, prior: Prior, need: str = "linear") -> None:
    """Raise ValueError unless `y` is a batch of what `A` measures of the prior's pictures.

    Also unless `sigma`, the standard deviation of its noise, is a number of at least 0. What
    the sampler needs of the operator A is "linear", an `Operator`; "inverse", one with `pinv`
    and `project`, as a `Jpeg` has; or "forward", any function of pictures.
    """
    kind, inverse = type(A).__name__, hasattr(A, "pinv") and hasattr(A, "project")
    lacking = need == "linear" or (need == "inverse" and not inverse)
    if lacking and not isinstance(A, Operator):
        others = "or a Jpeg or Quantize " * (need != "linear")
        raise ValueError(f"a linear operator {others}is wanted, got {kind}")
    picture = torch.zeros(1, *prior.shape)
    try:
        batch, *wanted = A(picture).shape
        fits = not inverse or A.project(picture).shape[1:] == picture.shape[1:]
    except (RuntimeError, IndexError, ValueError):
        fits = False
    if not fits:
        raise ValueError(f"{kind} does not fit pictures of shape {prior.shape}")
    if not y.is_floating_point() or not y.isfinite().all():
        raise ValueError("y must hold floating-point numbers and no NaN or infinity")
    if list(y.shape[1:]) != wanted or len(y) == 0 or batch not in (1, len(y)):
        shape = ", ".join(map(str, ["B" if batch == 1 else batch, *wanted]))
        raise ValueError(f"{kind} measures ({shape}) of these pictures, got {tuple(y.shape)}")
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"sigma must be a number of at least 0, got {sigma}")


def check_level(prior: Prior, least: int = 1, **named: int) -> None:
    """Raise ValueError, with its name, for an argument that is no level of at least `least`."""
    for name, level in named.items():
        if not isinstance(level, int) or not least <= level <= prior.schedule.T:
            raise ValueError(
                f"{name} must be a level between {least} and {prior.schedule.T}, got {level}"
            )


def check_share(**named: float) -> None:
    """Raise ValueError unless every argument lies in [0, 1]; its name is in the message."""
    for name, value in named.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {value}")
