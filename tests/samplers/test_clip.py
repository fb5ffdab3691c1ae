"""What `clip` does to a guess beyond [-1, 1], to its noise and to its gradient, step by step."""

import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, run
from fuzzydiff_lite.basis import Pixels
from fuzzydiff_lite.noise import Replay
from fuzzydiff_lite.operators import Gray, Inpaint
from fuzzydiff_lite.samplers import (
    ddim,
    ddnm,
    ddpm,
    ddrm,
    ddrm_jpeg,
    diffpir,
    dps,
    fuzzy,
    ilvr,
    mcg,
    pigdm,
    repaint,
    replacement,
    sdedit,
    unified,
)
from fuzzydiff_lite.samplers.rules import fuzzy_rule
from fuzzydiff_lite.steps import ddim_step, implicit, mix_step, posterior

WIDE = GaussianPrior(torch.full((3, 1, 1), 0.2, dtype=torch.float64), rest=4.0)
CLIPS = [False, True, "x0", "gradient"]
T, S = 300, 120
A_T, A_S = WIDE.schedule.alpha_bar[[T, S]]
X = 2 * Noise(1)((6, 3, 1, 1), dtype=torch.float64)
Z = Noise(2)((6, 3, 1, 1), dtype=torch.float64)
GAIN = A_T.sqrt() * 4 / (A_T * 4 + 1 - A_T)  # of a guess, in x
GUESS = 0.2 + GAIN * (X - A_T.sqrt() * 0.2)
INSIDE = (GUESS.abs() <= 1).double()
MEAN = Gray(size=1)  # of the three numbers
Y = torch.linspace(-0.5, 0.5, 6, dtype=torch.float64).reshape(6, 1, 1, 1)


def step(sampler, *given, draws=(Z,), **how):
    return next(sampler(WIDE, *given, walk=[T, S, 0], x=X, noise=Replay(draws), **how))


def noise_of(x0):
    return (X - A_T.sqrt() * x0) / (1 - A_T).sqrt()


def clamped(clip, guess=GUESS):
    """The guess and its noise by hand."""
    if clip is False:
        return guess, noise_of(guess)
    x0 = guess.clamp(-1, 1)
    return x0, noise_of(guess if clip == "x0" else x0)


def test_some_guesses_are_beyond_and_some_are_not():
    assert 4 < INSIDE.sum() < 14


@pytest.mark.parametrize("clip", CLIPS)
def test_a_step_without_a_gradient(clip):
    x0, eps = clamped(clip)
    found = step(ddim, 6, eta=0.5, clip=clip)
    torch.testing.assert_close(found.x, ddim_step(x0, eps, Z, A_T, A_S, 0.5))
    torch.testing.assert_close(found.x0_hat, x0)
    drawn = step(ddpm, 6, draw=implicit(0.5), clip=clip)
    torch.testing.assert_close(drawn.x, found.x)
    mean, variance = posterior(X, x0, A_T, A_S)
    torch.testing.assert_close(step(ddpm, 6, clip=clip).x, mean + variance.sqrt() * Z)


@pytest.mark.parametrize("clip", CLIPS)
def test_a_step_that_moves_the_guess_and_keeps_its_noise(clip):
    x0, eps = clamped(clip)
    corrected = x0 - x0.mean(1, keepdim=True) + Y
    expected = mix_step(corrected, eps, Z, A_S, 0.85)
    torch.testing.assert_close(step(ddnm, Y, MEAN, clip=clip).x, expected)


def slope(clip, direction):
    """`direction`, a gradient in the guess, as a gradient in x."""
    return GAIN * direction * (INSIDE if clip == "gradient" else 1)


@pytest.mark.parametrize("clip", CLIPS)
def test_a_step_down_the_misfit(clip):
    """The gradient is taken before the guess is clamped, but through clamping where told."""
    x0, _ = clamped(clip)
    seen = x0 if clip == "gradient" else GUESS
    misfit = Y - seen.mean(1, keepdim=True)
    gradient = slope(clip, -misfit.sign() / 3)
    mean, variance = posterior(X, x0, A_T, A_S)
    free = mean + variance.sqrt() * Z - 0.7 * gradient
    found = step(dps, Y, MEAN, 0.1, step_size=0.7, clip=clip)
    torch.testing.assert_close(found.x, free)
    torch.testing.assert_close(found.x0_hat, x0)
    found = step(mcg, Y, MEAN, step_size=0.7, clip=clip, draws=(Z, 0 * Z))
    known = A_S.sqrt() * Y - free.mean(1, keepdim=True)
    torch.testing.assert_close(found.x, free + known)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("clip", CLIPS)
