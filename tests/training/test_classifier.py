"""Training a classifier of tones learns what noise leaves."""

import pytest
import torch
import torch.nn.functional as F

from fuzzydiff_lite import Noise, Schedule
from fuzzydiff_lite.data import people
from fuzzydiff_lite.steps import noise_to
from fuzzydiff_lite.training import train_classifier

SCHEDULE = Schedule.linear()


def with_grey(colour):
    """Pictures and their grey versions, with the labels."""
    grey = colour.mean(1, keepdim=True).expand_as(colour)
    return torch.cat([colour, grey]), torch.arange(2).repeat_interleave(len(colour))


WARM = torch.tensor([0.4, 0.0, -0.4]).reshape(3, 1, 1)
PLAIN = with_grey((WARM + 0.3 * Noise(3)((32, 1, 8, 8))).clamp(-1, 1))


def noisy_logits(net, pictures, t):
    levels = torch.full((len(pictures),), t)
    return net(noise_to(pictures, Noise(5).like(pictures), SCHEDULE.alpha_bar[t]), levels)


def test_training_lowers_the_loss():
    pictures, labels = PLAIN
    nets = (train_classifier(*PLAIN, SCHEDULE, steps) for steps in (1, 60))
    first, last = (F.cross_entropy(noisy_logits(net, pictures, 100), labels) for net in nets)
    assert last < 0.5 * first


def test_training_repeats_with_its_seed_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    a, b, other = (train_classifier(*PLAIN, SCHEDULE, 5, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for p, q, r in zip(a.parameters(), b.parameters(), other.parameters()):
        torch.testing.assert_close(p, q)
        assert not torch.allclose(p, r) and not p.requires_grad


def test_it_judges_each_picture_alone_and_reads_the_level():
    net, x = train_classifier(*PLAIN, SCHEDULE, 5), Noise(6)((4, 3, 8, 8))
    levels = torch.tensor([1, 300, 600, 1000])
    singles = torch.cat([net(x[i : i + 1], levels[i : i + 1]) for i in range(4)])
    assert singles.shape == (4, 2)
    torch.testing.assert_close(net(x, levels), singles)
    assert not torch.allclose(net(x, levels.flip(0)), singles, atol=1e-4)


def test_it_knows_the_tone_of_faces_it_has_not_seen_until_noise_hides_it():
    faces = F.avg_pool2d(people(), 2)
    net = train_classifier(*with_grey(faces[:192]), SCHEDULE, steps=60)
    pictures, labels = with_grey(faces[192:])
    judged = (noisy_logits(net, pictures, t).argmax(1) for t in (50, 1000))
    right, right_at_the_top = ((tones == labels).double().mean() for tones in judged)
    assert right > 0.9
    # At the top level, 1 / 25 000 of the variance is picture.
    assert abs(right_at_the_top - 0.5) < 0.15


@pytest.mark.parametrize(
    "pictures, labels, steps, match",
    [
        (PLAIN[0][:, :1], PLAIN[1], 5, "pictures"),
        (PLAIN[0][0], PLAIN[1], 5, "pictures"),
        (PLAIN[0], PLAIN[1][1:], 5, "pictures"),
        (PLAIN[0], PLAIN[1] + 1, 5, "labels"),
        (PLAIN[0], PLAIN[1].float(), 5, "labels"),
        (PLAIN[0], 0 * PLAIN[1], 5, "labels"),
        (PLAIN[0], PLAIN[1], 0, "steps"),
        (PLAIN[0], PLAIN[1], -3, "steps"),
        (PLAIN[0], PLAIN[1], 2.5, "steps"),
    ],
)
def test_training_refuses(pictures, labels, steps, match):
    with pytest.raises(ValueError, match=match):
        train_classifier(pictures, labels, SCHEDULE, steps)
