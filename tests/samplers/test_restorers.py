"""Samplers that restore: reductions to each other, exact Gaussian posteriors, consistency."""

import functools
import itertools

import pytest
import torch

from fuzzydiff_lite import (
    GaussianPrior,
    Noise,
    Prior,
    Schedule,
    Walk,
    data,
    load_prior,
    masks,
    run,
)
from fuzzydiff_lite.noise import Replay
from fuzzydiff_lite.operators import (
    AveragePool,
    Bicubic,
    Blur,
    Denoise,
    Gray,
    Inpaint,
    Jpeg,
    Quantize,
    Separable,
    WalshHadamard,
    measure,
)
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
)
from fuzzydiff_lite.steps import ddim_step, eps_from_x0, mix_step, renoise


def randn(*shape, seed=0):
    return Noise(seed)(shape, dtype=torch.float64)


def matrix(M):
    """Any matrix as an operator on pictures of one column and no colour."""
    return Separable(torch.eye(1), M, torch.eye(1))


# Eight correlated numbers; three combinations, or four of the numbers themselves, are measured.
SHAPE = (1, 8, 1)
ROOT = 0.3 * randn(8, 8, seed=20)
COVARIANCE = ROOT @ ROOT.T + 0.05 * torch.eye(8)
MEAN = torch.linspace(-0.3, 0.3, 8, dtype=torch.float64)
TOY = GaussianPrior.from_covariance(MEAN.reshape(SHAPE), COVARIANCE)
NORMAL = GaussianPrior(torch.zeros(SHAPE, dtype=torch.float64))
M = randn(3, 8, seed=21)
A = matrix(M)
MASK = torch.tensor([1.0, 0, 1, 0, 1, 1, 0, 0], dtype=torch.float64).reshape(1, *SHAPE)
NOTHING, EVERYTHING = Inpaint(torch.zeros_like(MASK)), Inpaint(torch.ones_like(MASK))
X = (MEAN.reshape(1, *SHAPE) + 0.2 * randn(4, *SHAPE, seed=22)).clamp(-1, 1)
Y = A(X)
T = TOY.schedule.T


def noise():
    return Noise(3)


def identity(x):
    return x


def in_steps(sampler, steps, **others):
    """A walk of so many steps, spaced as the sampler's own."""
    return Walk(steps, "quadratic" if sampler is diffpir else "uniform", **others)


def fresh(sampler, share):
    """The setting by which a sampler refreshes a share of the noise's standard deviation."""
    return {"zeta": share**2} if sampler is diffpir else {"eta": share}


def walk_without(prior, n, steps, eta):
    """Free sampling that refreshes a share of the noise each step, like DDRM, DDNM, DiffPIR."""
    levels, source, a = prior.schedule.levels(steps), noise(), prior.schedule.alpha_bar
    x = source((n, *prior.shape), dtype=torch.float64)
    for t, s in itertools.pairwise(levels):
        x0 = prior.x0(x, t).clamp(-1, 1)
        x = mix_step(x0, eps_from_x0(x, x0, a[t]), source.like(x), a[s], eta)
    return x


def agree(x):
    """A picture moved to where A measures Y."""
    return x + A.pinv(Y) - A.project(x)


