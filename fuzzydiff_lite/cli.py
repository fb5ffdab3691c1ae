"""The command line: `fuzzydiff sample`, `fuzzydiff restore`, `fuzzydiff train`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from . import masks
from .data import crop_square, faces64_folder, open_picture, to_image, to_tensor
from .noise import Noise
from .plots import sheet
from .prior import Prior
from .samplers import classifier_free, ddim, ddpm, fuzzy, run
from .schedule import travel
from .train import Recipe, train
from .unet import TONES
from .weights import load_prior

SAMPLE = """example: sixteen people who do not exist

  fuzzydiff sample --n 16 --seed 0 -o people.png

The same seed gives the same file. Picture i of a seed is the same whatever --n is."""

RESTORE = """example: a face at (142, 20) to (312, 190) of a photo, with a scratch painted black in scratch.png

  fuzzydiff restore photo.png --mask scratch.png --box 142 20 312 190 --preview -o restored.png

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
    """Restore one picture file."""
    check_output(options.output)
    preview = options.output.with_name(f"{options.output.stem}-preview.png")
    image = open_picture(options.input)
    given = {Path(path).resolve() for path in (options.input, options.mask) if path}
    for path in [options.output, preview] if options.preview else [options.output]:
        if path.resolve() in given:
            raise ValueError(f"{path} is an input, which would be lost: choose another OUT")
    prior = load(options)
    size = prior.shape[-1]
    mask = open_mask(options.mask, size) if options.mask else None
    y, trust = square(image, mask, options.box, size)
    m = options.m * trust
    if (m == 1).all():
        raise ValueError("every pixel is trusted fully, so nothing would change: give a --mask or an --m below 1")
    calls = travel(prior.schedule.levels(options.steps), options.repeats)[0].left + 1
    say(options, f"{calls} network calls; mean trust in the picture {m.mean():.2f}")
    settings = options.steps, options.repeats, Noise(options.seed), not options.no_fix
    draw = METHODS[options.method](prior, y.to(prior.device), m.to(prior.device), *settings)
    restored = run(draw, progress=not options.quiet)
    to_image(restored).save(options.output)
    say(options, f"wrote {options.output}")
    if options.preview:
        before = to_tensor(crop_square(image, options.box, size))
        strip = torch.cat([before, m.expand_as(before) * 2 - 1, restored.cpu()])
        sheet(strip, columns=3, scale=4).save(preview)
        say(options, f"wrote {preview}: before, map of trust, after")


def start_training(options: argparse.Namespace) -> None:
    """Train the prior, or go on training it."""
    print(f"training pictures from {faces64_folder()}")  # before anything is written
    recipe = Recipe(images=options.images, batch=options.batch, rate=options.rate, seed=options.seed)
    train(options.folder, recipe, options.start, options.minutes)
    print(f"wrote {options.folder / 'average.safetensors'}")


METHODS = {"fuzzy": fuzzy}


def square(image: Image.Image, mask: Image.Image | None, box, size: int) -> tuple[Tensor, Tensor]:
    """The square `box` of a picture and of its mask: (1, 3, size, size) in [-1, 1] and (1, 1, size, size) in [0, 1].

    `mask` is a grey picture with the size of `image`, or of the square. Raises ValueError for another size.
    """
    if mask is None:
        return to_tensor(crop_square(image, box, size)), torch.ones(1, 1, size, size)
    if mask.size == image.size:
        # As alpha, and with a kernel that is nowhere negative: no paint from the hole bleeds into what is kept.
        picture = image.copy()
        picture.putalpha(mask)
        picture = crop_square(picture, box, size, Image.Resampling.HAMMING)
        mask = picture.getchannel("A")
    elif mask.size == (size, size):
        picture = crop_square(image, box, size)
    else:
        given, whole = (f"{width}x{height}" for width, height in (mask.size, image.size))
        raise ValueError(f"the mask has {given} pixels, but the picture has {whole} and its square {size}x{size}")
    return to_tensor(picture), (to_tensor(mask)[:, :1] + 1) / 2


def open_mask(name: str, size: int) -> Image.Image:
    """A mask from a picture file, or one of the names in `masks.NAMES` for the square, as a grey picture."""
    if name in masks.NAMES and not Path(name).exists():
        return to_image(masks.named(name, size).expand(-1, 3, -1, -1) * 2 - 1).convert("L")
    return open_picture(name, "L")


def load(options: argparse.Namespace) -> Prior:
    """The prior that the options name. Raises ValueError for a device that is not there."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no CUDA device here")
    return load_prior(options.weights, options.tone, options.device)


def check_output(path: Path) -> None:
    """Raise ValueError, before the work is done, where its result could not be written."""
    if not path.parent.is_dir():
        raise ValueError(f"no such folder: {path.parent}")
    if path.is_dir() or Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"cannot write a picture called {path}: use a name that ends in .png")


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
    two = command("restore", restore, "Restore one picture of a face, at 64x64.", RESTORE)
    two.add_argument("input", metavar="IN", help="a picture of any size and mode")
    two.add_argument("--mask", help=f"a picture, white = keep, black = hallucinate; or {', '.join(masks.NAMES)}")
    two.add_argument("--m", type=number(float, 0, 1), default=1.0, help="trust in the kept part, 0 to 1 (default 1)")
    two.add_argument("--repeats", type=number(int, 1), default=5, help="times each step is walked, J (default 5)")
    two.add_argument("--method", choices=list(METHODS), default="fuzzy", help="the sampler (default fuzzy)")
    two.add_argument(
        "--box", type=int, nargs=4, metavar=("L", "T", "R", "B"), help="square to restore (default: centre)"
    )
    two.add_argument("--preview", action="store_true", help="also write OUT-preview.png: before, map, after, enlarged")
    two.add_argument("--no-fix", action="store_true", help="leave the variance of the blend wrong, as first published")
    for each in (one, two):
        each.add_argument("--steps", type=number(int, 1, 1000), default=50, help="denoising steps (default 50)")
        each.add_argument("--seed", type=number(int, 0), default=0, help="same seed, same result (default 0)")
        each.add_argument("--tone", choices=TONES, default="colour", help="kind of picture (default colour)")
        each.add_argument("--weights", default="faces64", metavar="FILE", help="a .safetensors file made by training")
        each.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda where there is one")
        each.add_argument("--quiet", action="store_true", help="print nothing but errors")
        each.add_argument(
            "-o", "--output", type=Path, metavar="OUT", required=True, help="the picture to write, best .png"
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
