"""The command line: `fuzzydiff sample`, `restore`, `correct`, `attention fit` and `train`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..data.faces64 import faces64_folder
from ..data.pictures import sheet, to_image
from ..networks.weights import load_prior
from ..noise import Noise, Shared
from ..priors import classifier_free
from ..priors.prior import Prior
from ..restore import blind
from ..restore.files import beside, check_not_lost, check_output, faces, in_folder, read, stack
from ..restore.likeness import LEAST_LIKENESS, likeness
from ..restore.statistics import Statistics, load_statistics
from ..restore.statistics import fit as fit_statistics
from ..restore.tasks import TASKS, Measurement, calls, restorer, settings
from ..samplers import ddim, ddpm, run
from ..training.prior import Recipe, train
from ..walk import Walk
from .options import parser

BATCH = 16  # pictures restored together from a folder


def main(argv: list[str] | None = None) -> int:
    """Run one command and return 0, or 2 after one line on stderr that says what was wrong."""
    try:
        options = parser(COMMANDS).parse_args(argv)
        options.command(options)
    except (ValueError, OSError) as error:
        line = (str(error).splitlines() or [repr(error)])[0]
        print(f"fuzzydiff: error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fuzzydiff: stopped", file=sys.stderr)
        return 130
    return 0


def sample(options: argparse.Namespace) -> None:
    """Draw pictures from the prior onto one sheet."""
    if options.eta is not None and options.method != "ddim":
        raise ValueError("--eta belongs to --method ddim")
    check_output(options.output)
    prior, noise, calls = load(options), Noise(options.seed), options.steps
    if options.guidance != 1:
        prior, calls = classifier_free(prior, options.tone, options.guidance), 2 * calls
    if options.method == "ddim":
        draw = ddim(prior, options.n, walk=options.steps, eta=options.eta or 0.0, noise=noise)
    else:
        draw = ddpm(prior, options.n, walk=options.steps, noise=noise)
    say(options, f"{options.n} pictures, {calls} network calls each")
    pictures = run(draw, progress=not options.quiet)
    sheet(pictures).save(options.output)
    say(options, f"wrote {options.output}")


def restore(options: argparse.Namespace) -> None:
    """Restore one picture file, or every picture in a folder."""
    method = options.method or next(iter(TASKS[options.task]))
    values = settings(options.task, method, **told(options) | dict(options.set))
    jobs = jobs_of(options, [options.mask])
    prior = load(options)
    batch = 1 if options.task == "jpeg" else BATCH  # every JPEG file may have tables of its own
    act = partial(restore_batch, options, prior, method, values)
    in_batches(jobs, options, partial(read_damaged, options, prior), act, batch)


def correct(options: argparse.Namespace) -> None:
    """Find and replace what is unexpected in a face, in a picture file or a folder of them."""
    walk = replace(blind.WALK, **told(options))
    jobs = jobs_of(options, [options.statistics], ["map"])
    prior, file = load(options), options.statistics
    if file:
        statistics = Statistics.load(file).check(prior)
    else:
        statistics = load_statistics(prior)
    act = partial(correct_batch, options, prior, statistics, walk)
    in_batches(jobs, options, partial(read_face, options, statistics), act)


def told(options: argparse.Namespace) -> dict[str, int]:
    """What the options say of the walk; what they leave out is the method's own."""
    values = {"steps": options.steps, "repeats": options.repeats}
    return {name: value for name, value in values.items() if value is not None}


def jobs_of(
    options: argparse.Namespace, inputs: list, further: list[str] | None = None
) -> dict[Path, Path]:
    """The pictures to work on and where each result goes, checked to write over no input.

    `inputs` are the other files that are read, where there are any; `further` names what is
    written beside a result.
    """
    source, out = Path(options.input), options.output
    if source.is_dir():
        if out.exists() and not out.is_dir():
            raise ValueError(f"not a folder: {out}")
        jobs = in_folder(source, out)
        out.mkdir(exist_ok=True)
    else:
        check_output(out)
        jobs = {source: out}
    names = [*(further or []), *["preview"] * options.preview]
    others = [beside(target, name) for target in jobs.values() for name in names]
    check_not_lost([*jobs, *filter(None, inputs)], [*jobs.values(), *others])
    return jobs


def in_batches(
    jobs: dict[Path, Path],
    options: argparse.Namespace,
    read: Callable[[Path], Measurement],
    act: Callable[[dict[Path, Measurement]], None],
    batch: int = BATCH,
) -> None:
    """Read the pictures whose results are not there yet, and act on `batch` of them together.

    What cannot be read is an error, in a folder only at the end: it is reported and skipped.
    """
    folder = Path(options.input).is_dir()
    waiting = [job for job in jobs.items() if not (folder and job[1].exists())]
    if len(waiting) < len(jobs):
        say(options, f"{len(jobs) - len(waiting)} of {len(jobs)} pictures are done already")
    failed = 0
    for first in range(0, len(waiting), batch):
        parts = {}
        for path, target in waiting[first : first + batch]:
            try:
                parts[target] = read(path)
            except ValueError as error:
                if not folder:
                    raise
                failed += 1
                print(f"fuzzydiff: skipped {path}: {error}", file=sys.stderr)
        if parts:
            act(parts)
    if failed:
        raise ValueError(f"{failed} of {len(jobs)} files could not be restored, see above")


