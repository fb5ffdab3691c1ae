"""The bound against closed forms, numerical integration, exact likelihoods of a Gaussian."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from fuzzydiff_lite import GaussianPrior, Noise, Schedule
from fuzzydiff_lite.metrics.elbo import (
    bits_per_dim,
    decoder,
    gaussian_bound,
    gaussian_entropy,
    gaussian_likelihood,
    kl_gaussian,
    loss_weight,
    step_term,
    step_variance,
    terms,
    top_term,
)
from fuzzydiff_lite.steps import eps_from_x0, noise_to

GRID = torch.arange(256, dtype=torch.float64) / 127.5 - 1


def correlated(d: int = 6, seed: int = 3) -> GaussianPrior:
    """A Gaussian over d numbers whose variances run from 0.004 to 2."""
    random = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=random))
    variances = torch.logspace(math.log10(0.004), math.log10(2), d, dtype=torch.float64)
    mean = torch.linspace(-0.6, 0.3, d, dtype=torch.float64)
    return GaussianPrior.from_covariance(mean, turn * variances @ turn.T)


def draw(prior: GaussianPrior, n: int, noise: Noise) -> torch.Tensor:
    z = noise((n, len(prior.variances)), dtype=torch.float64)
    return prior.mean + prior.variances.sqrt() * z @ prior.directions.T


@pytest.mark.parametrize(
    "q, p", [((0.3, 0.5), (-0.2, 1.2)), ((0.0, 1.0), (0.0, 1.0)), ((1.0, 2.0), (0.9, 0.05))]
)
def test_kl_gaussian_is_the_integral(q, p):
    q_log, p_log = (stats.norm(mean, math.sqrt(variance)).logpdf for mean, variance in (q, p))
    expected, _ = integrate.quad(
        lambda x: np.exp(q_log(x)) * (q_log(x) - p_log(x)), -14, 14, limit=200
    )
    assert kl_gaussian(*q, *p).item() == pytest.approx(expected, abs=1e-8)


def test_kl_gaussian_is_zero_only_for_equals():
    mean = torch.randn(100, generator=torch.Generator().manual_seed(0))
    variance = torch.linspace(0.1, 3, 100)
    assert kl_gaussian(mean, variance, mean, variance).abs().max() < 1e-12
    assert (kl_gaussian(mean, variance, 0.1, 1.0) > 0).all()


@pytest.mark.parametrize("sigma", [0.001, 0.01, 0.3, 10.0])
@pytest.mark.parametrize("mean", [-1.4, -0.2, 0.9999])
def test_decoder_adds_up_to_one(mean, sigma):
    total = decoder(GRID, torch.tensor(mean), sigma**2).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-9)


def test_decoder_is_the_integral_over_a_bin():
    values, mean, sigma = GRID[[0, 1, 100, 128, 254, 255]], 0.1, 0.4
    edges = [
        (-np.inf, GRID[0] + 1 / 255),
        *((v - 1 / 255, v + 1 / 255) for v in values[1:-1]),
        (1 - 1 / 255, np.inf),
    ]
    density = stats.norm(mean, sigma).pdf
    expected = [integrate.quad(density, *map(float, edge))[0] for edge in edges]
    found = decoder(values, torch.tensor(mean), sigma**2).exp().tolist()
    torch.testing.assert_close(found, expected)


def test_decoder_of_a_wide_gaussian_is_density_times_bin():
    inside, sigma = GRID[1:-1], 0.8
    density = torch.distributions.Normal(0.2, sigma).log_prob(inside)
    found = decoder(inside, torch.tensor(0.2), sigma**2)
    torch.testing.assert_close(found, density + math.log(2 / 255), atol=1e-5, rtol=0)


def test_decoder_survives_the_tails():
    far = decoder(GRID, torch.tensor(-1.0), 1e-6)  # 8 bits away: up to 2000 standard deviations
    assert torch.isfinite(far).all() and (far.diff()[1:] < 0).all()
    assert far[-1].item() == pytest.approx(-((2000 - 1000 / 255) ** 2) / 2, rel=1e-3)
    torch.testing.assert_close(decoder(-GRID, torch.tensor(1.0), 1e-6), far)


def test_bits_per_dim_of_a_coin():
    pictures = torch.tensor([[[math.log(2)] * 4], [[math.log(8)] * 4]])
    torch.testing.assert_close(bits_per_dim(pictures), torch.tensor([1.0, 3.0]))


def test_step_variance():
    a = Schedule.linear().alpha_bar
    assert step_variance(a[500], a[499], "beta-tilde") < step_variance(a[500], a[499], "beta")
    assert step_variance(a[1], a[0]) == step_variance(a[1], a[0], "beta") == 1 - a[1]
    with pytest.raises(ValueError, match="gamma"):
        step_variance(a[2], a[1], "gamma")


@pytest.mark.parametrize("variance", ["beta-tilde", "beta"])
@pytest.mark.parametrize("t, s", [(2, 1), (300, 299), (1000, 400)])
def test_a_step_is_weighted_squared_error(t, s, variance):
    a, noise = Schedule.linear().alpha_bar, Noise(1)
    x0, eps, guess = (noise((3, 3, 4, 4), dtype=torch.float64) for _ in range(3))
    x = noise_to(x0, eps, a[t])
    ratio = step_variance(a[t], a[s]) / step_variance(a[t], a[s], variance)
    error = (eps - eps_from_x0(x, guess, a[t])) ** 2
    weighted = loss_weight(a[t], a[s], variance) * error + 0.5 * (ratio - 1 - ratio.log())
    term = step_term(x0, x, guess, a[t], a[s], variance)
    torch.testing.assert_close(term, bits_per_dim(weighted))


def test_beta_tilde_weight_is_the_fall_of_the_snr():
    schedule = Schedule.cosine(60)
    a, snr = schedule.alpha_bar, schedule.snr
    for t, s in pairwise(schedule.levels(20)[:-1]):
        torch.testing.assert_close(loss_weight(a[t], a[s]), (snr[s] - snr[t]) / (2 * snr[t]))


def test_top_term_by_hand():
    x0, a = torch.full((2, 5), 0.5), 0.2
    expected = 0.5 * (0.8 - 1 - math.log(0.8) + 0.2 * 0.25) / math.log(2)
    torch.testing.assert_close(top_term(x0, a), torch.full((2,), expected, dtype=torch.float64))


@pytest.mark.parametrize("variance", ["beta-tilde", "beta"])
def test_terms_average_to_the_closed_form(variance):
    prior = correlated()
    levels = prior.schedule.levels(12)
    x0 = draw(prior, 20_000, Noise(5))
    rows = terms(prior, x0, levels, Noise(6), variance, clip=False, eight_bit=False)
    exact = gaussian_bound(prior, levels, variance)
    doubt = rows.std(1) / math.sqrt(rows.shape[1])
    assert rows.shape == (13, 20_000)
    assert ((rows.mean(1) - exact).abs() <= 5 * doubt + 1e-12).all()


def test_likelihood_is_that_of_torch():
    prior = correlated()
    x0 = draw(prior, 50, Noise(2))
    covariance = prior.directions * prior.variances @ prior.directions.T
    normal = torch.distributions.MultivariateNormal(prior.mean, covariance)
    expected = -normal.log_prob(x0) / (6 * math.log(2))
    torch.testing.assert_close(gaussian_likelihood(prior, x0), expected)
    many = gaussian_likelihood(prior, draw(prior, 50_000, Noise(3)))
    doubt = many.std().item() / math.sqrt(50_000)
    assert many.mean().item() == pytest.approx(gaussian_entropy(prior), abs=5 * doubt)


def test_a_shared_variance_is_the_same_as_writing_it_out():
    full, eye = correlated(), torch.eye(6, dtype=torch.float64)
    variances = torch.tensor([0.9, 0.4], dtype=torch.float64)
    short = GaussianPrior(full.mean, 0.05, eye[:, :2], variances)
    written_out = torch.tensor([0.9, 0.4] + 4 * [0.05], dtype=torch.float64)
    long = GaussianPrior(full.mean, 0.0, eye, written_out)
    x0, levels = draw(full, 9, Noise(4)), full.schedule.levels(30)
    assert gaussian_entropy(short) == pytest.approx(gaussian_entropy(long))
    torch.testing.assert_close(gaussian_likelihood(short, x0), gaussian_likelihood(long, x0))
    torch.testing.assert_close(gaussian_bound(short, levels), gaussian_bound(long, levels))


def even(T: int) -> Schedule:
    """T levels whose log SNR falls evenly, between the ends of the linear schedule."""
    snr = Schedule.linear().snr
    first, last = snr[1].log10().item(), snr[-1].log10().item()
    between = torch.logspace(first, last, T, dtype=torch.float64)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), between / (1 + between)]))


@pytest.mark.parametrize("variance", ["beta-tilde", "beta"])
def test_the_bound_comes_down_to_the_likelihood(variance):
    gaps = []
    for T in (10, 40, 160, 640, 2560):
        prior = correlated()
        prior.schedule = even(T)
        bound = gaussian_bound(prior, prior.schedule.levels(), variance).sum()
        gaps.append(bound.item() - gaussian_entropy(prior))
    assert all(0 < later < gap for gap, later in pairwise(gaps))
    assert gaps[-1] < gaps[0] / 100
    # The part that shrinks goes as 1/T.
    assert (gaps[2] - gaps[3]) / (gaps[3] - gaps[4]) == pytest.approx(4, abs=0.3)


def test_the_gap_of_each_step_is_how_far_the_variance_is_off():
    """The exact step back has beta-tilde * ratio, of 1 + variance * SNR at its two ends."""
    prior = correlated()
    levels, snr = prior.schedule.levels(40), prior.schedule.snr
    gap = 0.0
    for t, s in pairwise(levels[:-1]):
        ratio = (1 + prior.variances * snr[s]) / (1 + prior.variances * snr[t])
        gap += kl_gaussian(0.0, ratio, 0.0, 1.0).mean()
    rest = gaussian_bound(prior, levels)[1:-1].sum() * math.log(2) - gap
    ends = [torch.log1p(prior.variances * snr[t]).mean() / 2 for t in (levels[-2], levels[0])]
    torch.testing.assert_close(rest, ends[0] - ends[1])


def test_beta_tilde_needs_small_steps_near_the_end():
    """More levels do not help beta-tilde where the last few double the SNR: the linear ones."""
    prior = correlated()
    gap = gaussian_bound(prior, prior.schedule.levels()).sum() - gaussian_entropy(prior)
    assert gap > 0.3


def test_each_choice_of_variance_is_exact_for_its_own_data():
    """beta for white data of variance 1; for one point beta-tilde, except in the last step."""
    levels = Schedule.linear().levels(5)
    white = GaussianPrior(torch.zeros(4, dtype=torch.float64))
    bound = gaussian_bound(white, levels, "beta").sum().item()
    assert bound == pytest.approx(gaussian_entropy(white), abs=1e-12)
    assert gaussian_bound(white, levels).sum() > gaussian_entropy(white) + 0.1
    point = GaussianPrior(torch.zeros(4, dtype=torch.float64), 1e-12)
    assert gaussian_bound(point, levels)[1:-1].abs().max() < 1e-6
    assert gaussian_bound(point, levels, "beta")[1:-1].max() > 0.1


def test_clipping_helps_a_guess_that_leaves_the_range():
    prior = GaussianPrior(torch.full((3, 4, 4), 0.9), rest=0.5)
    x0, levels = torch.ones(32, 3, 4, 4), prior.schedule.levels(50)
    clipped, free = (
        terms(prior, x0, levels, Noise(0), clip=clip).sum(0).mean() for clip in (True, False)
    )
    assert clipped < free
