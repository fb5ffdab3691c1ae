"""Reductions between samplers, exact moments on Gaussian priors, what each sampler promises."""

import inspect
import itertools

import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, Prior, Walk, run, samplers
from fuzzydiff_lite.networks import TONES
from fuzzydiff_lite.noise import Replay
from fuzzydiff_lite.operators import Gray
from fuzzydiff_lite.priors import classifier_free
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
from fuzzydiff_lite.steps import noise_to, posterior
from fuzzydiff_lite.walk import travel

TOY = GaussianPrior.from_covariance(
    torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64).reshape(3, 1, 1),
    torch.tensor(
        [[0.20, 0.12, 0.0], [0.12, 0.30, -0.1], [0.0, -0.1, 0.25]], dtype=torch.float64
    ),
)
COVARIANCE = TOY.directions * TOY.variances @ TOY.directions.T


def given(n=1):
    return (0.3 * Noise(9)((n, 3, 1, 1), dtype=torch.float64)).clamp(-1, 1)


@pytest.mark.parametrize(
    "sampler, options",
    [(ddpm, {"walk": 500}), (ddim, {"walk": 250}), (ddim, {"walk": 250, "eta": 0.5})],
)
def test_moments_of_a_gaussian_prior(sampler, options):
    n = 4096
    x = run(sampler(TOY, n, noise=Noise(1), clip=False, **options)).flatten(1)
    error = 4 * COVARIANCE.diagonal().max().sqrt() / n**0.5
    assert (x.mean(0) - TOY.mean.flatten()).abs().max() < error
    assert (x.T.cov() - COVARIANCE).abs().max() < 4 * COVARIANCE.max() * (2 / n) ** 0.5 + 0.01


def test_ddim_with_eta_one_is_ddpm():
    a = run(ddpm(TOY, 4, walk=30, noise=Noise(2)))
    torch.testing.assert_close(run(ddim(TOY, 4, walk=30, eta=1.0, noise=Noise(2))), a)
    assert not torch.allclose(run(ddim(TOY, 4, walk=30, eta=0.9, noise=Noise(2))), a)


@pytest.mark.parametrize("rescale", [True, False])
def test_fuzzy_with_m_0_is_ddpm(rescale):
    x = run(fuzzy(TOY, given(4), 0.0, walk=30, noise=Noise(2), rescale=rescale))
    torch.testing.assert_close(x, run(ddpm(TOY, 4, walk=30, noise=Noise(2))))


@pytest.mark.parametrize("repeats", [1, 3])
def test_fuzzy_with_m_1_returns_what_was_given(repeats):
    y = given(4)
    x = run(fuzzy(TOY, y, 1.0, walk=Walk(20, repeats=repeats), noise=Noise(2)))
    torch.testing.assert_close(x, y, atol=1e-12, rtol=0)


def test_known_pixels_are_exact_and_the_others_move():
    y, m = given(4), torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64).reshape(1, 3, 1, 1)
    x = run(fuzzy(TOY, y, m, walk=Walk(20, repeats=2), noise=Noise(3)))
    torch.testing.assert_close(x[:, 0], y[:, 0], atol=1e-12, rtol=0)
    assert (x[:, 1:] - y[:, 1:]).abs().min() > 1e-4


def test_a_higher_m_stays_closer():
    y = given(256)
    runs = (run(fuzzy(TOY, y, m, walk=20, noise=Noise(4))) for m in (0.0, 0.2, 0.5, 0.8, 1.0))
    rms = [(x - y).square().mean().sqrt() for x in runs]
    assert all(far > near for far, near in itertools.pairwise(rms))


def test_rescaling_matters_and_is_off_at_level_zero():
    y = given(256)
    *_, last = fuzzy(TOY, y, 0.5, walk=20, noise=Noise(4))
    *_, plain = fuzzy(TOY, y, 0.5, walk=20, noise=Noise(4), rescale=False)
    assert last.level == 0 and (last.x - plain.x).square().mean().sqrt() > 0.01
    # At level 0 context and hallucination are y and x0: their plain blend.
    torch.testing.assert_close(last.x, 0.5 * y + 0.5 * last.x0_hat)


def test_one_fuzzy_step_by_hand():
    a, y = TOY.schedule.alpha_bar, given()
    start, z, g = draws = [Noise(k).like(y) for k in range(3)]
    step = next(fuzzy(TOY, y, 0.5, walk=2, noise=Replay(draws)))
    mean, variance = posterior(start, TOY.x0(start, 1000).clamp(-1, 1), a[1000], a[500])
    blend = (noise_to(y, g, a[500]) + mean + variance.sqrt() * z) / 2
    centre = a[500].sqrt() * y
    torch.testing.assert_close(step.x, centre + (blend - centre) / 0.5**0.5)


