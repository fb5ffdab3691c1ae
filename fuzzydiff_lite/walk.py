"""The walk of a sampler over the levels: which it visits, and which it walks again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .schedule import Schedule


@dataclass(frozen=True)
class Walk:
    """Which levels a sampler visits, and which of them more than once.

    `steps`, `spacing` and `start` choose levels as `Schedule.levels` does; without steps every
    level is visited. Or `levels` are the ones to visit: whole numbers that fall to 0. Stretches
    of `jump` steps are walked `repeats` times, see `travel`. Where a sampler takes a walk, it
    also takes a number of steps or a list of levels: `50`, `Walk(50, repeats=5)`,
    `[1000, 600, 300, 100, 0]`.
    """

    steps: int | None = None
    spacing: str = "uniform"
    start: int | None = None
    repeats: int = 1
    jump: int = 1
    levels: tuple[int, ...] | None = None

    @classmethod
    def of(cls, walk: Walk | int | Sequence[int] | None) -> Walk:
        """What a sampler was given, as a walk. Raises ValueError for anything else."""
        if walk is None or isinstance(walk, int):
            return cls(walk)
        if isinstance(walk, Walk):
            return walk
        if isinstance(walk, Sequence) and not isinstance(walk, str):
            return cls(levels=tuple(walk))
        raise ValueError(
            f"a Walk, a number of steps or a list of levels is wanted, got {walk!r}"
        )

    def moves(self, schedule: Schedule) -> list[Move]:
        """The moves, on the levels of a schedule.

        Raises ValueError like `Schedule.levels` and `travel`, for a start outside 1..T, and for
        a list of levels that does not fall to 0 from 1..T.
        """
        if self.levels is not None:
            if self.steps is not None or self.start is not None or self.spacing != "uniform":
                raise ValueError(
                    "a walk has levels, or steps with a spacing and a start, not both"
                )
            fall = all(isinstance(t, int) for t in self.levels)
            fall = fall and all(t > s for t, s in zip(self.levels, self.levels[1:]))
            if (
                not fall
                or len(self.levels) < 2
                or self.levels[-1]
                or self.levels[0] > schedule.T
            ):
                raise ValueError(
                    f"levels must be whole numbers that fall to 0 from {schedule.T} or below, "
                    f"got {list(self.levels)}"
                )
            return travel(self.levels, self.repeats, self.jump)
        if self.start is not None and not (
            isinstance(self.start, int) and 1 <= self.start <= schedule.T
        ):
            raise ValueError(
                f"start must be a level between 1 and {schedule.T}, got {self.start}"
            )
        levels = schedule.levels(self.steps, self.spacing, self.start)
        return travel(levels, self.repeats, self.jump)

    def calls(self, schedule: Schedule) -> int:
        """How often a sampler calls the prior on this walk: known before it runs."""
        return self.moves(schedule)[0].left + 1


Visits = Walk | int | Sequence[int] | None  # what a sampler takes: see `Walk`


class Move(NamedTuple):
    """One move of a walk over levels: from level `t` to level `s`.

    Down (s < t) denoises with one call of the prior, up (s > t) adds noise. `left` counts the
    calls of the prior still to come after this move.
    """

    t: int
    s: int
    left: int


def travel(levels: Sequence[int], repeats: int = 1, jump: int = 1) -> list[Move]:
    """The walk down `levels` in which stretches of `jump` steps are walked `repeats` times.

    The stretches are counted from the bottom, above the last step, which is taken once. After
    each stretch the walk climbs back up `jump` levels and comes down again, `repeats` - 1
    times. The steps that are left at the top, fewer than `jump`, are walked once. `jump` 1 is
    the J of El Helou 2023; `jump` 10 with `repeats` 10 over 250 steps is RePaint's published
    schedule (2410 network calls).

    Raises ValueError for repeats or jump that are not whole numbers of at least 1, and for a
    jump too long to repeat.
    Source: Lugmayr et al. 2022, section 4.2 and appendix B; Eq. (walk), book/fuzzy/fuzzy.
    """
    if not (isinstance(repeats, int) and isinstance(jump, int)) or repeats < 1 or jump < 1:
        raise ValueError(
            f"repeats and jump must be whole numbers of at least 1, got {repeats} and {jump}"
        )
    top = len(levels) - 1
    if repeats > 1 and jump > 1 and jump >= top:
        raise ValueError(
            f"a jump of {jump} steps does not fit a walk of {top}: nothing would be repeated"
        )
    # position (counted from 0) -> climbs to make
    rises = {1 + k: repeats - 1 for k in range(0, top - jump, jump)}
    position, walk = top, []
    while position > 0:
        walk.append((levels[top - position], levels[top - position + 1]))
        position -= 1
        if rises.get(position, 0) > 0:
            rises[position] -= 1
            for _ in range(jump):
                walk.append((levels[top - position], levels[top - position - 1]))
                position += 1
    left, moves = 0, []
    for t, s in reversed(walk):
        moves.append(Move(t, s, left))
        left += s < t
    return moves[::-1]


def calls(steps: int, repeats: int = 1, jump: int = 1) -> int:
    """How often a sampler with these settings calls the prior: known before it runs.

    Raises ValueError for steps that are not a whole number of at least 1, and like `travel`.
    Eq. (walk), book/fuzzy/fuzzy.
    """
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number of at least 1, got {steps}")
    return travel(list(range(steps, -1, -1)), repeats, jump)[0].left + 1
