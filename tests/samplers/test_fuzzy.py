"""A weight of fuzzy conditioning that means the same for every walk, and its other promises."""

import itertools

import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, Walk, load_prior, restore, run
from fuzzydiff_lite.networks import sha256
from fuzzydiff_lite.noise import Replay
from fuzzydiff_lite.operators import Inpaint
from fuzzydiff_lite.priors import variance_along
from fuzzydiff_lite.samplers import fuzzy
from fuzzydiff_lite.schedule import Schedule
from fuzzydiff_lite.steps import fuse, fusion_weight, posterior
from fuzzydiff_lite.walk import travel

LINEAR, COSINE = Schedule.linear(), Schedule.cosine()
ONE = torch.ones(1, 1, dtype=torch.float64)


def pixel(variance=0.25, schedule=LINEAR):
    return GaussianPrior(torch.zeros(1, dtype=torch.float64), variance, schedule=schedule)


def mean(prior, y, m, steps, repeats=1, jump=1, rescale=True, **options):
    """The mean of all runs: unclipped, and with a Gaussian prior, that of a run in silence."""
    silence = Replay(itertools.repeat(torch.zeros_like(y)))
    return run(
        fuzzy(
            prior,
            y,
            m,
            walk=Walk(steps, repeats=repeats, jump=jump),
            noise=silence,
            rescale=rescale,
            clip=False,
            variance=prior.variance,
            **options,
        )
    )


@pytest.mark.parametrize("rescale", [True, False])
def test_nothing_stays_nothing_and_everything_stays_everything(rescale):
    m = torch.tensor([0.0, 1.0, 0.0])
    assert torch.equal(fusion_weight(m, 0.3, 0.4, 0.25, rescale), m)
    assert fusion_weight(0, 0.3, 0.4, 0.25, rescale) == 0
    assert fusion_weight(1, 0.3, 0.4, 0.25, rescale) == 1


