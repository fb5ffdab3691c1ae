import pytest
import torch

from fuzzydiff_lite import Noise, masks


@pytest.mark.parametrize("name", masks.NAMES)
def test_named_masks_are_binary_maps_with_something_kept_and_something_missing(name):
    mask = masks.named(name)
    assert mask.shape == (1, 1, 64, 64) and mask.dtype == torch.float32
    assert mask.unique().tolist() == [0, 1]
    assert masks.named(name, size=32).shape == (1, 1, 32, 32)
    assert torch.equal(mask, masks.named(name))


def test_box_is_a_centred_hole_of_the_side_asked_for():
    mask = masks.box(side=24)
    assert (1 - mask).sum() == 24**2
    assert torch.equal(mask, mask.flip(3)) and torch.equal(mask, mask.flip(2))
    assert masks.box(side=0).min() == 1 and masks.box(side=64).max() == 0


def test_half_misses_the_right_half():
    mask = masks.half()
    assert mask[..., :32].min() == 1 and mask[..., 32:].max() == 0


def test_stripes_keep_rows_of_a_width_and_miss_rows_of_a_gap():
    mask = masks.stripes(size=12, width=2, gap=3)[0, 0]
    assert mask[:, 0].tolist() == [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1]
    assert mask.std(1).max() == 0


def test_random_pixels_keep_the_share_and_follow_the_seed():
    for keep in (0, 0.3, 1):
        assert masks.random_pixels(keep).sum() == round(keep * 64**2)
    mask, again, other = (masks.random_pixels(noise=Noise(seed)) for seed in (3, 3, 4))
    assert torch.equal(mask, again) and not torch.equal(mask, other)


def test_random_pixels_do_not_depend_on_what_a_sampler_of_the_same_seed_draws():
    mask = masks.random_pixels(0.5, noise=Noise(0)).flatten()
    start = Noise(0)((1, 3, 64, 64)).flatten()
    for part in start.split(64**2):
        # At most 4 standard errors of a mean over 64^2 pixels.
        assert (mask * part).mean().abs() < 4 / 64


def test_soften_stays_in_range_and_far_from_edges_changes_nothing():
    mask = masks.box(side=24)
    soft = masks.soften(mask, 2.0)
    assert soft.shape == mask.shape and soft.dtype == mask.dtype
    assert 0 <= soft.min() < 1e-6 and soft.max() == 1
    assert ((soft > 0.01) & (soft < 0.99)).sum() > 200  # fuzzy where it was sharp
    # 4 sigma is 8, and the hole begins at row 20.
    torch.testing.assert_close(soft[..., :10, :], mask[..., :10, :])
    # An edge stays in place.
    torch.testing.assert_close(soft[0, 0, 32, 19] + soft[0, 0, 32, 20], torch.tensor(1.0))
    assert torch.equal(masks.soften(mask, 0), mask)


def test_soften_repeats_the_borders():
    soft = masks.soften(masks.half(), 2.0)
    torch.testing.assert_close(soft[..., 0], torch.ones(1, 1, 64))
    torch.testing.assert_close(soft[..., -1], torch.zeros(1, 1, 64))


def test_apply_paints_the_missing_part():
    picture = torch.rand(2, 3, 64, 64) * 2 - 1
    mask = masks.half()
    painted = masks.apply(picture, mask)
    assert torch.equal(painted[..., :32], picture[..., :32]) and (painted[..., 32:] == 0).all()
    assert (masks.apply(picture, mask, fill=-1.0)[..., 32:] == -1).all()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: masks.named("circle"), "box, half"),
        (lambda: masks.box(side=65), "between 0 and 64, got 65"),
        (lambda: masks.stripes(width=0, gap=0), "not both 0"),
        (lambda: masks.random_pixels(1.1), "got 1.1"),
        (lambda: masks.soften(masks.box(), -1), "got -1"),
    ],
)
def test_bad_settings_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
