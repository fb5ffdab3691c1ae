"""The draw of a step: the same laws hold between samplers whichever it is."""

import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, Walk, run
from fuzzydiff_lite.noise import Replay
from fuzzydiff_lite.operators import Gray, Inpaint
from fuzzydiff_lite.samplers import (
    ddim,
    ddnm,
    ddpm,
    dps,
    fuzzy,
    ilvr,
    mcg,
    repaint,
    replacement,
    sdedit,
)
from fuzzydiff_lite.steps import ancestral, eps_from_x0, implicit, mixed, posterior

SHAPE = 3, 2, 2
MEAN = torch.linspace(-0.4, 0.4, 12, dtype=torch.float64)
ROOT = 0.2 * Noise(1)((12, 12), dtype=torch.float64)
TOY = GaussianPrior.from_covariance(MEAN.reshape(SHAPE), ROOT @ ROOT.T)
X = (0.3 * Noise(2)((4, *SHAPE), dtype=torch.float64)).clamp(-1, 1)
MASK = (Noise(3)((1, 1, 2, 2)) > 0).double()
A = Gray(size=2)
Y = A(X)
DRAWS = {
    "ancestral": ancestral(),
    "ancestral, beta": ancestral("beta"),
    "implicit 0.4": implicit(0.4),
    "implicit 0": implicit(0.0),
    "mixed 0.7": mixed(0.7),
}
WALK = Walk(12, repeats=2)


def noise():
    return Noise(5)


def result(sampler, *given, draw, walk=12, **how):
    return run(sampler(TOY, *given, walk=walk, draw=draw, noise=noise(), **how))