def test_a_step_of_pigdm(clip, adaptive):
    """Bayes' rule moves the guess, then it is clamped; the paper's way leaves it where it is."""
    sigma, variance = 0.3, 1 - A_T
    x0, eps = clamped(clip)
    seen = x0 if clip == "gradient" else GUESS
    # r^2 A^T (r^2 A A^T + sigma^2)^-1 (y - A x0), where A is a mean of three: A A^T = 1/3
    towards = variance / 3 * (Y - seen.mean(1, keepdim=True)) / (variance / 3 + sigma**2)
    gradient = slope(clip, towards.expand_as(X))
    if adaptive:
        expected = ddim_step(x0, eps, Z, A_T, A_S, 0.6) + (A_S * A_T).sqrt() * gradient
    else:
        x0, eps = clamped(clip, seen + gradient / A_T.sqrt())
        expected = ddim_step(x0, eps, Z, A_T, A_S, 0.6)
    found = step(pigdm, Y, MEAN, sigma, eta=0.6, adaptive=adaptive, clip=clip)
    torch.testing.assert_close(found.x, expected)
    torch.testing.assert_close(found.x0_hat, x0)


@pytest.mark.parametrize("clip", CLIPS)
def test_pigdm_of_nothing_is_ddim_however_it_clips(clip):
    nothing = Inpaint(torch.zeros(1, 1, 1, 1))
    for adaptive in (False, True):
        found = step(pigdm, 0 * X, nothing, 0.2, eta=0.5, adaptive=adaptive, clip=clip)
        torch.testing.assert_close(found.x, step(ddim, 6, eta=0.5, clip=clip).x)


PICTURE, MASK = X.clamp(-1, 1), torch.tensor([1.0, 0, 1]).double().reshape(1, 3, 1, 1)
SAMPLERS = {
    "ddpm": lambda prior, **how: ddpm(prior, **how),
    "ddim": lambda prior, **how: ddim(prior, **how),
    "fuzzy": lambda prior, **how: fuzzy(prior, PICTURE, 0.4, **how),
    "unified": lambda prior, **how: unified(
        prior, PICTURE, fuzzy_rule(0.4), basis=Pixels, **how
    ),
    "sdedit": lambda prior, **how: sdedit(prior, PICTURE, **how),
    "ilvr": lambda prior, **how: ilvr(prior, PICTURE, MEAN.project, **how),
    "replacement": lambda prior, **how: replacement(prior, PICTURE, MASK, **how),
    "repaint": lambda prior, **how: repaint(prior, PICTURE, MASK, **how),
    "ddrm": lambda prior, **how: ddrm(prior, Y, MEAN, 0.1, **how),
    "ddrm_jpeg": lambda prior, **how: ddrm_jpeg(prior, Y, MEAN, **how),
    "ddnm": lambda prior, **how: ddnm(prior, Y, MEAN, **how),
    "ddnm, noisy": lambda prior, **how: ddnm(prior, Y, MEAN, 0.1, **how),
    "diffpir": lambda prior, **how: diffpir(prior, Y, MEAN, 0.1, **how),
    "dps": lambda prior, **how: dps(prior, Y, MEAN, 0.1, **how),
    "mcg": lambda prior, **how: mcg(prior, Y, MEAN, **how),
    "pigdm": lambda prior, **how: pigdm(prior, Y, MEAN, 0.1, **how),
    "pigdm, adaptive": lambda prior, **how: pigdm(prior, Y, MEAN, 0.1, adaptive=True, **how),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_another_way_to_clip_is_refused(name):
    for wrong in ("eps", None, 2):
        with pytest.raises(ValueError, match=f'"x0" or "gradient", got {wrong!r}'):
            next(SAMPLERS[name](WIDE, walk=4, clip=wrong))


@pytest.mark.parametrize("name", SAMPLERS)
def test_nothing_is_clipped_of_what_is_inside(name):
    narrow = GaussianPrior(torch.zeros(3, 1, 1).double(), rest=0.01)
    plain, *others = (run(SAMPLERS[name](narrow, walk=4, clip=clip)) for clip in CLIPS)
    for x in others:
        torch.testing.assert_close(x, plain)
