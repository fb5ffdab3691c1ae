"""Classifier-free guidance (Ho & Salimans 2021): a prior that leans towards its label."""

from __future__ import annotations

from ..prior import Prior
from ..unet import TONES


def classifier_free(prior: Prior, tone: str, scale: float) -> Prior:
    """A prior pushed from "no label" towards `tone`: scale 0 is no label, 1 the label, more is more of it.

    Every call costs two network calls. Give it to any sampler. Raises ValueError for an unknown tone and for a
    prior without labels. Eq. (classifier-free), book/05_sampling.
    """
    if prior.label is None or tone not in TONES:
        raise ValueError(f"guidance needs a prior with labels and a tone of {', '.join(TONES)}, got {tone!r}")
    return Guided(prior, TONES.index(tone), scale)


class Guided(Prior):
    """What `classifier_free` makes: the guess without a label, plus `scale` times what the label changes in it."""

    def __init__(self, prior: Prior, label: int, scale: float):
        super().__init__(prior.net, prior.schedule, prior.shape, prior.predicts, label, prior.device)
        self.scale = scale
        self.unlabelled = Prior(
            prior.net, prior.schedule, prior.shape, prior.predicts, TONES.index("none"), prior.device
        )

    def _x0(self, x, t):
        free = self.unlabelled._x0(x, t)
        return free + self.scale * (super()._x0(x, t) - free)  # (classifier-free), in x0
