"""The evidence lower bound in closed form: what each part of the chain costs, in bits per
dimension.

The negative bound on -log p(x_0) is L_T + sum of L_{t-1} + L_0 (Eq. (elbo-terms),
book/prior/elbo): one term for the top of the chain and one for each step (t, s) down to level
0. Everything here is computed in float64.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from ..noise import Noise
from ..priors.gaussian import GaussianPrior
from ..priors.prior import Prior
from ..steps import noise_to, posterior

HALF_BIN = 1 / 255  # 8-bit values lie 2/255 apart in [-1, 1]


def kl_gaussian(mean_q: Tensor, variance_q, mean_p: Tensor | float, variance_p) -> Tensor:
    """KL(q || p) of two normal distributions in nats, number by number.

    Arguments broadcast, variances are above 0. Eq. (kl-gaussian), book/prior/elbo.
    """
    mean_q = torch.as_tensor(mean_q, dtype=torch.float64)
    ratio = torch.as_tensor(variance_q / variance_p, dtype=torch.float64)
    return 0.5 * (ratio - 1 - ratio.log() + (mean_q - mean_p) ** 2 / variance_p)


def decoder(x0: Tensor, mean: Tensor, variance) -> Tensor:
    """Log-probability in nats of each 8-bit value of `x0`: the mass of N(mean, variance) there.

    `x0` in [-1, 1] on the grid of 8-bit values; any shape, that of `mean`. The bins of -1 and 1
    reach to infinity, so the 256 probabilities add up to 1. Stable: far out in a tail the
    result is a large negative number, not -inf.
    Source: Ho et al. 2020, Eq. 13; Eq. (decoder), book/prior/elbo.
    """
    x0 = x0.double()
    sigma = torch.as_tensor(variance, dtype=torch.float64, device=x0.device).sqrt()
    low = torch.where(x0 < -1 + HALF_BIN, -torch.inf, (x0 - HALF_BIN - mean) / sigma)
    high = torch.where(x0 > 1 - HALF_BIN, torch.inf, (x0 + HALF_BIN - mean) / sigma)
    mirror = low + high > 0  # Phi(b) - Phi(a) = Phi(-a) - Phi(-b): subtract where Phi is small
    low, high = torch.where(mirror, -high, low), torch.where(mirror, -low, high)
    below, above = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return above + torch.log(-torch.expm1(below - above))


def bits_per_dim(nats: Tensor) -> Tensor:
    """Nats of every number of pictures (B, ...) as bits per dimension of each picture, (B,).

    Eq. (bits-per-dim), book/prior/elbo.
    """
    return nats.flatten(1).mean(1) / math.log(2)


def step_variance(alpha_bar_t, alpha_bar_s, variance: str = "beta-tilde"):
    """Variance of the step to s < t: "beta-tilde", that of q(x_s | x_t, x_0), or "beta".

    The step to level 0 has "beta" in both cases: there beta-tilde is 0, and no Gaussian has
    variance 0.
    Raises ValueError for another name.
    """
    if variance not in ("beta-tilde", "beta"):
        raise ValueError(f'variance must be "beta-tilde" or "beta", got {variance!r}')
    beta = 1 - alpha_bar_t / alpha_bar_s
    if variance == "beta" or alpha_bar_s == 1:
        return beta
    return (1 - alpha_bar_s) / (1 - alpha_bar_t) * beta


def loss_weight(alpha_bar_t, alpha_bar_s, variance: str = "beta-tilde"):
    """What L_{t-1} pays in nats for one unit of squared error in the noise, s > 0.

    Source: Ho et al. 2020, Eq. 12; Eq. (weighted-loss), book/prior/elbo.
    """
    alpha = alpha_bar_t / alpha_bar_s
    sigma2 = step_variance(alpha_bar_t, alpha_bar_s, variance)
    return (1 - alpha) ** 2 / (2 * sigma2 * alpha * (1 - alpha_bar_t))


def top_term(x0: Tensor, alpha_bar_T) -> Tensor:
    """What q(x_T | x_0) still knows about x_0: L_T of pictures (B, ...) in bits/dim, (B,).

    Eq. (elbo-terms), book/prior/elbo.
    """
    alpha_bar_T = torch.as_tensor(alpha_bar_T, dtype=torch.float64)
    mean = alpha_bar_T.sqrt() * x0.double()
    return bits_per_dim(kl_gaussian(mean, 1 - alpha_bar_T, 0.0, 1.0))


def step_term(
    x0: Tensor,
    x: Tensor,
    x0_hat: Tensor,
    alpha_bar_t,
    alpha_bar_s,
    variance="beta-tilde",
    eight_bit=True,
) -> Tensor:
    """The term of the step from `x` at level t to s, where the prior predicts `x0_hat`.

    All three (B, ...); returns bits per dimension, (B,). For s > 0 the KL term L_{t-1}; for the
    step to level 0 L_0 = -log p(x_0 | x_1), of 8-bit values or, without `eight_bit`, of a
    density. Eq. (elbo-terms), book/prior/elbo.
    """
    x0, x, x0_hat = x0.double(), x.double(), x0_hat.double()
    sigma2 = step_variance(alpha_bar_t, alpha_bar_s, variance)
    if alpha_bar_s < 1:
        mean_q, beta_tilde = posterior(x, x0, alpha_bar_t, alpha_bar_s)
        mean_p, _ = posterior(x, x0_hat, alpha_bar_t, alpha_bar_s)
        return bits_per_dim(kl_gaussian(mean_q, beta_tilde, mean_p, sigma2))
    if eight_bit:
        return bits_per_dim(-decoder(x0, x0_hat, sigma2))
    return bits_per_dim((x0 - x0_hat) ** 2 / (2 * sigma2) + math.log(2 * math.pi * sigma2) / 2)


def terms(
    prior: Prior,
    x0: Tensor,
    levels: list[int],
    noise: Noise,
    variance: str = "beta-tilde",
    clip: bool = True,
    eight_bit: bool = True,
) -> Tensor:
    """Every term of the negative bound for each picture, (len(levels), B), in bits per
    dimension.

    `x0` (B, *prior.shape); `levels` fall to 0 as from `Schedule.levels`. Row 0 is L_T, the
    others belong to the steps in their order, the last one is the decoder: the sum over rows
    estimates the bound without bias, from one noise for each step. `clip` clamps the predicted
    clean picture to [-1, 1], as the samplers do. One network call per step.
    Eq. (elbo-terms), book/prior/elbo.
    """
    alpha_bar = prior.schedule.alpha_bar
    rows = [top_term(x0, alpha_bar[levels[0]])]
    for t, s in pairwise(levels):
        x = noise_to(x0, noise.like(x0), alpha_bar[t])
        x0_hat = prior.x0(x, t)
        x0_hat = x0_hat.clamp(-1, 1) if clip else x0_hat
        rows.append(step_term(x0, x, x0_hat, alpha_bar[t], alpha_bar[s], variance, eight_bit))
    return torch.stack(rows)


def gaussian_bound(
    prior: GaussianPrior, levels: list[int], variance: str = "beta-tilde"
) -> Tensor:
    """What `terms` gives on average over pictures drawn from the Gaussian itself, exactly,
    (len(levels),).

    With a density as decoder and no clipping. Its sum is at least `gaussian_entropy(prior)`,
    and comes down to it as the levels get dense. Eq. (elbo-terms), book/prior/elbo.
    """
    alpha_bar, (spectrum, share) = prior.schedule.alpha_bar, _spectrum(prior)
    top = alpha_bar[levels[0]]
    second_moment = (spectrum * share).sum() + prior.mean.double().cpu().square().mean()
    rows = [0.5 * (top * second_moment - top - torch.log1p(-top))]
    for t, s in pairwise(levels):
        a, a_s = alpha_bar[t], alpha_bar[s]
        left = (1 - a) * spectrum / (a * spectrum + 1 - a)
        error = (left * share).sum()  # of E[x0 | x_t], per dimension
        sigma2 = step_variance(a, a_s, variance)
        if s > 0:
            ratio = step_variance(a, a_s) / sigma2
            weight = loss_weight(a, a_s, variance) * a / (1 - a)
            rows.append(0.5 * (ratio - 1 - ratio.log()) + weight * error)
        else:
            rows.append(0.5 * torch.log(2 * math.pi * sigma2) + error / (2 * sigma2))
    return torch.stack(rows) / math.log(2)


def gaussian_entropy(prior: GaussianPrior) -> float:
    """The average of -log p(x_0) over pictures drawn from the Gaussian, in bits per dimension:
    no bound is below it.

    It is a density's: values in [-1, 1] units, below 0 where the pictures are predictable.
    """
    spectrum, share = _spectrum(prior)
    return float((torch.log(2 * math.pi * math.e * spectrum) * share).sum() / (2 * math.log(2)))


def gaussian_likelihood(prior: GaussianPrior, x0: Tensor) -> Tensor:
    """The exact -log p(x_0) of pictures (B, *shape) under the Gaussian, in bits per dimension,
    (B,).
    """
    z = (x0 - prior.mean).double().flatten(1)
    d, k = prior.directions.shape
    along = z @ prior.directions.double()
    distance = (along**2 / prior.variances.double()).sum(1)
    if k < d:
        distance = distance + (z.square().sum(1) - along.square().sum(1)) / float(prior.rest)
    return gaussian_entropy(prior) + (distance - d) / (2 * d * math.log(2))


def _spectrum(prior: GaussianPrior) -> tuple[Tensor, Tensor]:
    """The different variances of the Gaussian, and the share of directions that has each."""
    d, k = prior.directions.shape
    variances = prior.variances.double().cpu()
    if k == d:
        return variances, torch.full((d,), 1 / d, dtype=torch.float64)
    rest = torch.tensor([float(prior.rest)], dtype=torch.float64)
    counts = torch.tensor([1.0] * k + [d - k], dtype=torch.float64)
    return torch.cat([variances, rest]), counts / d
