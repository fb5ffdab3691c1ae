"""Restoring by name: tasks, files, and damage that nobody marked.

`METHODS` has each sampler's settings by default, and `TASKS` the methods that fit each task,
with what differs from them.
"""

from .tasks import METHODS, TASKS, Measurement, calls, restorer, settings

__all__ = ["METHODS", "TASKS", "Measurement", "calls", "restorer", "settings"]
