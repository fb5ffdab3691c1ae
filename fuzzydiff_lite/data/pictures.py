"""Pictures in and out: files, Pillow pictures and tensors in [-1, 1]."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor


def from_uint8(pictures: Tensor) -> Tensor:
    """8-bit values 0..255 to float32 in [-1, 1], of any shape."""
    return pictures.float() / 127.5 - 1


def to_uint8(pictures: Tensor) -> Tensor:
    """Floats of any shape, clamped to [-1, 1], to the nearest 8-bit values 0..255."""
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


def sheet(pictures: Tensor, columns: int | None = None, scale: int = 1) -> Image.Image:
    """Pictures (n, 3, H, W) in [-1, 1] in rows of `columns`, as one Pillow picture.

    Each pixel becomes a square of `scale` x `scale`; without `columns` the sheet is about
    square.
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    n, c, h, w = pictures.shape
    canvas = torch.ones(rows * columns, c, h, w)
    canvas[:n] = pictures.cpu()
    tiles = canvas.reshape(rows, columns, c, h, w).permute(2, 0, 3, 1, 4)
    whole = to_image(tiles.reshape(c, rows * h, columns * w))
    return whole.resize((scale * columns * w, scale * rows * h), Image.Resampling.NEAREST)


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
