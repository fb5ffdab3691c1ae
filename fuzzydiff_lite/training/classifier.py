"""Training the classifier of noisy pictures: half a minute on a processor."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.classifier import ToneClassifier
from ..schedule import Schedule
from ..steps import noise_to


def train_classifier(
    pictures: Tensor, labels: Tensor, schedule: Schedule, steps: int = 600, seed: int = 0
) -> ToneClassifier:
    """A `ToneClassifier` after `steps` batches of 64 pictures at random levels, noised afresh.

    `pictures` (n, 3, H, W) in [-1, 1]; `labels` (n,) whole numbers, 0 colour and 1 mono.
    Cross-entropy and Adam, its rate falling along a cosine from 2e-3 to 0. The default takes
    some 15 seconds on two cores for 64x64 pictures. The same seed draws the same batches on
    every device; torch's own random state stays as it was.

    Raises ValueError for pictures or labels of another shape, other labels, only one of the
    two, or steps that are not a whole number of at least 1. Source: Dhariwal & Nichol 2021,
    section 4.
    """
    if pictures.ndim != 4 or pictures.shape[1] != 3 or tuple(labels.shape) != (len(pictures),):
        raise ValueError(
            "pictures (n, 3, H, W) and a label for each of them, (n,), are wanted, "
            f"got {tuple(pictures.shape)} and {tuple(labels.shape)}"
        )
    if labels.is_floating_point() or set(labels.tolist()) != {0, 1}:
        raise ValueError(
            f"labels must be whole numbers, some 0 and some 1, got {labels.unique().tolist()}"
        )
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number of at least 1, got {steps}")
    # the layers draw their first weights from the global generator
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = ToneClassifier(schedule).to(pictures.device)
    random = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        pick = torch.randint(len(pictures), (64,), generator=random)
        levels = torch.randint(1, schedule.T + 1, (64,), generator=random)
        eps = torch.randn(64, *pictures.shape[1:], generator=random)
        pick, levels, eps = (draw.to(pictures.device) for draw in (pick, levels, eps))
        x = noise_to(pictures[pick], eps, net.alpha_bar[levels][:, None, None, None])
        loss = F.cross_entropy(net(x, levels), labels[pick])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
    return net.eval().requires_grad_(False)
