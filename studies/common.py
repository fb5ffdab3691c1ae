"""What the studies share: finished parts in `runs`, results and pictures with their stamp."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from fuzzydiff_lite.data import sheet
from fuzzydiff_lite.networks import SHA256

ROOT = Path(__file__).parents[1]
RUNS, DATA, IMAGES = ROOT / "runs", ROOT / "book" / "data", ROOT / "book" / "images"
SHIPPED = SHA256["faces64"]  # the weights that ship


def kept(
    study: str,
    part: str,
    make: Callable,
    *args,
    weights: str = SHIPPED,
    anew: bool = False,
    **decisive,
):
    """What `make(*args)` returns, from `runs/STUDY` where an earlier run has left it.

    It is made where no run with these weights has left a part of this name with the same
    `decisive`, which is all else that decides the result; or where it is wanted `anew`. It gets
    its name when it is whole, so that what an interruption leaves is not taken for finished.
    """
    key = hashlib.sha256(repr((weights, study, part, decisive)).encode()).hexdigest()
    name = re.sub(r"\W+", "-", part)
    file = RUNS / study / f"{name}-{key[:16]}.pt"
    if anew or not file.is_file():
        began = time.monotonic()
        made = make(*args)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(made, file.with_suffix(".new"))
        file.with_suffix(".new").rename(file)
        print(f"{study}, {part}: {time.monotonic() - began:.0f} s", flush=True)
    return torch.load(file)


def kept_in_parts(
    study: str, name: str, make: Callable[[int, int], Tensor], count: int, size: int, **others
) -> Tensor:
    """`make(first, last)` for stretches of `size` of `count` pictures, each `kept`, in one."""
    parts = []
    for first in range(0, count, size):
        last = min(first + size, count)
        part = f"{name} {first}-{last}"
        parts.append(kept(study, part, make, first, last, **others))
    return torch.cat(parts)


def write(file: Path, study: str, facts: dict, weights: str = SHIPPED) -> None:
    """What a study found, as JSON, below which weights and which command made it."""
    stamp = {"weights_sha256": weights, "command": f"python -m studies.{study}"}
    text = json.dumps(stamp | facts, indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def save_sheet(
    file: Path, pictures: Tensor, columns: int, scale: int = 1, weights: str = SHIPPED, **how
) -> None:
    """Pictures (n, 3, H, W) in rows of `columns` as a WebP file that says which weights made
    it; `how` is Pillow's `quality` or `lossless`.
    """
    picture = sheet(pictures, columns, scale)
    picture.save(file, method=6, xmp=weights.encode(), **how)
