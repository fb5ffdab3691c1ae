"""What is known about clean pictures, asked by one question: E[x0 | x_t]."""

from .empirical import EmpiricalPrior
from .gaussian import GaussianPrior, fit_gaussian, variance_along
from .guided import (
    classifier_free,
    classifier_guided,
    label_likelihood,
    likelihood_guided,
    shifted,
)
from .prior import Prior

__all__ = [
    "EmpiricalPrior",
    "GaussianPrior",
    "Prior",
    "classifier_free",
    "classifier_guided",
    "fit_gaussian",
    "label_likelihood",
    "likelihood_guided",
    "shifted",
    "variance_along",
]
