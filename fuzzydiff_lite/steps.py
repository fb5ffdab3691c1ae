"""The closed forms every sampler is made of, one function an equation.

Arguments named `alpha_bar_t` and `alpha_bar_s` are values of `Schedule.alpha_bar` at the level
of the input and at the level of the output: numbers, 0-dimensional tensors, or tensors that
broadcast over pictures, e.g. (B, 1, 1, 1) with the dtype and device of the pictures.
Pictures are (B, C, H, W) in [-1, 1] at level 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .schedule import Schedule


def noise_to(x0: Tensor, eps: Tensor, alpha_bar_t) -> Tensor:
    """A clean picture taken straight to level t with the noise `eps`.

    Eq. (reparameterisation), book/prior/forward.
    """
    return _root(alpha_bar_t) * x0 + _root(1 - alpha_bar_t) * eps


def renoise(x: Tensor, z: Tensor, alpha_bar_s, alpha_bar_t) -> Tensor:
    """A picture at level s taken up to a noisier level t with fresh noise `z`.

    Eq. (forward-between), book/prior/forward.
    """
    kept = alpha_bar_t / alpha_bar_s
    return _root(kept) * x + _root(1 - kept) * z


def x0_from_eps(x: Tensor, eps: Tensor, alpha_bar_t) -> Tensor:
    """The clean picture that `x` at level t and its noise `eps` imply.

    Eq. (x0-from-eps), book/prior/posterior.
    """
    return (x - _root(1 - alpha_bar_t) * eps) / _root(alpha_bar_t)


def eps_from_x0(x: Tensor, x0: Tensor, alpha_bar_t) -> Tensor:
    """The noise that `x` at level t > 0 and its clean picture imply.

    Eq. (eps-from-x0), book/prior/posterior.
    """
    return (x - _root(alpha_bar_t) * x0) / _root(1 - alpha_bar_t)


def posterior(x: Tensor, x0: Tensor, alpha_bar_t, alpha_bar_s) -> tuple[Tensor, Tensor]:
    """Mean (shape of `x`) and variance (a number) of q(x_s | x_t, x_0) for s < t.

    Eq. (posterior-mean) and (posterior-variance), book/prior/posterior.
    """
    alpha = alpha_bar_t / alpha_bar_s
    beta = 1 - alpha
    mix = _root(alpha_bar_s) * beta * x0 + _root(alpha) * (1 - alpha_bar_s) * x
    return mix / (1 - alpha_bar_t), (1 - alpha_bar_s) / (1 - alpha_bar_t) * beta


def ddim_step(
    x0: Tensor, eps: Tensor, z: Tensor, alpha_bar_t, alpha_bar_s, eta: float = 0.0
) -> Tensor:
    """One step of DDIM from level t to s < t with fresh noise `z`.

    `eta` 0 uses none of it, `eta` 1 is DDPM.
    Source: Song et al. 2021, Eq. 12; Eq. (ddim) and (ddim-sigma), book/prior/sampling.
    """
    variance = eta**2 * (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)
    old = _root(1 - alpha_bar_s - variance) * eps
    return _root(alpha_bar_s) * x0 + old + _root(variance) * z


def mix_step(x0: Tensor, eps: Tensor, z: Tensor, alpha_bar_s, eta: float) -> Tensor:
    """The picture at level s whose clean part is `x0` and whose noise is partly fresh.

    A share `eta` of the noise's standard deviation comes from `z`, the rest from `eps`: 0 is
    DDIM with eta 0, 1 draws all noise anew. This is the eta of DDRM and DDNM, not that of DDIM.
    Eq. (churn), book/restoring/ddrm.
    """
    mix = (1 - eta**2) ** 0.5 * eps + eta * z
    return _root(alpha_bar_s) * x0 + _root(1 - alpha_bar_s) * mix


def spectral_step(
    x0: Tensor,
    eps: Tensor,
    z: Tensor,
    y: Tensor,
    std: Tensor,
    alpha_bar_s,
    eta: float,
    eta_b: float = 1.0,
) -> Tensor:
    """One step to level s where each coefficient of the measurement has noise of its own.

    All arguments are coefficients: of the clean picture `x0`, of its noise `eps`, of fresh
    noise `z` and of `y`, which is A† of the measurement, with the standard deviation `std` of
    its noise, infinite where nothing was measured. Where that noise is less than the level's, a
    share `eta_b` of y replaces x0, and the noise that is missing is added. Where it is more,
    (y - x0) / std takes the place of the old noise. Where nothing was measured, the step is
    `mix_step`.

    Source: Kawar et al. 2022, Eq. 7 and 8; Eq. (ddrm-update), book/restoring/ddrm.
    """
    kept, level = _root(alpha_bar_s), _root(1 - alpha_bar_s)
    brought = kept * std  # the noise that the measurement brings along
    missing = (level**2 - (eta_b * brought) ** 2).clamp(min=0).sqrt()
    cleaner = kept * (x0 + eta_b * (y - x0)) + missing * z
    direction = torch.where(std.isinf(), eps, (y - x0) / std)
    steered = mix_step(x0, direction, z, alpha_bar_s, eta)
    return torch.where(brought <= level, cleaner, steered)


class Prediction(NamedTuple):
    """What a prior predicts of a noisy picture: its clean picture `x0` and its noise `eps`.

    Both have the shape of the picture. `between`, of that shape too, is the variance that the
    network has learned for a step, on a scale from 0, which is beta-tilde, to 1, which is beta;
    the scale is that of the logarithm (Nichol & Dhariwal 2021, Eq. 15). It is None for a
    network that has learned no variance.
    """

    x0: Tensor
    eps: Tensor
    between: Tensor | None = None


# How a step draws x_s: from a normal distribution whose mean and standard deviation this gives
# for (x, prediction, schedule, t, s).
Draw = Callable[[Tensor, Prediction, Schedule, int, int], tuple[Tensor, Tensor]]


def ancestral(variance: str = "beta-tilde") -> Draw:
    """Draw x_s from q(x_s | x_t, x_0) with the predicted x_0 in place of the unknown one: DDPM.

    `variance` is that of q, "beta-tilde"; or "beta", what the step from s to t adds; or
    "learned", what the network predicts. The step to level 0 adds no noise. Raises ValueError
    for another word, and when drawing for a network that learned none.
    Source: Ho et al. 2020, section 3.2; Eq. (ancestral), book/prior/sampling.
    """
    if variance not in ("beta-tilde", "beta", "learned"):
        raise ValueError(
            f'variance must be "beta-tilde", "beta" or "learned", got {variance!r}'
        )

    def draw(x, prediction, schedule, t, s):
        a_t, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
        mean, beta_tilde = posterior(x, prediction.x0, a_t, a_s)
        if variance == "beta-tilde" or s == 0:
            return mean, beta_tilde.sqrt()
        beta = 1 - a_t / a_s
        if variance == "beta":
            return mean, beta.sqrt()
        if prediction.between is None:
            raise ValueError("this prior predicts no variance: its network has not learned one")
        v = prediction.between
        return mean, torch.exp((v * beta.log() + (1 - v) * beta_tilde.log()) / 2)

    return draw


def implicit(eta: float = 0.0) -> Draw:
    """Draw as DDIM does: with `eta` 0 nothing is random, 1 is `ancestral`.

    The last holds where the predicted eps is the noise that goes with the predicted x0.
    Raises ValueError for eta outside [0, 1].
    Source: Song et al. 2021, Eq. 12; Eq. (ddim) and (ddim-sigma), book/prior/sampling.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be in [0, 1], got {eta}")

    def draw(x, prediction, schedule, t, s):
        a_t, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
        mean = ddim_step(prediction.x0, prediction.eps, 0.0, a_t, a_s, eta)
        return mean, eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).sqrt()

    return draw