def test_samplers_walk_the_levels_they_were_told():
    down = [move.s for move in travel(TOY.schedule.levels(9), 2, 3) if move.s < move.t]
    assert [
        step.level for step in fuzzy(TOY, given(), 0.5, walk=Walk(9, repeats=2, jump=3))
    ] == down
    levels = TOY.schedule.levels(7, "quadratic")
    assert [step.level for step in ddim(TOY, walk=Walk(7, "quadratic"))] == levels[1:]


def test_repeats_bring_the_conditional_mean_closer():
    """Two correlated numbers, one known: a pass forgets the correlation, repeats recover it."""
    covariance = torch.tensor([[0.30, 0.27], [0.27, 0.30]], dtype=torch.float64)
    prior = GaussianPrior.from_covariance(torch.zeros(2, 1, 1, dtype=torch.float64), covariance)
    n, known = 1024, 0.6
    y = torch.tensor([known, 0.0], dtype=torch.float64).reshape(1, 2, 1, 1)
    y = y.expand(n, -1, -1, -1)
    m = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 2, 1, 1)
    runs = (
        run(fuzzy(prior, y, m, walk=Walk(50, repeats=J), noise=Noise(5), clip=False))
        for J in (1, 10)
    )
    means = [x[:, 1].mean().item() for x in runs]
    exact = 0.27 / 0.30 * known
    assert abs(means[1] - exact) < 0.07 and abs(means[0] - exact) > 0.14


GRAY = Gray(size=1)
MASK = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64).reshape(1, 3, 1, 1)


def picture(n):
    return given(1).expand(n, -1, -1, -1)


def gray(n):
    return GRAY(picture(n))


SAMPLERS = {
    "ddpm": lambda prior, n, noise: ddpm(prior, n, walk=12, noise=noise),
    "ddim": lambda prior, n, noise: ddim(
        prior, n, walk=Walk(12, "quadratic"), eta=0.7, noise=noise
    ),
    "fuzzy": lambda prior, n, noise: fuzzy(
        prior, picture(n), 0.4, walk=Walk(12, repeats=2), noise=noise
    ),
    "unified": lambda prior, n, noise: unified(
        prior, picture(n), fuzzy_rule(0.4), walk=Walk(12, repeats=2), noise=noise
    ),
    "sdedit": lambda prior, n, noise: sdedit(
        prior, picture(n), walk=Walk(12, start=600), noise=noise
    ),
    "ilvr": lambda prior, n, noise: ilvr(
        prior, picture(n), GRAY.project, walk=12, until=300, noise=noise
    ),
    "replacement": lambda prior, n, noise: replacement(
        prior, picture(n), MASK, walk=12, noise=noise
    ),
    "repaint": lambda prior, n, noise: repaint(
        prior, picture(n), MASK, walk=Walk(12, repeats=3, jump=2), noise=noise
    ),
    "ddrm": lambda prior, n, noise: ddrm(
        prior, gray(n), GRAY, 0.1, walk=12, eta_b=0.8, noise=noise
    ),
    "ddrm_jpeg": lambda prior, n, noise: ddrm_jpeg(
        prior, gray(n), GRAY, walk=Walk(12, start=600), eta=0.8, noise=noise
    ),
    "ddnm": lambda prior, n, noise: ddnm(
        prior, gray(n), GRAY, 0.1, walk=Walk(12, repeats=2, jump=3), noise=noise
    ),
    "diffpir": lambda prior, n, noise: diffpir(
        prior, gray(n), GRAY, 0.1, walk=Walk(12, "quadratic"), zeta=0.25, noise=noise
    ),
    "dps": lambda prior, n, noise: dps(
        prior, gray(n), GRAY, 0.1, walk=12, step_size=0.3, noise=noise
    ),
    "mcg": lambda prior, n, noise: mcg(
        prior, gray(n), GRAY, walk=12, step_size=0.3, noise=noise
    ),
    "pigdm": lambda prior, n, noise: pigdm(
        prior, gray(n), GRAY, 0.1, walk=12, eta=0.7, noise=noise
    ),
}


def test_every_sampler_keeps_the_promises():
    public = {name: getattr(samplers, name) for name in samplers.__all__}
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    returned = {name: inspect.signature(f).return_annotation for name, f in functions.items()}
    algorithms = {name for name, what in returned.items() if what == "Iterator[Step]"}
    assert algorithms == set(SAMPLERS)


