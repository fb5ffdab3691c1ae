"""Guidance is Bayes' rule where all is known."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from fuzzydiff_lite import GaussianPrior, Noise, Prior, Schedule, Walk, run
from fuzzydiff_lite.networks import ToneClassifier
from fuzzydiff_lite.noise import Replay
from fuzzydiff_lite.priors import (
    classifier_free,
    classifier_guided,
    likelihood_guided,
    shifted,
)
from fuzzydiff_lite.samplers import ddim, ddpm
from fuzzydiff_lite.steps import ancestral, posterior

SCHEDULE = Schedule.linear()
A = SCHEDULE.alpha_bar
EYE = torch.eye(3, dtype=torch.float64)
MEANS = torch.tensor([[0.6, -0.2, 0.1], [-0.5, 0.3, 0.4]], dtype=torch.float64)
ROUND = torch.tensor(
    [[0.20, 0.12, 0.0], [0.12, 0.30, -0.1], [0.0, -0.1, 0.25]], dtype=torch.float64
)
TOY = GaussianPrior.from_covariance(MEANS[0].reshape(3, 1, 1), ROUND)
WEIGHTS = torch.tensor([0.7, -1.2, 0.4], dtype=torch.float64)


def draw(n, seed=0):
    return Noise(seed)((n, 3, 1, 1), dtype=torch.float64)


def linear(x, levels):
    """Class 1 against class 0: a logistic regression that is surer of itself at low levels."""
    u = (x.flatten(1) @ WEIGHTS) * A[levels]
    return torch.stack([torch.zeros_like(u), u], 1)


def quadratic(x, levels):
    """Class 1 against class 0: how close x is to 0."""
    u = -x.flatten(1).square().sum(1) / 2
    return torch.stack([torch.zeros_like(u), u], 1)


def gradient(classifier, x, t, label):
    """By hand: the gradient of log p is that of u, times 1 - p for class 1, -p for class 0."""
    u = classifier(x, torch.full((len(x),), t))[:, 1]
    share = torch.sigmoid(-u) if label else -torch.sigmoid(u)
    slope = A[t] * WEIGHTS.reshape(3, 1, 1) if classifier is linear else -x
    return share.reshape(-1, 1, 1, 1) * slope


@pytest.mark.parametrize("classifier", [linear, quadratic])
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("t", [1, 300, 1000])
def test_the_guided_guess_is_the_formula(classifier, label, t):
    x, scale = draw(5), 2.5
    guided = classifier_guided(TOY, classifier, label, scale)
    grad = gradient(classifier, x, t, label)
    expected = TOY.x0(x, t) + scale * (1 - A[t]) / A[t].sqrt() * grad
    torch.testing.assert_close(guided.x0(x, t), expected, atol=1e-10, rtol=1e-10)
    eps = TOY.eps(x, t) - scale * (1 - A[t]).sqrt() * grad
    torch.testing.assert_close(guided.eps(x, t), eps, atol=1e-10, rtol=0)


class Classes:
    """A prior, and a classifier for each level, of pictures that are Gaussian given a class."""

    def __init__(self, *covariances, shares=(0.3, 0.7)):
        self.covariances, self.shares = covariances, torch.tensor(shares, dtype=torch.float64)
        means = MEANS.reshape(-1, 3, 1, 1)
        self.given = [GaussianPrior.from_covariance(m, c) for m, c in zip(means, covariances)]
        self.prior = Prior(self.guess, SCHEDULE, (3, 1, 1), "x0")
        self.prior.dtype = torch.float64

    def logits(self, x, levels):
        """log p(c) + log p(x_t | c), and x_t given c is N(sqrt(a) m, a C + (1 - a) I).

        All pictures at one level.
        """
        a = A[levels[0]]
        noised = [
            MultivariateNormal(a.sqrt() * m, a * c + (1 - a) * EYE)
            for m, c in zip(MEANS, self.covariances)
        ]
        x = x.flatten(1)
        return torch.stack([p.log() + n.log_prob(x) for p, n in zip(self.shares, noised)], 1)

    def guess(self, x, levels):
        """E[x0 | x_t], the guesses given the class weighed by its probability."""
        p = self.logits(x, levels).softmax(1)
        guesses = (prior._answer(x, levels[0])[0] for prior in self.given)
        return sum(p[:, k, None, None, None] * guess for k, guess in enumerate(guesses))


CLASSES = {"equal": Classes(ROUND, ROUND), "unequal": Classes(ROUND, 0.1 * EYE)}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("label", [0, 1])
def test_scale_one_is_bayes(kind, label):
    """The prior of everything, guided with the exact classifier, is the prior of the class."""
    classes, x = CLASSES[kind], draw(6)
    guided = classifier_guided(classes.prior, classes.logits, label, 1.0)
    for t in (1, 100, 500, 900):
        expected = classes.given[label].x0(x, t)
        assert not torch.allclose(classes.prior.x0(x, t), expected, atol=1e-5)
        torch.testing.assert_close(guided.x0(x, t), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("sampler", [ddim, ddpm])
def test_any_sampler_runs_it(sampler):
    classes = CLASSES["equal"]
    guided = classifier_guided(classes.prior, classes.logits, 1, 1.0)
    expected = run(sampler(classes.given[1], 4, walk=10, noise=Noise(1)))
    x = run(sampler(guided, 4, walk=10, noise=Noise(1)))
    torch.testing.assert_close(x, expected, atol=1e-9, rtol=0)
    free = run(sampler(classes.prior, 4, walk=10, noise=Noise(1)))
    assert not torch.allclose(free, expected, atol=1e-3)


def test_scale_zero_is_the_prior():
    x = draw(3)
    assert torch.equal(classifier_guided(TOY, quadratic, 1, 0.0).x0(x, 400), TOY.x0(x, 400))


def test_a_batch_is_as_many_single_pictures():
    guided, x = classifier_guided(TOY, quadratic, 1, 3.0), draw(4)
    singles = torch.cat([guided.x0(part, 200) for part in x.split(1)])
    torch.testing.assert_close(guided.x0(x, 200), singles)
    singles = torch.cat(
        [run(ddim(guided, 1, walk=6, noise=Noise(2, first=i))) for i in range(4)]
    )
    torch.testing.assert_close(run(ddim(guided, 4, walk=6, noise=Noise(2))), singles)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(mode):
    guided = classifier_guided(TOY, linear, 1, 2.0)
    expected = guided.x0(draw(2), 300)
    with mode():
        x0 = guided.x0(draw(2), 300)
    assert torch.equal(x0, expected) and not expected.requires_grad


def test_gradients_flow_where_x_wants_them():
    classes, x = CLASSES["unequal"], draw(3).requires_grad_()
    guided = classifier_guided(classes.prior, classes.logits, 0, 1.0)
    sums = (prior.x0(x, 300).square().sum() for prior in (guided, classes.given[0]))
    slopes = [torch.autograd.grad(total, x)[0] for total in sums]
    torch.testing.assert_close(*slopes)


def test_only_x_gets_gradients():
    net, x = ToneClassifier(SCHEDULE), Noise(0)((2, 3, 8, 8))
    prior = GaussianPrior(torch.zeros(3, 8, 8))
    x0 = classifier_guided(prior, net, 1, 5.0).x0(x, 500)
    assert not torch.equal(x0, prior.x0(x, 500))
    assert not x0.requires_grad and not x.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("label", [-1, 0.5, "mono", None])
def test_labels_that_cannot_be(label):
    with pytest.raises(ValueError, match="label must be"):
        classifier_guided(TOY, linear, label, 1.0)


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_scales_that_cannot_be(scale):
    with pytest.raises(ValueError, match="scale must be finite"):
        classifier_guided(TOY, linear, 1, scale)


@pytest.mark.parametrize(
    "classifier, label",
    [
        (linear, 2),  # a label it does not have
        (lambda x, levels: linear(x, levels)[:, 1], 1),  # no classes
        (lambda x, levels: linear(x, levels)[:1], 1),  # one row for all
    ],
)
def test_logits_that_do_not_fit_are_refused_before_the_prior_is_called(classifier, label):
    def net(x, levels):
        raise AssertionError("the prior was called")

    guided = classifier_guided(Prior(net, SCHEDULE, (3, 1, 1)), classifier, label, 1.0)
    with pytest.raises(ValueError, match="logits"):
        guided.x0(draw(2), 10)


def test_it_checks_like_every_prior_and_has_no_label_of_its_own():
    guided = classifier_guided(TOY, linear, 1, 1.0)
    with pytest.raises(ValueError, match="level"):
        guided.x0(draw(1), 0)
    with pytest.raises(ValueError, match="shape"):
        guided.x0(draw(1)[:, :2], 1)
    with pytest.raises(ValueError, match="labels"):
        classifier_free(guided, "mono", 1.0)


# Any log p(y | x_t): here that of a noisy measurement y of a Gaussian picture, which is exact.

SEEN = torch.tensor([[1.0, -0.5, 0.3], [0.2, 0.8, -1.0]], dtype=torch.float64)
Y, SIGMA = torch.tensor([0.7, -0.4], dtype=torch.float64), 0.3


def seen(x, t):
    """log p(y | x_t): x_0 given x_t is normal around the prior's guess."""
    a = A[t]
    left = torch.linalg.inv(torch.linalg.inv(ROUND) + a / (1 - a) * EYE)
    spread = SEEN @ left @ SEEN.T + SIGMA**2 * torch.eye(2)
    return MultivariateNormal(TOY.x0(x, t).flatten(1) @ SEEN.T, spread).log_prob(Y)


