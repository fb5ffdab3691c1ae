"""What is made of damaged faces with the map found, the true one, or none: `studies.attention`."""

from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, Walk, run
from fuzzydiff_lite.metrics import psnr, ssim
from fuzzydiff_lite.restore.blind import correct
from fuzzydiff_lite.restore.statistics import Statistics
from fuzzydiff_lite.samplers import fuzzy, sdedit
from studies.attention_faces import KINDS
from studies.common import kept_in_parts

BATCH = 28


def ways(prior: Prior, s: Statistics, y: Tensor, m: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Damaged faces y mended in each way, where m is the true map, and the map that is found."""

    def way(name: str, mend: Callable[[Tensor, Tensor, Noise], Tensor], m: Tensor) -> Tensor:
        def part(first: int, last: int) -> Tensor:
            return mend(y[first:last], m[first:last], Noise(0, first)).half()

        decisive = {"settings": asdict(s.settings)}
        return kept_in_parts("attention", name, part, len(y), BATCH, **decisive).float()

    def found(y: Tensor, m: Tensor, noise: Noise) -> Tensor:
        return torch.cat(correct(prior, y, s, noise=noise), 1)

    def fused(y: Tensor, m: Tensor, noise: Noise) -> Tensor:
        return run(fuzzy(prior, y, m, walk=Walk(25, repeats=3), noise=noise))

    def renewed(y: Tensor, m: Tensor, noise: Noise) -> Tensor:
        return run(sdedit(prior, y, walk=Walk(50, start=400), noise=noise))

    both = way("found", found, m)
    trust = both[:, 3:4]
    return {
        "given": y,
        "found": both[:, :3],
        "found, per fusion": way("fusion", fused, trust),
        "true": way("true", fused, m),
        "sdedit": way("sdedit", renewed, m),
    }, trust


def scores(z: Tensor, true: Tensor, m: Tensor) -> dict[str, dict[str, float]]:
    """How near pictures z are to the true faces, kind by kind; m is 0 where the damage was."""
    rows = {}
    for kind, of in zip(KINDS, torch.arange(len(z)).chunk(len(KINDS))):
        a, b, trust = z[of], true[of], m[of]
        changed = (trust * (a - b)).square().sum().div(3 * trust.sum()).sqrt()
        rows[kind] = {
            "damaged": psnr(a, b, 1 - trust).mean().item(),  # in dB, where the damage was
            "changed": changed.item(),  # elsewhere
            "psnr": psnr(a, b).mean().item(),
            "ssim": ssim(a, b).mean().item(),
        }
    return rows
