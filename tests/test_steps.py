"""The closed forms against direct computation with Gaussians, in float64."""

import math

import pytest
import torch

from fuzzydiff_lite.schedule import Schedule
from fuzzydiff_lite.steps import (
    Prediction,
    ancestral,
    ddim_step,
    eps_from_x0,
    fuse,
    gaussian_denoiser,
    implicit,
    mix_step,
    mixed,
    noise_to,
    posterior,
    renoise,
    spectral_step,
    x0_from_eps,
)

ALPHA_BAR = Schedule.linear().alpha_bar
PAIRS = [(1000, 999), (600, 599), (500, 100), (20, 3), (2, 1), (7, 0)]


def randn(*shape, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def test_noise_to_and_back():
    x0, eps = randn(2, 3, 4, 4), randn(2, 3, 4, 4, seed=1)
    for t in (1, 300, 1000):
        x = noise_to(x0, eps, ALPHA_BAR[t])
        torch.testing.assert_close(x0_from_eps(x, eps, ALPHA_BAR[t]), x0)
        torch.testing.assert_close(eps_from_x0(x, x0, ALPHA_BAR[t]), eps)


def test_noise_to_keeps_unit_variance():
    x = noise_to(randn(100_000), randn(100_000, seed=1), 0.3)
    assert abs(x.var() - 1) < 0.02


def test_numbers_may_be_floats_and_keep_float32():
    x0 = torch.ones(1, 3, 2, 2)
    assert noise_to(x0, x0, 0.5).dtype == torch.float32
    torch.testing.assert_close(noise_to(x0, x0, 0.5), noise_to(x0, x0, torch.tensor(0.5)))


@pytest.mark.parametrize("t, s", PAIRS)
def test_renoise_composes_with_noise_to(t, s):
    """x_t has one mean and variance, whether x_0 goes there in one stride or by way of s."""
    a_t, a_s, one = ALPHA_BAR[t], ALPHA_BAR[s], torch.ones(1, dtype=torch.float64)
    scale = renoise(noise_to(one, 0 * one, a_s), 0 * one, a_s, a_t)
    carried = renoise(noise_to(0 * one, one, a_s), 0 * one, a_s, a_t)
    std = carried**2 + renoise(0 * one, one, a_s, a_t) ** 2
    torch.testing.assert_close(scale, a_t.sqrt()[None])
    torch.testing.assert_close(std, (1 - a_t)[None])


@pytest.mark.parametrize("t, s", PAIRS)
def test_posterior_is_the_conditional_of_the_joint(t, s):
    """Condition the joint Gaussian of (x_s, x_t) given x_0 on x_t, by the textbook formula."""
    a_t, a_s = ALPHA_BAR[t], ALPHA_BAR[s]
    x0, x_t = randn(5), randn(5, seed=1)
    covariance = (a_t / a_s).sqrt() * (1 - a_s)
    gain = covariance / (1 - a_t)
    mean, variance = posterior(x_t, x0, a_t, a_s)
    torch.testing.assert_close(mean, a_s.sqrt() * x0 + gain * (x_t - a_t.sqrt() * x0))
    torch.testing.assert_close(variance, (1 - a_s) - gain * covariance, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("t, s", PAIRS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_keeps_the_marginals(t, s, eta):
    """From x_t = noise_to(x0, eps) every eta gives mean sqrt(a_s) x0 and variance 1 - a_s."""
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    mean = ddim_step(one, zero, zero, ALPHA_BAR[t], ALPHA_BAR[s], eta)
    along_eps = ddim_step(zero, one, zero, ALPHA_BAR[t], ALPHA_BAR[s], eta)
    along_z = ddim_step(zero, zero, one, ALPHA_BAR[t], ALPHA_BAR[s], eta)
    torch.testing.assert_close(mean, ALPHA_BAR[s].sqrt()[None])
    full = ddim_step(zero, zero, one, ALPHA_BAR[t], ALPHA_BAR[s], 1.0)
    torch.testing.assert_close(along_z, eta * full)
    variance = (1 - ALPHA_BAR[s])[None]
    torch.testing.assert_close(along_eps**2 + along_z**2, variance, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("t, s", PAIRS)
def test_ddim_with_eta_one_is_the_posterior(t, s):
    x, x0, z = randn(9), randn(9, seed=1), randn(9, seed=2)
    a_t, a_s = ALPHA_BAR[t], ALPHA_BAR[s]
    mean, variance = posterior(x, x0, a_t, a_s)
    x_s = ddim_step(x0, eps_from_x0(x, x0, a_t), z, a_t, a_s, 1.0)
    torch.testing.assert_close(x_s, mean + variance.sqrt() * z)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.85, 1.0])
def test_fresh_noise_keeps_the_marginals_and_takes_its_share(eta):
    """For any eta, the mean is sqrt(a_s) x0 and the variance 1 - a_s, eta^2 of it fresh."""
    zero = torch.zeros(1, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    a = ALPHA_BAR[300]
    along_eps = mix_step(zero, one, zero, a, eta)
    along_z = mix_step(zero, zero, one, a, eta)
    torch.testing.assert_close(mix_step(one, zero, zero, a, eta), a.sqrt()[None])
    torch.testing.assert_close(along_eps**2 + along_z**2, (1 - a)[None])
    torch.testing.assert_close(along_z**2, eta**2 * (1 - a)[None])


@pytest.mark.parametrize("t, s", PAIRS)
def test_with_eta_0_it_is_ddim(t, s):
    x0, eps, z = randn(9), randn(9, seed=1), randn(9, seed=2)
    expected = ddim_step(x0, eps, z, ALPHA_BAR[t], ALPHA_BAR[s], 0.0)
    torch.testing.assert_close(mix_step(x0, eps, z, ALPHA_BAR[s], 0.0), expected)


# From a perfect measurement to none, by way of one exactly as noisy as level 300.
BORDER = ((1 - ALPHA_BAR[300]) / ALPHA_BAR[300]).sqrt()
DEVIATIONS = BORDER * torch.tensor([0.0, 0.1, 0.99, 1.01, 5.0, math.inf]).double()


@pytest.mark.parametrize("eta, eta_b", [(0.0, 1.0), (0.85, 1.0), (0.85, 0.3), (1.0, 0.0)])
def test_a_spectral_step_keeps_the_marginals_whatever_the_measurement_noise(eta, eta_b):
    """With the true x0 as guess and y = x0 + std n: mean sqrt(a_s) x0, variance 1 - a_s."""
    a, zero, one = ALPHA_BAR[300], torch.zeros_like(DEVIATIONS), torch.ones_like(DEVIATIONS)
    dirt = torch.where(DEVIATIONS.isinf(), 0, DEVIATIONS)

    def step(x0, eps, z, n):
        return spectral_step(x0, eps, z, x0 + dirt * n, DEVIATIONS, a, eta, eta_b)

    torch.testing.assert_close(step(one, zero, zero, zero), a.sqrt() * one)
    parts = [step(zero, *(one if i == j else zero for i in range(3))) ** 2 for j in range(3)]
    torch.testing.assert_close(sum(parts), (1 - a) * one)
    # Of eps, something is left only where nothing is measured.
    assert parts[0].count_nonzero() == (eta < 1) and parts[0][:-1].sum() == 0


def test_a_spectral_step_by_hand():
    a, x0, eps, z, y = ALPHA_BAR[300], *(randn(6, seed=k) for k in range(4))
    level, eta, eta_b = (1 - a).sqrt(), 0.6, 0.7
    out = spectral_step(x0, eps, z, y, DEVIATIONS, a, eta, eta_b)
    for i in (0, 1, 2):  # cleaner than the level
        missing = (1 - a - a * (eta_b * DEVIATIONS[i]) ** 2).sqrt()
        guess = 0.3 * x0[i] + 0.7 * y[i]
        torch.testing.assert_close(out[i], a.sqrt() * guess + missing * z[i])
    for i in (3, 4):  # not: the measurement steers the noise
        toward = 0.8 * (y[i] - x0[i]) / DEVIATIONS[i] + 0.6 * z[i]
        torch.testing.assert_close(out[i], a.sqrt() * x0[i] + level * toward)
    torch.testing.assert_close(out[5], mix_step(x0, eps, z, a, eta)[5])


def test_a_spectral_step_with_eta_0_does_not_jump_where_measurement_and_level_are_equally_noisy():
    a, x0, eps, z, y = ALPHA_BAR[300], *(randn(6, seed=k) for k in range(4))
    deviations = (BORDER * f * torch.ones(6) for f in (1 - 1e-12, 1 + 1e-12))
    below, above = (spectral_step(x0, eps, z, y, std, a, 0.0) for std in deviations)
    torch.testing.assert_close(below, above, atol=1e-5, rtol=0)


def test_a_spectral_step_to_level_zero_ends_with_the_measurement_or_the_guess():
    x0, eps, z, y = (randn(6, seed=k) for k in range(4))
    out = spectral_step(x0, eps, z, y, DEVIATIONS, ALPHA_BAR[0], 0.85)
    assert torch.equal(out, torch.where(DEVIATIONS == 0, y, x0))


@pytest.mark.parametrize("m", [0.0, 0.07, 0.3, 0.5, 0.9, 1.0])
def test_a_rescaled_fusion_keeps_mean_and_variance(m):
    mean = torch.full((1,), 3.0, dtype=torch.float64)
    from_given = fuse(mean + 1, mean, mean, m) - mean
    from_hallucinated = fuse(mean, mean + 1, mean, m) - mean
    torch.testing.assert_close(fuse(mean, mean, mean, m), mean)
    torch.testing.assert_close(from_given**2 + from_hallucinated**2, torch.ones_like(mean))


def test_a_plain_blend_loses_variance():
    zero, one = torch.zeros(1), torch.ones(1)
    first = fuse(one, zero, zero, 0.5, rescale=False)
    second = fuse(zero, one, zero, 0.5, rescale=False)
    assert first**2 + second**2 == 0.5


def test_gaussian_denoiser_is_the_conditional_mean():
    d, k, rest, a = 6, 2, 0.1, ALPHA_BAR[400]
    directions = torch.linalg.qr(randn(d, k)).Q
    variances = torch.tensor([2.0, 0.7], dtype=torch.float64)
    mean = randn(d, seed=1)
    x = randn(4, d, seed=2)
    eye = torch.eye(d, dtype=torch.float64)
    covariance = directions * (variances - rest) @ directions.T + rest * eye
    gain = a.sqrt() * covariance @ torch.linalg.inv(a * covariance + (1 - a) * eye)
    expected = mean + (x - a.sqrt() * mean) @ gain.T
    x0 = gaussian_denoiser(x, a, mean, directions, variances, rest)
    torch.testing.assert_close(x0, expected)


# How a step draws


def drawn(draw, t=700, s=400, between=None):
    """Mean and standard deviation of a step, and what it was given."""
    x, x0 = randn(6, seed=1), randn(6, seed=2)
    made = Prediction(x0, eps_from_x0(x, x0, ALPHA_BAR[t]), between)
    return *draw(x, made, Schedule.linear(), t, s), x, made


@pytest.mark.parametrize("t, s", PAIRS)
def test_ancestral_draws_from_the_posterior_with_one_of_two_variances(t, s):
    a_t, a_s = ALPHA_BAR[t], ALPHA_BAR[s]
    small, small_std, x, made = drawn(ancestral(), t, s)
    mean, beta_tilde = posterior(x, made.x0, a_t, a_s)
    large, large_std, *_ = drawn(ancestral("beta"), t, s)
    torch.testing.assert_close(small, mean)
    assert torch.equal(large, small)
    torch.testing.assert_close(small_std**2, beta_tilde)
    torch.testing.assert_close(large_std**2, 1 - a_t / a_s if s else torch.zeros(()).double())
    assert s == 0 or large_std > small_std


def test_a_learned_variance_lies_between_the_two():
    between = torch.tensor([0, 0, 1, 1, 0.5, 0.25], dtype=torch.float64)
    mean, std, *_ = drawn(ancestral("learned"), between=between)
    small_mean, small, *_ = drawn(ancestral())
    _, large, *_ = drawn(ancestral("beta"))
    assert torch.equal(mean, small_mean)
    roots = [small, small, large, large, (small * large).sqrt(), small**0.75 * large**0.25]
    torch.testing.assert_close(std, torch.stack(roots))
    assert torch.equal(drawn(ancestral("learned"), s=0, between=between)[1], 0 * small)


def test_a_variance_that_was_not_learned_is_refused():
    with pytest.raises(ValueError, match="predicts no variance"):
        drawn(ancestral("learned"))
    with pytest.raises(ValueError, match='"beta-tilde", "beta" or "learned", got \'large\''):
        ancestral("large")


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_implicit_and_mixed_draw_as_their_steps_do(eta):
    a_t, a_s, z = ALPHA_BAR[700], ALPHA_BAR[400], randn(6, seed=3)
    mean, std, _, (x0, eps, _) = drawn(implicit(eta))
    torch.testing.assert_close(mean + std * z, ddim_step(x0, eps, z, a_t, a_s, eta))
    mean, std, *_ = drawn(mixed(eta))
    torch.testing.assert_close(mean + std * z, mix_step(x0, eps, z, a_s, eta))


def test_implicit_with_eta_1_is_ancestral_and_with_eta_0_not_random():
    for exact, draw in zip(drawn(ancestral())[:2], drawn(implicit(1.0))[:2]):
        torch.testing.assert_close(draw, exact, rtol=0, atol=1e-12)
    assert drawn(implicit(0.0))[1] == drawn(mixed(0.0))[1] == 0


@pytest.mark.parametrize("draw", [implicit, mixed])
@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_other_etas_are_refused(draw, eta):
    with pytest.raises(ValueError, match="eta must be in"):
        draw(eta)
