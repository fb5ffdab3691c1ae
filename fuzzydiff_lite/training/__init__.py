"""How the networks were trained, one file a network."""

from .classifier import train_classifier
from .optimiser import Optimiser
from .prior import Recipe, Trainer, eps_mse, train, v_loss

__all__ = ["Optimiser", "Recipe", "Trainer", "eps_mse", "train", "train_classifier", "v_loss"]
