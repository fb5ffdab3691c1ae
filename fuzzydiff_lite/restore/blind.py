"""Restoring without a mask: what surprises the prior is found, and replaced."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from torch import Tensor

from ..noise import Noise
from ..priors.prior import Prior
from ..samplers import fuzzy, run
from ..samplers.checks import check_picture
from ..walk import Visits, Walk
from .attention import attention, trust
from .likeness import LEAST_LIKENESS, likeness
from .statistics import Statistics, load_statistics, z_scores

WALK = Walk(25, repeats=3)
SURE = 3.0  # standard deviations from which m falls below 1: fewer would change all of a face


class Correction(NamedTuple):
    """A restored `picture` (B, 3, H, W), and its maps `m` and `attention`, (B, 1, H, W)."""

    picture: Tensor
    m: Tensor
    attention: Tensor


def correct(
    prior: Prior,
    picture: Tensor,
    statistics: Statistics | None = None,
    *,
    scale: float = 1.0,
    walk: Visits = WALK,
    noise: Noise | None = None,
) -> Correction:
    """Find and restore what is damaged in pictures (B, 3, H, W) in [-1, 1], without a mask.

    A pixel gets the highest attention of its channels, counted from 3 standard deviations
    (`SURE`) on, and `trust` gives the share of it that the whole run of `fuzzy` keeps. False
    alarms cost: on the test faces the SSIM of the whole picture falls (book/fuzzy/attention).
    `statistics`: the shipped ones unless given. Warns of a picture that is no aligned face, one
    whose `likeness` is below `LEAST_LIKENESS`. Takes len(depths) * draws network calls and
    those of the walk, 89 unless told. Raises ValueError like `fuzzy` and `load_statistics`.
    """
    check_picture(picture, prior)
    statistics = (statistics or load_statistics(prior)).check(prior)
    A = attention(z_scores(prior, picture, statistics, noise), SURE).amax(1, keepdim=True)
    for i, value in enumerate(likeness(picture, statistics).tolist()):
        if value < LEAST_LIKENESS:
            warnings.warn(
                f"picture {i} is no aligned face: its likeness is {value:.2f}, "
                f"and that of a face at least {LEAST_LIKENESS}, "
                "so that what is found and what comes out mean little",
                stacklevel=2,
            )
    m = trust(A, scale)
    restored = fuzzy(prior, picture, m, walk=walk, noise=noise, variance=prior.variance)
    return Correction(run(restored), m, A)
