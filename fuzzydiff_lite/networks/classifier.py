"""A classifier of noisy pictures, colour or mono: guidance follows its gradient."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..schedule import Schedule


class ToneClassifier(nn.Module):
    """Logits (B, 2) of `TONES[:2]`, colour and mono, at any level of noise: `net(x, levels)`.

    x (B, 3, H, W), of any size; levels (B,) whole numbers 0..T, one a picture. Four strided
    convolutions, then the mean over the grid that is left. 80 114 parameters.
    """

    def __init__(self, schedule: Schedule):
        super().__init__()
        self.register_buffer("alpha_bar", schedule.alpha_bar.float(), persistent=False)
        widths = (5, 32, 48, 64, 64)
        convs = (nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.convs = nn.ModuleList(convs)
        self.logits = nn.Linear(widths[-1], 2)

    def forward(self, x: Tensor, levels: Tensor) -> Tensor:
        a = self.alpha_bar[levels][:, None, None, None].expand(-1, 1, *x.shape[2:])
        h = torch.cat([x, a.sqrt(), (1 - a).sqrt()], 1)  # how much is picture, how much noise
        for conv in self.convs:
            h = F.silu(conv(h))  # smooth, so that the gradient is
        return self.logits(h.mean((2, 3)))
