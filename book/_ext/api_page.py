"""The package's docstrings, which are plain sentences, as a page of the book.

What stands in backticks is code, and a link where it is a name that most readers will look up.
Equations and chapters that are cited are links too.
"""

import inspect
import re
from importlib import import_module
from types import ModuleType

LINKED = ["schedule", "walk", "steps", "noise", "basis", "priors", "operators", "samplers"]
CITED = r"\([a-z0-9-]+\)"
CITATION = rf"Eq\.\s{CITED}(?:(?:,| and|, and)\s{CITED})*,\sbook/\w+/\w+"
CHAPTER = r"\bbook/\w+/\w+\b(?!\.\w)"  # no file with an ending
PARTS = re.compile(rf"(`[^`]+`|{CITATION}|{CHAPTER})")


def public(module: ModuleType) -> list[str]:
    """The functions and classes that a module offers, in its `__all__` or else its own."""
    things = {name: getattr(module, name) for name in getattr(module, "__all__", vars(module))}
    if not hasattr(module, "__all__"):
        own = (n for n, t in things.items() if getattr(t, "__module__", "") == module.__name__)
        things = {name: things[name] for name in own if not name.startswith("_")}
    kinds = inspect.isfunction, inspect.isclass
    return [name for name, thing in things.items() if any(is_one(thing) for is_one in kinds)]


def links() -> dict[str, str]:
    """Where the functions, classes and methods are that a docstring may name in backticks."""
    found = {}
    for module in (import_module(f"fuzzydiff_lite.{part}") for part in LINKED):
        for name in public(module):
            found[name] = f"{module.__name__}.{name}"
            inside = vars(getattr(module, name)) if name[0].isupper() else ()
            methods = [f"{name}.{method}" for method in inside if not method.startswith("_")]
            found |= {method: f"{module.__name__}.{method}" for method in methods}
    return found


def marked(part: str, names: dict[str, str]) -> str:
    """A part of a docstring in reStructuredText: a name, code, a citation, or words.

    Indented lines are code too, after a `::`, and stay as they are.
    """
    if part.startswith("`"):
        name = part.strip("`")
        code = f":py:obj:`{name} <{names[name]}>`" if name in names else f"`{part}`"
        return code + "\\ "  # an end of markup, which a letter may follow
    if not re.fullmatch(rf"{CITATION}|{CHAPTER}", part):
        return re.sub(r"(?m)^(?! {4}).+", lambda line: escaped(line[0]), part)
    part = re.sub(r"\(([a-z0-9-]+)\)", r":eq:`\1`", part)
    return re.sub(r"(book/\w+/\w+)", r":doc:`/\1`", part)


def escaped(words: str) -> str:
    """Words without markup."""
    return re.sub(r"([\\*|_])", r"\\\1", words)


def mark(app, what, name, thing, options, lines):
    """Write a docstring in reStructuredText, that of a module with a table of its names."""
    names = links()
    parts = PARTS.split("\n".join(lines))
    lines[:] = "".join(marked(part, names) for part in parts).split("\n")
    if what == "module":
        table = [f"   {member}" for member in public(thing)]
        lines += ["", ".. autosummary::", "   :nosignatures:", "", *table, ""]


def skip(app, what, name, thing, skipped, options):
    """Leave out what others define, and fields of named tuples, which their class describes."""
    foreign = not getattr(thing, "__module__", "fuzzydiff_lite").startswith("fuzzydiff_lite")
    return skipped or foreign or type(thing).__name__ == "_tuplegetter" or None


def setup(app):
    app.connect("autodoc-process-docstring", mark)
    app.connect("autodoc-skip-member", skip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