@pytest.mark.parametrize("t", [1, 50, 400, 1000])
def test_any_likelihood_at_scale_one_is_bayes(t):
    gain = ROUND @ SEEN.T @ torch.linalg.inv(SEEN @ ROUND @ SEEN.T + SIGMA**2 * torch.eye(2))
    mean = MEANS[0] + gain @ (Y - SEEN @ MEANS[0])
    given = GaussianPrior.from_covariance(mean.reshape(3, 1, 1), ROUND - gain @ SEEN @ ROUND)
    x = draw(6)
    assert not torch.allclose(TOY.x0(x, t), given.x0(x, t), atol=1e-7)
    guided = likelihood_guided(TOY, seen)
    torch.testing.assert_close(guided.x0(x, t), given.x0(x, t), atol=1e-9, rtol=0)
    half = likelihood_guided(TOY, seen, 0.5).x0(x, t)
    torch.testing.assert_close(half, (TOY.x0(x, t) + guided.x0(x, t)) / 2, atol=1e-12, rtol=0)


def test_a_likelihood_must_be_one_finite_number_a_picture_and_its_scale_finite():
    with pytest.raises(ValueError, match="one number a picture, got \\(2, 3\\)"):
        likelihood_guided(TOY, lambda x, t: x.flatten(1)).x0(draw(2), 5)
    for make in (lambda k: likelihood_guided(TOY, seen, k), lambda k: shifted(seen, k)):
        with pytest.raises(ValueError, match="guidance_scale must be finite"):
            make(float("inf"))


