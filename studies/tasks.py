"""Damage that sweep and comparison repair, by name, and what classical methods make of it."""

from __future__ import annotations

import numpy as np
import torch
from skimage import restoration
from torch import Tensor

from fuzzydiff_lite import Noise, masks
from fuzzydiff_lite.operators import AveragePool, Blur, Denoise, Gray, Inpaint, Jpeg, measure
from fuzzydiff_lite.restore import Measurement

TASKS = {  # title -> the task of `fuzzydiff restore`
    "hole": "inpaint",
    "half face": "inpaint",
    "90 % of pixels missing": "inpaint",
    "×4": "x4",
    "×8": "x8",
    "colouring": "colour",
    "Gaussian blur": "deblur",
    "motion blur": "deblur",
    "noise": "denoise",
    "JPEG 10": "jpeg",
}
MASKS = {
    "hole": masks.box(),
    "half face": masks.half(),
    "50 % of pixels missing": masks.random_pixels(0.5),  # for `studies.restoration` alone
    "90 % of pixels missing": masks.random_pixels(0.1),
}
OPERATORS = {
    "×4": (AveragePool(4), 0.0),
    "×8": (AveragePool(8), 0.0),
    "colouring": (Gray(), 0.0),
    "Gaussian blur": (Blur.gaussian(2), 0.02),
    "motion blur": (Blur.motion(13, 30), 0.02),
    "noise": (Denoise(), 0.1),
    "JPEG 10": (Jpeg(10), 0.0),
}


def damage(title: str, x: Tensor) -> Measurement:
    """Faces x (B, 3, 64, 64), damaged; measurement noise is seed 1's, picture by picture."""
    if title in MASKS:
        m = MASKS[title]
        return Measurement(m * x, Inpaint(m), 0.0, m * x, m)
    A, sigma = OPERATORS[title]
    y = measure(A, x, sigma, Noise(1))
    if title in ("×4", "×8", "colouring"):
        return Measurement(y, A, sigma, A.pinv(y).clamp(-1, 1))
    return Measurement(y, A, sigma, y.clamp(-1, 1))


def classical(title: str, given: Measurement) -> tuple[str, Tensor]:
    """What needs no training: a method's name and its pictures, (B, 3, 64, 64) in [-1, 1]."""
    if title in MASKS:
        return "biharmonic", biharmonic(given.y, given.m)
    if title in ("×4", "×8"):
        up = torch.nn.functional.interpolate(given.y, (64, 64), mode="bicubic", antialias=True)
        return "bicubic", up.clamp(-1, 1)
    if title == "colouring":
        return "grey", given.picture
    if TASKS[title] == "deblur":
        kernel = given.A.kernel.numpy()
        return "Richardson–Lucy", _each(given.picture, lambda p: _richardson_lucy(p, kernel))
    weight = {"noise": 0.06, "JPEG 10": 0.03}[title]
    return "total variation", _each(
        given.picture, lambda p: restoration.denoise_tv_chambolle(p, weight, channel_axis=-1)
    )


def biharmonic(y: Tensor, mask: Tensor) -> Tensor:
    """Pixels where `mask` (1, 1, H, W) is 0, filled in smoothly from their rim, no prior."""
    missing = (mask[0, 0] == 0).numpy()
    return _each(y, lambda p: restoration.inpaint_biharmonic(p, missing, channel_axis=-1))


def _richardson_lucy(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """scikit-image's, on the picture continued by itself, since the blur is circular."""
    h, w, _ = picture.shape
    tiled = np.pad(picture, ((h // 2, h // 2), (w // 2, w // 2), (0, 0)), mode="wrap")
    restored = restoration.richardson_lucy(tiled, kernel[..., None], num_iter=15)
    return restored[h // 2 : h // 2 + h, w // 2 : w // 2 + w]


def _each(pictures: Tensor, method) -> Tensor:
    """A method for pictures (H, W, 3) in [0, 1] on each of a batch in [-1, 1]."""
    unit = ((pictures + 1) / 2).permute(0, 2, 3, 1).double().numpy()
    restored = np.stack([method(p) for p in unit])
    return (2 * torch.from_numpy(restored).permute(0, 3, 1, 2) - 1).to(pictures).clamp(-1, 1)
