"""What can be written on the command line, and its help."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from ..data import build
from ..networks.unet import TONES
from ..operators import masks
from ..restore.tasks import TASKS
from ..training.prior import Recipe

SAMPLE = """example: sixteen people who do not exist

  fuzzydiff sample --n 16 --seed 0 -o people.png

The same seed gives the same file. Picture i of a seed is the same whatever --n is."""

RESTORE = """examples: a face at (142, 20) to (312, 190) of a photo, with a scratch painted
black in scratch.png; a folder of small pictures, four times as large; a blurred one

  fuzzydiff restore photo.png --mask scratch.png --box 142 20 312 190 --preview -o restored.png
  fuzzydiff restore small/ --task x4 -o large/
  fuzzydiff restore photo.png --task deblur --blur motion:13:30 --sigma 0.02 --method diffpir --set lam=3 -o sharp.png

Tasks, and the methods for each, the first one unless told:
{tasks}
Nothing is degraded: x4 wants a small picture, jpeg a JPEG file of 64x64 pixels, deblur a
blurred one and its kernel. A folder is restored in batches, each picture as it would be alone;
a result that is there already is kept, and a file that is no picture is reported and skipped.

The mask is white where the picture is kept, black where it is hallucinated, grey in between. It
has as many pixels as the picture, or 64x64 for the cropped square. The map of trust is --m
times the mask. Without --mask every pixel has the trust --m. The face should fill the square,
as in the example. A lossless OUT such as .png stores what is trusted fully, shrunk to 64x64,
without a change."""

CORRECT = """example: find what is not expected of a face, and replace it

  fuzzydiff correct photo.png --box 155 40 295 180 --preview -o corrected.png

No mask is given. The map of trust that was found is written beside OUT, as OUT-map.png: white
is kept, black is hallucinated. It says what surprised the prior and nothing about the person:
glasses, a beard or a scarf may surprise it as a scratch does. What the prior puts there instead
is a guess.

A folder is corrected in batches, each picture as it would be alone; a result that is there
already is kept, and a file that is no picture, or no face, is reported and skipped. The
statistics belong to places, so the square must fit the face: upright, the eyes a little above
the middle, the mouth at three quarters. Other squares are refused unless --anyway.

The statistics that ship belong to the weights that ship. Make them for others with

  fuzzydiff attention fit --weights mine.safetensors -o mine-statistics.safetensors"""

FIT = """example: the statistics of your own weights, from your own pictures of faces that fill
their squares

  fuzzydiff attention fit --folder faces/ --weights mine.safetensors -o statistics.safetensors
  fuzzydiff correct photo.png --weights mine.safetensors --statistics statistics.safetensors -o corrected.png

Without --folder they are 256 training faces of faces64.zip, looked for where `fuzzydiff train`
does."""

TRAIN = """examples: a small run that goes on where it was stopped; the same by two processes,
on two GPUs where there are some

  fuzzydiff train --folder runs/mine --images 200000 --minutes 60
  torchrun --standalone --nproc-per-node 2 -m fuzzydiff_lite.cli train --folder runs/mine --images 400000
  fuzzydiff restore photo.png --m 0.6 --weights runs/mine/average.safetensors -o restored.png

