"""Run a course report's tests of ILVR: `data/report.json` and `images/report.webp` in `book`.

The report, of two students at IIT Bombay, restores faces blindly, with a known mask, and to
twice the size. Its `range_t` counts steps from the bottom of the walk, and its code conditions
the steps whose number is above it. About 46 000 network calls on single faces, in bfloat16.
Each part is kept in `runs/report` when it is done, so that an interrupted run goes on where it
stopped.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from fuzzydiff_lite import Noise, Prior, Walk, load_prior, masks, run
from fuzzydiff_lite.data import london, sheet
from fuzzydiff_lite.metrics import psnr, ssim
from fuzzydiff_lite.networks import SHA256
from fuzzydiff_lite.operators import Bicubic, Inpaint
from fuzzydiff_lite.samplers import Step, ilvr, sdedit
from studies.tasks import biharmonic

ROOT = Path(__file__).parents[1]
FILE = ROOT / "book" / "data" / "report.json"
PICTURES = ROOT / "book" / "images" / "report.webp"
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
        return sdedit(
            prior, y, walk=Walk(steps, start=prior.schedule.T), noise=Noise(0)
        )  # nothing of y is left
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
    ways = {
        "masked bicubic": ilvr(prior, bicubic, known, walk=STEPS, until=level, noise=Noise(0)),
        "masked spaced": ilvr(prior, spaced, known, walk=STEPS, until=level, noise=Noise(0)),
        "reference, N = 1": sdedit(
            prior, bicubic, walk=Walk(1000, start=level), noise=Noise(0)
        ),
        "reference, N = 2": ilvr(
            prior, bicubic, low_pass(2), walk=STEPS, until=level, noise=Noise(0)
        ),
    }
    for k in range(SAMPLES):
        ways[f"exact {k}"] = ilvr(
            prior, fitting, LOWER.project, walk=50, until=0, noise=Noise(k)
        )
    return ways


def kept(name: str, sampler: Iterator[Step]) -> Tensor:
    """What the sampler ends with, from `runs/report` where a run with these weights left it."""
    file = ROOT / "runs" / "report" / f"{SHA256['faces64'][:16]}-{name.replace(' ', '-')}.pt"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(run(sampler).cpu(), file.with_suffix(".new"))
        file.with_suffix(".new").rename(file)
        print(name, flush=True)
    return torch.load(file)


def main() -> None:
    """All tests: the blind ones on four faces, the first of them and all others on twenty."""
    prior, faces = load_prior(dtype=torch.bfloat16), london(20)
    small, large = (masks.box(64, side) for side in HOLES.values())
    black = masks.apply(faces, small, -1.0)
    rows, true, given = {"true": faces, "black": black}, faces[SHOWN], black[SHOWN]

    tests = []
    for number, setting in enumerate(BLIND, 1):
        x = rows[f"test {number}"] = kept(f"blind {number}", blind(prior, given, *setting))
        left = ((1 - small) * (x - true)).sum() / ((1 - small) * (given - true)).sum()
        changed = (small * (x - true)).square().mean().div(small.mean()).sqrt()
        test = dict(zip(("steps", "range", "N"), setting), until=until(prior, *setting[:2]))
        tests.append(test | {"box_left": left.item(), "changed": changed.item()})
    x = kept("blind all", blind(prior, black, *BLIND[0]))
    pasted = small * faces + (1 - small) * x
    blind_ssim = {"report": ssim(pasted, faces), "black": ssim(black, faces)}

    known, level = {}, until(prior, 1000, 100)
    for name, mask in [("small", small), ("large", large)]:
        gone = masks.apply(faces, mask)
        sampler = ilvr(
            prior, gone, Inpaint(mask).project, walk=STEPS, until=level, noise=Noise(0)
        )
        x = kept(f"known {name}", sampler)
        ways = {
            "given": gone,
            "report": x,
            "pasted": mask * faces + (1 - mask) * x,
            "biharmonic": biharmonic(gone, mask),
        }
        known[name] = {}
        for way, z in ways.items():
            whole, hole = ssim(z, faces), ssim(z, faces, 1 - mask)
            known[name][way] = {"ssim": whole.mean().item(), "hole": hole.mean().item()}
            rows[f"{name} {way}"] = z

    lower = LOWER(faces)
    bicubic, rows["spaced"] = doubled(lower)
    ways = {name: kept(name, sampler) for name, sampler in doubling(prior, lower).items()}
    samples = torch.stack([ways.pop(f"exact {k}") for k in range(SAMPLES)])
    ways = {"bicubic": bicubic} | ways | {"exact": samples[0], "mean": samples.mean(0)}
    rows |= ways
    double = {
        name: {
            "psnr": psnr(x, faces).mean().item(),
            "ssim": ssim(x, faces).mean().item(),
            "misfit": (LOWER(x) - lower).square().mean().sqrt().item(),
        }
        for name, x in ways.items()
    }

    result = {
        "weights_sha256": SHA256["faces64"],
        "command": "python -m studies.report",
        "shown": SHOWN,
        "holes": HOLES,
        "steps": STEPS,
        "samples": SAMPLES,
        "blind": tests,
        "blind_ssim": {name: values.mean().item() for name, values in blind_ssim.items()},
        "known": known,
        "double": double,
        "rows": list(rows),
    }
    FILE.write_text(json.dumps(result, indent=1) + "\n")
    tiles = torch.cat([x if len(x) == len(SHOWN) else x[SHOWN] for x in rows.values()])
    picture = sheet(tiles, columns=len(SHOWN))
    picture.save(PICTURES, quality=95, method=6, xmp=SHA256["faces64"].encode())


if __name__ == "__main__":
    main()
