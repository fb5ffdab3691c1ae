"""The noise schedule: what is left of a picture at each level, which levels samplers visit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch


@dataclass(frozen=True, eq=False)
class Schedule:
    """Noise levels 0..T of a variance-preserving diffusion.

    `alpha_bar` has shape (T + 1,), float64, on the CPU. `alpha_bar[0]` is 1 (no noise) and
    `alpha_bar[T]` is close to 0 (only noise). A picture at level t is
    `sqrt(alpha_bar[t]) * x0 + sqrt(1 - alpha_bar[t]) * eps`.

    Raises ValueError where `alpha_bar` does not start at 1 and fall strictly to a positive end.
    Source: Ho et al. 2020, section 2; Eq. (alpha-bar), book/prior/forward.
    """

    alpha_bar: torch.Tensor

    def __post_init__(self):
        a = self.alpha_bar.double().cpu()
        object.__setattr__(self, "alpha_bar", a)
        if a.ndim != 1 or len(a) < 2 or a[0] != 1 or not (a[1:] < a[:-1]).all() or a[-1] <= 0:
            raise ValueError(
                "alpha_bar must be a vector that starts at 1 "
                "and falls strictly to a value above 0"
            )

    @classmethod
    def linear(cls, T: int = 1000, first: float = 1e-4, last: float = 0.02) -> Schedule:
        """Betas on a straight line from `first` to `last`.

        Eq. (linear-schedule), book/prior/forward.
        """
        return cls.from_betas(torch.linspace(first, last, T, dtype=torch.float64))

    @classmethod
    def cosine(cls, T: int = 1000, offset: float = 0.008, largest: float = 0.999) -> Schedule:
        """The cosine schedule of Nichol & Dhariwal 2021, betas kept below `largest`.

        Eq. (cosine-schedule), book/prior/forward.
        """
        t = torch.arange(T + 1, dtype=torch.float64) / T
        f = torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2
        return cls.from_betas((1 - f[1:] / f[:-1]).clamp(max=largest))

    @classmethod
    def from_betas(cls, betas: torch.Tensor) -> Schedule:
        """A schedule from the variances beta_1..beta_T that each step adds.

        Eq. (alpha-bar), book/prior/forward.
        """
        one = torch.ones(1, dtype=torch.float64)
        return cls(torch.cat([one, torch.cumprod(1 - betas.double(), 0)]))

    @property
    def T(self) -> int:
        """The highest level."""
        return len(self.alpha_bar) - 1

    @property
    def beta(self) -> torch.Tensor:
        """Variance that the step to each level adds, shape (T + 1,); beta[0] is 0."""
        ratio = self.alpha_bar[1:] / self.alpha_bar[:-1]
        return torch.cat([torch.zeros(1, dtype=torch.float64), 1 - ratio])

    @property
    def snr(self) -> torch.Tensor:
        """Signal-to-noise ratio alpha_bar / (1 - alpha_bar), shape (T + 1,); infinite at 0.

        Eq. (snr), book/prior/forward.
        """
        return self.alpha_bar / (1 - self.alpha_bar)

    def levels(
        self, steps: int | None = None, spacing: str = "uniform", start: int | None = None
    ) -> list[int]:
        """The levels to visit, `steps` + 1 of them, falling from T to 0; all without `steps`.

        With a level `start` they begin there, and go on with those of the same `steps` that lie
        below it. `spacing` is "uniform", or "quadratic" to crowd them near 0. Raises ValueError
        for another spacing and for steps that are not a whole number from 1 to T.
        Eq. (levels), book/prior/sampling.
        """
        steps = self.T if steps is None else steps
        if not isinstance(steps, int) or not 1 <= steps <= self.T:
            raise ValueError(
                f"steps must be a whole number between 1 and {self.T}, got {steps}"
            )
        powers = {"uniform": 1, "quadratic": 2}
        if spacing not in powers:
            raise ValueError(f"spacing must be one of {', '.join(powers)}, got {spacing!r}")
        share = [(i, (i / steps) ** powers[spacing]) for i in range(steps, -1, -1)]
        levels = [max(i, round(self.T * t)) for i, t in share]  # max keeps crowded levels apart
        if start is None:
            return levels
        return [start, *(level for level in levels if level < start)]


class Move(NamedTuple):
    """One move of a walk over levels: from level `t` to level `s`.

    Down (s < t) denoises with one call of the prior, up (s > t) adds noise. `left` counts the
    calls of the prior still to come after this move.
    """

    t: int
    s: int
    left: int


def travel(levels: list[int], repeats: int = 1, jump: int = 1) -> list[Move]:
    """The walk down `levels` in which stretches of `jump` steps are walked `repeats` times.

    The stretches are counted from the bottom, above the last step, which is taken once. After
    each stretch the walk climbs back up `jump` levels and comes down again, `repeats` - 1
    times. Up to `jump` steps at the top do not fill a stretch and are walked once. `jump` 1 is
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
