"""How each method mixes the given and the hallucinated: the rules that `unified` takes."""

from __future__ import annotations

import torch
from torch import Tensor

from ..steps import fusion_weight
from .unified import Mix, Rule


def fuzzy_rule(m: Tensor | float, rescale: bool = True, variance: float | None = None) -> Rule:
    """`fuzzy` with the map m over the coefficients.

    With 0 and 1 only in m this is `repaint` and `ilvr`, with 0 everywhere `sdedit`. m is the
    weight of each fusion; with the `variance` of the clean pictures it is the share that a
    whole run keeps.
    Eq. (rule-fuzzy), book/fuzzy/one_formula.
    """

    def rule(a_t, a_s):
        noisy = rescale and bool(a_s < 1)
        weight = m if variance is None else fusion_weight(m, a_t, a_s, variance, noisy)
        root = (weight**2 + (1 - weight) ** 2) ** 0.5 if noisy else 1.0
        left = (1 - weight) / root  # of the hallucination
        old, fresh = _ancestral(a_t, a_s)
        return Mix(1 - left, left * old, left * fresh, weight / root * (1 - a_s).sqrt())

    return rule


def null_space_rule(seen: Tensor, eta: float = 0.85, eta_b: float = 1.0) -> Rule:
    """`ddnm` without noise: coefficients that are `seen`, 1 or 0, come from the measurement.

    With an `eta_b` below 1 it is `ddrm_jpeg` of an operator; its last step takes all of it.
    Eq. (rule-null-space), book/fuzzy/one_formula.
    """
    return lambda a_t, a_s: Mix((eta_b if a_s < 1 else 1.0) * seen, *_mixed(a_s, eta))


def spectral_rule(std: Tensor, eta: float = 0.85, eta_b: float = 1.0) -> Rule:
    """`ddrm`, and with `eta_b` 1 DDNM+.

    `std` is the standard deviation of the noise in each coefficient, from `A.std`. As in
    `ddrm`, the last step of a measurement without noise takes all of it.
    Eq. (rule-spectral), book/fuzzy/one_formula.
    """
    exact = bool((std[std.isfinite()] == 0).all())

    def rule(a_t, a_s):
        share = 1.0 if exact and a_s == 1 else eta_b
        old, fresh = _mixed(a_s, eta)
        brought = a_s.sqrt() * std
        cleaner, unseen = brought <= (1 - a_s).sqrt(), std.isinf()
        missing = (1 - a_s - (share * brought) ** 2).clamp(min=0).sqrt()
        steer = old / brought  # which is 0 where the std is infinite
        return Mix(
            torch.where(cleaner, share, steer),
            old * unseen.to(std),
            torch.where(cleaner, missing, fresh),
        )

    return rule


def proximal_rule(s: Tensor, sigma: float = 0.0, lam: float = 1.0, zeta: float = 1.0) -> Rule:
    """`diffpir`, for singular values s. Eq. (rule-proximal), book/fuzzy/one_formula."""

    def rule(a_t, a_s):
        weight = _solve(s, lam * sigma**2 * a_t / (1 - a_t))
        return _rectified(weight, *_mixed(a_s, zeta**0.5), a_t, a_s)

    return rule


def flat_rule(s: Tensor, sigma: float = 0.0, eta: float = 1.0) -> Rule:
    """`pigdm` with the root of alpha_bar_t for its Jacobian: right for pictures of white noise.

    Eq. (rule-flat), book/fuzzy/one_formula.
    """

    def rule(a_t, a_s):
        return _rectified(_solve(s, sigma**2 / (1 - a_t)), *_ancestral(a_t, a_s, eta), a_t, a_s)

    return rule


def share_kept(std: Tensor, variance: float) -> Tensor:
    """The share of a measured coefficient that the mean of its exact posterior keeps.

    Clean coefficients have this `variance`, and `std` is the standard deviation of the noise in
    the measurement of a coefficient: 0 gives 1, infinity gives 0. As the m of a run with a
    variance it has `fuzzy` keep less where the measurement is noisier.
    Eq. (share-kept), book/fuzzy/one_formula.
    """
    return variance / (variance + std**2)


def _solve(s, rho):
    """The weight of the measurement in the proximal step."""
    return torch.where(s > 0, s**2 / (s**2 + rho), 0.0)


def _rectified(weight, old, fresh, a_t, a_s) -> Mix:
    """The noise is taken from the corrected x0: that moves it against the correction."""
    return Mix(weight * (1 - old * (a_t / (1 - a_t) / a_s).sqrt()), old, fresh)


def _mixed(a_s, eta):
    """Standard deviations of the old and the fresh noise by `mix_step`."""
    return (1 - a_s).sqrt() * (1 - eta**2) ** 0.5, (1 - a_s).sqrt() * eta


def _ancestral(a_t, a_s, eta=1.0):
    """Standard deviations of the old and the fresh noise by `ddim_step`."""
    variance = eta**2 * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)
    return (1 - a_s - variance).clamp(min=0).sqrt(), variance.sqrt()
