"""The noise schedule: what is left of a picture at each level, and levels spaced over it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
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
        below it. The `spacing` "uniform" spaces them evenly, "quadratic" crowds them near 0;
        "leading", "trailing" and "linspace" are the levels of the library diffusers, "diffpir"
        those of DiffPIR's program.

        Raises ValueError for another spacing and for steps that are not a whole number from 1
        to T. Eq. (levels), book/prior/sampling.
        """
        steps = self.T if steps is None else steps
        if not isinstance(steps, int) or not 1 <= steps <= self.T:
            raise ValueError(
                f"steps must be a whole number between 1 and {self.T}, got {steps}"
            )
        if spacing not in SPACINGS:
            raise ValueError(f"spacing must be one of {', '.join(SPACINGS)}, got {spacing!r}")
        rising = SPACINGS[spacing](np.arange(steps), steps, self.T)
        levels = [*reversed([max(i, int(level)) for i, level in enumerate(rising, 1)]), 0]
        if start is None:
            return levels
        return [start, *(level for level in levels if level < start)]


# The `steps` levels above 0, rising: of i = 0, ..., steps - 1, the number of steps and T.
SPACINGS = {
    "uniform": lambda i, n, T: np.rint(T * ((i + 1) / n)),
    "quadratic": lambda i, n, T: np.rint(T * ((i + 1) / n) ** 2),
    "leading": lambda i, n, T: 1 + i * (T // n),
    "trailing": lambda i, n, T: np.rint(T - (T / n) * i[::-1]),
    "linspace": lambda i, n, T: 1 + np.rint(np.linspace(0, T - 1, n) if n > 1 else [T - 1]),
    "diffpir": lambda i, n, T: (
        T - np.minimum(np.floor(T * np.sqrt(i[::-1] / max(n - 1, 1))), T - 1)
    ),
}