The training pictures are faces64.zip and faces64.csv. They are looked for in the folder that
the environment variable FUZZYDIFF_FACES64 names, then in shared/faces64 in the current folder,
then in shared/faces64 beside it."""


class Parser(argparse.ArgumentParser):
    """A parser that raises ValueError: every error ends in the one line that `main` prints."""

    def error(self, message):
        raise ValueError(message)


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


def parser(commands: dict[str, Callable[[argparse.Namespace], None]]) -> Parser:
    """The options of every command: `commands` has what each of them does, by its name."""
    text = "Restore pictures of faces with a diffusion prior."
    top = Parser(prog="fuzzydiff", description=text)
    names = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    some, steps, share = number(int, 1), number(int, 1, 1000), number(float, 0, 1)

    def command(name, text, example, among=names):
        texts = {"help": text, "description": text, "epilog": example}
        style = argparse.RawDescriptionHelpFormatter
        new = among.add_parser(name, **texts, formatter_class=style)
        new.set_defaults(command=commands[name])
        return new

    draw = command("sample", "Draw people who do not exist, as one sheet.", SAMPLE)
    draw.add_argument("--n", type=some, default=16, help="how many (default 16)")
    text = "the sampler (default ddim)"
    draw.add_argument("--method", choices=["ddim", "ddpm"], default="ddim", help=text)
    text = "fresh noise of ddim: 0 none (default), 1 like ddpm"
    draw.add_argument("--eta", type=share, help=text)
    text = "scale of the pull towards --tone (default 1: none added)"
    draw.add_argument("--guidance", type=number(float, 0, 100), default=1.0, help=text)
    draw.add_argument("--steps", type=steps, default=50, help="denoising steps (default 50)")

    tasks = "\n".join(f"  {task:8} {', '.join(methods)}" for task, methods in TASKS.items())
    text = "Restore a picture of a face, or a folder of them, at 64x64."
    restore = command("restore", text, RESTORE.replace("{tasks}", tasks))
    text = "what was done to it (default inpaint)"
    restore.add_argument("--task", choices=list(TASKS), default="inpaint", help=text)
    methods = sorted({method for methods in TASKS.values() for method in methods})
    text = "the sampler (default: the task's first)"
    restore.add_argument("--method", choices=methods, help=text)
    text = "a picture, white = keep, black = hallucinate, a folder of them, or "
    restore.add_argument("--mask", help=text + ", ".join(masks.NAMES))
    text = "trust in the kept part, 0 to 1 (default 1)"
    restore.add_argument("--m", type=share, default=1.0, help=text)
    text = "gaussian:SIGMA, uniform:WIDTH or motion:LENGTH:ANGLE"
    restore.add_argument("--blur", metavar="KIND:SIZE", help=text)
    text = (
        "deviation of the noise; the range from black to white is 2 "
        "(default 0.02 for deblur, else 0)"
    )
    restore.add_argument("--sigma", type=number(float, 0, 2), help=text)
    pairs = {"type": setting, "action": "append", "default": [], "metavar": "NAME=VALUE"}
    restore.add_argument("--set", **pairs, help="any other setting of the method")

    text = (
        "Find what is not expected of a face and replace it, "
        "in a picture or a folder of them, at 64x64."
    )
    correct = command("correct", text, CORRECT)
    text = "made by `fuzzydiff attention fit` (default: those that ship)"
    correct.add_argument("--statistics", type=Path, metavar="FILE", help=text)
    text = "also what does not look like an aligned face"
    correct.add_argument("--anyway", action="store_true", help=text)
    for each in (restore, correct):
        text = "a picture of any size and mode, or a folder of pictures"
        each.add_argument("input", metavar="IN", help=text)
        text = "denoising steps (default: the method's)"
        each.add_argument("--steps", type=steps, help=text)
        text = "times each step is walked (default: the method's)"
        each.add_argument("--repeats", type=some, help=text)
        sides, text = ("L", "T", "R", "B"), "square to restore (default: centre)"
        each.add_argument("--box", type=int, nargs=4, metavar=sides, help=text)
        text = "also write OUT-preview.png: before, map, after, enlarged"
        each.add_argument("--preview", action="store_true", help=text)

    text = (
        "What a prior expects of faces, "
        "by which `fuzzydiff correct` finds what it does not expect."
    )
    attention = names.add_parser("attention", help=text, description=text)
    attention = attention.add_subparsers(title="commands", required=True, metavar="COMMAND")
    text = "Make the statistics of a prior from faces without damage."
    fit = command("fit", text, FIT, attention)
    text = "of faces64, or of pictures (default: faces64)"
    fit.add_argument("--folder", type=Path, help=text)

    for each in (draw, restore, correct, fit):
        text = "same seed, same result (default 0)"
        each.add_argument("--seed", type=number(int, 0), default=0, help=text)
        text = "kind of picture (default colour)"
        each.add_argument("--tone", choices=TONES, default="colour", help=text)
        text = "a .safetensors file made by training"
        each.add_argument("--weights", default="faces64", metavar="FILE", help=text)
        text = "default: cuda where there is one"
        each.add_argument("--device", choices=["cpu", "cuda"], help=text)
        each.add_argument("--quiet", action="store_true", help="print nothing but errors")
        text = "the picture to write, best .png, or the folder"
        if each is fit:
            text = "the file to write"
        out = {"type": Path, "metavar": "OUT", "required": True, "help": text}
        each.add_argument("-o", "--output", **out)

    train = command("train", "Train the prior on faces64, or go on training it.", TRAIN)
    text = "of the run (default runs/faces64)"
    train.add_argument("--folder", type=Path, default=Path("runs/faces64"), help=text)
    text = f"to see (default {Recipe.images})"
    train.add_argument("--images", type=some, default=Recipe.images, help=text)
    text = f"default {Recipe.batch}"
    train.add_argument("--batch", type=some, default=Recipe.batch, help=text)
    text = f"learning rate (default {Recipe.rate})"
    train.add_argument("--rate", type=number(float, 0), default=Recipe.rate, help=text)
    text = "stop after so long (default: never)"
    train.add_argument("--minutes", type=number(float, 0), default=math.inf, help=text)
    text = "weights to begin with: faces64 or a file (default: none)"
    train.add_argument("--from", dest="start", metavar="NAME", help=text)
    text = f"default {Recipe.seed}"
    train.add_argument("--seed", type=number(int, 0), default=Recipe.seed, help=text)
    build.add_command(names)
    return top


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
