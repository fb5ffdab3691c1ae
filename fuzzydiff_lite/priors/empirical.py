"""The prior of a finite set of pictures, whose denoiser is exact."""

from __future__ import annotations

from torch import Tensor

from ..schedule import Schedule
from .prior import Prior


class EmpiricalPrior(Prior):
    """Clean pictures are exactly the given ones (n, *shape), each as likely as the others.

    The denoiser is their mean, weighted by how well each explains x.
    Eq. (empirical-denoiser), book/prior/denoiser.
    """

    def __init__(self, pictures: Tensor, schedule: Schedule | None = None):
        self.pictures, self.shape = pictures, tuple(pictures.shape[1:])
        self.schedule = schedule or Schedule.linear()
        self.device, self.dtype = pictures.device, pictures.dtype

    def _answer(self, x, t):
        a = self.schedule.alpha_bar[t]
        flat = self.pictures.flatten(1)
        # -|x - sqrt(a) p|^2 / (2 (1 - a)) up to a constant of x
        likelihood = (a.sqrt() * x.flatten(1) @ flat.T - a / 2 * flat.square().sum(1)) / (1 - a)
        return (likelihood.softmax(1) @ flat).reshape(x.shape), None
