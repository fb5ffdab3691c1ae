"""Restoring by name: which tasks there are, which methods fit them, and with what settings.

`fuzzydiff restore` and the comparison of the book are made of this; a program calls the
samplers themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from .. import samplers
from ..noise import Noise
from ..priors.prior import Prior
from ..samplers import Step
from ..schedule import Schedule
from ..schedule import calls as walk_calls

# for every operator with singular values, and noise
LINEAR = ["ddrm", "ddnm", "diffpir", "dps", "pigdm"]
ENLARGE = ["ddnm", "ilvr", "ddrm", "diffpir", "mcg", "dps", "pigdm", "sdedit"]
TASKS = {  # the methods that fit each task, the preferred one first
    "inpaint": ["fuzzy", "repaint", "replacement", "mcg", *LINEAR],
    "x2": ENLARGE,
    "x4": ENLARGE,
    "x8": ENLARGE,
    "colour": ["ddnm", "ilvr", "ddrm", "diffpir", "mcg", "dps", "pigdm"],
    "deblur": [*LINEAR, "sdedit"],
    "denoise": [*LINEAR, "sdedit"],
    "jpeg": ["ddrm_jpeg", "ddnm", "pigdm", "sdedit"],
}

# What differs from a sampler's defaults: see studies.sweep and its book/data/sweep.json.
ENLARGING = {
    "ddnm": {"churn": 1.0},
    "ddrm": {"churn": 1.0},
    "mcg": {"scale": 10.0},
    "dps": {"scale": 30.0},
    "sdedit": {"start": 100},
}
PRESETS: dict[str, dict[str, dict]] = {
    "inpaint": {
        "fuzzy": {"repeats": 5},
        "ddnm": {"churn": 1.0},
        "ddrm": {"churn": 1.0},
        "diffpir": {"spacing": "uniform"},
        "mcg": {"scale": 3.0},
        "dps": {"scale": 10.0},
    },
    "x2": ENLARGING,
    "x4": ENLARGING,
    "x8": ENLARGING,
    "colour": {
        "ddnm": {"churn": 1.0, "repeats": 3},
        "ddrm": {"churn": 1.0},
        "mcg": {"scale": 1.0},
        "dps": {"scale": 3.0},
        "pigdm": {"eta": 0.0},
    },
    "deblur": {
        "diffpir": {"spacing": "uniform"},
        "dps": {"scale": 10.0},
        "sdedit": {"start": 100},
    },
    "denoise": {
        "ddnm": {"churn": 0.3},
        "ddrm": {"churn": 0.3},
        "dps": {"scale": 10.0},
        "sdedit": {"start": 100},
    },
    "jpeg": {
        "ddrm_jpeg": {"trust": 0.7},
        "ddnm": {"churn": 1.0, "repeats": 3},
        "sdedit": {"start": 100},
    },
}


class Given(NamedTuple):
    """Damaged pictures: the measurement `y` (B, ...), the operator `A` that measured it, the
    deviation `sigma` of its noise in units of [-1, 1], `picture`, which is y to look at,
    (B, 3, H, W), and for inpainting the map of trust `m`.
    """

    y: Tensor
    A: object
    sigma: float
    picture: Tensor
    m: Tensor | None = None


def settings(task: str, method: str, **chosen) -> dict:
    """All settings of a method for a task: what was `chosen`, over its preset, over defaults.

    Raises ValueError for an unknown task, a method that does not fit it, and a setting that the
    method does not have.
    """
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    if method not in TASKS[task]:
        names = ", ".join(TASKS[task])
        raise ValueError(f"method must be one of {names} for the task {task}, got {method!r}")
    parameters = inspect.signature(getattr(samplers, method)).parameters.values()
    optional = [p for p in parameters if p.default is not p.empty]
    own = {p.name: p.default for p in optional if p.name not in ("sigma", "noise")}
    if unknown := set(chosen) - set(own):
        raise ValueError(
            f"{method} has no setting {', '.join(sorted(unknown))}; it has {', '.join(own)}"
        )
    for name, value in chosen.items():
        kind = _kind(own[name])
        if _kind(value) != kind:
            raise ValueError(
                f"{name} of {method} must be a {kind}, like {own[name]!r}, got {value!r}"
            )
    return own | PRESETS.get(task, {}).get(method, {}) | chosen


def calls(
    schedule: Schedule,
    steps: int,
    repeats: int = 1,
    jump: int = 1,
    start: int | None = None,
    **_,
) -> int:
    """How often a sampler with these settings calls the prior: known before it runs."""
    if start is not None:
        return sum(level < start for level in schedule.levels(steps))
    return walk_calls(steps, repeats, jump)


def restorer(prior: Prior, given: Given, method: str, noise: Noise, **chosen) -> Iterator[Step]:
    """The sampler `method` on damaged pictures with these settings (see `settings`).

    Raises ValueError where the method needs pixels that are trusted fully and there are none.
    """
    sampler = getattr(samplers, method)
    y, A, sigma, picture, m = given
    if m is not None and method != "fuzzy" and not (m == 1).any():
        raise ValueError(
            f"{method} keeps what is trusted fully, and nothing is; fuzzy can do with less"
        )
    if method == "fuzzy":
        return sampler(prior, picture, m, noise=noise, **chosen)
    if method in ("repaint", "replacement"):
        return sampler(prior, picture, (m == 1).to(picture), noise=noise, **chosen)
    if method == "sdedit":
        return sampler(prior, picture, noise=noise, **chosen)
    if method == "ilvr":
        return sampler(prior, A.pinv(y).clamp(-1, 1), A.project, noise=noise, **chosen)
    if method in ("mcg", "ddrm_jpeg"):  # which know no noise
        return sampler(prior, y, A, noise=noise, **chosen)
    return sampler(prior, y, A, sigma, noise=noise, **chosen)


def _kind(value) -> str:
    kinds = {str: "word", bool: "truth value"}
    return kinds.get(type(value), "number")
