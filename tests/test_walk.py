import itertools

import pytest

from fuzzydiff_lite.schedule import Schedule
from fuzzydiff_lite.walk import calls, travel


def downs(walk):
    return sum(move.s < move.t for move in walk)


@pytest.mark.parametrize(
    "steps, jump, repeats, expected",
    [(250, 10, 10, 2410), (100, 10, 10, 910), (50, 10, 5, 210), (250, 10, 1, 250)],
)
def test_walk_makes_the_calls_of_repaint(steps, jump, repeats, expected):
    walk = travel(list(range(steps, -1, -1)), repeats, jump)
    assert downs(walk) == expected == walk[0].left + 1 == calls(steps, repeats, jump)


def test_walk_is_connected_and_ends_clean():
    levels = Schedule.linear().levels(12)
    walk = travel(levels, repeats=3, jump=4)
    assert walk[0].t == 1000 and walk[-1].s == 0
    assert all(a.s == b.t for a, b in itertools.pairwise(walk))
    assert all(abs(levels.index(m.t) - levels.index(m.s)) == 1 for m in walk)
    assert [m.left for m in walk if m.s < m.t] == list(range(downs(walk) - 1, -1, -1))


def test_walk_with_jump_one_repeats_every_step_but_the_last():
    walk = travel([3, 2, 1, 0], repeats=2)
    moves = [(3, 2), (2, 3), (3, 2), (2, 1), (1, 2), (2, 1), (1, 0)]
    assert [(m.t, m.s) for m in walk] == moves


def test_walk_with_longer_jumps_repeats_stretches_counted_from_the_bottom():
    walk = travel([6, 5, 4, 3, 2, 1, 0], 2, 2)
    assert [m.t for m in walk] == [6, 5, 4, 3, 4, 5, 4, 3, 2, 1, 2, 3, 2, 1]


def test_walk_without_repeats_is_the_way_down():
    assert [(m.t, m.s) for m in travel([5, 2, 0])] == [(5, 2), (2, 0)]
    with pytest.raises(ValueError, match="repeats"):
        travel([1, 0], repeats=0)
    with pytest.raises(ValueError, match="does not fit"):
        travel([3, 2, 1, 0], repeats=2, jump=3)


def test_calls_counts_the_moves_down_before_any_is_made():
    schedule = Schedule.linear()
    for steps, repeats, jump in itertools.product((1, 2, 7, 20, 333), (1, 2, 5), (1, 3, 10)):
        if repeats > 1 and jump > 1 and jump >= steps:
            with pytest.raises(ValueError, match="does not fit"):
                calls(steps, repeats, jump)
        else:
            walk = travel(schedule.levels(steps), repeats, jump)
            assert calls(steps, repeats, jump) == downs(walk)
    assert calls(50) == 50 and calls(50, 5) == 5 * 50 - 5 + 1


@pytest.mark.parametrize("steps", [0, -3, 2.5])
def test_calls_refuses_other_steps(steps):
    with pytest.raises(ValueError, match="steps"):
        calls(steps)