@pytest.mark.parametrize("name", SAMPLERS)
def test_batch_of_n_is_n_singles(name):
    batch = run(SAMPLERS[name](TOY, 3, Noise(6)))
    singles = torch.cat([run(SAMPLERS[name](TOY, 1, Noise(6, first=i))) for i in range(3)])
    torch.testing.assert_close(batch, singles, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("name", SAMPLERS)
def test_steps_count_down_to_level_zero(name):
    calls = 0

    class Counted(GaussianPrior):
        def predict(self, x, t):
            nonlocal calls
            calls += 1
            return super().predict(x, t)

    prior = Counted(TOY.mean, 0.1, schedule=TOY.schedule)
    steps = list(SAMPLERS[name](prior, 2, Noise(0)))
    assert [step.left for step in steps] == list(range(calls - 1, -1, -1))
    assert steps[-1].level == 0
    assert all(step.x.shape == step.x0_hat.shape == (2, 3, 1, 1) for step in steps)


@pytest.mark.parametrize("name", SAMPLERS)
def test_same_seed_same_pictures(name):
    x, again, other = (run(SAMPLERS[name](TOY, 2, Noise(seed))) for seed in (1, 1, 2))
    assert torch.equal(x, again) and not torch.equal(x, other)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_callers_inference_mode_changes_nothing(name):
    """Not even where a sampler needs gradients. And none is left on what it returns."""
    x = run(SAMPLERS[name](TOY, 2, Noise(1)))
    with torch.inference_mode():
        torch.testing.assert_close(run(SAMPLERS[name](TOY, 2, Noise(1))), x, atol=0, rtol=0)
    assert not x.requires_grad


def test_clip_bounds_the_guess():
    wide = GaussianPrior(torch.zeros(3, 1, 1), rest=25.0)
    assert max(step.x0_hat.abs().max() for step in ddpm(wide, 64, walk=10)) == 1
    assert max(step.x0_hat.abs().max() for step in ddpm(wide, 64, walk=10, clip=False)) > 1


def test_run_shows_progress_of_network_calls(capsys):
    run(ddpm(TOY, 1, walk=7), progress=True)
    assert "7/7" in capsys.readouterr().err


@pytest.mark.parametrize(
    "y, m, message",
    [
        (torch.zeros(1, 3, 1, 1, dtype=torch.long), 0.5, "floating-point"),
        (torch.zeros(3, 1, 1), 0.5, "shape"),
        (torch.zeros(1, 3, 2, 2), 0.5, "shape"),
        (torch.full((1, 3, 1, 1), 1.5), 0.5, r"\[-1, 1\]"),
        (torch.full((1, 3, 1, 1), float("nan")), 0.5, "NaN"),
        (torch.zeros(1, 3, 1, 1), 1.5, r"m must"),
        (torch.zeros(1, 3, 1, 1), -0.1, r"m must"),
        (torch.zeros(1, 3, 1, 1), float("nan"), "m must"),
        (torch.zeros(1, 3, 1, 1), torch.zeros(1, 2, 1, 1), "does not fit"),
        (torch.zeros(1, 3, 1, 1), torch.zeros(1, 1), "does not fit"),
    ],
)
def test_fuzzy_refuses_bad_input_before_any_call(y, m, message):
    def never(x, levels):
        raise AssertionError("the network was called")

    with pytest.raises(ValueError, match=message):
        run(fuzzy(Prior(never, TOY.schedule, (3, 1, 1)), y, m, walk=5))


def test_a_sampler_runs_once():
    sampler = ddpm(TOY, walk=2)
    run(sampler)
    with pytest.raises(ValueError, match="no step left"):
        run(sampler)


def test_ddim_refuses_other_etas():
    with pytest.raises(ValueError, match="eta"):
        run(ddim(TOY, eta=1.2))


def test_classifier_free_guidance_extrapolates_from_no_label():
    def net(x, levels, labels):  # a "network" whose x0 is its label
        return torch.ones_like(x) * labels[:, None, None, None]

    prior, x = (
        Prior(net, TOY.schedule, (1, 1, 1), "x0", 0, labels=TONES),
        torch.zeros(2, 1, 1, 1),
    )
    for scale in (0.0, 1.0, 3.0):  # tones are numbered colour 0, mono 1, none 2
        assert (classifier_free(prior, "mono", scale).x0(x, 5) == 2 + scale * (1 - 2)).all()
        assert (classifier_free(prior, "colour", scale).x0(x, 5) == 2 + scale * (0 - 2)).all()
    with pytest.raises(ValueError, match="one of them, here colour, mono, none, got 'sepia'"):
        classifier_free(prior, "sepia", 2.0)
    with pytest.raises(ValueError, match="labels"):
        classifier_free(TOY, "mono", 2.0)
