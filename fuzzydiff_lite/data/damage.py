"""Damage to find and mend: boxes, scratches, stains and the like, and where they truly are.

Each function takes pictures (B, 3, H, W) in [-1, 1], H = W, and returns them damaged, with the
truth (B, 1, H, W): 1 where a pixel is damaged, else 0. `named` calls one of them by its name.
"""

from __future__ import annotations

import io
import string
from collections.abc import Callable

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..noise import Noise
from .pictures import to_image, to_tensor

BRANCH = 6  # drawn damage shares no number with what a sampler of the same seed draws
FINE = 4  # shapes are drawn this much larger and reduced, so that their edges are smooth
EYES, APART = (0.5, 0.47), 0.27  # of an aligned face, in sides: their middle, their distance


def boxes(x: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """One or two boxes with at least one colour channel 0, as in the paper's public code."""
    u, size = _uniform(noise, x, 12), x.shape[-1]
    damaged, truth = x.clone(), torch.zeros_like(x[:, :1])
    for i, row in enumerate(u.tolist()):
        chosen = [c for c in range(x.shape[1]) if row[c] < 0.5] or [int(row[0] * 1.99)]
        for left, top, width, height in (row[4:8], row[8:12])[: 1 + (row[3] < 0.5)]:
            w, h = (round(size * (0.15 + 0.3 * side)) for side in (width, height))
            left, top = round(left * (size - w)), round(top * (size - h))
            damaged[i, chosen, top : top + h, left : left + w] = 0
            truth[i, :, top : top + h, left : left + w] = 1
    return damaged, truth


def scratches(x: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """Three to five scratches, thin crooked lines, bright or dark, all across the picture."""

    def draw(pen, u, side):
        for k in range(3 + int(3 * u[0])):
            a, b, bend, width = u[4 * k + 2 : 4 * k + 6]
            middle = side / 2 * (a + b) + side * 0.15 * (bend - 0.5)
            points = [(side * a, 0), (middle, side / 2), (side * b, side)]
            points = points if k % 3 else [(q, p) for p, q in points]
            pen.line(points, fill=255, width=round(side / 64 * (0.6 + 0.9 * width)))

    u = _uniform(noise, x, 22)
    ink = torch.where(u[:, 1] < 0.7, 0.95, -0.95)[:, None].expand(-1, 3)
    return _paint(x, _shapes(draw, u, x), ink)


def stains(x: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """One or two brown stains that let the picture show through, by a fifth to a half."""

    def draw(pen, u, side):
        for a, b, c, d in (u[2:6], u[6:10])[: 1 + (u[0] < 0.5)]:
            w, h = side * (0.08 + 0.1 * c), side * (0.08 + 0.1 * d)
            # blobs run into each other
            for dx, dy, part in ((0, 0, 1), (0.7, 0.3, 0.7), (-0.6, 0.5, 0.6)):
                p, q = side * (0.15 + 0.7 * a) + dx * w, side * (0.15 + 0.7 * b) + dy * h
                pen.ellipse((p - part * w, q - part * h, p + part * w, q + part * h), fill=255)

    u = _uniform(noise, x, 10)
    colour = torch.tensor([-0.1, -0.45, -0.75]) + 0.3 * (u[:, 1:2] - 0.5)
    return _paint(x, _shapes(draw, u, x), colour, 0.5 + 0.3 * u[:, 1])


def text(x: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """Two lines of capitals, white, black or yellow, as a stamp or a date on a photograph."""

    def draw(pen, u, side):
        font = ImageFont.load_default(side * 0.14)
        for k in range(2):
            letters = u[4 + 6 * k : 10 + 6 * k]
            word = "".join(string.ascii_uppercase[int(25.99 * v)] for v in letters)
            at = side * (0.02 + 0.3 * u[2 + k]), side * (0.1 + 0.45 * k + 0.3 * u[2 + k])
            pen.text(at, word, fill=255, font=font)

    u = _uniform(noise, x, 16)
    inks = torch.tensor([[0.95, 0.95, 0.95], [-0.95, -0.95, -0.95], [0.9, 0.7, -0.8]])
    return _paint(x, _shapes(draw, u, x), inks[(2.999 * u[:, 0]).long()])


def noise(x: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """A patch of 1/4 to 1/2 the side with white noise of std 0.5, clipped to [-1, 1]."""
    truth = _patch(_uniform(noise, x, 4), x)
    grain = (noise or Noise()).branch(BRANCH).branch(1).like(x)
    return (x + 0.5 * truth * grain).clamp(-1, 1), truth


def jpeg(x: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """A patch of half to nine tenths of the side as JPEG of quality 8 leaves it.

    The truth is where it shows: inside the patch, where the absolute change, mean of the
    colours and of the 5x5 pixels around, is above 0.1 of the range from -1 to 1.
    """
    patch = _patch(_uniform(noise, x, 4), x, 0.5, 0.9)
    damaged = x.clone()
    for i, picture in enumerate(x):
        file = io.BytesIO()
        to_image(picture).save(file, "JPEG", quality=8)
        damaged[i] = torch.where(patch[i] > 0, to_tensor(Image.open(file))[0].to(x), picture)
    change = (damaged - x).abs().mean(1, keepdim=True)
    seen = torch.nn.functional.avg_pool2d(change, 5, 1, 2, count_include_pad=False) > 0.1
    return damaged, patch * seen


def sunglasses(x: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """Dark glasses on the eyes of an aligned face: two lenses, a bridge, and two temples."""

    def draw(pen, u, side):
        (across, down), half = EYES, APART / 2
        size, shift = 0.9 + 0.2 * u[0], 0.02 * (u[1] - 0.5)
        y = side * (down + shift)
        for sign in (-1, 1):
            at, w, h = side * (across + sign * half), side * 0.125 * size, side * 0.1 * size
            lens = (at - w, y - 0.8 * h, at + w, y + 1.1 * h)
            pen.rounded_rectangle(lens, radius=0.7 * h, fill=255)
            temple = [(at + sign * w, y - 0.3 * h), (side * (0.5 + sign * 0.36), y - 0.5 * h)]
            pen.line(temple, fill=255, width=round(side / 50))
        bridge = [(side * (across - half), y), (side * (across + half), y)]
        pen.line(bridge, fill=255, width=round(side / 40))

    u = _uniform(noise, x, 3)
    dark = (-0.95 + 0.3 * u[:, 2:]).expand(-1, 3)
    return _paint(x, _shapes(draw, u, x), dark, torch.full((len(x),), 0.95))


KINDS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    function.__name__: function
    for function in (boxes, scratches, stains, text, noise, jpeg, sunglasses)
}


def named(kind: str, x: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """Damage pictures x (B, 3, H, W) in [-1, 1], H = W: (damaged, truth).

    The truth, (B, 1, H, W), is 1 where damaged, else 0. `kind` is one of `KINDS`. Each picture
    gets damage of its own. Raises ValueError, which lists the kinds, for another one, and for x
    that is no batch of square colour pictures in [-1, 1].
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] != x.shape[3] or not x.is_floating_point():
        shape = tuple(x.shape)
        raise ValueError(
            f"x must be floating-point pictures of shape (B, 3, size, size), got {shape}"
        )
    if not (x.abs() <= 1).all():
        raise ValueError("x must lie in [-1, 1] and have no NaN")
    return KINDS[kind](x, noise)


def _uniform(noise: Noise | None, x: Tensor, count: int) -> Tensor:
    """Numbers in (0, 1) for each picture, (B, count)."""
    return torch.special.ndtr((noise or Noise()).branch(BRANCH)((len(x), count)).double())


def _patch(u: Tensor, x: Tensor, least: float = 0.25, most: float = 0.5) -> Tensor:
    """A rectangle a picture, 1 inside, (B, 1, H, W)."""
    size, truth = x.shape[-1], torch.zeros_like(x[:, :1])
    for i, (left, top, width, height) in enumerate(u.tolist()):
        w, h = (round(size * (least + (most - least) * side)) for side in (width, height))
        left, top = round(left * (size - w)), round(top * (size - h))
        truth[i, :, top : top + h, left : left + w] = 1
    return truth


def _shapes(draw: Callable, u: Tensor, x: Tensor) -> Tensor:
    """What `draw(pen, numbers, side)` covers of each picture, (B, 1, H, W) in [0, 1]."""
    size, covers = x.shape[-1], []
    for row in u.tolist():
        canvas = Image.new("L", (FINE * size, FINE * size))
        draw(ImageDraw.Draw(canvas), row, FINE * size)
        small = canvas.reduce(FINE)
        cover = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8)
        covers.append(cover.reshape(1, size, size))
    return torch.stack(covers).to(x) / 255


def _paint(
    x: Tensor, cover: Tensor, colour: Tensor, opacity: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`colour` (B, 3) over pictures where `cover` (B, 1, H, W) says, and the pixels touched."""
    alpha = cover if opacity is None else cover * opacity.to(x)[:, None, None, None]
    return x + alpha * (colour.to(x)[:, :, None, None] - x), (cover > 0).to(x)
