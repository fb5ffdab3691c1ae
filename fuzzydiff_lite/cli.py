"""The command line: `fuzzydiff sample`, `fuzzydiff restore`, `fuzzydiff train`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch

from . import masks
from .data import faces64_folder, to_image
from .files import check_not_lost, check_output, in_folder, preview_of, read, stack
from .noise import Noise, Shared
from .plots import sheet
from .prior import Prior
from .restore import TASKS, Given, calls, restorer, settings
from .samplers import classifier_free, ddim, ddpm, run
from .train import Recipe, train
from .unet import TONES
from .weights import load_prior

BATCH = 16  # pictures restored together from a folder

SAMPLE = """example: sixteen people who do not exist

  fuzzydiff sample --n 16 --seed 0 -o people.png

The same seed gives the same file. Picture i of a seed is the same whatever --n is."""

RESTORE = """examples: a face at (142, 20) to (312, 190) of a photo, with a scratch painted black in scratch.png; a folder of
small pictures, four times as large; a blurred one

  fuzzydiff restore photo.png --mask scratch.png --box 142 20 312 190 --preview -o restored.png
  fuzzydiff restore small/ --task x4 -o large/
  fuzzydiff restore photo.png --task deblur --blur motion:13:30 --sigma 0.02 --method diffpir --set lam=3 -o sharp.png

Tasks, and the methods for each, the first one unless told:
{tasks}
Nothing is degraded: x4 wants a small picture, jpeg a JPEG file of 64x64 pixels, deblur a blurred one and its kernel.
A folder is restored in batches, each picture as it would be alone; a result that is there already is kept, and a file
that is no picture is reported and skipped.

The mask is white where the picture is kept, black where it is hallucinated, grey in between. It has as many pixels
as the picture, or 64x64 for the cropped square. The map of trust is --m times the mask. Without --mask every pixel
has the trust --m. The face should fill the square, as in the example. A lossless OUT such as .png stores what is
trusted fully, shrunk to 64x64, without a change."""

TRAIN = """example: a small run that goes on where it was stopped

  fuzzydiff train --folder runs/mine --images 200000 --minutes 60
  fuzzydiff restore photo.png --m 0.6 --weights runs/mine/average.safetensors -o restored.png

The training pictures are faces64.zip and faces64.csv. They are looked for in the folder that the environment variable
FUZZYDIFF_FACES64 names, then in shared/faces64 in the current folder, then in shared/faces64 beside it."""


class Parser(argparse.ArgumentParser):
    """A parser that raises ValueError, so that every error ends in the one line that `main` prints."""

    def error(self, message):
        raise ValueError(message)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 2 after one line on stderr that says what was wrong."""
    try:
        options = parser().parse_args(argv)
        options.command(options)
    except (ValueError, OSError) as error:
        print(f"fuzzydiff: error: {(str(error).splitlines() or [repr(error)])[0]}", file=sys.stderr)
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
        draw = ddim(prior, options.n, options.steps, options.eta or 0.0, noise)
    else:
        draw = ddpm(prior, options.n, options.steps, noise)
    say(options, f"{options.n} pictures, {calls} network calls each")
    pictures = run(draw, progress=not options.quiet)
    sheet(pictures).save(options.output)
    say(options, f"wrote {options.output}")


