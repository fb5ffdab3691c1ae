"""Priors guided by a label (Ho & Salimans 2021) or a classifier (Dhariwal & Nichol 2021)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .prior import Prior


def classifier_free(prior: Prior, tone: str, scale: float) -> Prior:
    """A prior pushed from "no label" (`scale` 0) to `tone` (1); a larger scale is more of it.

    Every call costs two network calls. Give it to any sampler. Raises ValueError for an unknown
    tone and for a prior without labels. Eq. (classifier-free), book/prior/sampling.
    """
    if prior.label is None or tone not in prior.labels:
        known = ", ".join(prior.labels) or "none"
        raise ValueError(
            f"guidance needs a prior with labels and one of them, here {known}, got {tone!r}"
        )
    return Guided(prior, prior.labels.index(tone), scale)


class Guided(Prior):
    """What `classifier_free` makes: the unlabelled guess + `scale` times the label's change."""

    def __init__(self, prior: Prior, label: int, scale: float):
        same = prior.net, prior.schedule, prior.shape, prior.predicts
        super().__init__(*same, label, prior.device, prior.labels)
        self.scale = scale
        self.unlabelled = Prior(*same, prior.labels.index("none"), prior.device, prior.labels)

    def _x0(self, x, t):
        free = self.unlabelled._x0(x, t)
        return free + self.scale * (super()._x0(x, t) - free)  # (classifier-free), in x0


def classifier_guided(prior: Prior, classifier, label: int, scale: float) -> Prior:
    """A prior pushed towards `label` by the gradient of log p(label | x_t).

    `scale` 0 is the prior, 1 is Bayes' rule. `classifier(x, levels)` gives the logits
    (B, classes) of noisy pictures x (B, *shape) at the levels (B,), whole numbers, and must
    judge each picture alone. Only x gets gradients. Every call costs a call of the prior and
    one forward and backward of the classifier. Give it to any sampler.

    Raises ValueError for a label that is not a whole number of at least 0 and for a scale that
    is not finite; when called, before the prior is, for logits of another shape and for a label
    that the classifier does not have.
    Source: Dhariwal & Nichol 2021, section 4; Eq. (classifier-guidance), book/restoring/gradients.
    """
    if not isinstance(label, int) or label < 0:
        raise ValueError(f"label must be a whole number of at least 0, got {label!r}")
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale}")
    return ClassifierGuided(prior, classifier, label, scale)


class ClassifierGuided(Prior):
    """What `classifier_guided` makes: any prior's guess + `scale` times what the label adds."""

    def __init__(self, prior: Prior, classifier, target: int, scale: float):
        self.prior, self.classifier, self.target, self.scale = prior, classifier, target, scale
        self.schedule, self.shape = prior.schedule, prior.shape
        self.device, self.dtype = prior.device, prior.dtype

    def gradient(self, x: Tensor, t: int) -> Tensor:
        """The gradient of log p(label | x_t) with respect to each picture, shape of x."""
        wanted = x.requires_grad
        with torch.inference_mode(False), torch.enable_grad():
            x = x if wanted else x.clone().requires_grad_()
            logits = self.classifier(x, torch.full((len(x),), t, device=x.device))
            if logits.ndim != 2 or len(logits) != len(x) or self.target >= logits.shape[1]:
                raise ValueError(
                    f"the classifier must give logits (B, classes) with B = {len(x)} and "
                    f"a class {self.target}, got {tuple(logits.shape)}"
                )
            log_p = logits.log_softmax(1)[:, self.target]
            # A picture changes its own log p only: the gradient of the sum holds that of each.
            return torch.autograd.grad(log_p.sum(), x, create_graph=wanted)[0]

    def _x0(self, x, t):
        a = self.schedule.alpha_bar[t]
        lean = (1 - a) / a.sqrt() * self.gradient(x, t)
        return self.prior._x0(x, t) + self.scale * lean  # (classifier-guidance)
