"""Priors: what a sampler knows about clean pictures, asked by one question, "E[x0 | x_t]?".

`Prior` wraps any denoising network; `GaussianPrior` and `EmpiricalPrior` answer exactly, for
teaching and tests.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..schedule import Schedule
from ..steps import Prediction, eps_from_x0, x0_from_eps


class Prior:
    """A denoiser: `prior.predict(x, t)` of pictures x (B, *shape) at level t.

    `net(x, levels)` or, with a `label`, `net(x, levels, labels)` gets levels and labels as (B,)
    integer tensors and returns what it `predicts`: "v", "eps" or "x0". Where it returns twice
    the channels, the second half is its learned variance, -1 for beta-tilde to 1 for beta.
    Gradients flow where `x` requires them and nowhere else.

    `labels` names what the network can be told, in the order of its label numbers.
    `variance`, where it is known, is the variance of the clean pictures along the line from
    their mean to one of them, see `variance_along`. `weights` is the SHA-256 of the file the
    network came from, if any.

    Raises ValueError for another shape, a level outside 1..T, or an unknown `predicts`.
    Eq. (v-prediction), book/prior/denoiser.
    """

    label: int | None = None
    labels: tuple[str, ...] = ()
    variance: float | None = None
    weights: str | None = None

    def __init__(
        self,
        net,
        schedule: Schedule,
        shape=(3, 64, 64),
        predicts="v",
        label=None,
        device="cpu",
        labels: tuple[str, ...] = (),
    ):
        if predicts not in ("v", "eps", "x0"):
            raise ValueError(f'predicts must be "v", "eps" or "x0", got {predicts!r}')
        self.net, self.schedule, self.shape = net, schedule, tuple(shape)
        self.predicts, self.label, self.labels = predicts, label, labels
        self.device, self.dtype = torch.device(device), torch.float32

    @property
    def tone(self) -> str:
        """The name of the label it is told, "none" without one."""
        return "none" if self.label is None else self.labels[self.label]

    def predict(self, x: Tensor, t: int) -> Prediction:
        """The expected clean picture and noise of x at level t, not clipped; the variance."""
        self._check(x, t)
        with torch.set_grad_enabled(x.requires_grad):
            x0, between = self._answer(x, t)
            return Prediction(x0, eps_from_x0(x, x0, self.schedule.alpha_bar[t]), between)

    def x0(self, x: Tensor, t: int) -> Tensor:
        """The expected clean picture E[x0 | x_t], not clipped; shape of x."""
        return self.predict(x, t).x0

    def eps(self, x: Tensor, t: int) -> Tensor:
        """The expected noise in x. Eq. (eps-from-x0), book/prior/posterior."""
        return self.predict(x, t).eps

    def _answer(self, x, t):
        """x0 and, where the network has learned one, its variance as in `Prediction`."""
        levels = torch.full((len(x),), t, device=x.device)
        labels = () if self.label is None else (torch.full_like(levels, self.label),)
        out, *learned = self.net(x, levels, *labels).split(x.shape[1], 1)
        a = self.schedule.alpha_bar[t]
        if self.predicts == "x0":
            x0 = out
        elif self.predicts == "eps":
            x0 = x0_from_eps(x, out, a)
        else:
            x0 = a.sqrt() * x - (1 - a).sqrt() * out
        return x0, ((learned[0] + 1) / 2 if learned else None)

    def _check(self, x, t):
        if tuple(x.shape[1:]) != self.shape:
            shape = ", ".join(map(str, self.shape))
            raise ValueError(
                f"this prior knows pictures of shape (B, {shape}), got {tuple(x.shape)}"
            )
        if not 1 <= t <= self.schedule.T:
            raise ValueError(f"level must be between 1 and {self.schedule.T}, got {t}")
