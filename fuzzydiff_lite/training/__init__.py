"""How the networks were trained, one file a network."""

from .classifier import train_classifier
from .prior import Optimiser, Recipe, Trainer, eps_mse, train, v_loss

__all__ = ["Optimiser", "Recipe", "Trainer", "eps_mse", "train", "train_classifier", "v_loss"]
