import itertools
import math
from fractions import Fraction

import pytest
import torch

from fuzzydiff_lite.schedule import SPACINGS, Schedule


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


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 3, 20, 333, 941, 1000])
def test_levels_fall_from_the_top_to_zero(spacing, steps):
    levels = Schedule.linear().levels(steps, spacing)
    top = 1 + (steps - 1) * (1000 // steps) if spacing == "leading" else 1000
    assert levels[0] == top and levels[-1] == 0 and len(levels) == steps + 1
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


@pytest.mark.parametrize(
    "spacing, levels",
    [
        ("leading", [901, 801, 701, 601, 501, 401, 301, 201, 101, 1]),
        ("trailing", [1000, 900, 800, 700, 600, 500, 400, 300, 200, 100]),
        ("linspace", [1000, 889, 778, 667, 556, 445, 334, 223, 112, 1]),
    ],
)
def test_levels_of_diffusers(spacing, levels):
    """Its indices count from 0: of 10 steps 900, 800, ...; 999, 899, ...; 999, 888, ..."""
    assert Schedule.linear().levels(10, spacing) == [*levels, 0]


@pytest.mark.parametrize("steps", [1, 7, 30, 206, 412, 466])
def test_levels_of_diffusers_by_whole_numbers(steps):
    schedule, many = Schedule.linear(), range(steps)
    indices = {
        "leading": [k * (1000 // steps) for k in many],
        "trailing": [round(1000 - Fraction(1000 * k, steps)) - 1 for k in many],
        "linspace": [round(Fraction(999 * k, max(steps - 1, 1))) for k in many],
    }
    if steps == 1:
        indices["linspace"] = [999]  # not 0, from which nothing could be drawn
    for spacing, index in indices.items():
        assert schedule.levels(steps, spacing) == sorted(
            (i + 1 for i in index), reverse=True
        ) + [0]


def test_levels_of_diffpirs_program():
    levels = Schedule.linear().levels(20, "diffpir")
    assert levels[:4] == [1000, 771, 676, 603] and levels[-4:] == [55, 27, 1, 0]
    # its sequence is the root of evenly spaced squares, its last number one less
    squares = [10**6 * k // 19 for k in range(20)]
    assert levels == [*(1000 - min(math.isqrt(k), 999) for k in squares), 0]


@pytest.mark.parametrize("spacing", SPACINGS)
def test_levels_from_a_start_are_those_below_it(spacing):
    schedule = Schedule.linear()
    below = [level for level in schedule.levels(30, spacing) if level < 420]
    assert schedule.levels(30, spacing, start=420) == [420, *below]
