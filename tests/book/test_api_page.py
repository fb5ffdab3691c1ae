"""The page of the package's docstrings has all of the package, and links what they cite."""

import importlib.util
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("api_page", ROOT / "book/_ext/api_page.py")
api_page = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(api_page)

SHOWN = re.findall(
    r"^\.\. automodule:: (\S+)(\n   :imported-members:)?$",
    (ROOT / "book/api.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
PACKAGE = ROOT / "fuzzydiff_lite"
PARTS = [path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()]
ELSEWHERE = {"__init__", "__pycache__", "assets", "cli"}


@pytest.mark.parametrize("part", sorted(set(PARTS) - ELSEWHERE))
def test_every_part_of_the_package_is_on_the_page(part):
    assert any(name.split(".")[1] == part for name, _ in SHOWN)


@pytest.mark.parametrize("name, imported", SHOWN)
def test_a_module_on_the_page_has_names_and_a_docstring_for_each(name, imported):
    module = import_module(name)
    assert bool(imported) == hasattr(module, "__all__")
    names = api_page.public(module)
    assert names and all(getattr(module, one).__doc__ for one in names)


@pytest.mark.parametrize(
    "words, marked",
    [
        ("Twice x_t * y_, |x|.", r"Twice x\_t \* y\_, \|x\|."),
        ("A `Walk`s `x`.", r"A :py:obj:`Walk <fuzzydiff_lite.walk.Walk>`\ s ``x``\ ."),
        (
            "See Eq. (a-b) and (c),\nbook/prior/posterior.",
            "See Eq. :eq:`a-b` and :eq:`c`,\n:doc:`/book/prior/posterior`.",
        ),
        (
            "In book/fuzzy/fuzzy, of book/data/a_b.json.",
            r"In :doc:`/book/fuzzy/fuzzy`, of book/data/a\_b.json.",
        ),
        ("Such as::\n\n    a |= b", "Such as::\n\n    a |= b"),
    ],
)
def test_a_docstring_is_marked(words, marked):
    lines = words.split("\n")
    api_page.mark(None, "function", "f", len, {}, lines)
    assert "\n".join(lines) == marked


def test_the_docstring_of_a_module_gets_a_table_of_its_names():
    lines = ["Walks."]
    api_page.mark(None, "module", "walk", import_module("fuzzydiff_lite.walk"), {}, lines)
    assert lines[0] == "Walks." and "   Walk" in lines and "   Schedule" not in lines


def test_what_is_not_the_packages_own_is_left_out():
    walk = import_module("fuzzydiff_lite.walk")
    for thing, left_out in ((walk.Move.t, True), (walk.travel, None), (walk.Walk.of, None)):
        assert api_page.skip(None, "class", "", thing, False, {}) == left_out