def mixed(eta: float) -> Draw:
    """Draw as `mix_step` does: the share `eta` of the noise is new, the rest the predicted one.

    Raises ValueError for eta outside [0, 1]. Eq. (churn), book/restoring/ddrm.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be in [0, 1], got {eta}")

    def draw(x, prediction, schedule, t, s):
        a_s = schedule.alpha_bar[s]
        mean = mix_step(prediction.x0, prediction.eps, 0.0, a_s, eta)
        return mean, eta * (1 - a_s).sqrt()

    return draw


def fuse(given: Tensor, hallucinated: Tensor, mean: Tensor, m, rescale: bool = True) -> Tensor:
    """Blend two noisy pictures of one level, with the weight `m` in [0, 1] for `given`.

    `hallucinated` has the weight 1 - m. With `rescale`, the distance from `mean` is stretched
    so that the blend has the noise variance of its parts: two independent parts of variance v
    blend to variance (m^2 + (1 - m)^2) v.

    Source: El Helou 2023; Eq. (fused-variance) and (fuzzy-fusion), book/fuzzy/fuzzy.
    """
    blend = m * given + (1 - m) * hallucinated
    if not rescale:
        return blend
    return mean + (blend - mean) / _root(m**2 + (1 - m) ** 2)


def fusion_weight(share, alpha_bar_t, alpha_bar_s, variance, rescale=True) -> Tensor:
    """The weight m of one fusion, where the whole run is to keep the `share` of what is given.

    It is the fusion after the step from level t to s. `share` in [0, 1], a number or a map; 0
    gives 0 and 1 gives 1. The step draws a picture towards the prior's mean, the fusion draws
    it back towards the given one. With this weight the two are in balance where the picture
    lies `share` of the way from the mean to the given one. Exact for pictures that are normal
    with `variance`, whatever the levels and however often each is visited. `rescale` says which
    `fuse` the weight is for.

    Eq. (step-pull) and (fusion-weight), book/fuzzy/fuzzy.
    """
    share = torch.as_tensor(share, dtype=None if isinstance(share, Tensor) else torch.float64)
    beta = 1 - alpha_bar_t / alpha_bar_s
    pull = beta / (alpha_bar_t * variance + 1 - alpha_bar_t)  # (step-pull)
    lost = share * pull / (1 - share + share * pull)  # 1 - c, for c is nearly 1
    if not rescale:
        return lost
    across = _root(lost * (2 - lost))  # the root of 1 - c^2
    return across / (1 - lost + across)


def gaussian_denoiser(
    x: Tensor,
    alpha_bar_t,
    mean: Tensor,
    directions: Tensor,
    variances: Tensor,
    rest: float | Tensor,
) -> Tensor:
    """E[x0 | x_t] where clean pictures are Gaussian: the exact denoiser, in closed form.

    `x` (B, d) at level t; `mean` (d,); covariance `directions` diag(`variances`) `directions`^T
    plus `rest` times the identity on the complement, with orthonormal `directions` (d, K) and
    `variances` (K,).
    Eq. (gaussian-denoiser), book/prior/denoiser.
    """

    def gain(variance):
        # 1 - alpha_bar first: added to 1, the small variances lose their digits
        return _root(alpha_bar_t) * variance / (alpha_bar_t * variance + (1 - alpha_bar_t))

    z = x - _root(alpha_bar_t) * mean
    along = (gain(variances) - gain(rest)) * (z @ directions)
    return mean + gain(rest) * z + along @ directions.T


def _root(value):
    dtype = None if isinstance(value, Tensor) else torch.float64
    return torch.as_tensor(value, dtype=dtype).sqrt()