def read_damaged(options: argparse.Namespace, prior: Prior, path: Path) -> Measurement:
    """The damaged picture in a file; `--mask` may be a folder with a mask of the same name."""
    mask = options.mask
    if mask and Path(mask).is_dir():
        found = (m for m in sorted(Path(mask).iterdir()) if m.stem == path.stem)
        mask = next(found, Path(mask) / path.name)
    how = options.blur, options.sigma, options.box, prior.shape[-1]
    given = read(path, options.task, mask, options.m, *how)
    if given.m is not None and (given.m == 1).all():
        raise ValueError(
            "m is 1 everywhere, so nothing would change: give a --mask or an --m below 1"
        )
    return given


def read_face(options: argparse.Namespace, statistics: Statistics, path: Path) -> Measurement:
    """The picture in a file.

    Raises ValueError, unless told `--anyway`, where it does not look like an aligned face.
    """
    given = read(path, box=options.box, size=statistics.face.shape[-1])
    alike = likeness(given.picture, statistics).item()
    if alike < LEAST_LIKENESS and not options.anyway:
        raise ValueError(
            f"{path} is no aligned face: its likeness is {alike:.2f}, that of a face at "
            f"least {LEAST_LIKENESS}; move the square, see --box, or take it --anyway"
        )
    return given


def restore_batch(
    options, prior: Prior, method: str, values: dict, parts: dict[Path, Measurement]
) -> None:
    """Restore pictures together, each as it would be alone but for rounding, and write them."""
    given = stack(list(parts.values()))
    mean = "" if given.m is None else f"; mean of m {given.m.mean():.2f}"
    count = calls(prior.schedule, **values)
    say(options, f"{method}: {count} network calls for {len(parts)} picture(s){mean}")
    draw = restorer(prior, given, method, Shared(options.seed), **values)
    write(options, parts, run(draw, progress=not options.quiet), given.m)


def correct_batch(
    options,
    prior: Prior,
    statistics: Statistics,
    walk: Walk,
    parts: dict[Path, Measurement],
) -> None:
    """Correct pictures together, each as alone but for rounding; write them and their maps."""
    pictures = stack(list(parts.values())).picture
    made = blind.correct(prior, pictures, statistics, walk=walk, noise=Shared(options.seed))
    for target, m in zip(parts, made.m.cpu()):
        place = beside(target, "map")
        to_image(m.expand(3, -1, -1) * 2 - 1).save(place)
        say(options, f"wrote {place}: {1 - m.mean():.1%} of the picture is hallucinated")
    write(options, parts, made.picture, made.m)


def write(
    options: argparse.Namespace,
    parts: dict[Path, Measurement],
    restored: Tensor,
    m: Tensor | None,
) -> None:
    """Write restored pictures and, where the options ask for it, their previews."""
    for i, (target, part) in enumerate(parts.items()):
        if options.preview:
            maps = [] if m is None else [m[i : i + 1].cpu().expand_as(part.picture) * 2 - 1]
            shown = [part.picture, *maps, restored[i : i + 1].cpu()]
            place = beside(target, "preview")
            sheet(torch.cat(shown), columns=len(shown), scale=4).save(place)
            say(options, f"wrote {place}: before{', map m' * len(maps)}, after")
        to_image(restored[i]).save(target)  # last: what is there is complete
        say(options, f"wrote {target}")


def fit(options: argparse.Namespace) -> None:
    """Make the statistics of a prior's projections on faces without damage."""
    check_output(options.output, ".safetensors")
    prior = load(options)
    pictures = faces(options.folder or faces64_folder(), options.tone, prior.shape[-1])
    say(options, f"{len(pictures)} faces")
    statistics = fit_statistics(prior, pictures.split(BATCH), noise=Noise(options.seed))
    statistics.save(options.output)
    say(options, f"wrote {options.output}")


def start_training(options: argparse.Namespace) -> None:
    """Train the prior, or go on training it."""
    print(f"training pictures from {faces64_folder()}")  # before anything is written
    recipe = Recipe(
        images=options.images, batch=options.batch, rate=options.rate, seed=options.seed
    )
    train(options.folder, recipe, options.start, options.minutes)
    print(f"wrote {options.folder / 'average.safetensors'}")


def load(options: argparse.Namespace) -> Prior:
    """The prior that the options name. Raises ValueError for a device that is not there."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no CUDA device here")
    return load_prior(options.weights, options.tone, options.device)


def say(options: argparse.Namespace, line: str) -> None:
    """Print a line unless the user wants quiet."""
    if not options.quiet:
        print(line, flush=True)


COMMANDS = {
    "sample": sample,
    "restore": restore,
    "correct": correct,
    "fit": fit,
    "train": start_training,
}
