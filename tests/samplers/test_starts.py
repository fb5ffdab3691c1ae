"""Where a sampler begins: at levels of a list, at a state that is given, at the measurement."""

import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, Walk, run
from fuzzydiff_lite.noise import Replay
from fuzzydiff_lite.operators import Separable
from fuzzydiff_lite.samplers import (
    ddim,
    ddnm,
    ddpm,
    ddrm,
    diffpir,
    dps,
    from_measurement,
    fuzzy,
    ilvr,
    mcg,
    pigdm,
    repaint,
    replacement,
)

SHAPE = 1, 6, 1
ROOT = 0.4 * Noise(1)((6, 6), dtype=torch.float64)
COVARIANCE = ROOT @ ROOT.T + 0.05 * torch.eye(6)
MEAN = torch.linspace(-0.3, 0.3, 6, dtype=torch.float64)
M = Noise(2)((3, 6), dtype=torch.float64)
A = Separable(torch.eye(1), M, torch.eye(1))
SIGMA = 0.2
X = (MEAN + ROOT @ Noise(3)((6,), dtype=torch.float64)).clamp(-1, 1).reshape(1, *SHAPE)
Y = A(X) + SIGMA * Noise(4)((1, 1, 3, 1), dtype=torch.float64)
MASK = torch.tensor([1.0, 0, 1, 0, 0, 1], dtype=torch.float64).reshape(1, *SHAPE)


class Asked(GaussianPrior):
    """The toy's prior, which keeps what it was asked."""

    def _answer(self, x, t):
        self.questions.append((x.detach().clone(), t))
        return super()._answer(x, t)


@pytest.fixture
def prior():
    prior = Asked.from_covariance(MEAN.reshape(SHAPE), COVARIANCE)
    prior.questions = []
    return prior


SAMPLERS = {
    "ddpm": lambda prior, **how: ddpm(prior, 1, **how),
    "ddim": lambda prior, **how: ddim(prior, 1, **how),
    "fuzzy": lambda prior, **how: fuzzy(prior, X, 0.3, **how),
    "replacement": lambda prior, **how: replacement(prior, X, MASK, **how),
    "repaint": lambda prior, **how: repaint(prior, X, MASK, **how),
    "ilvr": lambda prior, **how: ilvr(prior, X, A.project, **how),
    "ddrm": lambda prior, **how: ddrm(prior, Y, A, SIGMA, **how),
    "ddnm": lambda prior, **how: ddnm(prior, Y, A, SIGMA, **how),
    "diffpir": lambda prior, **how: diffpir(prior, Y, A, SIGMA, **how),
    "dps": lambda prior, **how: dps(prior, Y, A, SIGMA, **how),
    "mcg": lambda prior, **how: mcg(prior, Y, A, **how),
    "pigdm": lambda prior, **how: pigdm(prior, Y, A, SIGMA, **how),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_list_of_levels_is_visited(name, prior):
    steps = list(SAMPLERS[name](prior, walk=[1000, 600, 300, 100, 0]))
    assert [t for _, t in prior.questions] == [1000, 600, 300, 100]
    assert [step.level for step in steps] == [600, 300, 100, 0]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(
    "walk",
    [Walk(10, start=450), [450, 400, 300, 200, 100, 0], Walk(levels=(450, 0), repeats=2)],
)
def test_a_state_that_is_given_is_the_first_that_the_prior_sees(name, walk, prior):
    x = Noise(7)((1, *SHAPE), dtype=torch.float64)
    before = x.clone()
    run(SAMPLERS[name](prior, walk=walk, x=x))
    asked, t = prior.questions[0]
    assert torch.equal(asked, x) and t == 450 and torch.equal(x, before)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_state_of_noise_is_what_a_sampler_begins_with(name, prior):
    """And the draws that follow are the same: the state is drawn first."""
    draws = [Noise(k)((1, *SHAPE), dtype=torch.float64) for k in range(30)]
    own = run(SAMPLERS[name](prior, walk=5, noise=Replay(draws)))
    given = run(SAMPLERS[name](prior, walk=5, x=draws[0], noise=Replay(draws[1:])))
    assert torch.equal(own, given)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_start_without_a_state_is_refused(name, prior):
    with pytest.raises(ValueError, match="starts at level 450 needs x"):
        next(SAMPLERS[name](prior, walk=Walk(10, start=450)))
    assert not prior.questions


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(2, *SHAPE),
        torch.zeros(SHAPE),
        torch.zeros(1, *SHAPE, dtype=torch.long),
        torch.full((1, *SHAPE), torch.nan),
    ],
)
def test_other_states_are_refused(name, x, prior):
    with pytest.raises(ValueError, match=r"x must hold finite .* shape \(1, 1, 6, 1\)"):
        next(SAMPLERS[name](prior, walk=10, x=x))
    assert not prior.questions


