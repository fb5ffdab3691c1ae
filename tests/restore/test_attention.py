import math
import warnings
from dataclasses import replace

import pytest
import torch

from fuzzydiff_lite import Noise, Walk, load_prior
from fuzzydiff_lite.data import damage, london
from fuzzydiff_lite.operators.blur import smooth
from fuzzydiff_lite.priors import GaussianPrior
from fuzzydiff_lite.restore import attention
from fuzzydiff_lite.restore.attention import PAPER, Settings, errors, residuals, trust
from fuzzydiff_lite.restore.blind import correct
from fuzzydiff_lite.restore.likeness import LEAST_LIKENESS, likeness
from fuzzydiff_lite.restore.statistics import Statistics, fit, load_statistics, z_scores
from fuzzydiff_lite.samplers import run, sdedit

V = 0.02  # variance of the toy's pixels, so small that hardly any is clipped
DOWN, ACROSS = torch.tensor([[1.0, 1, -1, -1], [1.0, -1, 1, -1]]).double()
PATTERN = 0.4 * DOWN.outer(ACROSS)
MEAN = PATTERN.repeat_interleave(2, 0).repeat_interleave(2, 1).expand(3, 8, 8)  # the toy's face
TOY = GaussianPrior(MEAN, V)
DEPTHS = (300, 600)


def toys(n, first=0):
    """Pictures of the toy prior."""
    return (MEAN + V**0.5 * Noise(7, first)((n, 3, 8, 8), dtype=torch.float64)).clamp(-1, 1)


def toy_fit(**settings):
    return fit(TOY, [toys(64, 64 * k) for k in range(8)], Settings(DEPTHS, **settings))


@pytest.mark.parametrize("draws", [1, 4])
def test_statistics_of_gaussian_pictures_are_those_of_a_squared_normal(draws):
    s = toy_fit(draws=draws, blur=None)
    assert s.pictures == 512 and s.mean.shape == s.deviation.shape == (2, 3, 8, 8)
    for d, depth in enumerate(DEPTHS):
        a = TOY.schedule.alpha_bar[depth].item()
        gain = a**0.5 * V / (a * V + 1 - a)
        expected = (1 - gain * a**0.5) ** 2 * V + gain**2 * (1 - a) / draws
        if draws == 1:
            posterior_variance = V * (1 - a) / (a * V + 1 - a)
            assert math.isclose(expected, posterior_variance, rel_tol=1e-9)
        assert math.isclose(s.mean[d].mean(), expected, rel_tol=0.05)
        assert math.isclose(s.deviation[d].mean(), 2**0.5 * expected, rel_tol=0.08)


def test_a_projection_of_one_step_is_the_guess_of_the_prior_and_one_of_many_is_sdedit():
    x = toys(3)
    for steps in (1, 10):
        source = Noise(2).branch(attention.BRANCH).branch(300).branch(0)
        expected = x - run(sdedit(TOY, x, walk=Walk(steps, start=300), noise=source))
        settings = Settings((300,), steps, 1, None)
        assert torch.equal(residuals(TOY, x, settings, Noise(2))[:, 0], expected)
        assert torch.equal(errors(TOY, x, settings, Noise(2))[:, 0], expected**2)


def test_depths_share_their_noise_or_have_their_own():
    # One depth twice: its noise is its own, and the same each time.
    x, depths = toys(3), (300, 300, 500)
    for shared in (False, True):
        r = residuals(TOY, x, Settings(depths, shared=shared), Noise(4))
        assert torch.equal(r[:, 0], r[:, 1])
        noises = []  # what the guess of a Gaussian prior has beside a multiple of the picture
        for k, depth in ((0, 300), (2, 500)):
            a = TOY.schedule.alpha_bar[depth].item()
            gain = a**0.5 * V / (a * V + 1 - a)
            multiple = (1 - gain * a**0.5) * (x - TOY.mean)
            noises.append((r[:, k] - multiple) / (gain * (1 - a) ** 0.5))
        assert torch.allclose(noises[0], noises[1], atol=1e-4) == shared


def test_each_picture_has_its_own_noise_whatever_the_batch():
    x = toys(4)
    together = errors(TOY, x, Settings(DEPTHS, draws=2), Noise(5))
    alone = errors(TOY, x[3:], Settings(DEPTHS, draws=2), Noise(5, first=3))
    torch.testing.assert_close(alone, together[3:])
    whole = fit(TOY, [x], Settings(DEPTHS), Noise(1))
    parts = fit(TOY, [x[:1], x[1:]], Settings(DEPTHS), Noise(1))
    torch.testing.assert_close(parts.deviation, whole.deviation)


def test_scores_are_standard_on_good_pictures_and_high_on_damage_only():
    s = toy_fit(blur=0.0)
    x = toys(64, 5000)
    z = z_scores(TOY, x, s)
    assert z.shape == (64, 2, 2, 8, 8)
    assert abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.2
    x[:, :, 2:4, 4:6] = 0.9
    A = attention.attention(z_scores(TOY, x, s)).amax(1)
    assert A[..., 2:4, 4:6].mean() > 0.8 and A[..., 6:, :].mean() < 0.15


def test_attention_and_trust_by_hand():
    z = torch.tensor([-3.0, 1.0, 3.5, 6.0, 50.0]).reshape(1, 1, 1, 1, 5)
    assert attention.attention(z).flatten().tolist() == [0, 0, 0.5, 1, 1]
    both = torch.cat([z, torch.full_like(z, 6.0)], 1)
    assert attention.attention(both).flatten().tolist() == [0.5, 0.5, 0.75, 1, 1]
    assert trust(torch.tensor([0.0, 0.5, 1.0]), 0.8).tolist() == pytest.approx([0.8, 0.2, 0.0])


