"""The training faces: where they lie, and how to load them."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

TONES = ("colour", "mono")  # of a photograph, by its number


def faces64_folder() -> Path:
    """Where faces64.zip and .csv lie: $FUZZYDIFF_FACES64, shared/faces64 or ../shared/faces64.

    Raises ValueError where there are none. Training needs them, the book and the tests do not.
    """
    places = [os.environ.get("FUZZYDIFF_FACES64"), "shared/faces64", "../shared/faces64"]
    for place in filter(None, places):
        if (Path(place) / "faces64.zip").is_file():
            return Path(place)
    raise ValueError(
        "no faces64.zip in $FUZZYDIFF_FACES64, shared/faces64 or ../shared/faces64: "
        "set FUZZYDIFF_FACES64 to the folder that holds it and faces64.csv"
    )


def load_faces64(
    folder: Path | None = None, size: int = 64, **wanted: str
) -> tuple[Tensor, Tensor, list[str]]:
    """Faces uint8 (n, 3, size, size), tones (n,) and names, in the order of `faces64.csv`.

    `wanted` selects rows by column, e.g. split="val", source="london", tone="colour". Raises
    ValueError where nothing is selected and for a broken collection.
    """
    folder = folder or faces64_folder()
    with open(folder / "faces64.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if wanted.items() <= row.items()]
    if not rows:
        raise ValueError(f"no face in {folder} has {wanted}")
    try:
        with zipfile.ZipFile(folder / "faces64.zip") as archive:
            files = (io.BytesIO(archive.read(f"{row['name']}.webp")) for row in rows)
            pictures = [Image.open(file) for file in files]
            if size != 64:
                pictures = [p.resize((size, size), Image.Resampling.BOX) for p in pictures]
            stack = np.stack([np.asarray(p.convert("RGB")) for p in pictures])
    except (zipfile.BadZipFile, UnidentifiedImageError, KeyError) as error:
        raise ValueError(
            f"{folder / 'faces64.zip'} does not hold the pictures of faces64.csv: {error}"
        ) from error
    tones = torch.tensor([TONES.index(row["tone"]) for row in rows])
    pictures = torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous()
    return pictures, tones, [row["name"] for row in rows]
