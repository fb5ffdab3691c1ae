"""Restoring by name: tasks, files, and damage that nobody marked."""

from .tasks import METHODS, TASKS, Measurement, calls, restorer, settings

__all__ = ["METHODS", "TASKS", "Measurement", "calls", "restorer", "settings"]