@pytest.mark.parametrize("inner", [ancestral("beta"), None])
def test_a_shifted_step_by_hand(inner):
    """Algorithm 1: the mean and the variance times the gradient of log p(y | x_t)."""
    t, s, start, z = 600, 300, draw(4), draw(4, seed=1)
    a_t, a_s = A[t], A[s]
    how = shifted(lambda x, t: quadratic(x, torch.full((len(x),), t))[:, 1], 2.5, inner)
    noise = Replay([z])
    step = next(ddpm(TOY, 4, walk=[t, s, 0], x=start, draw=how, noise=noise, clip=False))
    mean, variance = posterior(start, TOY.x0(start, t), a_t, a_s)
    variance = 1 - a_t / a_s if inner else variance
    expected = mean + 2.5 * variance * -start + variance.sqrt() * z
    torch.testing.assert_close(step.x, expected)


def test_shifting_means_becomes_the_score_form_as_steps_get_short():
    def apart(steps):
        settings = {"walk": Walk(steps, "quadratic"), "clip": False}
        form = run(ddpm(likelihood_guided(TOY, seen), 4, noise=Noise(1), **settings))
        shift = run(ddpm(TOY, 4, draw=shifted(seen), noise=Noise(1), **settings))
        return (form - shift).norm() / form.norm()

    few, more, most = map(apart, (20, 80, 320))
    assert more < 0.5 * few and most < 0.5 * more and most < 0.02