def restore(options: argparse.Namespace) -> None:
    """Restore one picture file, or every picture in a folder."""
    source, out = Path(options.input), options.output
    method = options.method or TASKS[options.task][0]
    chosen = {"steps": options.steps, "repeats": options.repeats, **dict(options.set)}
    values = settings(options.task, method, **{name: value for name, value in chosen.items() if value is not None})
    if source.is_dir():
        if out.exists() and not out.is_dir():
            raise ValueError(f"not a folder: {out}")
        jobs = in_folder(source, out)
        out.mkdir(exist_ok=True)
    else:
        check_output(out)
        jobs = {source: out}
    written = [*jobs.values(), *(map(preview_of, jobs.values()) if options.preview else ())]
    check_not_lost([*jobs, *filter(None, [options.mask])], written)
    prior = load(options)
    left = {path: target for path, target in jobs.items() if not (source.is_dir() and target.exists())}
    if len(left) < len(jobs):
        say(options, f"{len(jobs) - len(left)} of {len(jobs)} pictures are done already")
    failed = 0
    batch = 1 if options.task == "jpeg" else BATCH  # every JPEG file may have tables of its own
    waiting = list(left.items())
    for first in range(0, len(waiting), batch):
        parts = {}
        for path, target in waiting[first : first + batch]:
            try:
                parts[target] = read_one(path, options, prior)
            except ValueError as error:
                if not source.is_dir():
                    raise
                failed += 1
                print(f"fuzzydiff: skipped {path}: {error}", file=sys.stderr)
        if parts:
            restore_batch(prior, parts, method, values, options)
    if failed:
        raise ValueError(f"{failed} of {len(jobs)} files could not be restored, see above")


def read_one(path: Path, options: argparse.Namespace, prior: Prior) -> Given:
    """The damaged picture in a file; `--mask` may be a folder with a mask of the same name."""
    mask = options.mask
    if mask and Path(mask).is_dir():
        mask = next((m for m in sorted(Path(mask).iterdir()) if m.stem == path.stem), Path(mask) / path.name)
    settings = options.blur, options.sigma, options.box, prior.shape[-1]
    given = read(path, options.task, mask, options.m, *settings)
    if given.m is not None and (given.m == 1).all():
        raise ValueError("every pixel is trusted fully, so nothing would change: give a --mask or an --m below 1")
    return given


def restore_batch(prior: Prior, parts: dict[Path, Given], method: str, values: dict, options) -> None:
    """Restore pictures together, each as it would be alone but for rounding, and write them."""
    given = stack(list(parts.values()))
    trust = "" if given.m is None else f"; mean trust in the picture {given.m.mean():.2f}"
    say(options, f"{method}: {calls(prior.schedule, **values)} network calls for {len(parts)} picture(s){trust}")
    draw = restorer(prior, given, method, Shared(options.seed), **values)
    restored = run(draw, progress=not options.quiet).cpu()
    for i, (target, part) in enumerate(parts.items()):
        to_image(restored[i]).save(target)
        say(options, f"wrote {target}")
        if options.preview:
            shown = [part.picture, restored[i : i + 1]]
            if part.m is not None:
                shown.insert(1, part.m.expand_as(part.picture) * 2 - 1)
            sheet(torch.cat(shown), columns=len(shown), scale=4).save(preview_of(target))
            say(options, f"wrote {preview_of(target)}: before{', map of trust' * (len(shown) > 2)}, after")


