"""Run a course report's tests of ILVR: `data/report.json` and `images/report.webp` in `book`.

The report, of two students at IIT Bombay, restores faces blindly, with a known mask, and to
twice the size. Its `range_t` counts steps from the bottom of the walk, and its code conditions
the steps whose number is above it. About 46 000 network calls on single faces, in bfloat16.
Each part is kept in `runs/report` when it is done, so that an interrupted run goes on where it
stopped.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from fuzzydiff_lite import Noise, Prior, Walk, load_prior, masks, run
from fuzzydiff_lite.data import london
from fuzzydiff_lite.metrics import psnr, ssim
from fuzzydiff_lite.operators import Bicubic, Inpaint
from fuzzydiff_lite.samplers import Step, ilvr, sdedit
from studies import common
from studies.tasks import biharmonic

FILE, PICTURES = common.DATA / "report.json", common.IMAGES / "report.webp"
SHOWN = [0, 5, 10, 15]  # which of the London faces the figures have
BLIND = [(1000, 100, 1), (1000, 60, 1), (1000, 60, 2), (1000, 60, 16)]  # steps, range, N
BLIND += [(110, 60, 1), (100, 100, 1)]
HOLES = {"small": 12, "large": 32}  # pixels; the report's black box is 200 of 1024 wide
STEPS = 250  # of the tables of twenty faces, for which the report's 1000 are too slow
SAMPLES = 8  # with the exact operator, of 50 steps each, which the report did not have
LOWER = Bicubic(2)


def low_pass(N: int) -> Callable[[Tensor], Tensor]:
    """The filter of ILVR's paper: bicubic down by `N` and bicubic up again."""
    shrink = Bicubic(N)
    return lambda x: interpolate(shrink(x), scale_factor=N, mode="bicubic")


def until(prior: Prior, steps: int, range_t: int) -> int | None:
    """The lowest level that the report's setting conditions, None where it conditions none."""
    levels = prior.schedule.levels(steps)[::-1]
    return levels[range_t + 1] if range_t + 1 < steps else None


def blind(prior: Prior, y: Tensor, steps: int, range_t: int, N: int) -> Iterator[Step]:
    """One of the report's blind tests.

    Where N is 1, or nothing is conditioned, nothing of the walk above matters.
    """
    level = until(prior, steps, range_t)
    if level is None:
        level, N = prior.schedule.T, 1  # nothing of y is left
    if N == 1:
        return sdedit(prior, y, walk=Walk(steps, start=level), noise=Noise(0))
    return ilvr(prior, y, low_pass(N), walk=steps, until=level, noise=Noise(0))


def doubled(lower: Tensor) -> tuple[Tensor, Tensor]:
    """What the report makes of small pictures first: bicubic up, and pixels with gaps."""
    spaced = torch.zeros(*lower.shape[:2], 64, 64)
    spaced[..., ::2, ::2] = lower
    return interpolate(lower, scale_factor=2, mode="bicubic").clamp(-1, 1), spaced.clamp(-1, 1)


def doubling(prior: Prior, lower: Tensor) -> dict[str, Iterator[Step]]:
    """The report's ways to double small pictures, then samples with the exact operator."""
    (bicubic, spaced), level = doubled(lower), until(prior, 1000, 100)
    alternate = torch.zeros(1, 1, 64, 64)
    alternate[..., ::2, ::2] = 1
    known, fitting = Inpaint(alternate).project, LOWER.pinv(lower).clamp(-1, 1)
    how, every = {"walk": STEPS, "until": level}, Walk(1000, start=level)
    ways = {
        "masked bicubic": ilvr(prior, bicubic, known, **how, noise=Noise(0)),
        "masked spaced": ilvr(prior, spaced, known, **how, noise=Noise(0)),
        "reference, N = 1": sdedit(prior, bicubic, walk=every, noise=Noise(0)),
        "reference, N = 2": ilvr(prior, bicubic, low_pass(2), **how, noise=Noise(0)),
    }
    for k in range(SAMPLES):
        ways[f"exact {k}"] = ilvr(prior, fitting, LOWER.project, walk=50, noise=Noise(k))
    return ways


def kept(name: str, sampler: Iterator[Step], **decisive) -> Tensor:
    """What the sampler ends with, or what an earlier run has left of this part."""
    return common.kept("report", name, lambda: run(sampler).cpu(), **decisive)


