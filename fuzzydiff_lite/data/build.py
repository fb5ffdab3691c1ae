"""`fuzzydiff data build`: runs build_faces64.py apart, as MediaPipe needs an older NumPy."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

SCRIPT = Path(__file__).with_name("build_faces64.py")
PYTHONS = ("3.12", "3.11")  # that the script runs on and MediaPipe 0.10.21 has wheels for

BUILD = """examples: everything, from the internet; again from the same originals, or from some
of your own

  fuzzydiff data build
  fuzzydiff data build --originals shared/faces64/originals --out elsewhere

The first run makes an environment for MediaPipe, which needs an older NumPy, in
~/.cache/fuzzydiff_lite (1 GB). The originals are 10 197 portraits of the U.S. Congress (190 MB)
and the Face Research Lab London Set. An interrupted build goes on where it stopped. Files that
are no pictures are reported and skipped. OUT/build/decisions.csv says why each original was
dropped; OUT/originals and OUT/build may be deleted afterwards. Without this command, by uv or
pipx:

  uv run --script fuzzydiff_lite/data/build_faces64.py --out shared/faces64
  pipx run fuzzydiff_lite/data/build_faces64.py --out shared/faces64"""


def requirements() -> list[str]:
    """What the script says at its top that it needs (PEP 723)."""
    lines = SCRIPT.read_text(encoding="utf-8").split("# ///")[1].splitlines()[1:]
    return tomllib.loads("\n".join(line.removeprefix("#") for line in lines))["dependencies"]


def environment() -> Path:
    """Where it lies: in $XDG_CACHE_HOME or ~/.cache, one for each set of requirements."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(repr(requirements()).encode()).hexdigest()
    return cache / "fuzzydiff_lite" / f"build-{digest[:12]}"


def ready() -> Path:
    """The Python of the environment, which is made where it is missing.

    Raises ValueError where that fails.
    """
    folder = environment()
    python, mark = folder / "bin" / "python", folder / ".ready"
    if mark.exists():
        return python
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    others = filter(None, (shutil.which(f"python{version}") for version in PYTHONS))
    base = sys.executable if own in PYTHONS else next(others, None)
    if base is None:
        wanted = " or ".join(PYTHONS)
        raise ValueError(
            f"MediaPipe 0.10.21 needs Python {wanted}, and there is none on the PATH"
        )
    print(f"making the environment {folder}: about 1 GB, once")
    install = [python, "-m", "pip", "install", "-q", *requirements()]
    for command in ([base, "-m", "venv", "--clear", folder], install):
        if subprocess.run(command, check=False).returncode:
            raise ValueError(
                f"could not make {folder}, see above: it takes Python's venv, pip and PyPI"
            )
    mark.touch()
    return python


def add_command(commands) -> None:
    """Add `data build` to the commands of a parser, an argparse subparsers object."""
    about = "Make the training data."
    data = commands.add_parser("data", help=about, description=about)
    parts = data.add_subparsers(title="commands", required=True, metavar="COMMAND")
    about = "Make faces64.zip and faces64.csv, the training faces, from public sources."
    look = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": BUILD}
    new = parts.add_parser("build", help=about, description=about, **look)
    out = {"type": Path, "default": Path("shared/faces64")}
    new.add_argument("--out", help="folder (default shared/faces64)", **out)
    originals = "a folder of them (default: download them to OUT/originals)"
    new.add_argument("--originals", type=Path, help=originals)
    new.set_defaults(command=launch)


def launch(options: argparse.Namespace) -> None:
    """Build the collection. Raises ValueError where the script fails, which says why."""
    originals = ["--originals", options.originals] if options.originals else []
    command = [ready(), "-P", SCRIPT, "--out", options.out, *originals]
    if subprocess.run(command, check=False).returncode:
        raise ValueError("the faces were not built, see above")
