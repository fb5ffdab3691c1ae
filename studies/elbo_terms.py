"""What a prior pays for faces, level by level, and added up to the bound: for `studies.elbo`."""

import numpy as np
import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior
from fuzzydiff_lite.metrics.elbo import step_term, top_term
from fuzzydiff_lite.steps import noise_to

TABLE = [10, 50, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900, 950]
LEVELS = sorted({round(10 ** (3 * i / 33)) for i in range(34)} | {2, 3} | set(TABLE))
VARIANCES = ("beta-tilde", "beta")

# Noise error and terms in bits per dimension by name, each (levels, B); L_T as "top", (B,).
Rows = dict[str, Tensor]


def measure(prior: Prior, faces: Tensor, levels: list[int], first: int = 0) -> Rows:
    """Everything about the faces at each level.

    The noise is that of the level and of the face, the first of which has the stream `first`.
    """
    rows, alpha_bar = {"eps_mse": [], "beta-tilde": [], "beta": []}, prior.schedule.alpha_bar
    for t in levels:
        x = noise_to(faces, Noise(t, first).like(faces), alpha_bar[t])
        guess = torch.cat([prior.x0(part.to(prior.device), t).cpu() for part in x.split(32)])
        rows["eps_mse"].append((guess - faces).square().mean((1, 2, 3)) * prior.schedule.snr[t])
        guess = guess.clamp(-1, 1)
        for variance in VARIANCES:
            term = step_term(faces, x, guess, alpha_bar[t], alpha_bar[t - 1], variance)
            rows[variance].append(term)
    stacked = {name: torch.stack(values) for name, values in rows.items()}
    return stacked | {"top": top_term(faces, alpha_bar[-1])}


def chain(levels: list[int], rows: Tensor) -> Tensor:
    """The sum of L_{t-1} over t = 2..T, (B,), from rows (len(levels), B) from level 1 on."""
    logs, every = np.log(levels[1:]), np.log(np.arange(2, levels[-1] + 1))
    sums = [np.exp(np.interp(every, logs, np.log(face))).sum() for face in rows[1:].T.numpy()]
    return torch.tensor(sums)


def bound(rows: Rows, variance: str) -> Tensor:
    """The negative bound of each face, from rows at LEVELS, (B,)."""
    return rows["top"] + chain(LEVELS, rows[variance]) + rows[variance][0]


def summary(rows: Rows) -> dict:
    """Means over the faces, by level and added up, and the whole bound's standard error."""
    result = {"eps_mse": rows["eps_mse"].mean(1).tolist(), "top": rows["top"].mean().item()}
    for variance in VARIANCES:
        whole = bound(rows, variance)
        result[variance] = {
            "terms": rows[variance].mean(1).tolist(),
            "steps": chain(LEVELS, rows[variance]).mean().item(),
            "decoder": rows[variance][0].mean().item(),
            "bound": whole.mean().item(),
            "standard_error": standard_error(whole),
        }
    return result


def standard_error(values: Tensor) -> float:
    """Of the mean of the values, (n,)."""
    return (values.std() / len(values) ** 0.5).item()


def interpolation_error(prior: Prior, faces: Tensor) -> float:
    """Relative error of `chain` against the sum over every level."""
    every = list(range(1, prior.schedule.T + 1))
    rows = measure(prior, faces, every)["beta-tilde"]
    some = rows[torch.tensor(LEVELS) - 1]
    return (chain(LEVELS, some).mean() / rows[1:].sum(0).mean() - 1).item()
