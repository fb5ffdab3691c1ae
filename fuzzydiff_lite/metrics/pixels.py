"""How close a picture is to the true one, PSNR, SSIM; how well damage is found, AUROC, AP."""

from __future__ import annotations

import torch
from torch import Tensor

RANGE = 2.0  # from -1 to 1
ALL, INNER = (...,), (..., slice(3, -3), slice(3, -3))  # 3 pixels: half of SSIM's 7x7 window


def psnr(a: Tensor, b: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in dB of each pair of pictures, (B,); infinite if identical.

    `a` and `b` (B, 3, H, W) in [-1, 1]. `mask` (1 | B, 1 | 3, H, W) in [0, 1] weighs the
    squared errors: 1 counts, 0 does not. So pass `1 - m` to score the hole of a map m.

    Raises ValueError for pictures or a mask of another shape, and a mask that selects nothing.
    """
    weight = _weight(a, b, mask)
    mse = (weight * (a - b).double().square()).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    return (10 * torch.log10(RANGE**2 / mse)).to(a.dtype)


def ssim(a: Tensor, b: Tensor, mask: Tensor | None = None) -> Tensor:
    """Structural similarity of each pair of pictures, (B,); 1 where they are identical.

    scikit-image's: 7x7 uniform window, mean over colours and pixels. The outer 3 pixels, where
    the window does not fit, never count. Arguments and errors as for `psnr`; H and W from 7 on.

    Source: Wang, Bovik, Sheikh & Simoncelli 2004.
    """
    from skimage.metrics import structural_similarity

    weight = _weight(a, b, mask, INNER)
    pairs = zip(a.double().cpu().numpy(), b.double().cpu().numpy())
    settings = {"data_range": RANGE, "channel_axis": 0, "full": True}
    maps = [structural_similarity(p, q, **settings)[1] for p, q in pairs]
    similarity = torch.stack([torch.from_numpy(m)[INNER] for m in maps]).to(weight)
    return ((weight * similarity).sum((1, 2, 3)) / weight.sum((1, 2, 3))).to(a.dtype)


def auroc(score: Tensor, truth: Tensor) -> float:
    """The chance that a pixel where `truth` is above 0 scores higher than one where it is not.

    This is the area under the receiver operating characteristic. Equal scores count as half.
    `score` and `truth` have one shape, whatever it is. NaN where all pixels are alike.
    """
    score, truth = score.flatten().double(), truth.flatten() > 0
    _, place, count = score.unique(return_inverse=True, return_counts=True)
    rank = (count.cumsum(0) - (count - 1) / 2)[place]  # from 1; equal scores share the mean
    n = truth.sum()
    return ((rank[truth].sum() - n * (n + 1) / 2) / (n * (~truth).sum())).item()


def average_precision(score: Tensor, truth: Tensor) -> float:
    """The mean, over the pixels with `truth` 1, of the precision at their score.

    The precision at a score is the share of pixels with truth 1 among all that score at least
    as high. `score` and `truth`, which is 0 or 1, have one shape. NaN where truth is 0
    everywhere.
    """
    score, truth = score.flatten().double(), truth.flatten().double()
    levels, place = score.neg().unique(return_inverse=True)  # from the highest score down
    hits = torch.zeros(len(levels)).double().index_add(0, place, truth)
    all_ = torch.zeros(len(levels)).double().index_add(0, place, torch.ones_like(truth))
    return ((hits * hits.cumsum(0) / all_.cumsum(0)).sum() / hits.sum()).item()


def _weight(a: Tensor, b: Tensor, mask: Tensor | None, part=ALL) -> Tensor:
    """The weight of each number of `a`, float64, H and W cut to `part`, after the checks."""
    if a.ndim != 4 or a.shape != b.shape:
        raise ValueError(
            "two batches of pictures of one shape are wanted, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if mask is None:
        return torch.ones_like(a, dtype=torch.float64)[part]
    pairs = zip(mask.shape[:2], a.shape[:2])
    if mask.ndim != 4 or any(have not in (1, want) for have, want in pairs):
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, "
            f"which does not fit pictures of shape {tuple(a.shape)}"
        )
    if mask.shape[2:] != a.shape[2:]:
        raise ValueError(
            f"mask has {tuple(mask.shape[2:])} pixels, the pictures have {tuple(a.shape[2:])}"
        )
    weight = mask.to(a.device, torch.float64).expand(a.shape)[part]
    if not (weight.sum((1, 2, 3)) > 0).all() or (weight < 0).any():
        raise ValueError(
            "mask must be at least 0 everywhere and above 0 where something is to be scored"
        )
    return weight
