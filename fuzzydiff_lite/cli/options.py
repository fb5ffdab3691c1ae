"""What can be written on the command line: a function for each command, and what they share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from ..data import build
from ..networks.unet import TONES
from ..operators import masks
from ..restore.tasks import METHODS, TASKS
from ..training.prior import Recipe
from .examples import CORRECT, FIT, SAMPLE, TRAIN, restore_example
from .kinds import number, setting

Command = Callable[[argparse.Namespace], None]


class Parser(argparse.ArgumentParser):
    """A parser that raises ValueError: every error ends in the one line that `main` prints."""

    def error(self, message):
        raise ValueError(message)

    def option(self, name: str, text: str, **how) -> None:
        """Add an option; `text` is its help, `how` all else that argparse takes."""
        self.add_argument(name, help=text, **how)


def parser(commands: dict[str, Command]) -> Parser:
    """The options of every command: `commands` has what each of them does, by its name."""
    about = "Restore pictures of faces with a diffusion prior."
    top = Parser(prog="fuzzydiff", description=about)
    names = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_sample(names, commands["sample"])
    add_restore(names, commands["restore"])
    add_correct(names, commands["correct"])
    add_attention(names, commands["fit"])
    add_train(names, commands["train"])
    build.add_command(names)
    return top


def add_sample(names, act: Command) -> None:
    """`fuzzydiff sample`."""
    new = add(names, "sample", act, "Draw people who do not exist, as one sheet.", SAMPLE)
    new.option("--n", "how many (default 16)", type=number(int, 1), default=16)
    samplers = {"choices": ["ddim", "ddpm"], "default": "ddim"}
    new.option("--method", "the sampler (default ddim)", **samplers)
    fresh = "fresh noise of ddim: 0 none (default), 1 like ddpm"
    new.option("--eta", fresh, type=number(float, 0, 1))
    pull = "scale of the pull towards --tone (default 1: none added)"
    new.option("--guidance", pull, type=number(float, 0, 100), default=1.0)
    new.option("--steps", "denoising steps (default 50)", type=number(int, 1, 1000), default=50)
    add_prior(new)


def add_restore(names, act: Command) -> None:
    """`fuzzydiff restore`."""
    about = "Restore a picture of a face, or a folder of them, at 64x64."
    new = add(names, "restore", act, about, restore_example())
    tasks = {"choices": list(TASKS), "default": "inpaint"}
    new.option("--task", "what was done to it (default inpaint)", **tasks)
    first = "the sampler (default: the task's first)"
    new.option("--method", first, choices=sorted(METHODS))
    mask = "a picture, white = keep, black = hallucinate, a folder of them, or "
    new.option("--mask", mask + ", ".join(masks.NAMES))
    kept = "how much of the kept part to keep, 0 to 1 (default 1)"
    new.option("--m", kept, type=number(float, 0, 1), default=1.0)
    kinds = "gaussian:SIGMA, uniform:WIDTH or motion:LENGTH:ANGLE"
    new.option("--blur", kinds, metavar="KIND:SIZE")
    noise = "standard deviation of the noise; the range from black to white is 2"
    noise += " (default 0.02 for deblur, else 0)"
    new.option("--sigma", noise, type=number(float, 0, 2))
    pairs = {"type": setting, "action": "append", "default": [], "metavar": "NAME=VALUE"}
    new.option("--set", "any other setting of the method, see below", **pairs)
    add_pictures(new)
    add_prior(new)


def add_correct(names, act: Command) -> None:
    """`fuzzydiff correct`."""
    about = (
        "Find what is not expected of a face and replace it, in a picture or a folder of them, "
    )
    new = add(names, "correct", act, about + "at 64x64.", CORRECT)
    made = "made by `fuzzydiff attention fit` (default: those that ship)"
    new.option("--statistics", made, type=Path, metavar="FILE")
    new.option("--anyway", "also what does not look like an aligned face", action="store_true")
    add_pictures(new)
    add_prior(new)


def add_attention(names, act: Command) -> None:
    """`fuzzydiff attention fit`."""
    about = (
        "What a prior expects of faces, "
        "by which `fuzzydiff correct` finds what it does not expect."
    )
    attention = names.add_parser("attention", help=about, description=about)
    parts = attention.add_subparsers(title="commands", required=True, metavar="COMMAND")
    about = "Make the statistics of a prior from faces without damage."
    new = add(parts, "fit", act, about, FIT)
    new.option("--folder", "of faces64, or of pictures (default: faces64)", type=Path)
    add_prior(new, "the file to write")


def add_train(names, act: Command) -> None:
    """`fuzzydiff train`."""
    about = "Train the prior on faces64, or go on training it."
    new, own = add(names, "train", act, about, TRAIN), Recipe()
    folder = Path("runs/faces64")
    new.option("--folder", f"of the run (default {folder})", type=Path, default=folder)
    images = {"type": number(int, 1), "default": own.images}
    new.option("--images", f"to see (default {own.images})", **images)
    new.option("--batch", f"default {own.batch}", type=number(int, 1), default=own.batch)
    rate = {"type": number(float, 0), "default": own.rate}
    new.option("--rate", f"learning rate (default {own.rate})", **rate)
    minutes = {"type": number(float, 0), "default": math.inf}
    new.option("--minutes", "stop after so long (default: never)", **minutes)
    begin = "weights to begin with: faces64 or a file (default: none)"
    new.option("--from", begin, dest="start", metavar="NAME")
    new.option("--seed", f"default {own.seed}", type=number(int, 0), default=own.seed)


# What several commands share.


def add(names, name: str, act: Command, about: str, example: str) -> Parser:
    """A new command called `name`, which does `act`; its help ends with an example."""
    look = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": example}
    new = names.add_parser(name, help=about, description=about, **look)
    new.set_defaults(command=act)
    return new


def add_pictures(new: Parser) -> None:
    """Options of a command that restores pictures in files."""
    new.option("input", "a picture of any size and mode, or a folder of pictures", metavar="IN")
    new.option("--steps", "denoising steps (default: the method's)", type=number(int, 1, 1000))
    walked = "times each step is walked (default: the method's)"
    new.option("--repeats", walked, type=number(int, 1))
    sides = {"type": int, "nargs": 4, "metavar": ("L", "T", "R", "B")}
    new.option("--box", "square to restore (default: centre)", **sides)
    preview = "also write OUT-preview.png: before, map, after, enlarged"
    new.option("--preview", preview, action="store_true")


def add_prior(
    new: Parser, result: str = "the picture to write, best .png, or the folder"
) -> None:
    """Options of a command that asks the prior and writes a `result`."""
    new.option("--seed", "same seed, same result (default 0)", type=number(int, 0), default=0)
    new.option("--tone", "kind of picture (default colour)", choices=TONES, default="colour")
    file = {"metavar": "FILE", "default": "faces64"}
    new.option("--weights", "a .safetensors file made by training", **file)
    new.option("--device", "default: cuda where there is one", choices=["cpu", "cuda"])
    new.option("--quiet", "print nothing but errors", action="store_true")
    out = {"type": Path, "metavar": "OUT", "required": True}
    new.add_argument("-o", "--output", help=result, **out)
