import pytest
import torch

from fuzzydiff_lite import Noise
from fuzzydiff_lite.data import damage, london


@pytest.fixture(scope="module")
def faces():
    return london(6)


@pytest.mark.parametrize("kind", damage.KINDS)
def test_damage_is_where_the_truth_says_and_nowhere_else(kind, faces):
    damaged, truth = damage.named(kind, faces, Noise(3))
    assert damaged.shape == faces.shape and truth.shape == (6, 1, 64, 64)
    assert damaged.abs().max() <= 1 and set(truth.unique().tolist()) == {0, 1}
    changed = (damaged - faces).abs().mean(1, keepdim=True)
    inside, outside = (
        (changed * part).sum((1, 2, 3)) / part.sum((1, 2, 3)) for part in (truth, 1 - truth)
    )
    assert (inside > 0.08).all()
    assert (outside < 0.05).all()
    if kind != "jpeg":  # which changes pixels invisibly, too
        assert torch.equal(damaged * (1 - truth), faces * (1 - truth))
    assert (truth.mean((1, 2, 3)) > 0.02).all() and (truth.mean((1, 2, 3)) < 0.8).all()


@pytest.mark.parametrize("kind", damage.KINDS)
def test_damage_comes_from_the_noise_and_each_picture_has_its_own(kind, faces):
    damaged, truth = damage.named(kind, faces, Noise(3))
    assert torch.equal(damaged, damage.named(kind, faces, Noise(3))[0])
    assert not torch.equal(damaged, damage.named(kind, faces, Noise(4))[0])
    alone = damage.named(kind, faces[2:3], Noise(3, first=2))
    assert torch.equal(damaged[2:3], alone[0]) and torch.equal(truth[2:3], alone[1])


def test_sunglasses_hide_both_eyes(faces):
    _, truth = damage.named("sunglasses", faces)
    # Where an aligned face has its eyes.
    lenses = truth[:, 0, 27:33, 18:28], truth[:, 0, 27:33, 36:46]
    assert all(lens.mean() > 0.95 for lens in lenses)


def test_boxes_erase_channels_and_always_at_least_one(faces):
    damaged, truth = damage.named("boxes", faces.repeat(8, 1, 1, 1), Noise(1))
    erased = (damaged == 0) & (truth == 1)
    assert torch.equal(erased.any(1, keepdim=True), truth == 1)
    # Some lose one channel, some all.
    assert 1 < erased.float().sum(1)[truth[:, 0] == 1].mean() < 3


def test_bad_input_is_named(faces):
    with pytest.raises(ValueError, match="boxes, scratches.*'fire'"):
        damage.named("fire", faces)
    for bad, message in [
        (faces[0], "shape"),
        (faces[..., :32], "shape"),
        (faces.int(), "floating"),
        (2 * faces, "lie"),
    ]:
        with pytest.raises(ValueError, match=message):
            damage.named("text", bad)
