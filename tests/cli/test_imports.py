"""The command line loads nothing that it does not need."""

import subprocess
import sys

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


def loaded(program: str) -> set[str]:
    """The modules that a Python program has loaded at its end."""
    program += "\nimport sys\nprint('loaded', *sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy():
    program = """
from fuzzydiff_lite.cli import main
for words in ("", "restore", "train"):
    try:
        main(f"{words} --help".split())
    except SystemExit:
        pass
"""
    modules = loaded(program)
    assert "fuzzydiff_lite.cli.options" in modules
    assert modules & HEAVY == set()
    assert not any(name.startswith("fuzzydiff_lite.show") for name in modules)


def test_the_reader_of_modules_sees_a_heavy_one():
    assert "sympy" in loaded("import sympy") and "sympy" not in loaded("")
