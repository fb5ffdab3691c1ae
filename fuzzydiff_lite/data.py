"""Pictures in, as tensors in [-1, 1]: the training faces, single files, the book's faces."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .unet import TONES

FOLDER = Path(__file__).parent / "assets"
ASTRONAUT_BOX = (142, 20, 312, 190)  # left, top, right, bottom in the 512x512 portrait


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


def from_uint8(pictures: Tensor) -> Tensor:
    """8-bit values 0..255 to floats in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def to_uint8(pictures: Tensor) -> Tensor:
    """Floats, clamped to [-1, 1], to the nearest 8-bit values."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte()


def open_picture(path: str | Path, mode: str = "RGB") -> Image.Image:
    """A picture file, turned upright as its camera says, in Pillow's `mode`.

    Raises ValueError for a missing file and one that is no picture, or too large to be one.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip, not scale
                values = (np.asarray(image) / 257).round().clip(0, 255)
                image = Image.fromarray(values.astype(np.uint8))
            elif image.mode == "P":  # a palette may have transparency, which RGB drops
                image = image.convert("RGBA")
            return image.convert(mode)
    except FileNotFoundError as error:
        raise ValueError(f"no such file: {path}") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a picture: {path}") from error


def to_tensor(image: Image.Image) -> Tensor:
    """A Pillow picture, RGB or grey, as (1, 3, H, W) in [-1, 1]."""
    pixels = torch.from_numpy(np.asarray(image.convert("RGB")).copy())
    return from_uint8(pixels.permute(2, 0, 1)[None])


def to_image(picture: Tensor) -> Image.Image:
    """One picture, (3, H, W) or (1, 3, H, W) in [-1, 1], as a Pillow picture."""
    if picture.ndim == 4:
        (picture,) = picture
    return Image.fromarray(to_uint8(picture).permute(1, 2, 0).cpu().numpy())


def crop_square(
    image: Image.Image,
    box: tuple[int, int, int, int] | None = None,
    size: int = 64,
    kernel: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """The square `box` (left, top, right, bottom), or the largest central, at `size` pixels.

    Raises ValueError for a box that is not a square inside the picture.
    """
    width, height = image.size
    if box is None:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
    left, top, right, bottom = box
    inside = 0 <= left < right <= width and 0 <= top < bottom <= height
    if right - left != bottom - top or not inside:
        raise ValueError(
            f"the box {box} is not a square inside a picture of {width}x{height} pixels"
        )
    return image.crop(box).resize((size, size), kernel)


def astronaut() -> Tensor:
    """The face of scikit-image's astronaut, (1, 3, 64, 64).

    A NASA portrait of Eileen Collins, in the public domain, cropped like the faces the prior
    was trained on. A real face that the prior has never seen.
    """
    from skimage.data import astronaut as picture

    return to_tensor(crop_square(Image.fromarray(picture()), ASTRONAUT_BOX))


def _from_sheet(file: str, n: int) -> Tensor:
    """The first `n` 64×64 faces of a sheet, row by row; ValueError where it has fewer."""
    whole = to_tensor(Image.open(FOLDER / file))[0]
    tiles = whole.unfold(1, 64, 64).unfold(2, 64, 64)  # (3, rows, columns, 64, 64)
    faces = tiles.flatten(1, 2).transpose(0, 1)
    if not 1 <= n <= len(faces):
        raise ValueError(f"n must be between 1 and {len(faces)}, got {n}")
    return faces[:n].contiguous()


def people(n: int = 256) -> Tensor:
    """The first `n` of 256 people who do not exist, (n, 3, 64, 64), from the shipped prior.

    Raises ValueError for an `n` outside 1..256.
    """
    return _from_sheet("people.webp", n)


def london(n: int = 20) -> Tensor:
    """The first `n` of 20 real people, unseen by the prior, (n, 3, 64, 64), in colour.

    They consented in writing to publication. By the order of their numbers in the set, neutral
    and smiling by turns. From the Face Research Lab London Set by Lisa DeBruine and Benedict
    Jones (2017), doi 10.6084/m9.figshare.5047666, CC BY 4.0; aligned, cropped and reduced.
    Raises ValueError for an `n` outside 1..20.
    """
    return _from_sheet("london.webp", n)


def portrait() -> Tensor:
    """Halbert Eleazer Paine (1826-1905), Representative of Wisconsin, (1, 3, 64, 64).

    A monochrome photograph in the public domain (credit: voteview.com, UCLA). A validation
    face, on which the prior was not trained. The three channels are equal: nobody knows the
    colours.
    """
    return _from_sheet("portrait.webp", 1)
