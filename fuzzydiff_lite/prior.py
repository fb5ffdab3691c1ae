"""Priors: what a sampler knows about clean pictures, asked by one question, "E[x0 | x_t]?".

`Prior` wraps any denoising network; `GaussianPrior` and `EmpiricalPrior` answer exactly, for
teaching and tests.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .schedule import Schedule
from .steps import eps_from_x0, gaussian_denoiser, x0_from_eps


class Prior:
    """A denoiser: `prior.x0(x, t)` and `prior.eps(x, t)` for pictures x (B, *shape) at level t.

    `net(x, levels)` or, with a `label`, `net(x, levels, labels)` gets levels and labels as (B,)
    integer tensors and returns what it `predicts`: "v", "eps" or "x0". More channels than the
    picture has (a learned variance) are cut. Gradients flow where `x` requires them and nowhere
    else.

    `variance`, where it is known, is the variance of the clean pictures along the line from
    their mean to one of them, see `variance_along`. `weights` is the SHA-256 of the file the
    network came from, if any.

    Raises ValueError for another shape, a level outside 1..T, or an unknown `predicts`.
    Eq. (v-prediction), book/04_network.
    """

    label: int | None = None
    variance: float | None = None
    weights: str | None = None

    def __init__(
        self, net, schedule: Schedule, shape=(3, 64, 64), predicts="v", label=None, device="cpu"
    ):
        if predicts not in ("v", "eps", "x0"):
            raise ValueError(f'predicts must be "v", "eps" or "x0", got {predicts!r}')
        self.net, self.schedule, self.shape = net, schedule, tuple(shape)
        self.predicts, self.label = predicts, label
        self.device, self.dtype = torch.device(device), torch.float32

    def x0(self, x: Tensor, t: int) -> Tensor:
        """The expected clean picture E[x0 | x_t], not clipped; shape of x."""
        self._check(x, t)
        with torch.set_grad_enabled(x.requires_grad):
            return self._x0(x, t)

    def eps(self, x: Tensor, t: int) -> Tensor:
        """The expected noise in x. Eq. (eps-from-x0), book/02_posterior."""
        return eps_from_x0(x, self.x0(x, t), self.schedule.alpha_bar[t])

    def _x0(self, x, t):
        levels = torch.full((len(x),), t, device=x.device)
        labels = () if self.label is None else (torch.full_like(levels, self.label),)
        out = self.net(x, levels, *labels)[:, : x.shape[1]]
        a = self.schedule.alpha_bar[t]
        if self.predicts == "x0":
            return out
        if self.predicts == "eps":
            return x0_from_eps(x, out, a)
        return a.sqrt() * x - (1 - a).sqrt() * out

    def _check(self, x, t):
        if tuple(x.shape[1:]) != self.shape:
            shape = ", ".join(map(str, self.shape))
            raise ValueError(
                f"this prior knows pictures of shape (B, {shape}), got {tuple(x.shape)}"
            )
        if not 1 <= t <= self.schedule.T:
            raise ValueError(f"level must be between 1 and {self.schedule.T}, got {t}")


class GaussianPrior(Prior):
    """Clean pictures are Gaussian: the denoiser is exact, in the device and dtype of `mean`.

    `mean` has the shape of a picture; the covariance has orthonormal `directions` (d, K) with
    `variances` (K,) and the variance `rest` everywhere else. Without directions it is `rest`
    times the identity.
    Eq. (gaussian-denoiser), book/04_network.
    """

    def __init__(
        self,
        mean: Tensor,
        rest=1.0,
        directions=None,
        variances=None,
        schedule: Schedule | None = None,
    ):
        self.mean, self.rest, self.shape = mean, rest, tuple(mean.shape)
        self.directions = mean.new_zeros(mean.numel(), 0) if directions is None else directions
        self.variances = mean.new_zeros(0) if variances is None else variances
        self.schedule = schedule or Schedule.linear()
        self.device, self.dtype = mean.device, mean.dtype

    @classmethod
    def from_covariance(
        cls, mean: Tensor, covariance: Tensor, schedule: Schedule | None = None
    ) -> GaussianPrior:
        """Any Gaussian: `mean` in the shape of a picture, d numbers; `covariance` (d, d)."""
        variances, directions = torch.linalg.eigh(covariance)
        return cls(mean, 0.0, directions, variances, schedule)

    @property
    def variance(self) -> float:
        """The variance along the line from the mean to a picture.

        Eq. (variance-along), book/12_fuzzy.
        """
        rest = self.mean.numel() - len(self.variances)
        others = torch.as_tensor(self.rest).to(self.mean).expand(rest)
        return variance_along(torch.cat([self.variances, others]))

    def _x0(self, x, t):
        gaussian = self.mean.flatten(), self.directions, self.variances, self.rest
        a = self.schedule.alpha_bar[t].to(x)
        return gaussian_denoiser(x.flatten(1), a, *gaussian).reshape(x.shape)


class EmpiricalPrior(Prior):
    """Clean pictures are exactly the given ones (n, *shape), each as likely as the others.

    The denoiser is their mean, weighted by how well each explains x.
    Eq. (empirical-denoiser), book/04_network.
    """

    def __init__(self, pictures: Tensor, schedule: Schedule | None = None):
        self.pictures, self.shape = pictures, tuple(pictures.shape[1:])
        self.schedule = schedule or Schedule.linear()
        self.device, self.dtype = pictures.device, pictures.dtype

    def _x0(self, x, t):
        a = self.schedule.alpha_bar[t].to(x)
        flat = self.pictures.flatten(1)
        # -|x - sqrt(a) p|^2 / (2 (1 - a)) up to a constant of x
        likelihood = (a.sqrt() * x.flatten(1) @ flat.T - a / 2 * flat.square().sum(1)) / (1 - a)
        return (likelihood.softmax(1) @ flat).reshape(x.shape)


def variance_along(variances: Tensor) -> float:
    """The variance along the line from the mean to a picture, from all principal variances.

    Each direction counts by the share of a picture's distance from the mean that lies in it.
    Eq. (variance-along), book/12_fuzzy.
    """
    return float(variances.square().sum() / variances.sum())


def fit_gaussian(pictures: Tensor, directions: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """Mean (d,), principal directions (d, K), their variances (K,), mean variance of the rest.

    `pictures` (n, ...) with n > K = `directions`, else ValueError. Directions come from a
    randomised singular value decomposition: seconds instead of minutes for thousands of faces.
    Source: Halko, Martinsson & Tropp 2011.
    """
    if len(pictures) <= directions:
        raise ValueError(f"{directions} directions need more than {len(pictures)} pictures")
    flat = pictures.flatten(1).float()
    mean = flat.mean(0)
    centred = flat - mean
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, s, v = torch.svd_lowrank(centred, q=min(directions + 64, *flat.shape), niter=6)
    variances = s[:directions] ** 2 / len(flat)
    rest = (centred.square().sum() / len(flat) - variances.sum()) / (flat.shape[1] - directions)
    return mean, v[:, :directions].contiguous(), variances, float(rest)