# From the measurement


@pytest.mark.parametrize("t", [900, 300, 20])
def test_the_state_from_a_measurement_has_the_mean_and_the_noise_of_its_level(
    t, prior, moments
):
    """Given y. What is measured worse than the level is not used: it begins as noise.

    In the basis of singular values, sqrt(alpha_bar) y / s is the mean where it is used, and its
    own noise is left out of that of the level.
    """
    a = prior.schedule.alpha_bar[t]
    u, s, v = torch.linalg.svd(M)
    s, measured = torch.cat([s, torch.zeros(3)]), torch.cat([u.T @ Y.flatten(), torch.zeros(3)])
    used = a.sqrt() * SIGMA <= (1 - a).sqrt() * s
    assert used.sum() == {900: 3, 300: 3, 20: 1}[t]
    c = torch.where(used, a.sqrt() * measured / s, 0)
    noise = torch.where(used, 1 - a - a * (SIGMA / s) ** 2, 1 - a)
    mean, covariance = moments(
        lambda n, source: from_measurement(A, Y.expand(n, -1, -1, -1), SIGMA, a, source)
    )
    torch.testing.assert_close(mean, c @ v)
    torch.testing.assert_close(covariance, v.T * noise @ v)


@pytest.mark.parametrize("t", [900, 300])
def test_over_all_measurements_of_a_picture_it_is_the_picture_at_that_level(t, prior, moments):
    """Where something is measured: sqrt(alpha_bar) x0, with all of the level's noise."""
    a = prior.schedule.alpha_bar[t]

    def state(n, source):
        y = A(X).expand(n, -1, -1, -1)
        return from_measurement(A, y + SIGMA * source.like(y), SIGMA, a, source)

    mean, covariance = moments(state)
    torch.testing.assert_close(mean, a.sqrt() * A.project(X).flatten())
    torch.testing.assert_close(covariance, (1 - a) * torch.eye(6).double())


@pytest.mark.parametrize("sampler", [ddrm, diffpir, pigdm])
def test_samplers_go_on_from_the_measurement(sampler, prior, moments):
    """The posterior is theirs about as nearly as from the top, in half of the calls."""

    def bias(start):
        def result(n, source):
            y, x = Y.expand(n, -1, -1, -1), None
            if start:
                x = from_measurement(A, y, SIGMA, prior.schedule.alpha_bar[start], source)
            walk = Walk(100, start=start)
            return run(sampler(prior, y, A, SIGMA, walk=walk, x=x, noise=source, clip=False))

        (mean, covariance), (exact, exact_covariance) = moments(result), posterior()
        size = exact_covariance.trace().sqrt()
        off = (covariance - exact_covariance).norm() / exact_covariance.norm()
        return (mean - exact).norm() / size, off

    (mean, covariance), (from_the_top, covariance_from_the_top) = bias(500), bias(None)
    assert mean < 1.5 * from_the_top and covariance < 1.5 * covariance_from_the_top


def posterior():
    """Mean and covariance of the picture given Y."""
    gain = COVARIANCE @ M.T @ torch.linalg.inv(M @ COVARIANCE @ M.T + SIGMA**2 * torch.eye(3))
    return MEAN + gain @ (Y.flatten() - M @ MEAN), COVARIANCE - gain @ M @ COVARIANCE


def test_from_the_measurement_without_noise_ends_with_it(prior):
    a, y = prior.schedule.alpha_bar[400], A(X)
    x = from_measurement(A, y, 0.0, a, Noise(1))
    torch.testing.assert_close(A(x) - A(A.project(x)), 0 * y)
    for sampler in (ddrm, diffpir, pigdm):
        restored = run(sampler(prior, y, A, walk=Walk(20, start=400), x=x))
        torch.testing.assert_close(A(restored), y)
