"""The files that ship with the package: weights, statistics, pictures."""

from pathlib import Path

FOLDER = Path(__file__).parent
