"""Restoring by name: the tasks, the methods that fit each, and all their settings in a table.

`fuzzydiff restore` and the comparison of the book are made of this; a program calls the
samplers themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from .. import samplers
from ..noise import Noise
from ..priors.prior import Prior
from ..samplers import Step
from ..schedule import Schedule
from ..walk import Walk


class Measurement(NamedTuple):
    """Damaged pictures: the measurement `y` (B, ...), the operator `A` that measured it, the
    standard deviation `sigma` of its noise in units of [-1, 1], `picture`, which is y to look
    at, (B, 3, H, W), and for inpainting the map `m`.
    """

    y: Tensor
    A: object
    sigma: float
    picture: Tensor
    m: Tensor | None = None


class Method(NamedTuple):
    """A sampler by name: which parts of a measurement it takes, and its settings by default.

    A setting has the type of its default. Those of `WALK` and `start` make the walk, `share`
    gives `fuzzy` the prior's variance, and any other is the sampler's argument of that name.
    """

    sampler: Callable[..., Iterator[Step]]
    takes: Callable[[Measurement], tuple]
    defaults: dict[str, object]


WALK = {"steps": 50, "spacing": "uniform", "repeats": 1, "jump": 1}
WHOLE = WALK | {"steps": 100, "clip": True}
KINDS = {str: "word", bool: "truth value", int: "whole number", float: "number"}


def known(given: Measurement) -> tuple[Tensor, Tensor]:
    """The picture, and a mask of what is to be kept as it is."""
    return given.picture, (given.m == 1).to(given.picture)


def noisy(given: Measurement) -> tuple[Tensor, object, float]:
    """The measurement, its operator, and its noise."""
    return given.y, given.A, given.sigma


def exact(given: Measurement) -> tuple[Tensor, object]:
    """The measurement and its operator, for methods that know no noise."""
    return given.y, given.A


def reference(given: Measurement) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """What was measured, as a picture, and the low-pass filter that gives it."""
    return given.A.pinv(given.y).clamp(-1, 1), given.A.project


METHODS = {
    "fuzzy": Method(
        samplers.fuzzy,
        lambda given: (given.picture, given.m),
        WALK | {"rescale": True, "share": False, "clip": True},
    ),
    "repaint": Method(samplers.repaint, known, WALK | {"repeats": 10, "clip": True}),
    "replacement": Method(samplers.replacement, known, WHOLE),
    "mcg": Method(samplers.mcg, exact, WHOLE | {"step_size": 1.0}),
    "ddrm": Method(samplers.ddrm, noisy, WALK | {"eta": 0.85, "eta_b": 1.0, "clip": True}),
    "ddnm": Method(samplers.ddnm, noisy, WHOLE | {"eta": 0.85}),
    "diffpir": Method(
        samplers.diffpir, noisy, WHOLE | {"spacing": "quadratic", "lam": 1.0, "zeta": 1.0}
    ),
    "dps": Method(samplers.dps, noisy, WHOLE | {"step_size": 1.0}),
    "pigdm": Method(samplers.pigdm, noisy, WHOLE | {"eta": 1.0, "adaptive": False}),
    "ilvr": Method(samplers.ilvr, reference, WHOLE | {"until": 0}),
    "sdedit": Method(samplers.sdedit, lambda given: (given.picture,), WHOLE | {"start": 400}),
    "ddrm_jpeg": Method(
        samplers.ddrm_jpeg, exact, WHOLE | {"start": 400, "eta": 1.0, "eta_b": 0.4}
    ),
}

# The methods that fit each task, the preferred one first, and what differs from their defaults:
# see studies.sweep and its book/data/sweep.json.
ENLARGE = {
    "ddnm": {"eta": 1.0},
    "ilvr": {},
    "ddrm": {"eta": 1.0},
    "diffpir": {},
    "mcg": {"step_size": 10.0},
    "dps": {"step_size": 30.0},
    "pigdm": {},
    "sdedit": {"start": 100},
}
TASKS = {
    "inpaint": {
        "fuzzy": {"repeats": 5},
        "repaint": {},
        "replacement": {},
        "mcg": {"step_size": 3.0},
        "ddrm": {"eta": 1.0},
        "ddnm": {"eta": 1.0},
        "diffpir": {"spacing": "uniform"},
        "dps": {"step_size": 10.0},
        "pigdm": {},
    },
    "x2": ENLARGE,
    "x4": ENLARGE,
    "x8": ENLARGE,
    "colour": {
        "ddnm": {"eta": 1.0, "repeats": 3},
        "ilvr": {},
        "ddrm": {"eta": 1.0},
        "diffpir": {},
        "mcg": {"step_size": 1.0},
        "dps": {"step_size": 3.0},
        "pigdm": {"eta": 0.0},
    },
    "deblur": {
        "ddrm": {},
        "ddnm": {},
        "diffpir": {"spacing": "uniform"},
        "dps": {"step_size": 10.0},
        "pigdm": {},
        "sdedit": {"start": 100},
    },
    "denoise": {
        "ddrm": {"eta": 0.3},
        "ddnm": {"eta": 0.3},
        "diffpir": {},
        "dps": {"step_size": 10.0},
        "pigdm": {},
        "sdedit": {"start": 100},
    },
    "jpeg": {
        "ddrm_jpeg": {"eta_b": 0.7},
        "ddnm": {"eta": 1.0, "repeats": 3},
        "pigdm": {},
        "sdedit": {"start": 100},
    },
}


def settings(task: str, method: str, /, **chosen) -> dict:
    """All settings of a method for a task: what was `chosen`, over its preset, over defaults.

    Raises ValueError for an unknown task, a method that does not fit it, and a setting that the
    method does not have, of another type, or not finite.
    """
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    if method not in TASKS[task]:
        names = ", ".join(TASKS[task])
        raise ValueError(f"method must be one of {names} for the task {task}, got {method!r}")
    defaults = METHODS[method].defaults
    if unknown := set(chosen) - set(defaults):
        wrong, right = ", ".join(sorted(unknown)), ", ".join(defaults)
        raise ValueError(f"{method} has no setting {wrong}; it has {right}")
    for name, value in chosen.items():
        if not _fits(value, defaults[name]):
            raise ValueError(
                f"{name} of {method} must be a {KINDS[type(defaults[name])]}, "
                f"like {defaults[name]!r}, got {value!r}"
            )
    return defaults | TASKS[task][method] | chosen


def calls(schedule: Schedule, **chosen) -> int:
    """How often a sampler with these settings calls the prior: known before it runs."""
    walk, _ = _walk(chosen)
    return walk.calls(schedule)


def restorer(
    prior: Prior, given: Measurement, method: str, noise: Noise, **chosen
) -> Iterator[Step]:
    """The sampler `method` on damaged pictures with these settings (see `settings`).

    Raises ValueError where the method needs pixels that are to be kept as they are and there
    are none, and for a share of a run of a prior whose variance nobody knows.
    """
    sampler, takes, _ = METHODS[method]
    if given.m is not None and method != "fuzzy" and not (given.m == 1).any():
        raise ValueError(
            f"{method} keeps the pixels where m is 1, and there are none; fuzzy takes any m"
        )
    walk, own = _walk(chosen)
    if own.pop("share", False):
        if prior.variance is None:
            raise ValueError("a share of the run needs the variance of the prior's pictures")
        own["variance"] = prior.variance
    return sampler(prior, *takes(given), walk=walk, noise=noise, **own)


def _walk(chosen: dict) -> tuple[Walk, dict]:
    """The walk that settings make, and the other settings."""
    parts = {name: chosen[name] for name in (*WALK, "start") if name in chosen}
    return Walk(**parts), {name: chosen[name] for name in chosen if name not in parts}


def _fits(value, default) -> bool:
    """Whether a value has the type of a setting's default; a whole number is a number too."""
    if isinstance(default, float):
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is type(default)
