import pytest
import torch

from fuzzydiff_lite import EmpiricalPrior, GaussianPrior, Noise, Prior, Schedule, run
from fuzzydiff_lite.priors import fit_gaussian
from fuzzydiff_lite.samplers import ddpm
from fuzzydiff_lite.steps import ancestral

SCHEDULE = Schedule.linear()


def randn(*shape, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def test_gaussian_prior_from_covariance_matches_the_conditional_mean():
    root = randn(6, 6)
    covariance = root @ root.T
    mean = randn(1, 2, 3, seed=1)
    x = randn(5, 1, 2, 3, seed=2)
    a = SCHEDULE.alpha_bar[300]
    prior = GaussianPrior.from_covariance(mean, covariance)
    noised = a * covariance + (1 - a) * torch.eye(6, dtype=torch.float64)
    gain = a.sqrt() * covariance @ torch.linalg.inv(noised)
    expected = mean.flatten() + (x - a.sqrt() * mean).flatten(1) @ gain.T
    torch.testing.assert_close(prior.x0(x, 300).flatten(1), expected)


def test_a_covariance_keeps_its_small_variances_in_single_precision():
    """Four decades of variances: the smallest one, and the noise at level 1, to four digits."""
    directions, variances = torch.linalg.qr(randn(48, 48)).Q, torch.logspace(0, -4, 48).double()
    covariance, mean = directions * variances @ directions.T, randn(3, 4, 4, seed=1)
    exact = GaussianPrior.from_covariance(mean, covariance)
    single = GaussianPrior.from_covariance(mean.float(), covariance)
    assert single.dtype == torch.float32
    assert abs(single.variances.min() / 1e-4 - 1) < 1e-4
    a = SCHEDULE.alpha_bar[1]
    x0 = mean + (randn(9, 48, seed=2) * variances.sqrt() @ directions.T).reshape(9, 3, 4, 4)
    x = a.sqrt() * x0 + (1 - a).sqrt() * randn(9, 3, 4, 4, seed=3)
    eps = exact.eps(x.float().double(), 1)
    off = single.eps(x.float(), 1).double() - eps
    assert off.norm() < 1e-4 * eps.norm()


def test_standard_normal_prior_shrinks():
    """For x0 ~ N(0, I), x_t ~ N(0, I), E[x0 | x_t] = sqrt(a) x_t and eps = sqrt(1 - a) x_t."""
    prior, x = GaussianPrior(torch.zeros(3, 2, 2, dtype=torch.float64)), randn(4, 3, 2, 2)
    for t in (1, 500, 1000):
        a = SCHEDULE.alpha_bar[t]
        torch.testing.assert_close(prior.x0(x, t), a.sqrt() * x)
        torch.testing.assert_close(prior.eps(x, t), (1 - a).sqrt() * x)


def test_empirical_prior_is_the_weighted_mean():
    pictures, x, t = randn(7, 1, 2, 2), randn(3, 1, 2, 2, seed=1), 400
    a = SCHEDULE.alpha_bar[t]
    distance = (x[:, None] - a.sqrt() * pictures[None]).square().flatten(2).sum(2)
    weights = (-distance / (2 * (1 - a))).softmax(1)
    expected = torch.einsum("bn,nchw->bchw", weights, pictures)
    torch.testing.assert_close(EmpiricalPrior(pictures).x0(x, t), expected)


def test_empirical_prior_returns_the_picture_at_low_noise():
    pictures = randn(5, 1, 4, 4).float()
    x = SCHEDULE.alpha_bar[1].sqrt().float() * pictures[2:3]
    torch.testing.assert_close(EmpiricalPrior(pictures).x0(x, 1), pictures[2:3])


@pytest.mark.parametrize("predicts", ["v", "eps", "x0"])
def test_a_network_may_predict_v_eps_or_x0(predicts):
    """Three parameterisations of a denoiser agree, with channels of a learned variance or not."""
    exact = GaussianPrior(torch.full((3, 2, 2), 0.3, dtype=torch.float64), rest=0.5)
    x = randn(2, 3, 2, 2)
    t = 321

    def net(x, levels):
        assert levels.shape == (2,) and (levels == t).all()
        a, x0, eps = SCHEDULE.alpha_bar[t], exact.x0(x, t), exact.eps(x, t)
        out = {"v": a.sqrt() * eps - (1 - a).sqrt() * x0, "eps": eps, "x0": x0}[predicts]
        return torch.cat([out, torch.ones_like(out)], 1)

    prior = Prior(net, SCHEDULE, (3, 2, 2), predicts)
    torch.testing.assert_close(prior.x0(x, t), exact.x0(x, t))
    torch.testing.assert_close(prior.eps(x, t), exact.eps(x, t))
    assert torch.equal(prior.predict(x, t).between, torch.ones_like(x))


def test_a_learned_variance_is_kept():
    """The second half of the channels, -1 for beta-tilde to 1 for beta, counted from 0 to 1."""

    def net(x, levels):
        return torch.cat([0.5 * x, torch.linspace(-1, 1, x[0].numel()).expand(*x.shape)], 1)

    prior = Prior(net, SCHEDULE, (1, 1, 5), "x0")
    made = prior.predict(torch.ones(2, 1, 1, 5), 300)
    assert torch.equal(made.x0, torch.full((2, 1, 1, 5), 0.5))
    assert made.between[1].flatten().tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert Prior(lambda x, levels: x, SCHEDULE, (1, 1, 5)).predict(made.x0, 3).between is None


@pytest.mark.parametrize("end, variance", [(-1.0, "beta-tilde"), (1.0, "beta")])
def test_a_network_that_learned_an_end_draws_with_it(end, variance):
    def net(x, levels):
        return torch.cat([0.5 * x, torch.full_like(x, end)], 1)

    prior = Prior(net, SCHEDULE, (3, 2, 2), "x0")
    learned, fixed = (
        run(ddpm(prior, 2, walk=12, draw=ancestral(name), noise=Noise(1)))
        for name in ("learned", variance)
    )
    torch.testing.assert_close(learned, fixed)
    with pytest.raises(ValueError, match="predicts no variance"):
        run(ddpm(GaussianPrior(torch.zeros(3, 2, 2)), draw=ancestral("learned")))


def test_labels_reach_the_network():
    def net(x, levels, labels):
        return x * labels[:, None, None, None]

    prior = Prior(net, SCHEDULE, (1, 1, 1), "x0", label=2)
    assert (prior.x0(torch.ones(3, 1, 1, 1), 5) == 2).all()


def test_gradients_flow_only_where_asked():
    weight = torch.ones(1, requires_grad=True)
    prior = Prior(lambda x, levels: weight * x**2, SCHEDULE, (1, 1, 1), "x0")
    x = torch.full((1, 1, 1, 1), 3.0)
    assert not prior.x0(x, 5).requires_grad
    prior.x0(x.requires_grad_(), 5).sum().backward()
    assert x.grad.item() == 6


@pytest.mark.parametrize(
    "x, t, message",
    [
        (torch.zeros(1, 3, 8, 8), 5, "shape"),
        (torch.zeros(3, 2, 2), 5, "shape"),
        (torch.zeros(1, 3, 2, 2), 0, "level"),
    ],
)
def test_bad_questions(x, t, message):
    with pytest.raises(ValueError, match=message):
        GaussianPrior(torch.zeros(3, 2, 2)).x0(x, t)
    with pytest.raises(ValueError, match="predicts"):
        Prior(None, SCHEDULE, predicts="score")


def test_fit_gaussian_recovers_a_gaussian():
    directions = torch.linalg.qr(randn(12, 2)).Q
    along = randn(20_000, 2) * torch.tensor([3.0, 1.5]) @ directions.T
    data = along + 0.1 * randn(20_000, 12, seed=1) + 5
    mean, v, variances, rest = fit_gaussian(data, 2)
    assert (mean - 5).abs().max() < 0.1
    expected = torch.tensor([9.01, 2.26], dtype=torch.float64)
    torch.testing.assert_close(variances.double(), expected, rtol=0.05, atol=0)
    assert abs(rest - 0.01) < 0.001
    cosines = (v.T.double() @ directions).abs()
    torch.testing.assert_close(cosines, torch.eye(2, dtype=torch.float64), atol=0.02, rtol=0)
