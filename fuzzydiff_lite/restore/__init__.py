"""Restoring by name: tasks, files, and damage that nobody marked."""

from .tasks import PRESETS, TASKS, Given, calls, restorer, settings

__all__ = ["PRESETS", "TASKS", "Given", "calls", "restorer", "settings"]
