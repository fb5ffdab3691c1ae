"""The order of the house: which part of the package may import which."""

import ast
from pathlib import Path

import pytest

from fuzzydiff_lite.data import faces64
from fuzzydiff_lite.networks import unet

PACKAGE = Path(__file__).parents[1] / "fuzzydiff_lite"
GROUND = {"noise", "schedule", "walk", "steps", "basis"}
FIRST = GROUND | {"assets"}
SAMPLERS = FIRST | {"priors", "operators"}
TRAINING = SAMPLERS | {"networks", "data", "samplers"}
RESTORE = TRAINING | {"training", "metrics"}
MAY = {
    **dict.fromkeys(GROUND, GROUND),
    "assets": set(),
    **dict.fromkeys(["priors", "operators", "data"], FIRST),
    **dict.fromkeys(["networks", "metrics"], FIRST | {"priors"}),
    "samplers": SAMPLERS,
    "training": TRAINING,
    "restore": RESTORE,
    "cli": RESTORE | {"restore"},
    "show": RESTORE | {"restore"},
    "": RESTORE,  # the package's own names
}


def imported(source: str, folder: tuple[str, ...] = ()) -> set[str]:
    """The parts of the package that a module in a folder of it imports, whenever it does."""
    home, found = ("fuzzydiff_lite", *folder), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(home[: len(home) + 1 - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found |= {f"{module}.{name.name}" for name in node.names}
    paths = (name.split(".") for name in found)
    return {path[1] for path in paths if path[0] == "fuzzydiff_lite" and len(path) > 1}


MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_what_its_part_may(module):
    part = "" if str(module) == "__init__.py" else module.with_suffix("").parts[0]
    parts = imported((PACKAGE / module).read_text(encoding="utf-8"), module.parts[:-1])
    assert parts <= MAY[part] | {part}


def test_the_reader_of_imports_sees_every_way_to_write_one():
    sources = {
        "from ..steps import fuse": {"steps"},
        "from .. import samplers, noise": {"samplers", "noise"},
        "from .loop import run": {"priors"},
        "from . import prior": {"priors"},
        "import fuzzydiff_lite.cli.commands": {"cli"},
        "from fuzzydiff_lite import show": {"show"},
        "def f():\n    from ..show.plots import source": {"show"},
        "import torch\nfrom torch import nn": set(),
    }
    for source, parts in sources.items():
        assert imported(source, ("priors",)) == parts


def test_the_tones_of_the_network_begin_with_those_of_the_faces():
    assert unet.TONES[: len(faces64.TONES)] == faces64.TONES
