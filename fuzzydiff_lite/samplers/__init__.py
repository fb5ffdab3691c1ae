"""Samplers, one file a paper. Each is a generator of `Step`s; `run` takes it to the end."""

from .ddim import ddim
from .ddpm import ddpm
from .fuzzy import fuzzy
from .guidance import classifier_free
from .step import Step, run

__all__ = ["Step", "classifier_free", "ddim", "ddpm", "fuzzy", "run"]