def blind_tests(prior: Prior, faces: Tensor, y: Tensor, small: Tensor) -> tuple[list, dict]:
    """The report's blind tests of damaged faces y, as rows of the table and as pictures."""
    tests, pictures = [], {}
    for number, setting in enumerate(BLIND, 1):
        sampler = blind(prior, y, *setting)
        x = kept(f"blind {number}", sampler, setting=setting, shown=SHOWN, hole=HOLES["small"])
        left = ((1 - small) * (x - faces)).sum() / ((1 - small) * (y - faces)).sum()
        changed = (small * (x - faces)).square().mean().div(small.mean()).sqrt()
        test = dict(zip(("steps", "range", "N"), setting), until=until(prior, *setting[:2]))
        tests.append(test | {"box_left": left.item(), "changed": changed.item()})
        pictures[f"test {number}"] = x
    return tests, pictures


def blind_ssim(prior: Prior, faces: Tensor, y: Tensor, small: Tensor) -> dict[str, float]:
    """SSIM of the first blind test's results, pasted around the box, and of what was given."""
    sampler = blind(prior, y, *BLIND[0])
    x = kept("blind all", sampler, setting=BLIND[0], hole=HOLES["small"])
    pasted = small * faces + (1 - small) * x
    return {"report": ssim(pasted, faces).mean().item(), "black": ssim(y, faces).mean().item()}


def known_hole(prior: Prior, faces: Tensor, name: str, mask: Tensor) -> tuple[dict, dict]:
    """A hole whose mask is known: each way's SSIM, of all and in the hole, and pictures."""
    gone, how = masks.apply(faces, mask), {"walk": STEPS, "until": until(prior, 1000, 100)}
    sampler = ilvr(prior, gone, Inpaint(mask).project, **how, noise=Noise(0))
    x = kept(f"known {name}", sampler, steps=STEPS, hole=HOLES[name])
    ways = {"given": gone, "report": x, "pasted": mask * faces + (1 - mask) * x}
    ways["biharmonic"] = biharmonic(gone, mask)
    rows = {}
    for way, z in ways.items():
        whole, hole = ssim(z, faces), ssim(z, faces, 1 - mask)
        rows[way] = {"ssim": whole.mean().item(), "hole": hole.mean().item()}
    return rows, {f"{name} {way}": z for way, z in ways.items()}


def double_size(prior: Prior, faces: Tensor) -> tuple[dict, dict]:
    """Small pictures doubled in every way: the scores, and pictures."""
    lower = LOWER(faces)
    bicubic, spaced = doubled(lower)
    samplers = doubling(prior, lower)
    ways = {name: kept(name, sampler, steps=STEPS) for name, sampler in samplers.items()}
    samples = torch.stack([ways.pop(f"exact {k}") for k in range(SAMPLES)])
    ways = {"bicubic": bicubic} | ways | {"exact": samples[0], "mean": samples.mean(0)}
    rows = {
        name: {
            "psnr": psnr(x, faces).mean().item(),
            "ssim": ssim(x, faces).mean().item(),
            "misfit": (LOWER(x) - lower).square().mean().sqrt().item(),
        }
        for name, x in ways.items()
    }
    return rows, {"spaced": spaced} | ways


def main() -> None:
    """All tests: the blind ones on four faces, the first of them and all others on twenty."""
    prior, faces = load_prior(dtype=torch.bfloat16), london(20)
    holes = {name: masks.box(64, side) for name, side in HOLES.items()}
    black = masks.apply(faces, holes["small"], -1.0)
    tests, tested = blind_tests(prior, faces[SHOWN], black[SHOWN], holes["small"])
    rows, known = {"true": faces, "black": black} | tested, {}
    of_all = blind_ssim(prior, faces, black, holes["small"])
    for name, mask in holes.items():
        known[name], pictures = known_hole(prior, faces, name, mask)
        rows |= pictures
    double, pictures = double_size(prior, faces)
    rows |= pictures
    facts = {
        "shown": SHOWN,
        "holes": HOLES,
        "steps": STEPS,
        "samples": SAMPLES,
        "blind": tests,
        "blind_ssim": of_all,
        "known": known,
        "double": double,
        "rows": list(rows),
    }
    common.write(FILE, "report", facts)
    tiles = torch.cat([x if len(x) == len(SHOWN) else x[SHOWN] for x in rows.values()])
    common.save_sheet(PICTURES, tiles, len(SHOWN), quality=95)


if __name__ == "__main__":
    main()