def setting(text: str) -> tuple[str, float | int | bool | str]:
    """An argparse type: NAME=VALUE, the value a number, true, false, or a word."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"must be written NAME=VALUE, got {text}")
    for convert in (int, float, {"true": True, "false": False}.__getitem__):
        try:
            return name, convert(value)
        except (KeyError, ValueError):
            continue
    return name, value


def start_training(options: argparse.Namespace) -> None:
    """Train the prior, or go on training it."""
    print(f"training pictures from {faces64_folder()}")  # before anything is written
    recipe = Recipe(images=options.images, batch=options.batch, rate=options.rate, seed=options.seed)
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


def number(kind: type, least: float, most: float = math.inf):
    """An argparse type: an int or float between `least` and `most`."""

    def convert(text: str):
        value = kind(text)
        if not least <= value <= most:  # true for NaN too
            wanted = f"at least {least}" if most == math.inf else f"between {least} and {most}"
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text}")
        return value

    convert.__name__ = kind.__name__  # for argparse's own messages
    return convert


def parser() -> Parser:
    """The options of the three commands."""
    top = Parser(prog="fuzzydiff", description="Restore pictures of faces with a diffusion prior.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name, act, text, example):
        texts = {"help": text, "description": text, "epilog": example}
        new = commands.add_parser(name, **texts, formatter_class=argparse.RawDescriptionHelpFormatter)
        new.set_defaults(command=act)
        return new

    one = command("sample", sample, "Draw people who do not exist, as one sheet.", SAMPLE)
    one.add_argument("--n", type=number(int, 1), default=16, help="how many (default 16)")
    one.add_argument("--method", choices=["ddim", "ddpm"], default="ddim", help="the sampler (default ddim)")
    one.add_argument("--eta", type=number(float, 0, 1), help="fresh noise of ddim: 0 none (default), 1 like ddpm")
    one.add_argument(
        "--guidance",
        type=number(float, 0, 100),
        default=1.0,
        help="scale of the pull towards --tone (default 1: none added)",
    )
    tasks = "\n".join(f"  {task:8} {', '.join(methods)}" for task, methods in TASKS.items())
    text = "Restore a picture of a face, or a folder of them, at 64x64."
    two = command("restore", restore, text, RESTORE.replace("{tasks}", tasks))
    two.add_argument("input", metavar="IN", help="a picture of any size and mode, or a folder of pictures")
    two.add_argument("--task", choices=list(TASKS), default="inpaint", help="what was done to it (default inpaint)")
    names = sorted({method for methods in TASKS.values() for method in methods})
    two.add_argument("--method", choices=names, help="the sampler (default: the task's first)")
    two.add_argument(
        "--mask", help=f"a picture, white = keep, black = hallucinate, a folder of them, or {', '.join(masks.NAMES)}"
    )
    two.add_argument("--m", type=number(float, 0, 1), default=1.0, help="trust in the kept part, 0 to 1 (default 1)")
    two.add_argument("--blur", metavar="KIND:SIZE", help="gaussian:SIGMA, uniform:WIDTH or motion:LENGTH:ANGLE")
    two.add_argument(
        "--sigma",
        type=number(float, 0, 2),
        help="deviation of the noise; the range from black to white is 2 (default 0.02 for deblur, else 0)",
    )
    two.add_argument("--steps", type=number(int, 1, 1000), help="denoising steps (default: the method's)")
    two.add_argument("--repeats", type=number(int, 1), help="times each step is walked (default: the method's)")
    two.add_argument(
        "--set", type=setting, action="append", default=[], metavar="NAME=VALUE", help="any other setting of the method"
    )
    two.add_argument(
        "--box", type=int, nargs=4, metavar=("L", "T", "R", "B"), help="square to restore (default: centre)"
    )
    two.add_argument("--preview", action="store_true", help="also write OUT-preview.png: before, map, after, enlarged")
    one.add_argument("--steps", type=number(int, 1, 1000), default=50, help="denoising steps (default 50)")
    for each in (one, two):
        each.add_argument("--seed", type=number(int, 0), default=0, help="same seed, same result (default 0)")
        each.add_argument("--tone", choices=TONES, default="colour", help="kind of picture (default colour)")
        each.add_argument("--weights", default="faces64", metavar="FILE", help="a .safetensors file made by training")
        each.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda where there is one")
        each.add_argument("--quiet", action="store_true", help="print nothing but errors")
        each.add_argument(
            "-o",
            "--output",
            type=Path,
            metavar="OUT",
            required=True,
            help="the picture to write, best .png, or the folder",
        )
    three = command("train", start_training, "Train the prior on faces64, or go on training it.", TRAIN)
    three.add_argument("--folder", type=Path, default=Path("runs/faces64"), help="of the run (default runs/faces64)")
    three.add_argument("--images", type=number(int, 1), default=Recipe.images, help=f"to see (default {Recipe.images})")
    three.add_argument("--batch", type=number(int, 1), default=Recipe.batch, help=f"default {Recipe.batch}")
    three.add_argument(
        "--rate", type=number(float, 0), default=Recipe.rate, help=f"learning rate (default {Recipe.rate})"
    )
    three.add_argument("--minutes", type=number(float, 0), default=math.inf, help="stop after so long (default: never)")
    three.add_argument("--start", metavar="NAME", help="weights to begin with: faces64 or a file (default: none)")
    three.add_argument("--seed", type=number(int, 0), default=Recipe.seed, help=f"default {Recipe.seed}")
    return top


if __name__ == "__main__":
    sys.exit(main())
