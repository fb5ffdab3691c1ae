"""The closed forms every sampler is made of, one function an equation.

Arguments named `alpha_bar_t` and `alpha_bar_s` are values of `Schedule.alpha_bar` at the level
of the input and at the level of the output: numbers, 0-dimensional tensors, or tensors that
broadcast over pictures, e.g. (B, 1, 1, 1) with the dtype and device of the pictures.
Pictures are (B, C, H, W) in [-1, 1] at level 0.
"""

from __future__ import annotations

import torch
from torch import Tensor


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


def churn_step(x0: Tensor, eps: Tensor, z: Tensor, alpha_bar_s, churn: float) -> Tensor:
    """The picture at level s whose clean part is `x0` and whose noise is partly fresh.

    A share `churn` of the noise's deviation comes from `z`, the rest from `eps`: 0 is DDIM with
    eta 0, 1 draws all noise anew. Eq. (churn), book/restoring/ddrm.
    """
    mix = (1 - churn**2) ** 0.5 * eps + churn * z
    return _root(alpha_bar_s) * x0 + _root(1 - alpha_bar_s) * mix


def spectral_step(
    x0: Tensor,
    eps: Tensor,
    z: Tensor,
    y: Tensor,
    spread: Tensor,
    alpha_bar_s,
    churn: float,
    trust: float = 1.0,
) -> Tensor:
    """One step to level s where each coefficient of the measurement has noise of its own.

    All arguments are coefficients: of the guess `x0`, of its noise `eps`, of fresh noise `z`
    and of A† y, with the standard deviation `spread` of the noise in the latter, infinite where
    nothing was measured. Where the measurement is cleaner than the level, a share `trust` of it
    replaces the guess and the noise that is missing is added; where it is not, it only steers
    the noise; where there is none, the step is `churn_step`.

    Source: Kawar et al. 2022, Eq. 7 and 8; Eq. (ddrm-update), book/restoring/ddrm.
    """
    kept, level = _root(alpha_bar_s), _root(1 - alpha_bar_s)
    brought = kept * spread  # the noise that the measurement brings along
    missing = (level**2 - (trust * brought) ** 2).clamp(min=0).sqrt()
    cleaner = kept * (x0 + trust * (y - x0)) + missing * z
    direction = torch.where(spread.isinf(), eps, (y - x0) / spread)
    steered = churn_step(x0, direction, z, alpha_bar_s, churn)
    return torch.where(brought <= level, cleaner, steered)


def fuse(given: Tensor, hallucinated: Tensor, mean: Tensor, m, fix: bool = True) -> Tensor:
    """Blend two noisy pictures of one level, with the weight `m` in [0, 1] for `given`.

    `hallucinated` has the weight 1 - m. With `fix`, the distance from `mean` is stretched so
    that the blend has the noise variance of its parts: two independent parts of variance v
    blend to variance (m^2 + (1 - m)^2) v.

    Source: El Helou 2023; Eq. (fused-variance) and (fuzzy-fusion), book/fuzzy/fuzzy.
    """
    blend = m * given + (1 - m) * hallucinated
    if not fix:
        return blend
    return mean + (blend - mean) / _root(m**2 + (1 - m) ** 2)


def fusion_weight(share, alpha_bar_t, alpha_bar_s, variance: float, fix: bool = True) -> Tensor:
    """The weight m of one fusion, where the whole run is to keep the `share` of what is given.

    It is the fusion after the step from level t to s. `share` in [0, 1], a number or a map; 0
    gives 0 and 1 gives 1. The step draws a picture towards the prior's mean, the fusion draws
    it towards the given one; with this weight both are in balance wherever the share kept is
    `share`. Exact for pictures that are normal with `variance`, whatever the levels and however
    often each is visited. `fix` says which `fuse` the weight is for.

    Eq. (step-pull) and (fusion-weight), book/fuzzy/fuzzy.
    """
    share = torch.as_tensor(share, dtype=None if isinstance(share, Tensor) else torch.float64)
    beta = 1 - alpha_bar_t / alpha_bar_s
    pull = beta / (alpha_bar_t * variance + 1 - alpha_bar_t)  # (step-pull)
    lost = share * pull / (1 - share + share * pull)  # 1 - c, for c is nearly 1
    if not fix:
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
        return _root(alpha_bar_t) * variance / (alpha_bar_t * variance + 1 - alpha_bar_t)

    z = x - _root(alpha_bar_t) * mean
    along = (gain(variances) - gain(rest)) * (z @ directions)
    return mean + gain(rest) * z + along @ directions.T


def _root(value):
    dtype = None if isinstance(value, Tensor) else torch.float64
    return torch.as_tensor(value, dtype=dtype).sqrt()
