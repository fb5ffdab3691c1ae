"""Imports run down only, and the command line loads nothing that it does not need."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fuzzydiff_lite"

# What each part of the package may import of the others: see CONTRIBUTING.md.
GROUND = {"noise", "schedule", "walk", "steps", "basis"}
NEXT = {"priors", "operators", "data"}
MAY = dict.fromkeys(GROUND | NEXT, GROUND) | {
    "assets": set(),
    "networks": GROUND | {"priors"},
    "metrics": GROUND | {"priors"},
    "samplers": GROUND | {"priors", "operators"},
}
MAY["training"] = GROUND | {"priors", "data", "networks", "samplers"}
MAY["restore"] = GROUND | NEXT | {"networks", "metrics", "samplers", "training"}
MAY["show"] = MAY["cli"] = set(MAY)  # each other they may not, and nothing may import them

# Each takes a second or more, or is for notebooks only; a command that needs one loads it then.
HEAVY = {
    "IPython",
    "ipywidgets",
    "matplotlib",
    "scipy",
    "skimage",
    "sympy",
    "torch._dynamo",
    "torch._inductor",
    "torchvision",
}


def imported(path: Path, source: str) -> set[str]:
    """The parts of the package that a module's source, at `path` in the package, imports."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    found = set()
    for node in nodes:
        module = node.module.split(".") if node.module else []
        if node.level:
            module = [*path.parts[: len(path.parts) - node.level], *module]
        elif module[0] == "fuzzydiff_lite":
            module = module[1:]
        else:
            continue
        found |= set(module[:1]) or {name.name for name in node.names}
    return found


@pytest.mark.parametrize("part", sorted({path.name for path in PACKAGE.iterdir()}))
def test_imports_run_down_only(part):
    paths = [PACKAGE / part] if part.endswith(".py") else (PACKAGE / part).rglob("*.py")
    name = part.removesuffix(".py")
    for path in paths if not name.startswith("__") else ():
        inside = path.relative_to(PACKAGE)
        others = imported(inside, path.read_text(encoding="utf-8")) - {name, "assets"}
        assert others <= MAY[name], f"{inside} imports {', '.join(others - MAY[name])}"


def test_imports_are_read():
    source = (
        "from ..walk import Walk\nfrom . import loop\nfrom .. import masks\nfrom math import pi"
    )
    assert imported(Path("samplers/new.py"), source) == {"walk", "samplers", "masks"}
    assert imported(
        Path("walk.py"), "from .noise import a\nfrom fuzzydiff_lite.show import b"
    ) == {
        "noise",
        "show",
    }


def loaded(program: str) -> set[str]:
    """The modules that a Python program has loaded at its end."""
    program += "\nimport sys\nprint('loaded', *sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", ["", "restore", "train"])
def test_help_loads_nothing_heavy(words):
    program = f"""
from fuzzydiff_lite.cli import main
try:
    main("{words} --help".split())
except SystemExit:
    pass
"""
    modules = loaded(program)
    assert "fuzzydiff_lite.cli.options" in modules
    assert modules & HEAVY == set()
    assert not any(name.startswith("fuzzydiff_lite.show") for name in modules)


def test_the_reader_of_modules_sees_a_heavy_one():
    assert "sympy" in loaded("import sympy") and "sympy" not in loaded("")
