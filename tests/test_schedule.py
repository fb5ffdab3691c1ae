import itertools

import pytest
import torch

from fuzzydiff_lite.schedule import Schedule


def test_linear_matches_its_definition():
    schedule = Schedule.linear()
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    assert schedule.T == 1000 and schedule.alpha_bar[0] == 1
    torch.testing.assert_close(schedule.beta[1:], betas)
    torch.testing.assert_close(schedule.alpha_bar[500], torch.prod(1 - betas[:500]))
    assert schedule.alpha_bar[-1] < 1e-4


def test_cosine_follows_the_cosine_until_betas_are_capped():
    schedule = Schedule.cosine(100)
    t = torch.arange(91, dtype=torch.float64) / 100
    f = torch.cos((t + 0.008) / 1.008 * torch.pi / 2) ** 2
    torch.testing.assert_close(schedule.alpha_bar[:91], f / f[0])
    assert schedule.beta.max() <= 0.999 + 1e-12


def test_snr_falls_from_infinity():
    snr = Schedule.linear(50).snr
    assert torch.isinf(snr[0]) and (snr[1:] < snr[:-1]).all()


@pytest.mark.parametrize("values", [[0.9, 0.5], [1, 0.5, 0.5], [1, 0.5, 0.0], [1]])
def test_a_schedule_must_fall_from_one(values):
    with pytest.raises(ValueError, match="alpha_bar"):
        Schedule(torch.tensor(values))


@pytest.mark.parametrize("spacing", ["uniform", "quadratic"])
@pytest.mark.parametrize("steps", [1, 3, 20, 333, 1000])
def test_levels_fall_from_the_top_to_zero(spacing, steps):
    levels = Schedule.linear().levels(steps, spacing)
    assert levels[0] == 1000 and levels[-1] == 0 and len(levels) == steps + 1
    assert all(s < t for t, s in itertools.pairwise(levels))


def test_levels_spacing():
    schedule = Schedule.linear()
    assert schedule.levels(4) == [1000, 750, 500, 250, 0]
    assert schedule.levels(4, "quadratic") == [1000, 562, 250, 62, 0]
    assert schedule.levels() == list(range(1000, -1, -1))
    for wrong in (0, 1001):
        with pytest.raises(ValueError, match="steps"):
            schedule.levels(wrong)
    with pytest.raises(ValueError, match="spacing"):
        schedule.levels(10, "cubic")
