"""Restoring pictures with a diffusion prior: the package behind the book."""

from .networks.weights import load_prior
from .noise import Noise
from .operators import masks
from .priors.empirical import EmpiricalPrior
from .priors.gaussian import GaussianPrior
from .priors.prior import Prior
from .samplers import run
from .schedule import Schedule
from .walk import Walk

__all__ = [
    "EmpiricalPrior",
    "GaussianPrior",
    "Noise",
    "Prior",
    "Schedule",
    "Walk",
    "load_prior",
    "masks",
    "run",
]
