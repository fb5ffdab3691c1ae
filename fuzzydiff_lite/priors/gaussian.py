"""A Gaussian of pictures, whose denoiser is exact, and how to fit one."""

from __future__ import annotations

import torch
from torch import Tensor

from ..schedule import Schedule
from ..steps import gaussian_denoiser
from .prior import Prior


class GaussianPrior(Prior):
    """Clean pictures are Gaussian: the denoiser is exact, in the device and dtype of `mean`.

    `mean` has the shape of a picture; the covariance has orthonormal `directions` (d, K) with
    `variances` (K,) and the variance `rest` everywhere else. Without directions it is `rest`
    times the identity.
    Eq. (gaussian-denoiser), book/prior/denoiser.
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
        variances, directions = torch.linalg.eigh(covariance.double())
        return cls(mean, 0.0, directions.to(mean), variances.to(mean), schedule)

    @property
    def variance(self) -> float:
        """The variance along the line from the mean to a picture.

        Eq. (variance-along), book/fuzzy/fuzzy.
        """
        rest = self.mean.numel() - len(self.variances)
        others = torch.as_tensor(self.rest).to(self.mean).expand(rest)
        return variance_along(torch.cat([self.variances, others]))

    def variances_in(self, basis) -> Tensor:
        """The variance of each coefficient (C, size, size) of the pictures in a `basis`.

        Given to `fuzzy` as its `variance`, it has every coefficient keep the share that m says:
        exactly in the basis of the `directions`, nearly in one that comes near to it.
        Eq. (coefficient-variance), book/fuzzy/frequency.
        """
        power = basis.V_adjoint(self.directions.T.unflatten(1, self.shape)).square()
        return self.rest + torch.einsum("k,kchw->chw", self.variances - self.rest, power)

    def _answer(self, x, t):
        gaussian = self.mean.flatten(), self.directions, self.variances, self.rest
        a = self.schedule.alpha_bar[t]
        return gaussian_denoiser(x.flatten(1), a, *gaussian).reshape(x.shape), None


def variance_along(variances: Tensor) -> float:
    """The variance along the line from the mean to a picture, from all principal variances.

    Each direction counts by the share of a picture's distance from the mean that lies in it.
    Eq. (variance-along), book/fuzzy/fuzzy.
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
