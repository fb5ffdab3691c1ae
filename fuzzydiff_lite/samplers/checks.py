"""What every sampler asks of its input before the first network call."""

from __future__ import annotations

import torch
from torch import Tensor

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


def check_variance(variance: Tensor | float | None) -> None:
    """Raise ValueError unless the variance of the prior's pictures, where given, is above 0."""
    if variance is not None and not (torch.as_tensor(variance) > 0).all():
        raise ValueError("the variance must be above 0 everywhere and have no NaN")


def check_mask(m: Tensor, y: Tensor) -> None:
    """Raise ValueError unless `m` is a map for `y` that has only zeros and ones."""
    check_map(m, y)
    if not ((m == 0) | (m == 1)).all():
        raise ValueError(
            "m must be 0 or 1 everywhere here; samplers.fuzzy takes what lies between"
        )


# What a sampler may need of an operator: what it has then, and how that is called.
NEEDS = {
    "linear": (("V", "V_adjoint", "pinv"), "an operator with singular values"),
    "prox": (("pinv", "project", "prox"), "a linear operator"),
    "inverse": (("pinv", "project"), "an operator with pinv and project"),
    "forward": ((), "an operator"),
}


def check_measurement(y: Tensor, A, sigma: float, prior: Prior, need: str = "linear") -> None:
    """Raise ValueError unless `y` is a batch of what `A` measures of the prior's pictures.

    Also unless `sigma`, the standard deviation of its noise, is a number of at least 0. What
    the sampler needs of the operator A is one of `NEEDS`: "linear", an `Operator` with singular
    values; "prox", one made `from_functions` too; "inverse", one with `pinv` and `project`, as
    a `Jpeg` has; or "forward", any function of pictures.
    """
    kind, (methods, wanted) = type(A).__name__, NEEDS[need]
    if not all(hasattr(A, name) for name in methods):
        raise ValueError(f"{wanted} is wanted, got {kind}")
    picture = torch.zeros(1, *prior.shape)
    try:
        batch, *shape = A(picture).shape
        fits = "pinv" not in methods or A.pinv(A(picture)).shape[1:] == picture.shape[1:]
    except (RuntimeError, IndexError, ValueError):
        fits = False
    if not fits:
        raise ValueError(f"{kind} does not fit pictures of shape {prior.shape}")
    if not y.is_floating_point() or not y.isfinite().all():
        raise ValueError("y must hold floating-point numbers and no NaN or infinity")
    if list(y.shape[1:]) != shape or len(y) == 0 or batch not in (1, len(y)):
        words = ", ".join(map(str, ["B" if batch == 1 else batch, *shape]))
        raise ValueError(f"{kind} measures ({words}) of these pictures, got {tuple(y.shape)}")
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"sigma must be a number of at least 0, got {sigma}")


def check_level(prior: Prior, least: int = 1, **named: int) -> None:
    """Raise ValueError, with its name, for an argument that is no level of at least `least`."""
    for name, level in named.items():
        if not isinstance(level, int) or not least <= level <= prior.schedule.T:
            raise ValueError(
                f"{name} must be a level between {least} and {prior.schedule.T}, got {level}"
            )


def check_clip(clip: bool | str) -> None:
    """Raise ValueError unless `clip` is one of those that `predict` knows."""
    if clip not in (True, False, "x0", "gradient"):
        raise ValueError(f'clip must be True, False, "x0" or "gradient", got {clip!r}')


def check_share(**named: float) -> None:
    """Raise ValueError unless every argument lies in [0, 1]; its name is in the message."""
    for name, value in named.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {value}")
