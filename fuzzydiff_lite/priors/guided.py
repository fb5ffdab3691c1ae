"""Priors guided by a label (Ho & Salimans 2021), a classifier (Dhariwal & Nichol 2021), or any
log p(y | x_t)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..steps import Draw, ancestral
from .prior import Prior

# log p(y | x_t), (B,), of pictures x at level t, one number a picture, whatever the others are
LogLikelihood = Callable[[Tensor, int], Tensor]


def classifier_free(prior: Prior, tone: str, guidance_scale: float) -> Prior:
    """A prior pushed from "no label" (`guidance_scale` 0) to `tone` (1), or further.

    Every call costs two network calls. Give it to any sampler. Raises ValueError for an unknown
    tone and for a prior without labels. Eq. (classifier-free), book/prior/sampling.
    """
    if prior.label is None or tone not in prior.labels:
        known = ", ".join(prior.labels) or "none"
        raise ValueError(
            f"guidance needs a prior with labels and one of them, here {known}, got {tone!r}"
        )
    return Guided(prior, prior.labels.index(tone), guidance_scale)


class Guided(Prior):
    """What `classifier_free` makes: unlabelled, plus the scaled change that the label makes."""

    def __init__(self, prior: Prior, label: int, guidance_scale: float):
        same = prior.net, prior.schedule, prior.shape, prior.predicts
        super().__init__(*same, label, prior.device, prior.labels)
        self.guidance_scale = guidance_scale
        none = prior.labels.index("none")
        self.unlabelled = Prior(*same, none, prior.device, prior.labels)

    def _answer(self, x, t):
        free, _ = self.unlabelled._answer(x, t)
        labelled, between = super()._answer(x, t)
        x0 = free + self.guidance_scale * (labelled - free)  # (classifier-free), in x0
        return x0, between


def likelihood_guided(prior: Prior, log_p: LogLikelihood, guidance_scale: float = 1.0) -> Prior:
    """A prior pushed by the gradient of log p(y | x_t), of whatever y and however it is known.

    `log_p(x, t)` gives it for noisy pictures x (B, *shape) at level t, (B,), and must judge
    each picture alone. `guidance_scale` 0 is the prior, 1 is Bayes' rule. Only x gets
    gradients. Every call costs a call of the prior and one forward and backward of `log_p`.
    Give it to any sampler. This is guidance in its score form; `shifted` is the other.

    Raises ValueError for a scale that is not finite and, when called, unless `log_p` gives
    (B,).
    Source: Dhariwal & Nichol 2021, Algorithm 2;
    Eq. (classifier-guidance), book/restoring/gradients.
    """
    if not math.isfinite(guidance_scale):
        raise ValueError(f"guidance_scale must be finite, got {guidance_scale}")
    return LikelihoodGuided(prior, log_p, guidance_scale)


class LikelihoodGuided(Prior):
    """What `likelihood_guided` makes: any prior's x0 and `guidance_scale` times what y adds."""

    def __init__(self, prior: Prior, log_p: LogLikelihood, guidance_scale: float):
        self.prior, self.log_p, self.guidance_scale = prior, log_p, guidance_scale
        self.schedule, self.shape = prior.schedule, prior.shape
        self.device, self.dtype = prior.device, prior.dtype

    def gradient(self, x: Tensor, t: int) -> Tensor:
        """The gradient of log p(y | x_t) with respect to each picture, shape of x."""
        return gradient(self.log_p, x, t)

    def _answer(self, x, t):
        a = self.schedule.alpha_bar[t]
        lean = (1 - a) / a.sqrt() * self.gradient(x, t)
        x0, between = self.prior._answer(x, t)
        return x0 + self.guidance_scale * lean, between  # (classifier-guidance)


def shifted(
    log_p: LogLikelihood, guidance_scale: float = 1.0, draw: Draw | None = None
) -> Draw:
    """How a step draws (`ancestral` unless told), its mean moved by its variance times the
    gradient of log p(y | x_t).

    To be given to a sampler as its `draw`. Arguments are those of `likelihood_guided`.
    Source: Dhariwal & Nichol 2021, Algorithm 1.
    """
    if not math.isfinite(guidance_scale):
        raise ValueError(f"guidance_scale must be finite, got {guidance_scale}")
    draw = draw or ancestral()

    def moved(x, prediction, schedule, t, s):
        mean, std = draw(x, prediction, schedule, t, s)
        return mean + guidance_scale * std**2 * gradient(log_p, x, t), std

    return moved


def classifier_guided(prior: Prior, classifier, label: int, guidance_scale: float) -> Prior:
    """A prior pushed towards `label` by the gradient of log p(label | x_t).

    `classifier(x, levels)` gives the logits (B, classes) of noisy pictures x (B, *shape) at the
    levels (B,), whole numbers. All else is as for `likelihood_guided`.

    Raises ValueError for a label that is not a whole number of at least 0 and for a scale that
    is not finite; when called, before the prior is, for logits of another shape and for a label
    that the classifier does not have.
    Source: Dhariwal & Nichol 2021, section 4;
    Eq. (classifier-guidance), book/restoring/gradients.
    """
    return likelihood_guided(prior, label_likelihood(classifier, label), guidance_scale)


def label_likelihood(classifier, label: int) -> LogLikelihood:
    """log p(label | x_t) by a classifier; arguments and errors as for `classifier_guided`."""
    if not isinstance(label, int) or label < 0:
        raise ValueError(f"label must be a whole number of at least 0, got {label!r}")

    def log_p(x, t):
        logits = classifier(x, torch.full((len(x),), t, device=x.device))
        if logits.ndim != 2 or len(logits) != len(x) or label >= logits.shape[1]:
            raise ValueError(
                f"the classifier must give logits (B, classes) with B = {len(x)} and "
                f"a class {label}, got {tuple(logits.shape)}"
            )
        return logits.log_softmax(1)[:, label]

    return log_p


def gradient(log_p: LogLikelihood, x: Tensor, t: int) -> Tensor:
    """The gradient of log p(y | x_t) with respect to each picture, shape of x.

    Raises ValueError unless `log_p(x, t)` gives one number a picture.
    """
    wanted = x.requires_grad
    with torch.inference_mode(False), torch.enable_grad():
        x = x if wanted else x.clone().requires_grad_()
        value = log_p(x, t)
        if value.shape != (len(x),):
            raise ValueError(f"log p must be one number a picture, got {tuple(value.shape)}")
        # A picture changes its own log p only: the gradient of the sum holds that of each.
        return torch.autograd.grad(value.sum(), x, create_graph=wanted)[0]