def test_squares_of_lightness_and_colour():
    r = 0.1 * torch.randn(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(attention.squared(r, None), r**2)
    lightness, colour = attention.squared(r, 0.0).unbind(2)
    torch.testing.assert_close(lightness + colour, (r**2).mean(2))  # Pythagoras
    grey = r[:, :, :1].expand_as(r)
    torch.testing.assert_close(attention.squared(grey, 0.0)[:, :, 0], grey[:, :, 0] ** 2)
    assert attention.squared(grey, 1.0)[:, :, 1].max() < 1e-12
    flat = torch.full_like(r, 0.3)
    torch.testing.assert_close(attention.squared(flat, 1.0)[:, :, 0], flat[:, :, 0] ** 2)


def test_the_blur_is_that_of_scikit_image():
    from skimage.filters import gaussian

    e = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for sigma in (0.5, 1.0, 6.0):
        expected = gaussian(
            e.numpy(), (0, 0, sigma, sigma), mode="nearest", preserve_range=True
        )
        torch.testing.assert_close(smooth(e, sigma), torch.from_numpy(expected))
    assert smooth(e, 0) is e


def test_likeness_is_a_correlation_with_the_mean_face():
    s = toy_fit()
    assert torch.allclose(likeness(MEAN[None], s), torch.ones(1).double(), atol=0.01)
    assert torch.allclose(likeness(0.5 * MEAN[None] + 0.2, s), likeness(MEAN[None], s))
    assert torch.allclose(likeness(-MEAN[None], s), -likeness(MEAN[None], s))
    assert likeness(torch.zeros(1, 3, 8, 8).double(), s) == 0
    faces = toys(64, 5000)
    assert likeness(faces, s).min() > 0.5 and abs(likeness(faces.flip(2), s).mean()) < 1


def test_statistics_survive_a_file(tmp_path):
    s = toy_fit()
    s.save(tmp_path / "toy.safetensors")
    again = Statistics.load(tmp_path / "toy.safetensors")
    tensors = {name: getattr(again, name) for name in ("mean", "deviation", "face")}
    assert again == replace(s, **tensors)
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor, getattr(s, name), rtol=2e-3, atol=1e-6)
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for name in ("broken", "missing"):
        with pytest.raises(ValueError, match=f"{name}.safetensors does not hold"):
            Statistics.load(tmp_path / f"{name}.safetensors")


def test_statistics_of_another_prior_are_refused_and_the_message_helps():
    s = toy_fit()
    for wrong, message in [
        (replace(s, weights="f" * 64), "weights ffffffff, the prior has None.*attention fit"),
        (replace(s, tone="mono"), "tone mono, the prior of none.*attention fit"),
        (replace(s, mean=s.mean[..., :4]), "shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            z_scores(TOY, toys(1), wrong)
    with pytest.raises(ValueError, match="no statistics ship for the tone none"):
        load_statistics(TOY)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="at least two pictures, got 1"):
        fit(TOY, [toys(1)], Settings(DEPTHS))
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        errors(TOY, toys(1), Settings(draws=0))
    with pytest.raises(ValueError, match="start"):
        errors(TOY, toys(1), Settings((0,)))
    with pytest.raises(ValueError, match="shape"):
        correct(TOY, toys(1)[..., :4], toy_fit())


def test_correct_mends_the_damage_and_keeps_the_rest():
    x = toys(32, 9000)
    damaged = x.clone()
    damaged[:, :, 2:4, 4:6] = 0.9  # where the mean is 0.4 or less
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture, m, A = correct(TOY, damaged, toy_fit(blur=0.0), walk=20)
    assert picture.shape == x.shape and m.shape == A.shape == (32, 1, 8, 8)
    before, after = ((z - MEAN)[..., 2:4, 4:6].mean() for z in (damaged, picture))
    assert before > 0.4 and abs(after) < 0.3 * before
    assert (picture - damaged)[..., 6:, :].square().mean() < 0.25 * V


def test_correct_warns_of_what_is_no_face():
    upside_down = torch.stack([toys(1)[0], toys(1)[0].flip(1)])
    words = rf"picture 1 is no aligned face: its likeness is -.* at least {LEAST_LIKENESS}"
    with pytest.warns(UserWarning, match=words):
        correct(TOY, upside_down, toy_fit(), walk=2)


@pytest.fixture(scope="module")
def prior():
    return load_prior()


def test_shipped_statistics_find_damage_on_a_face(prior):
    s, face = load_statistics(prior), london(1)
    assert s.weights == prior.weights and s.pictures >= 100 and s.tone == "colour"
    damaged, truth = damage.named("scratches", face)
    scores = (z_scores(prior, x, s) for x in (face, damaged))
    before, after = (attention.attention(z).amax(1) for z in scores)
    inside = truth[:, 0] == 1
    assert after[inside].mean() > 3 * before[inside].mean()
    assert after[inside].mean() > 3 * after[~inside].mean()
    assert likeness(face, s) > LEAST_LIKENESS and likeness(damaged, s) > LEAST_LIKENESS
    assert likeness(face.flip(2), s) < LEAST_LIKENESS


def test_statistics_ship_for_both_tones_and_for_the_paper(prior):
    paper = load_statistics(prior, paper=True)
    assert paper.settings == PAPER
    assert paper.mean.shape == (4, 3, 64, 64)
    mono = load_statistics(load_prior(tone="mono"))
    assert mono.tone == "mono" and mono.mean.shape == (4, 2, 64, 64)
    with pytest.raises(ValueError, match="tone"):
        load_statistics(load_prior(tone="mono"), paper=True)
    with pytest.raises(ValueError, match="no statistics ship for the tone none"):
        load_statistics(load_prior(tone="none"))