REDUCTIONS = {
    "repaint without repeats is replacement": (
        lambda: run(repaint(TOY, X, MASK, walk=20, noise=noise())),
        lambda: run(replacement(TOY, X, MASK, walk=20, noise=noise())),
    ),
    **{
        f"fuzzy with a binary map is repaint: {repeats} x {jump}": (
            lambda r=repeats, j=jump: run(
                fuzzy(TOY, X, MASK, walk=Walk(20, repeats=r, jump=j), noise=noise())
            ),
            lambda r=repeats, j=jump: run(
                repaint(TOY, X, MASK, walk=Walk(20, repeats=r, jump=j), noise=noise())
            ),
        )
        for repeats, jump in [(1, 1), (3, 1), (2, 5), (4, 2)]
    },
    "ilvr with a mask for a filter is replacement": (
        lambda: run(ilvr(TOY, X, Inpaint(MASK).project, walk=20, noise=noise())),
        lambda: run(replacement(TOY, X, MASK, walk=20, noise=noise())),
    ),
    "mcg without its gradient is replacement": (
        lambda: run(
            mcg(TOY, Inpaint(MASK)(X), Inpaint(MASK), walk=20, step_size=0.0, noise=noise())
        ),
        lambda: run(replacement(TOY, X, MASK, walk=20, noise=noise())),
    ),
    "mcg without its gradient is ilvr with A's projection": (
        lambda: run(mcg(TOY, Y, A, walk=20, step_size=0.0, noise=noise())),
        lambda: run(ilvr(TOY, X, A.project, walk=20, noise=noise())),
    ),
    "dps without its gradient is ddpm, made to agree": (
        lambda: run(dps(TOY, Y, A, 0.0, walk=20, step_size=0.0, noise=noise())),
        lambda: agree(run(ddpm(TOY, 4, walk=20, noise=noise()))),
    ),
    "dps without its gradient, noisy, is ddpm": (
        lambda: run(dps(TOY, Y, A, 0.2, walk=20, step_size=0.0, noise=noise())),
        lambda: run(ddpm(TOY, 4, walk=20, noise=noise())),
    ),
    "ddnm is ddrm where all noise is fresh": (
        lambda: run(ddnm(TOY, Y, A, 0.0, walk=20, noise=noise(), eta=1.0)),
        lambda: run(ddrm(TOY, Y, A, 0.0, walk=20, eta=1.0, noise=noise())),
    ),
    "ddnm is diffpir where all noise is fresh": (
        lambda: run(ddnm(TOY, Y, A, 0.0, walk=20, noise=noise(), eta=1.0)),
        lambda: run(diffpir(TOY, Y, A, 0.0, walk=20, noise=noise(), zeta=1)),
    ),
    **{
        f"noisy ddnm is ddrm that takes all of y: eta {eta}": (
            lambda eta=eta: run(ddnm(TOY, Y, A, 0.2, walk=20, noise=noise(), eta=eta)),
            lambda eta=eta: run(
                ddrm(TOY, Y, A, 0.2, walk=20, eta=eta, eta_b=1.0, noise=noise())
            ),
        )
        for eta in (0.0, 0.5, 1.0)
    },
    "diffpir without weight on the prior is diffpir without noise": (
        lambda: run(
            diffpir(TOY, Y, A, 0.2, walk=Walk(20, "quadratic"), lam=0.0, noise=noise())
        ),
        lambda: run(diffpir(TOY, Y, A, 0.0, walk=Walk(20, "quadratic"), noise=noise())),
    ),
    "diffpir with all weight on the prior measures nothing": (
        lambda: run(
            diffpir(
                TOY, Y, A, 0.2, walk=Walk(20, "quadratic"), lam=1e15, zeta=0.49, noise=noise()
            )
        ),
        lambda: run(
            diffpir(TOY, X, NOTHING, 0.0, walk=Walk(20, "quadratic"), zeta=0.49, noise=noise())
        ),
    ),
    "a dead filter leaves ddpm": (
        lambda: run(ilvr(TOY, X, torch.zeros_like, walk=20, noise=noise())),
        lambda: run(ddpm(TOY, 4, walk=20, noise=noise())),
    ),
    "an empty mask leaves ddpm": (
        lambda: run(replacement(TOY, X, 0 * MASK, walk=20, noise=noise())),
        lambda: run(ddpm(TOY, 4, walk=20, noise=noise())),
    ),
    **{
        f"{sampler.__name__} of nothing is ddpm": (
            lambda sampler=sampler: run(sampler(TOY, 0 * X, NOTHING, walk=20, noise=noise())),
            lambda: run(ddpm(TOY, 4, walk=20, noise=noise())),
        )
        for sampler in (dps, mcg)
    },
    **{
        f"pigdm of nothing is ddim: sigma {sigma}, eta {eta}": (
            lambda s=sigma, e=eta: run(
                pigdm(TOY, 0 * X, NOTHING, s, walk=20, eta=e, noise=noise())
            ),
            lambda e=eta: run(ddim(TOY, 4, walk=20, eta=e, noise=noise())),
        )
        for sigma, eta in [(0.0, 0.7), (0.2, 1.0), (0.2, 0.0)]
    },
    **{
        f"{sampler.__name__} of nothing is sampling with fresh noise {eta}: sigma {sigma}": (
            lambda sampler=sampler, eta=eta, sigma=sigma: run(
                sampler(
                    TOY,
                    0 * X,
                    NOTHING,
                    sigma,
                    walk=20,
                    noise=noise(),
                    **fresh(sampler, eta),
                )
            ),
            lambda eta=eta: walk_without(TOY, 4, 20, eta),
        )
        for sampler in (ddrm, ddnm, diffpir)
        for sigma, eta in [(0.0, 0.6), (0.2, 0.0), (0.2, 1.0)]
    },
    "sampling without fresh noise is ddim": (
        lambda: walk_without(TOY, 4, 20, 0.0),
        lambda: run(ddim(TOY, 4, walk=20, eta=0.0, noise=noise())),
    ),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    special, general = REDUCTIONS[name]
    torch.testing.assert_close(special(), general(), atol=1e-9, rtol=1e-9)
    assert general().std() > 0.05


def test_ilvr_with_everything_let_go_at_a_level_is_sdedit_from_it():
    """A filter that lets all pass makes the noised reference the state: where SDEdit starts."""
    draws = [randn(4, *SHAPE, seed=k) for k in range(33)]
    # Down to 400, ILVR takes two draws a step.
    followed = run(ilvr(TOY, X, identity, walk=20, until=400, noise=Replay(draws)))
    started = run(sdedit(TOY, X, walk=Walk(20, start=400), noise=Replay(draws[24:])))
    torch.testing.assert_close(followed, started, atol=1e-12, rtol=0)


def test_sdedit_from_the_top_forgets_the_picture():
    far, near = (
        run(sdedit(TOY, X, walk=Walk(20, start=start), noise=noise(), clip=False))
        for start in (T, 50)
    )
    free = run(ddpm(TOY, 4, walk=20, noise=noise(), clip=False))
    assert (far - free).abs().max() < 0.02 < (near - free).abs().max()
    starts = (50, 200, 400, 1000)
    distances = [
        (run(sdedit(TOY, X, walk=Walk(20, start=start), noise=noise())) - X).norm()
        for start in starts
    ]
    assert all(a < b for a, b in itertools.pairwise(distances))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddrm_jpeg_that_starts_at_the_top_and_takes_all_of_y_is_ddnm(eta):
    source, a = noise(), TOY.schedule.alpha_bar[T]
    start, *steps = [source((4, *SHAPE), dtype=torch.float64) for _ in range(21)]
    # DDRM-JPEG starts from the noised pseudo-inverse.
    centred = (start - a.sqrt() * A.pinv(Y)) / (1 - a).sqrt()
    jpeg = run(
        ddrm_jpeg(
            TOY,
            Y,
            A,
            walk=Walk(20, start=T),
            eta=eta,
            eta_b=1.0,
            noise=Replay([centred, *steps]),
        )
    )
    linear = run(ddnm(TOY, Y, A, 0.0, walk=20, noise=noise(), eta=eta))
    torch.testing.assert_close(jpeg, linear, atol=1e-9, rtol=0)


def test_ddrm_with_eta_b_0_listens_only_at_the_end():
    *_, before, last = ddrm(TOY, Y, A, 0.0, walk=20, eta=1.0, eta_b=0.0, noise=noise())
    *_, free, _ = ddrm(TOY, 0 * X, NOTHING, 0.0, walk=20, eta=1.0, noise=noise())
    torch.testing.assert_close(before.x, free.x)
    torch.testing.assert_close(A(last.x), Y)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_pigdm_guesses_the_posterior_mean_of_a_standard_normal_prior(sigma):
    """There x0 given x_t is N(sqrt(alpha_bar) x_t, 1 - alpha_bar), as PiGDM assumes."""
    steps = list(pigdm(NORMAL, Y, A, sigma, walk=10, eta=0.5, noise=noise(), clip=False))
    for before, step in itertools.pairwise(steps):
        a = NORMAL.schedule.alpha_bar[before.level]
        x, v = a.sqrt() * before.x.flatten(1), 1 - a
        gain = v * M.T @ torch.linalg.inv(v * M @ M.T + sigma**2 * torch.eye(3))
        torch.testing.assert_close(
            step.x0_hat.flatten(1), x + (Y.flatten(1) - x @ M.T) @ gain.T
        )


def test_dps_and_mcg_go_down_the_gradient_of_the_misfit():
    """One step by hand, with the Jacobian of the exact denoiser, which is linear."""
    start, still = randn(4, *SHAPE, seed=5), torch.zeros(4, *SHAPE)
    a = TOY.schedule.alpha_bar[T]
    jacobian = a.sqrt() * COVARIANCE @ torch.linalg.inv(a * COVARIANCE + (1 - a) * torch.eye(8))
    residual = (Y - A(TOY.x0(start, T))).flatten(1)
    gradient = -(residual / residual.norm(dim=1, keepdim=True)) @ M @ jacobian
    gradient = gradient.reshape(start.shape)
    scales = (0.0, 0.7)
    walks = (
        dps(TOY, Y, A, 0.1, walk=2, step_size=k, noise=Replay([start, still]), clip=False)
        for k in scales
    )
    down, down_again = map(next, walks)
    assert torch.equal(down.x0_hat, down_again.x0_hat)
    torch.testing.assert_close(down.x - down_again.x, 0.7 * gradient)
    walks = (
        mcg(TOY, Y, A, walk=2, step_size=k, noise=Replay([start, still, still]), clip=False)
        for k in scales
    )
    down, down_again = map(next, walks)
    torch.testing.assert_close(down.x - down_again.x, 0.7 * (gradient - A.project(gradient)))


def test_diffpir_solves_for_the_picture_and_keeps_the_noise_that_agrees_with_it():
    """One step by hand, with dense matrices."""
    start, z = randn(4, *SHAPE, seed=5), randn(4, *SHAPE, seed=6)
    a_t, a_s = TOY.schedule.alpha_bar[[T, 250]]
    step = next(
        diffpir(
            TOY,
            Y,
            A,
            0.3,
            walk=Walk(2, "quadratic"),
            lam=20.0,
            zeta=0.36,
            noise=Replay([start, z]),
            clip=False,
        )
    )
    rho = 20 * 0.3**2 * a_t / (1 - a_t)
    right = Y.flatten(1) @ M + rho * TOY.x0(start, T).flatten(1)
    x0 = torch.linalg.solve(M.T @ M + rho * torch.eye(8), right.T).T.reshape(start.shape)
    eps = (start - a_t.sqrt() * x0) / (1 - a_t).sqrt()
    assert step.level == 250
    expected = a_s.sqrt() * x0 + (1 - a_s).sqrt() * (0.8 * eps + 0.6 * z)
    torch.testing.assert_close(step.x, expected)


@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_pigdms_own_step_adds_the_score_to_that_of_the_prior(sigma):
    """By hand, with the Jacobian of the exact denoiser; the weights are those of Algorithm 1."""
    start, z, s = randn(4, *SHAPE, seed=5), randn(4, *SHAPE, seed=6), 700
    a_t, a_s = TOY.schedule.alpha_bar[[T, s]]
    noisy = Replay([z])
    settings = {"walk": [T, s, 0], "x": start, "eta": 0.6, "noise": noisy, "clip": False}
    step = next(pigdm(TOY, Y, A, sigma, adaptive=True, **settings))
    variance = 1 - a_t
    jacobian = (
        a_t.sqrt() * COVARIANCE @ torch.linalg.inv(a_t * COVARIANCE + variance * torch.eye(8))
    )
    x0 = TOY.x0(start, T)
    inverse = torch.linalg.inv(variance * M @ M.T + sigma**2 * torch.eye(3))
    score = (Y - A(x0)).flatten(1) @ inverse @ M @ jacobian
    added = (a_s * a_t).sqrt() * variance * score.reshape(start.shape)
    free = ddim_step(x0, eps_from_x0(start, x0, a_t), z, a_t, a_s, 0.6)
    torch.testing.assert_close(step.x, free + added)
    torch.testing.assert_close(step.x0_hat, x0)


def test_diffpirs_iterations_at_one_level_are_repeats_of_the_walk():
    """As its program has them: solve, draw, and go back up for each but the last."""
    levels, iterations, source = [900, 500, 100, 0], 3, noise()
    walk = Walk(levels=tuple(levels), repeats=iterations)
    found = list(diffpir(TOY, Y, A, 0.3, walk=walk, zeta=0.5, noise=noise(), clip=False))
    a, snr = TOY.schedule.alpha_bar, TOY.schedule.snr
    x, levels_reached = source((4, *SHAPE), dtype=torch.float64), []
    for t, s in itertools.pairwise(levels):
        left = iterations if s else 1  # from the last level, once
        while left:
            x0 = A.prox(TOY.x0(x, t), Y, 0.3**2 * float(snr[t]))
            x = mix_step(x0, eps_from_x0(x, x0, a[t]), source.like(x), a[s], 0.5**0.5)
            levels_reached.append(s)
            left -= 1
            if left:
                x = renoise(x, source.like(x), a[s], a[t])
    assert [step.level for step in found] == levels_reached
    torch.testing.assert_close(found[-1].x, x)


# Exact answers


def posterior(prior, M, y, sigma):
    """Mean and covariance of x given y = M x + noise."""
    along = prior.directions * (prior.variances - prior.rest) @ prior.directions.T
    covariance = along + prior.rest * torch.eye(8)
    measured = M @ covariance @ M.T + sigma**2 * torch.eye(len(M))
    gain = covariance @ M.T @ torch.linalg.inv(measured)
    mean = prior.mean.flatten()
    return mean + gain @ (y - M @ mean), covariance - gain @ M @ covariance


def errors(found, exact):
    """Of the mean, in deviations of the posterior; of the covariance; ratio of all variance."""
    (mean, covariance), (exact_mean, exact_covariance) = found, exact
    return (
        float((mean - exact_mean).norm() / exact_covariance.trace().sqrt()),
        float((covariance - exact_covariance).norm() / exact_covariance.norm()),
        float(covariance.trace() / exact_covariance.trace()),
    )


# A measurement, noisy or not, of a picture of the toy that is far from its mean.
FAR = MEAN + ROOT @ randn(8, seed=30)
MEASURED = {0.0: M @ FAR, 0.2: M @ FAR + 0.2 * randn(3, seed=31)}


@pytest.fixture(scope="module")
def bias(moments):
    @functools.cache
    def bias(sampler, sigma=0.0, prior=TOY, **settings):
        """`errors` of a sampler with these settings, its walk a `Walk` or a number of steps."""
        y = MEASURED[sigma]
        if isinstance(settings["walk"], int):
            settings["walk"] = in_steps(sampler, settings["walk"])

        def draw(n, source):
            many = y.reshape(1, 1, 3, 1).expand(n, -1, -1, -1)
            given = (many, A) if sampler is ddrm_jpeg else (many, A, sigma)
            return run(sampler(prior, *given, noise=source, clip=False, **settings))

        return errors(moments(draw), posterior(prior, M, y, sigma))

    return bias


def test_moments_without_chance_are_those_of_many_runs(moments):
    n = 4096
    y = MEASURED[0.2].reshape(1, 1, 3, 1).expand(n, -1, -1, -1)
    walk = Walk(10, repeats=2)
    x = run(ddnm(TOY, y, A, 0.2, walk=walk, noise=Noise(1), clip=False)).flatten(1)
    mean, covariance = moments(
        lambda n, s: run(
            ddnm(TOY, y[:1].expand(n, -1, -1, -1), A, 0.2, walk=walk, noise=s, clip=False)
        )
    )
    assert ((x.mean(0) - mean).abs() < 5 * (covariance.diagonal() / n).sqrt()).all()
    assert (x.T.cov() - covariance).norm() / covariance.norm() < 0.06


@pytest.mark.parametrize(
    "sampler, sigma, settings, mean, covariance",
    [  # about twice what was found
        (ddrm, 0.0, {}, 0.26, 0.5),
        (ddrm, 0.2, {}, 0.27, 0.5),
        (ddnm, 0.0, {}, 0.14, 0.5),
        (ddnm, 0.2, {}, 0.27, 0.5),
        (ddnm, 0.0, {"eta": 0.0}, 0.13, 0.07),
        (ddrm_jpeg, 0.0, {"walk": Walk(100, start=1000), "eta": 0.0, "eta_b": 1.0}, 0.13, 0.07),
        (diffpir, 0.0, {"zeta": 0.25}, 0.4, 0.25),
        (diffpir, 0.2, {}, 0.13, 0.8),
        (pigdm, 0.0, {}, 0.12, 0.16),
        (pigdm, 0.2, {}, 0.14, 0.16),
    ],
)
def test_bias_is_bounded(bias, sampler, sigma, settings, mean, covariance):
    found = bias(sampler, sigma, **{"walk": 100} | settings)
    assert found[0] < mean and found[1] < covariance


def test_ddnm_without_fresh_noise_becomes_exact(bias):
    """Endless steps solve the posterior's flow: noise kept makes each guess agree with y."""
    means, covariances, _ = zip(*(bias(ddnm, walk=n, eta=0.0) for n in (25, 100, 400)))
    assert all(b < 0.6 * a for a, b in itertools.pairwise(means)) and means[-1] < 0.05
    assert all(b < 0.4 * a for a, b in itertools.pairwise(covariances))
    assert covariances[-1] < 0.02


@pytest.mark.parametrize("eta", [0.5, 0.85, 1.0])
@pytest.mark.parametrize("sampler", [ddnm, ddrm, diffpir])
def test_fresh_noise_loses_variance(bias, sampler, eta):
    """It forgets how far the guess was from the mean.

    In many steps, (1 + sqrt(1 - eta^2)) / 2 is left.
    """
    left = bias(sampler, walk=200, **fresh(sampler, eta))[2]
    assert abs(left - (1 + (1 - eta**2) ** 0.5) / 2) < 0.05


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_pigdm_becomes_exact_for_a_standard_normal_prior(bias, sigma):
    biases = (bias(pigdm, sigma, NORMAL, walk=steps) for steps in (25, 50, 100, 200))
    means, covariances, _ = zip(*biases)
    assert max(means) < 1e-5 and covariances[-1] < 0.06
    assert all(b < 0.65 * a for a, b in itertools.pairwise(covariances))


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_of_all_defaults_pigdm_has_the_best_covariance(bias, sigma):
    samplers = (pigdm, ddrm, ddnm, diffpir)
    best, *others = (bias(sampler, sigma, walk=100)[1] for sampler in samplers)
    assert best < 0.5 * min(others)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
@pytest.mark.parametrize("sampler", [ddrm, ddnm, diffpir])
def test_more_steps_bring_the_mean_closer(bias, sampler, sigma):
    few, more = (bias(sampler, sigma, walk=steps)[0] for steps in (25, 100))
    assert more < 0.7 * few


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_time_travel_brings_the_mean_closer(bias, sigma):
    means = [bias(ddnm, sigma, walk=Walk(30, repeats=J))[0] for J in (1, 2, 5)]
    assert all(b < 0.8 * a for a, b in itertools.pairwise(means))


def inpainting_bias(moments, sampler, **settings):
    """Of four known numbers, each a deviation of its own off the mean."""
    known = MASK.flatten() > 0
    y = (MEAN + 0.5 * COVARIANCE.diagonal().sqrt()).reshape(1, *SHAPE)
    exact = posterior(TOY, torch.eye(8, dtype=torch.float64)[known], y.flatten()[known], 0.0)
    found = moments(
        lambda n, s: run(
            sampler(TOY, y.expand(n, *SHAPE), MASK, noise=s, clip=False, **settings)
        )
    )
    return errors(found, exact)


def test_repeats_let_known_and_unknown_agree_and_cost_variance(moments):
    biases = (inpainting_bias(moments, repaint, walk=Walk(25, repeats=J)) for J in (1, 2, 5))
    means, _, variances = zip(*biases)
    assert all(b < 0.85 * a for a, b in itertools.pairwise(means)) and means[-1] < 0.1
    assert all(b < a - 0.02 for a, b in itertools.pairwise(variances))
    longer = inpainting_bias(moments, repaint, walk=Walk(25, repeats=5, jump=3))
    assert longer[0] < 0.7 * means[0]


def many_runs(sampler, sigma, **settings):
    """The same from chance, for samplers that are not affine in their noise."""
    given = (A,) if sampler is mcg else (A, sigma)
    y = MEASURED[sigma].reshape(1, 1, 3, 1).expand(2048, -1, -1, -1)
    x = run(sampler(TOY, y, *given, noise=Noise(1), clip=False, **settings)).flatten(1)
    return errors((x.mean(0), x.T.cov()), posterior(TOY, M, MEASURED[sigma], sigma))


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_dps_needs_a_step_size_that_fits(sigma):
    """Its steps have a fixed length, however small the misfit: large ones end as noise."""
    none, good, large = (many_runs(dps, sigma, walk=50, step_size=k) for k in (0.0, 0.1, 1.0))
    assert good[0] < 0.3 and good[0] < 0.5 * none[0] and good[1] < 0.35
    assert sigma == 0 or large[2] > 2


def test_bias_of_mcg_is_bounded():
    mean, covariance, _ = many_runs(mcg, 0.0, walk=50, step_size=0.1)
    assert mean < 0.6 and covariance < 0.5


# Agreement with what was given


def is_exact(x, measured, tolerance=1e-10):
    return (x - measured).abs().max() < tolerance


EXACT = {
    "ddnm": lambda y, A: ddnm(TOY, y, A, 0.0, walk=Walk(10, repeats=2), noise=noise()),
    "ddrm": lambda y, A: ddrm(TOY, y, A, 0.0, walk=10, noise=noise()),
    "ddrm, taking little": lambda y, A: ddrm(TOY, y, A, 0.0, walk=10, eta_b=0.3, noise=noise()),
    "ddrm_jpeg": lambda y, A: ddrm_jpeg(TOY, y, A, walk=Walk(10, start=600), noise=noise()),
    "diffpir": lambda y, A: diffpir(TOY, y, A, 0.0, walk=Walk(10, "quadratic"), noise=noise()),
    "dps": lambda y, A: dps(TOY, y, A, 0.0, walk=10, noise=noise()),
    "mcg": lambda y, A: mcg(TOY, y, A, walk=10, noise=noise()),
    "pigdm": lambda y, A: pigdm(TOY, y, A, 0.0, walk=10, noise=noise()),
}
# What no clipped picture has for its measurement, and what the prior would never draw.
OTHERS = {
    "likely": X,
    "unlikely": 0.9 * torch.sign(randn(4, *SHAPE, seed=40)),
    "far outside": 3 * X.flip(2),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", EXACT)
def test_without_noise_the_result_has_the_measurement_given(name, other):
    """The measurement alone, whatever it was taken of: it is not degraded again."""
    for operator in (A, Inpaint(MASK), Inpaint(0.5 * MASK), EVERYTHING):
        y = operator(OTHERS[other])
        before = y.clone()
        x = run(EXACT[name](y, operator))
        assert is_exact(operator(x), y) and torch.equal(y, before)
    assert is_exact(x, y)  # where everything is measured, that is all there is


@pytest.mark.parametrize(
    "low_pass",
    [A.project, Inpaint(MASK).project, identity, lambda x: x.mean(2, True).expand_as(x)],
)
def test_ilvr_has_the_filtered_reference_where_the_filter_projects(low_pass):
    for reference in (X, OTHERS["unlikely"]):
        x = run(ilvr(TOY, reference, low_pass, walk=10, noise=noise()))
        assert is_exact(low_pass(x), low_pass(reference))


@pytest.mark.parametrize("name", ["ddrm", "mcg"])
def test_what_is_measured_has_the_noise_of_its_level_at_every_step(name):
    """What is measured of x at level s is N(sqrt(alpha_bar_s) y, 1 - alpha_bar_s)."""
    many = X[:1].expand(2000, -1, -1, -1)
    mask = Inpaint(MASK)
    for step in EXACT[name](mask(many), mask):
        a = TOY.schedule.alpha_bar[step.level]
        off = (step.x - a.sqrt() * many).flatten(1)[:, MASK.flatten() > 0]
        assert off.mean(0).abs().max() < 0.1 * (1 - a).sqrt() + 1e-12
        assert (off.std(0) - (1 - a).sqrt()).abs().max() < 0.08 * (1 - a).sqrt() + 1e-12


@pytest.mark.parametrize("sampler", [ddnm, ddrm, diffpir, pigdm, dps])
def test_with_noise_the_result_is_not_held_to_the_measurement(sampler):
    y = Y + 0.3 * randn(*Y.shape, seed=41)
    settings = {"step_size": 0.1} if sampler is dps else {}
    walk = in_steps(sampler, 20)
    x = run(sampler(TOY, y, A, 0.3, walk=walk, noise=noise(), **settings))
    assert 1e-3 < (A(x) - y).abs().max() < 3


def test_little_noise_is_nearly_none_to_diffpir():
    a, b = (
        run(diffpir(TOY, Y, A, sigma, walk=Walk(20, "quadratic"), noise=noise()))
        for sigma in (0.0, 1e-5)
    )
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


KEEPING = {
    "replacement": lambda prior, y, m: replacement(prior, y, m, walk=5, noise=noise()),
    "repaint": lambda prior, y, m: repaint(prior, y, m, walk=Walk(5, repeats=2), noise=noise()),
    "repaint, jumping": lambda prior, y, m: repaint(
        prior, y, m, walk=Walk(5, repeats=2, jump=2), noise=noise()
    ),
    "fuzzy": lambda prior, y, m: fuzzy(prior, y, m, walk=Walk(5, repeats=2), noise=noise()),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", KEEPING)
def test_known_pixels_are_those_given_to_the_last_bit(name, dtype):
    prior = GaussianPrior(torch.zeros(3, 8, 8, dtype=dtype), rest=0.2)
    y = (0.4 * Noise(1)((2, 3, 8, 8), dtype=dtype)).clamp(-1, 1)
    halves = torch.cat([masks.half(8), 1 - masks.half(8)])
    for m in (masks.box(8, 4), masks.random_pixels(0.3, 8), halves):
        x, known = run(KEEPING[name](prior, y, m)), m.expand_as(y) == 1
        assert x.dtype == dtype and torch.equal(x[known], y[known])
        assert (x[~known] - y[~known]).abs().min() > 0


def test_ilvr_lets_go_below_the_level_it_is_told():
    pool = AveragePool(4, 8)
    prior = GaussianPrior(torch.zeros(3, 8, 8, dtype=torch.float64), rest=0.2)
    y = (0.4 * randn(2, 3, 8, 8)).clamp(-1, 1)
    runs = (
        run(ilvr(prior, y, pool.project, walk=20, until=until, noise=noise()))
        for until in (0, 50, 600)
    )
    off = [(pool(x) - pool(y)).abs().max() for x in runs]
    assert off[0] < 1e-12 and 0.01 < off[1] < off[2]


def test_the_mask_may_be_a_truth_value_and_the_operator_hold_one_for_each_picture():
    m = torch.cat([MASK, 1 - MASK, MASK, 0 * MASK])
    truth_value, number = (
        run(replacement(TOY, X, mask, walk=5, noise=noise())) for mask in (m > 0, m)
    )
    torch.testing.assert_close(truth_value, number, atol=0, rtol=0)
    for sampler in (ddnm, ddrm, diffpir, pigdm):
        walk = in_steps(sampler, 5)
        x = run(sampler(TOY, m * X, Inpaint(m), walk=walk, noise=noise()))
        first = run(sampler(TOY, (m * X)[:1], Inpaint(m[:1]), walk=walk, noise=noise()))
        torch.testing.assert_close(x[:1], first)
        assert is_exact(m * x, m * X)


# Faces, in single precision


@functools.cache
def faces():
    return load_prior(device="cpu"), data.people(2)


FACE_OPERATORS = {
    "inpaint": lambda: Inpaint(masks.box()),
    "inpaint softly": lambda: Inpaint(masks.soften(masks.box(), 3.0)),
    "denoise": Denoise,
    "gray": Gray,
    "pool": lambda: AveragePool(4),
    "bicubic": lambda: Bicubic(4),
    "gaussian blur": lambda: Blur.gaussian(2.0),
    "motion blur": lambda: Blur.motion(9, 30),
    "uniform blur": lambda: Blur.uniform(9),
    "hadamard": lambda: WalshHadamard(0.25),
    "gray of pool": lambda: Gray() @ AveragePool(4),
    "inpaint of gray of pool": lambda: Inpaint(masks.box(16, 6)) @ (Gray() @ AveragePool(4)),
}


@pytest.mark.parametrize("name", FACE_OPERATORS)
@pytest.mark.parametrize("sampler", [ddnm, ddrm])
def test_faces_have_the_measurement_given(sampler, name):
    prior, x = faces()
    operator = FACE_OPERATORS[name]()
    y = operator(x[:1])
    restored = run(sampler(prior, y, operator, 0.0, walk=2, noise=noise()))
    assert restored.dtype == torch.float32 and is_exact(operator(restored), y, 1e-4)


@pytest.mark.parametrize("sampler", [dps, mcg, pigdm])
def test_gradients_through_the_network(sampler):
    prior, x = faces()
    operator = AveragePool(4)
    y = operator(x)
    restored = run(sampler(prior, y, operator, walk=2, noise=noise()))
    assert is_exact(operator(restored), y, 1e-4) and restored.abs().max() < 3
    free = run(ddpm(prior, 2, walk=2, noise=noise()))
    assert (restored - free).square().mean() > 1e-4
    assert all(p.grad is None for p in prior.net.parameters())


@pytest.mark.parametrize("sampler", [ddrm_jpeg, ddnm, pigdm])
def test_what_rounds_is_agreed_with_too(sampler):
    prior, x = faces()
    walk = Walk(5, start=400) if sampler is ddrm_jpeg else 2
    for operator in (Jpeg(10), Quantize(4)):
        y = operator(x)
        restored = run(sampler(prior, y, operator, walk=walk, noise=noise()))
        # Half-way, rounding goes either way: a few may differ.
        assert ((operator(restored) - y).abs() > 1e-3).float().mean() < 0.01
        assert (restored - y).abs().max() > 0.01


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("sampler", [ddnm, ddrm, diffpir, dps, mcg, pigdm])
def test_cuda_restores_the_same(sampler):
    prior = GaussianPrior(torch.zeros(3, 16, 16, dtype=torch.float64), rest=0.2)
    on_gpu = GaussianPrior(torch.zeros(3, 16, 16, dtype=torch.float64, device="cuda"), rest=0.2)
    for operator in (AveragePool(4, 16), Blur.gaussian(1.0, 16), Inpaint(masks.box(16, 6))):
        y = measure(operator, 0.3 * randn(2, 3, 16, 16), 0.0)
        walk = in_steps(sampler, 5)
        a, b = (run(sampler(p, y, operator, walk=walk, noise=noise())) for p in (prior, on_gpu))
        assert b.is_cuda
        torch.testing.assert_close(b.cpu(), a, atol=1e-8, rtol=0)


# What is refused, before any call


def never(x, levels):
    raise AssertionError("the network was called")


NEVER = Prior(never, Schedule.linear(), (3, 8, 8))
FLAT, POOL = torch.zeros(2, 3, 8, 8), AveragePool(4, 8)
SMALL, FOUR = POOL(FLAT), torch.ones(4, 1, 8, 8)

PICTURES = {
    "sdedit": lambda y, **settings: sdedit(NEVER, y, **settings),
    "ilvr": lambda y, **settings: ilvr(NEVER, y, POOL.project, **settings),
    "replacement": lambda y, **settings: replacement(NEVER, y, masks.half(8), **settings),
    "repaint": lambda y, **settings: repaint(NEVER, y, masks.half(8), **settings),
}
MEASUREMENTS = {f.__name__: f for f in (ddrm, ddrm_jpeg, ddnm, diffpir, dps, mcg, pigdm)}
NOISY = [ddrm, ddnm, diffpir, dps, pigdm]


@pytest.mark.parametrize(
    "y, message",
    [
        (FLAT.long(), "floating-point"),
        (FLAT[0], r"\(3, 8, 8\)"),
        (FLAT[:, :1], r"\(2, 1, 8, 8\)"),
        (FLAT[:0], r"\(0, 3, 8, 8\)"),
        (FLAT + 1.5, r"\[-1, 1\]"),
        (FLAT + torch.nan, "NaN"),
    ],
)
@pytest.mark.parametrize("name", PICTURES)
def test_other_pictures_are_refused(name, y, message):
    with pytest.raises(ValueError, match=message):
        run(PICTURES[name](y, walk=5))


@pytest.mark.parametrize(
    "y, message",
    [
        (SMALL.long(), "floating-point"),
        (SMALL + torch.nan, "NaN"),
        (SMALL + torch.inf, "infinity"),
        (FLAT, r"AveragePool measures \(B, 3, 2, 2\) .* got \(2, 3, 8, 8\)"),
        (SMALL[0], r"got \(3, 2, 2\)"),
        (SMALL[:0], r"got \(0, 3, 2, 2\)"),
    ],
)
@pytest.mark.parametrize("name", MEASUREMENTS)
def test_other_measurements_are_refused(name, y, message):
    with pytest.raises(ValueError, match=message):
        run(MEASUREMENTS[name](NEVER, y, POOL, walk=5))


@pytest.mark.parametrize(
    "y, operator, message",
    [
        (SMALL, AveragePool(4, 16), "AveragePool does not fit"),
        (FLAT, Inpaint(masks.half(16)), "Inpaint does not fit"),
        (FLAT, Blur.gaussian(1.0, 16), "Blur does not fit"),
        (FLAT[..., 0], WalshHadamard(0.5, 4), "8, 8"),
        (FLAT[..., 0], WalshHadamard(0.5, 16), "8, 8"),
        (FLAT, Inpaint(FOUR), r"Inpaint measures \(4, 3, 8, 8\) .* got \(2, 3, 8, 8\)"),
        (FLAT[:1], Inpaint(FOUR), r"Inpaint measures \(4, 3, 8, 8\) .* got \(1, 3, 8, 8\)"),
    ],
)
@pytest.mark.parametrize("name", MEASUREMENTS)
def test_operators_for_other_pictures_are_refused(name, y, operator, message):
    with pytest.raises(ValueError, match=message):
        run(MEASUREMENTS[name](NEVER, y, operator, walk=5))


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("sampler", NOISY)
def test_other_deviations_are_refused(sampler, sigma):
    with pytest.raises(ValueError, match="sigma"):
        run(sampler(NEVER, SMALL, POOL, sigma, walk=5))


@pytest.mark.parametrize(
    "sampler, sigma, wanted",
    [
        (ddrm, 0.0, "operator with singular values"),
        (ddrm, 0.1, "operator with singular values"),
        (diffpir, 0.0, "linear operator"),
        (mcg, 0.0, "linear operator"),
        (ddnm, 0.1, "operator with singular values"),
        (pigdm, 0.1, "linear operator"),
    ],
)
def test_what_rounds_is_refused_where_a_linear_operator_is_needed(sampler, sigma, wanted):
    with pytest.raises(ValueError, match=f"{wanted} .* got Quantize"):
        noisy = () if sampler is mcg else (sigma,)
        run(sampler(NEVER, FLAT, Quantize(4), *noisy, walk=5))


def test_dps_takes_any_differentiable_function_where_it_need_not_agree():
    with pytest.raises(ValueError, match="operator with pinv and project .* got function"):
        run(dps(NEVER, X, identity, walk=5))
    x = run(dps(TOY, X, lambda x: x**3, 0.1, walk=20, step_size=0.1, noise=noise()))
    free = run(ddpm(TOY, 4, walk=20, noise=noise()))
    assert (x**3 - X).norm() < 0.9 * (free**3 - X).norm()


@pytest.mark.parametrize(
    "sampler, name, wrong",
    [
        *itertools.product([ddrm, ddrm_jpeg, ddnm, pigdm], ["eta"], [-0.1, 1.1, torch.nan]),
        *itertools.product([diffpir], ["zeta"], [-0.1, 1.1, torch.nan]),
        *itertools.product([ddrm, ddrm_jpeg], ["eta_b"], [-0.1, 1.1, torch.nan]),
        *itertools.product([diffpir], ["lam"], [-0.1, torch.nan, torch.inf]),
    ],
)
def test_other_settings_are_refused(sampler, name, wrong):
    with pytest.raises(ValueError, match=name):
        run(sampler(NEVER, SMALL, POOL, **{name: wrong}))


WRONG_WALKS = [
    *itertools.product(["steps"], [0, 1001, 2.5]),
    *itertools.product(["spacing"], ["cubic"]),
    *itertools.product(["start"], [0, 1001, 400.5]),
    *itertools.product(["repeats", "jump"], [0, 1.5]),
]


@pytest.mark.parametrize("part, wrong", WRONG_WALKS)
@pytest.mark.parametrize("name", MEASUREMENTS)
def test_other_walks_are_refused(name, part, wrong):
    with pytest.raises(ValueError, match=part):
        run(MEASUREMENTS[name](NEVER, SMALL, POOL, walk=Walk(**{"steps": 5, part: wrong})))


@pytest.mark.parametrize(
    "name, setting, wrong", [*itertools.product(["ilvr"], ["until"], [-1, 1001])]
)
def test_other_settings_for_pictures_are_refused(name, setting, wrong):
    with pytest.raises(ValueError, match=setting):
        run(PICTURES[name](FLAT, **{setting: wrong}))


@pytest.mark.parametrize("part, wrong", WRONG_WALKS)
@pytest.mark.parametrize("name", PICTURES)
def test_other_walks_for_pictures_are_refused(name, part, wrong):
    with pytest.raises(ValueError, match=part):
        run(PICTURES[name](FLAT, walk=Walk(**{"steps": 5, part: wrong})))


@pytest.mark.parametrize("sampler", [replacement, repaint])
@pytest.mark.parametrize(
    "m, message",
    [
        (torch.full((1, 1, 8, 8), 0.5), "fuzzy"),
        (masks.half(8) + 1, r"\[0, 1\]"),
        (masks.half(8) * torch.nan, "NaN"),
        (masks.half(16), r"\(1, 1, 16, 16\)"),
        (masks.half(8)[0], r"\(1, 8, 8\)"),
        (torch.cat([masks.half(8)] * 3), r"\(3, 1, 8, 8\)"),
    ],
)
def test_other_masks_are_refused(sampler, m, message):
    with pytest.raises(ValueError, match=message):
        run(sampler(NEVER, FLAT, m, walk=5))


def test_a_filter_that_does_not_give_pictures_is_refused():
    with pytest.raises(ValueError, match="low_pass"):
        run(ilvr(NEVER, FLAT, POOL, walk=5))
