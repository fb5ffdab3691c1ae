"""The command line, `fuzzydiff`."""

from .commands import main

__all__ = ["main"]