@pytest.mark.parametrize("shape", [(), (5, 1, 1, 1), (1, 3, 4, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_map_of_shares_gives_a_map_of_weights(shape, dtype):
    share = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    a_t, a_s = LINEAR.alpha_bar[500], LINEAR.alpha_bar[480]
    weight = fusion_weight(share, a_t, a_s, 300.0)
    singles = [fusion_weight(k.item(), a_t, a_s, 300.0) for k in share.flatten()]
    one_by_one = torch.stack(singles).double()
    assert weight.shape == share.shape and (shape == () or weight.dtype == dtype)
    torch.testing.assert_close(weight.double().flatten(), one_by_one, rtol=1e-5, atol=0)
    assert ((weight > 0) & (weight < 1)).all()


def test_more_share_longer_steps_and_less_variance_take_more_weight():
    weight = fusion_weight(torch.linspace(0, 1, 50), 0.3, 0.4, 0.25)
    assert (weight.diff() > 0).all()
    first = fusion_weight(0.5, 0.3, 0.4, 0.25)
    assert fusion_weight(0.5, 0.3, 0.5, 0.25) > first > fusion_weight(0.5, 0.3, 0.4, 300.0)


def test_a_short_step_keeps_its_digits():
    """In one of a thousand steps c is 1 to five digits: rounding must not drown 1 - c."""
    a_t, a_s = LINEAR.alpha_bar[300], LINEAR.alpha_bar[299]
    exact = fusion_weight(torch.tensor([0.02], dtype=torch.float64), a_t, a_s, 336.0)
    single = fusion_weight(torch.tensor([0.02]), a_t, a_s, 336.0)
    torch.testing.assert_close(single.double(), exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.95])
def test_a_step_and_its_fusion_are_in_balance(share, rescale):
    """The state that holds the share of y still does after a noiseless step down and fusion."""
    y, variance, a_t, a_s = 0.7, 2.0, torch.tensor(0.3).double(), torch.tensor(0.4).double()
    x = a_t.sqrt() * share * y
    x0 = a_t.sqrt() * variance * x / (a_t * variance + 1 - a_t)
    hallucinated, _ = posterior(x, x0, a_t, a_s)
    given = a_s.sqrt() * y
    weight = fusion_weight(share, a_t, a_s, variance, rescale)
    fused = fuse(given, hallucinated, given, weight, rescale)
    torch.testing.assert_close(fused, a_s.sqrt() * share * y, rtol=1e-12, atol=0)


WALKS = [(1, 1, 1), (10, 1, 1), (20, 10, 1), (50, 1, 1), (50, 3, 4), (200, 2, 1), (1000, 1, 1)]


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("schedule", [LINEAR, COSINE], ids=["linear", "cosine"])
@pytest.mark.parametrize("steps, repeats, jump", WALKS)
def test_one_pixel_keeps_its_share_on_every_walk(steps, repeats, jump, schedule, rescale):
    """All but what is left of a start without y, shrunk by c (1 - delta) at step and fusion."""
    prior, abar = pixel(schedule=schedule), schedule.alpha_bar
    share = torch.tensor([[0.0], [0.1], [0.5], [0.9], [1.0]], dtype=torch.float64)
    left = torch.ones_like(share)
    for t, s, _ in travel(schedule.levels(steps), repeats, jump):
        if s < t:
            delta = (1 - abar[t] / abar[s]) / (abar[t] * 0.25 + 1 - abar[t])
            left *= (1 - delta) * (1 - share) / (1 - share + share * delta)
    kept = mean(prior, torch.ones_like(share), share, steps, repeats, jump, rescale)
    torch.testing.assert_close(kept, share * (1 - left), rtol=0, atol=1e-12)
    assert left.max() < 1e-3


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_many_variances_spread_little(share):
    """Directions of other variances keep other shares, but nearly the same on every walk."""
    variances = torch.tensor([100.0, 30.0, 10.0, 3.0, 1.0, 0.1], dtype=torch.float64)
    prior = GaussianPrior.from_covariance(torch.zeros(6, dtype=torch.float64), variances.diag())
    walks = [(20, 1, 1), (50, 1, 1), (400, 1, 1), (20, 5, 1), (50, 10, 1)]
    y = torch.ones(1, 6, dtype=torch.float64)
    energy = variances / variances.sum()
    kept = torch.stack([mean(prior, y, share, *walk)[0] for walk in walks])
    assert (kept.diff(dim=1) < 0).all()  # detail is let go first
    along = kept @ energy
    assert along.max() - along.min() < 0.05 and (along - share).abs().max() < 0.2
    silence = Replay(itertools.repeat(torch.zeros_like(y)))
    runs = (
        run(fuzzy(prior, y, 0.2, walk=Walk(n, repeats=J), noise=silence, clip=False))
        for n, J, _ in walks
    )
    paper = [x[0] @ energy for x in runs]
    assert max(paper) - min(paper) > 0.3


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_repeats_end_at_the_filter_of_wiener(share):
    """A direction keeps what its posterior mean keeps of y at noise variance v (1 - w) / w."""
    variances = torch.tensor([100.0, 30.0, 10.0, 3.0, 1.0, 0.1], dtype=torch.float64)
    prior = GaussianPrior.from_covariance(torch.zeros(6, dtype=torch.float64), variances.diag())
    y = torch.ones(1, 6, dtype=torch.float64)
    filtered = variances / (variances + prior.variance * (1 - share) / share)
    means = (mean(prior, y, share, 50, repeats)[0] for repeats in (1, 5, 20))
    off = [(kept - filtered).abs().max().item() for kept in means]
    assert off[0] > off[1] > off[2] and off[2] < 0.02


@pytest.mark.parametrize("repeats, jump, rescale", [(1, 1, True), (3, 1, False), (2, 3, True)])
def test_a_mask_of_shares_is_a_mask_of_weights(repeats, jump, rescale):
    prior = GaussianPrior(torch.linspace(-0.5, 0.5, 48).reshape(3, 4, 4), rest=0.2)
    y = (0.4 * Noise(5)((2, 3, 4, 4))).clamp(-1, 1)
    mask = (Noise(6)((1, 1, 4, 4)) > 0).float()
    a, b = (
        run(
            fuzzy(
                prior,
                y,
                mask,
                walk=Walk(10, repeats=repeats, jump=jump),
                noise=Noise(1),
                rescale=rescale,
                variance=variance,
            )
        )
        for variance in (None, prior.variance)
    )
    assert torch.equal(a, b) and torch.equal(a * mask, y * mask)


@pytest.mark.parametrize(
    "m", [torch.full((1, 1), float("nan")), -0.1 * ONE, 1.1 * ONE, torch.ones(2, 3)]
)
@pytest.mark.parametrize("variance", [None, pixel().variance])
def test_bad_maps_are_refused(m, variance):
    with pytest.raises(ValueError, match="m "):
        next(fuzzy(pixel(), 0.5 * ONE, m.double(), walk=5, variance=variance))


@pytest.mark.parametrize("variance", [0, -1.0, torch.nan, torch.tensor([0.2, 0.0])])
def test_bad_variances_are_refused(variance):
    with pytest.raises(ValueError, match="variance must be above 0"):
        next(fuzzy(pixel(), 0.5 * ONE, 0.5, walk=5, variance=variance))


def test_a_share_needs_the_variance():
    prior, m = load_prior(device="cpu"), torch.full((1, 1, 64, 64), 0.5)
    prior.variance, picture = None, torch.zeros(1, 3, 64, 64)
    given = restore.Measurement(m * picture, Inpaint(m), 0.0, picture, m)
    settings = restore.settings("inpaint", "fuzzy", share=True)
    with pytest.raises(ValueError, match="variance"):
        restore.restorer(prior, given, "fuzzy", Noise(0), **settings)


def test_the_variance_along_is_that_of_pictures_projected_on_others():
    variances = torch.tensor([4.0, 2.0, 1.0, 0.5], dtype=torch.float64)
    z = Noise(3)((100_000, 8), dtype=torch.float64)
    x, other = z[:, :4] * variances.sqrt(), z[:, 4:] * variances.sqrt()
    # Each line counts by its length squared.
    sampled = (x * other).sum(1).square().sum() / other.square().sum()
    assert abs(sampled / variance_along(variances) - 1) < 0.03


def test_a_gaussian_counts_its_rest():
    flat = GaussianPrior(torch.zeros(3, 2, 2), rest=0.3)
    assert abs(flat.variance - 0.3) < 1e-6
    directions = torch.eye(12)[:, :2]
    prior = GaussianPrior(torch.zeros(3, 2, 2), 0.5, directions, torch.tensor([4.0, 2.0]))
    assert abs(prior.variance - variance_along(torch.tensor([4.0, 2.0] + 10 * [0.5]))) < 1e-6


def test_the_shipped_prior_knows_its_variance_and_its_file():
    from fuzzydiff_lite.assets import FOLDER

    prior = load_prior(device="cpu")
    gaussian = prior.net.gaussian()
    assert prior.variance == gaussian.variance > 1
    assert prior.weights == sha256(FOLDER / "faces64.safetensors")
    x = Noise(2)((1, 3, 64, 64))
    expected = prior.net.gaussian_x0(x, torch.tensor([300]))
    torch.testing.assert_close(gaussian.x0(x, 300), expected, atol=1e-4, rtol=1e-4)
