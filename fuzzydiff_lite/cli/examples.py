"""What stands below the options in the help of each command: examples, and what to know."""

from __future__ import annotations

from ..restore.tasks import METHODS, TASKS
from ..schedule import SPACINGS

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

Methods, and what --set can change, with the method's own values; a task may have others:
{methods}
Words for spacing are {spacings}.
The chapter of a method says what its settings do.

The mask is white where the picture is kept, black where it is hallucinated, grey in between. It
has as many pixels as the picture, or 64x64 for the cropped square. The map m is --m times the
mask: 1 keeps a pixel, 0 hallucinates it. Without --mask it is --m everywhere. The face should
fill the square, as in the example. A lossless OUT such as .png stores the pixels where m is 1,
shrunk to 64x64, without a change."""

CORRECT = """example: find what is not expected of a face, and replace it

  fuzzydiff correct photo.png --box 155 40 295 180 --preview -o corrected.png

No mask is given. The map m that was found is written beside OUT, as OUT-map.png: white is kept,
black is hallucinated. It says what surprised the prior and nothing about the person: glasses, a
beard or a scarf may surprise it as a scratch does. What the prior puts there instead is
invented.

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


def restore_example() -> str:
    """`RESTORE`, and from `restore.tasks` which methods fit a task and their settings."""
    fitting = [f"  {task:8} {', '.join(methods)}" for task, methods in TASKS.items()]
    defaults = {name: method.defaults.items() for name, method in METHODS.items()}
    same = set.intersection(*map(set, defaults.values()))  # what is so for every method
    rows = {
        name: [pair for pair in pairs if pair not in same] for name, pairs in defaults.items()
    }
    rows["each of them"] = sorted(same)
    settings = [f"  {name:12} {', '.join(map(_written, rows[name]))}" for name in rows]
    tables = {"tasks": "\n".join(fitting), "methods": "\n".join(settings)}
    return RESTORE.format(**tables, spacings=", ".join(SPACINGS))


def _written(pair: tuple[str, object]) -> str:
    """A setting as it is written on the command line."""
    name, value = pair
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"
