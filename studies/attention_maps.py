"""How well maps of attention find damage, from the paper's way to ours: for `studies.attention`."""

from dataclasses import asdict, replace
from typing import NamedTuple

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior
from fuzzydiff_lite.metrics import auroc, average_precision
from fuzzydiff_lite.restore.attention import PAPER, Settings, attention, residuals, squared
from fuzzydiff_lite.restore.statistics import Statistics
from studies.attention_faces import KINDS, damaged, good
from studies.common import kept_in_parts

OWN = Settings()
DEPTHS = OWN.depths
MADE = {  # how many good faces the statistics are made of, and how
    "colour": (256, OWN),
    "mono": (256, OWN),
    "paper": (128, PAPER),
    "call": (128, replace(PAPER, steps=1)),
    "one": (256, Settings(draws=1)),
    "shared": (256, Settings(shared=True)),
}
METHODS = [  # what is said of it, the residuals, the depths, blur
    ("paper", "paper", PAPER.depths, None),
    ("paper, one call a depth", "call", PAPER.depths, None),
    ("paper, lightness and colour", "paper", PAPER.depths, 1.0),
    ("guess, one draw, channels", "one", DEPTHS, None),
    ("guess, channels", "colour", DEPTHS, None),
    ("guess, lightness and colour, no blur", "colour", DEPTHS, 0.0),
    ("guess, lightness and colour, one draw", "one", DEPTHS, 1.0),
    ("guess, lightness and colour, one noise for all depths", "shared", DEPTHS, 1.0),
    ("guess, lightness and colour", "colour", DEPTHS, 1.0),
    *((f"paper, depth {depth}", "paper", (depth,), None) for depth in PAPER.depths),
    *((f"guess, depth {depth}", "colour", (depth,), 1.0) for depth in DEPTHS),
]
BATCH = 64


class Damaged(NamedTuple):
    """All damage to n faces: pictures `y` (7, n, 3, H, W), `truth` (7, n, 1, H, W), `r`, the
    residuals (7, n, depths, 3, H, W).
    """

    y: Tensor
    truth: Tensor
    r: Tensor


def taken(
    name: str, prior: Prior, x: Tensor, settings: Settings = OWN, seed: int = 0
) -> Tensor:
    """The residuals of pictures, in batches that are kept one by one."""

    def part(first: int, last: int) -> Tensor:
        return residuals(prior, x[first:last], settings, Noise(seed, first)).half()

    decisive = {"tone": prior.tone, "settings": asdict(settings), "seed": seed}
    return kept_in_parts("attention", name, part, len(x), BATCH, **decisive).float()


def summary(r: Tensor, x: Tensor, prior: Prior, settings: Settings) -> Statistics:
    """What `fit` makes of faces x with the residuals r."""
    e = squared(r, settings.blur).double()
    mean, deviation = e.mean(0).float(), e.std(0, correction=0).float()
    made = settings, prior.tone, prior.weights, len(r)
    return Statistics(mean, deviation, x.mean(0), *made)


def usual(priors: dict[str, Prior]) -> tuple[dict[str, Tensor], dict[str, Statistics]]:
    """Residuals of good faces, and the statistics made of them, in each way.

    Seed 1: no face is judged with a good one's noise.
    """
    r, statistics = {}, {}
    for name, (count, settings) in MADE.items():
        prior = priors["mono" if name == "mono" else "colour"]
        x = good(prior.tone, count)
        r[name] = taken(f"good-{name}", prior, x, settings, 1)
        statistics[name] = summary(r[name], x, prior, settings)
    return r, statistics


def hurt(name: str, prior: Prior, x: Tensor) -> Damaged:
    """All damage to the faces x."""
    y, truth = damaged(x)
    r = taken(f"damaged-{name}", prior, y.flatten(0, 1))
    return Damaged(y, truth, r.unflatten(0, y.shape[:2]))


def pooled(r: Tensor, s: Statistics) -> Tensor:
    """One attention a pixel, of residuals: the highest, or of the paper's colours the mean."""
    A = attention(s.scores(squared(r, s.settings.blur)))
    # Of the paper's three colours the mean does better.
    return A.mean(1, keepdim=True) if s.settings.blur is None else A.amax(1, keepdim=True)


def judged(r: Tensor, s: Statistics, truth: Tensor) -> dict[str, dict[str, float]]:
    """How well maps of attention find the damage, kind by kind.

    From the residuals r of (7 kinds, n) pictures, and where the damage is.
    """
    A = pooled(r.flatten(0, 1), s).unflatten(0, truth.shape[:2])
    return {
        kind: {
            "auroc": auroc(a, t),
            "ap": average_precision(a, t),
            "inside": a[t > 0].mean().item(),
            "outside": a[t == 0].mean().item(),
        }
        for kind, a, t in zip(KINDS, A, truth, strict=True)
    }


def methods(prior: Prior, hurts: list[Damaged], good: dict[str, Tensor]) -> list[dict]:
    """From the paper's way to ours, and depth by depth, on a third of the faces in colour.

    `good` has the residuals of good faces, see `usual`.
    """
    thirds = [[part[:, ::3] for part in hurt] for hurt in hurts]
    y, truth, own = (torch.cat(both, 1) for both in zip(*thirds))
    made = {"colour": own}
    for name in ("paper", "call", "one", "shared"):
        r = taken(f"both-{name}", prior, y.flatten(0, 1), MADE[name][1])
        made[name] = r.unflatten(0, y.shape[:2])
    rows = []
    for name, source, depths, blur in METHODS:
        settings = MADE[source][1]
        chosen = [settings.depths.index(depth) for depth in depths]
        r = good[source][:, chosen]
        s = summary(r, r, prior, replace(settings, depths=depths, blur=blur))
        levels = prior.schedule.levels(settings.steps)
        calls = settings.draws * sum(level < depth for depth in depths for level in levels)
        kinds = judged(made[source][:, :, chosen], s, truth)
        rows.append({"name": name, "calls": calls, "kinds": kinds})
    return rows
