import itertools

import pytest

from fuzzydiff_lite.schedule import Schedule
from fuzzydiff_lite.walk import Walk, calls, travel


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


SCHEDULE = Schedule.linear()


def test_a_walk_is_said_by_a_number_a_list_of_levels_or_itself():
    assert Walk.of(20).moves(SCHEDULE) == travel(SCHEDULE.levels(20))
    assert Walk.of(None).moves(SCHEDULE) == travel(range(1000, -1, -1))
    assert Walk.of([700, 300, 20, 0]).moves(SCHEDULE) == travel([700, 300, 20, 0])
    walk = Walk(12, "quadratic", repeats=3, jump=4)
    assert Walk.of(walk) is walk
    assert walk.moves(SCHEDULE) == travel(SCHEDULE.levels(12, "quadratic"), 3, 4)
    for wrong in (2.5, "50", {1000: 0}):
        with pytest.raises(ValueError, match="number of steps or a list of levels is wanted"):
            Walk.of(wrong)


def test_levels_of_a_list_are_walked_again_too():
    walk = Walk(levels=(900, 400, 100, 0), repeats=2)
    assert [move.s for move in walk.moves(SCHEDULE)] == [400, 900, 400, 100, 400, 100, 0]
    assert walk.calls(SCHEDULE) == 5 == calls(3, 2)


@pytest.mark.parametrize("start", [0, SCHEDULE.T + 1, -3, 2.5, 400.0])
def test_a_start_is_a_level(start):
    with pytest.raises(ValueError, match="start must be a level"):
        Walk(10, start=start).moves(SCHEDULE)


def test_a_walk_starts_where_it_is_told():
    moves = Walk(10, start=650).moves(SCHEDULE)
    assert [moves[0].t, *(move.s for move in moves)] == [650, 600, 500, 400, 300, 200, 100, 0]
    assert Walk(10, start=650).calls(SCHEDULE) == 7


@pytest.mark.parametrize(
    "levels",
    [[0], [], [500, 500, 0], [300, 500, 0], [500, 100], [1001, 0], [500.0, 0], [5, -1]],
)
def test_lists_that_do_not_fall_to_0_are_refused(levels):
    with pytest.raises(
        ValueError, match="levels must be whole numbers that fall to 0 from 1000"
    ):
        Walk.of(levels).moves(SCHEDULE)
