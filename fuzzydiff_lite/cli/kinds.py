"""What an option may hold: numbers between bounds, and settings of a method."""

from __future__ import annotations

import argparse
import math


def number(kind: type, least: float, most: float = math.inf):
    """An argparse type: an int or float between `least` and `most`."""

    def convert(text: str):
        value = kind(text)
        if not least <= value <= most:  # true for NaN too
            wanted = f"at least {least}" if most == math.inf else f"between {least} and {most}"
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text}")
        return value

    convert.__name__ = kind.__name__  # for argparse's own messages
    return convert


def setting(text: str) -> tuple[str, float | int | bool | str]:
    """An argparse type: NAME=VALUE, the value a number, true, false, or a word."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"must be written NAME=VALUE, got {text}")
    for convert in (int, float, {"true": True, "false": False}.__getitem__):
        try:
            return name, convert(value)
        except (KeyError, ValueError):
            continue
    return name, value