LAWS = {
    "replacement is repaint once": (
        lambda d: result(replacement, X, MASK, draw=d),
        lambda d: result(repaint, X, MASK, draw=d),
    ),
    "fuzzy with a mask is repaint": (
        lambda d: result(fuzzy, X, MASK, draw=d, walk=WALK),
        lambda d: result(repaint, X, MASK, draw=d, walk=WALK),
    ),
    "fuzzy with m 0 is ddpm": (
        lambda d: result(fuzzy, X, 0.0, draw=d),
        lambda d: result(ddpm, 4, draw=d),
    ),
    "ilvr with a mask for a filter is replacement": (
        lambda d: result(ilvr, X, Inpaint(MASK).project, draw=d),
        lambda d: result(replacement, X, MASK, draw=d),
    ),
    "mcg without its gradient is ilvr": (
        lambda d: result(mcg, Y, A, draw=d, step_size=0.0),
        lambda d: result(ilvr, A.pinv(Y), A.project, draw=d),
    ),
    "dps without its gradient is ddpm": (
        lambda d: result(dps, Y, A, 0.2, draw=d, step_size=0.0),
        lambda d: result(ddpm, 4, draw=d),
    ),
    "ddnm of nothing is ddpm": (
        lambda d: result(ddnm, 0 * X, Inpaint(0 * MASK), draw=d),
        lambda d: result(ddpm, 4, draw=d),
    ),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("law", LAWS)
def test_laws_hold_with_every_draw(law, draw):
    special, general = (side(DRAWS[draw]) for side in LAWS[law])
    torch.testing.assert_close(special, general, rtol=0, atol=1e-12)
    assert general.std() > 0.05


SAMPLERS = {
    "ddpm": lambda d, **how: result(ddpm, 4, draw=d, **how),
    "fuzzy": lambda d, **how: result(fuzzy, X, 0.3, draw=d, **how),
    "repaint": lambda d, **how: result(repaint, X, MASK, draw=d, **how),
    "ilvr": lambda d, **how: result(ilvr, X, A.project, draw=d, **how),
    "sdedit": lambda d, **how: result(sdedit, X, draw=d, walk=Walk(12, start=700), **how),
    "dps": lambda d, **how: result(dps, Y, A, 0.1, draw=d, **how),
    "mcg": lambda d, **how: result(mcg, Y, A, draw=d, **how),
}
USUAL = list(SAMPLERS)


@pytest.mark.parametrize("name", USUAL)
def test_implicit_with_eta_1_is_ancestral(name):
    sampler = SAMPLERS[name]
    exact = sampler(ancestral())
    torch.testing.assert_close(sampler(implicit(1.0)), exact, rtol=0, atol=1e-12)
    for other in (implicit(0.5), ancestral("beta"), mixed(0.5)):
        assert (sampler(other) - exact).abs().max() > 1e-3


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_draw_is_ancestral(name):
    assert torch.equal(SAMPLERS[name](None), SAMPLERS[name](ancestral()))


# What would be drawn beside it: the noise of the given pixels comes from a branch of its own.
WITHOUT_CONTEXT = {
    "fuzzy": lambda **how: fuzzy(TOY, X, 0.0, **how),
    "repaint": lambda **how: repaint(TOY, X, 0 * MASK, **how),
    "ilvr": lambda **how: ilvr(TOY, X, torch.zeros_like, **how),
}


@pytest.mark.parametrize("name", WITHOUT_CONTEXT)
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_eta_is_that_of_ddim(name, eta):
    x = run(WITHOUT_CONTEXT[name](walk=12, draw=implicit(eta), noise=noise()))
    same = run(ddim(TOY, 4, walk=12, eta=eta, noise=noise()))
    torch.testing.assert_close(x, same, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", WITHOUT_CONTEXT)
def test_eta_0_is_deterministic(name):
    start = Noise(9).like(X)
    one, other = (
        run(WITHOUT_CONTEXT[name](walk=12, x=start, draw=implicit(0.0), noise=Noise(seed)))
        for seed in (1, 2)
    )
    assert torch.equal(one, other)


def test_sdedit_with_eta_0_draws_its_start_only():
    draws = [Noise(k).like(X) for k in range(20)]
    one, other = (
        run(sdedit(TOY, X, walk=Walk(12, start=700), draw=implicit(0.0), noise=Replay(given)))
        for given in (draws, draws[:1] + draws[:0:-1])
    )
    assert torch.equal(one, other)


# DDNM


@pytest.mark.parametrize("draw", ["ancestral", "ancestral, beta"])
def test_a_step_of_ddnms_first_algorithm_by_hand(draw):
    """The posterior given the corrected x0: all that was predicted of the range is dropped."""
    t, s, a = 800, 500, TOY.schedule.alpha_bar
    start, z = Noise(6).like(X), Noise(7).like(X)
    noisy = Replay([z])
    step = next(ddnm(TOY, Y, A, walk=[t, s, 0], x=start, draw=DRAWS[draw], noise=noisy))
    x0 = TOY.x0(start, t).clamp(-1, 1)
    corrected = x0 - x0.mean(1, keepdim=True) + Y
    mean, variance = posterior(start, corrected, a[t], a[s])
    variance = variance if draw == "ancestral" else 1 - a[t] / a[s]
    torch.testing.assert_close(step.x, mean + variance.sqrt() * z)
    torch.testing.assert_close(step.x0_hat, x0)


def test_the_noise_in_ddnms_draw_is_that_which_was_predicted():
    """As the authors' program with singular values: x0 is corrected, the noise stays."""
    t, s, a = 800, 500, TOY.schedule.alpha_bar
    start, z = Noise(6).like(X), Noise(7).like(X)
    noisy = Replay([z])
    step = next(ddnm(TOY, Y, A, walk=[t, s, 0], x=start, eta=0.6, noise=noisy, clip=False))
    x0 = TOY.x0(start, t)
    eps = eps_from_x0(start, x0, a[t])
    corrected = x0 - x0.mean(1, keepdim=True) + Y
    expected = a[s].sqrt() * corrected + (1 - a[s]).sqrt() * (0.8 * eps + 0.6 * z)
    torch.testing.assert_close(step.x, expected)
    own, told = (
        run(ddnm(TOY, Y, A, walk=9, noise=noise(), **how))
        for how in ({}, {"draw": mixed(0.85)})
    )
    assert torch.equal(own, told)


def test_ddnms_first_algorithm_has_the_mean_of_replacement_and_the_other_form_has_not():
    """In silence a sampler gives its mean. They begin with the mean of what is measured."""
    silence, walk = (lambda: Replay(0 * X for _ in range(99))), [900, 600, 400, 200, 60, 0]
    x = TOY.schedule.alpha_bar[900].sqrt() * A.pinv(Y)
    how = {"walk": walk, "x": x, "clip": False}
    first = run(ddnm(TOY, Y, A, draw=ancestral(), noise=silence(), **how))
    replaced = run(ilvr(TOY, A.pinv(Y), A.project, noise=silence(), **how))
    other = run(ddnm(TOY, Y, A, noise=silence(), **how))
    torch.testing.assert_close(first, replaced, rtol=0, atol=1e-12)
    assert (other - first).abs().max() > 1e-2
    for restored in (first, other):
        torch.testing.assert_close(A(restored), Y)


def test_a_draw_beside_the_noise_of_the_measurement_is_refused():
    with pytest.raises(ValueError, match="draws by its eta: leave draw out"):
        next(ddnm(TOY, Y, A, 0.1, draw=ancestral()))
