"""Restore damage whose extent is known by a map: `book/data/unified.json`.

Four kinds of damage on ten held-out faces. Each way to use the map gets three settings. About
26 000 network calls on single faces. The scores of a run are kept in `runs/unified` when it is
done, so that an interrupted measurement goes on where it stopped.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, load_prior, run
from fuzzydiff_lite.data import london
from fuzzydiff_lite.metrics import psnr
from fuzzydiff_lite.operators import AveragePool, Denoise, Gray, measure, whiten
from fuzzydiff_lite.samplers.rules import fuzzy_rule, share_kept, spectral_rule
from fuzzydiff_lite.samplers.unified import Rule, unified
from studies.common import DATA, kept, write

FILE = DATA / "unified.json"
SIGMA, STEPS = 0.02, 40
TIMES = (1, 5, 25)  # how much larger the errors are taken to be than the map says
BEYOND = (0.05, 0.25, 1)  # doubts where a binary map cuts, noises taken for everywhere
WEIGHTS = (0.1, 0.3, 1)  # m of what is not doubted at all, fusion by fusion


class Damaged(NamedTuple):
    """Pictures A† y, the basis of the measurement, and for its coefficients the deviation of
    the known noise and the doubt, a deviation too; both infinite where nothing was measured.
    `area` is where the damage is.
    """

    given: Tensor
    basis: object
    std: Tensor
    doubt: Tensor
    area: Tensor


def blob(row: float, column: float, radius: float, soft: float) -> Tensor:
    """A disc with a soft rim, (1, 1, 64, 64) in [0, 1]."""
    i = torch.arange(64.0)
    far = ((i[:, None] - row) ** 2 + (i - column) ** 2).sqrt()
    return torch.sigmoid((radius - far) / soft)[None, None]


def measured(A, y: Tensor, doubt: Tensor, area: Tensor) -> Damaged:
    """For doubts about the numbers of y: in the basis of the measurements themselves."""
    known = torch.full_like(y[:1], SIGMA)
    B, y, sigma = whiten(A, y, known)
    d = B.std(sigma, B.V_adjoint(torch.zeros(1, 3, 64, 64)))
    strength = SIGMA / d  # 0 where nothing was measured
    c = B.U_adjoint(doubt.expand_as(known))
    return Damaged(B.pinv(y), B, d, torch.where(d.isinf(), torch.inf, c / strength), area)


def damage(x: Tensor) -> dict[str, Damaged]:
    """Faces x (B, 3, 64, 64), damaged in four ways: first by noise, then by what is none."""
    half, whole, noise = AveragePool(2), Denoise(), Noise(1)
    # From 0.02 at the left to 1 at the right.
    grain = 0.02 * 50 ** torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    grainy = half(x) + grain * noise.like(half(x)) + SIGMA * noise.like(half(x))
    stain = blob(40, 22, 13, 3)
    brown = torch.tensor([0.1, -0.3, -0.6])[:, None, None]
    stained = measure(half, (1 - stain) * x + stain * brown, SIGMA, noise)
    hole = blob(30, 36, 11, 2)
    holed = measure(whole, (1 - hole) * x - hole, SIGMA, noise)
    tint = blob(36, 40, 16, 4)
    shift = torch.tensor([-0.3, 0.4, -0.1])[:, None, None]
    tinted = measure(whole, x + tint * shift, SIGMA, noise)
    everywhere = torch.full((1, 3, 64, 64), SIGMA)
    right = (torch.arange(64) >= 32).float().expand(1, 1, 64, 64)
    colours = torch.cat([torch.zeros(1, 1, 64, 64), 0.4 * tint.expand(1, 2, 64, 64)], 1)
    return {
        "grain": measured(half, grainy, grain, right),
        "stain": measured(half, stained, fading(half(stain.expand(1, 3, 64, 64))), stain),
        "soft hole": measured(whole, holed, fading(hole), hole),
        "wrong colours": Damaged(tinted, Gray(), everywhere, colours, tint),
    }


def fading(share: Tensor) -> Tensor:
    """The doubt about what a stain of this opacity covers: infinite where it is opaque."""
    return share / (1 - share).clamp(min=1e-3)


def ways(d: Damaged) -> dict[str, Rule]:
    """Every way to use the map of doubts, with its settings, as a rule."""
    maps = {k: (d.std**2 + (k * d.doubt) ** 2).sqrt() for k in TIMES}
    weight = share_kept(torch.where(d.std.isinf(), torch.inf, d.doubt), 0.25**2)
    cuts = {c: torch.where(d.doubt > c, torch.inf, d.std) for c in BEYOND}
    shares = {k: share_kept(spread, 1.0) for k, spread in maps.items()}
    return (
        {"trust all": spectral_rule(d.std)}
        | {f"one noise, {c}": spectral_rule((d.std**2 + c**2).sqrt()) for c in BEYOND}
        | {f"cut, {c}": spectral_rule(spread) for c, spread in cuts.items()}
        | {f"fuzzy, {m}": fuzzy_rule(m * weight) for m in WEIGHTS}
        | {f"mapped DDRM, {k}": spectral_rule(spread) for k, spread in maps.items()}
        | {f"mapped fuzzy, {k}": fuzzy_rule(share, variance=1.0) for k, share in shares.items()}
    )


def runs(prior, x: Tensor) -> Iterator[tuple[str, str, Damaged, Iterator]]:
    """All runs: the damage, the way, what was given, the sampler."""
    for title, damaged in damage(x).items():
        for way, rule in ways(damaged).items():
            sampler = unified(
                prior, damaged.given, rule, walk=STEPS, basis=damaged.basis, noise=Noise(0)
            )
            yield title, way, damaged, sampler


def scores(x: Tensor, sampler: Iterator, area: Tensor) -> list[float]:
    """PSNR of what the sampler makes of faces x: of all pixels, and of those damaged."""
    z = run(sampler).float().clamp(-1, 1).cpu()
    return [psnr(z, x).mean().item(), psnr(z, x, (area > 0.05).float()).mean().item()]


def main() -> None:
    """All kinds of damage in all ways."""
    prior, x = load_prior(dtype=torch.bfloat16), london(20)[::2]
    facts, table = {"steps": STEPS, "faces": len(x)}, {}
    for title, way, damaged, sampler in runs(prior, x):
        of = x, sampler, damaged.area
        row = kept("unified", f"{title}, {way}", scores, *of, sigma=SIGMA, **facts)
        table.setdefault(title, {})[way] = row
    write(FILE, "unified", facts | {"scores": table})


if __name__ == "__main__":
    main()
