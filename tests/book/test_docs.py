"""The book and the package say the same: labels, sources, algorithms."""

import ast
import functools
import importlib
import re
from functools import reduce
from pathlib import Path

import nbformat
import pytest

from fuzzydiff_lite import samplers

ROOT = Path(__file__).parents[2]
CITATION = re.compile(
    r"Eq\.\s(\([a-z0-9-]+\)(?:(?:,| and|, and)\s\([a-z0-9-]+\))*),\sbook/(\w+/\w+)"
)
LABEL = re.compile(r"\$\$[ \t]*\(([a-z0-9-]+)\)\s*$|\{math\}\n:label:\s*(\S+)", re.MULTILINE)
COMMENT = re.compile(r"# \(([a-z0-9-]+)\)")


def docstrings(source: str) -> list[str]:
    """The docstrings of a module's source."""
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [ast.get_docstring(node) or "" for node in nodes]


def cited_labels(source: str) -> set[tuple[str, str]]:
    """The (label, chapter) pairs that the docstrings of a module's source cite."""
    citations = (match for text in docstrings(source) for match in CITATION.findall(text))
    return {
        (label, chapter)
        for labels, chapter in citations
        for label in re.findall(r"\(([^)]+)\)", labels)
    }


def defined_labels(notebook) -> set[str]:
    """The labels of the equations of a chapter."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    matches = (match for text in texts for match in LABEL.findall(text))
    return {label for match in matches for label in match if label}


def shown_sources(notebook) -> dict[str, object]:
    """What a chapter's `source(...)` calls show: expression -> thing, found by its imports.

    Raises KeyError, AttributeError or ImportError for a name that the imports do not give.
    """
    trees = [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for name in node.names:
                if hasattr(module, name.name):
                    thing = getattr(module, name.name)
                else:
                    thing = importlib.import_module(f"{node.module}.{name.name}")
                names[name.asname or name.name] = thing
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    calls = [call for call in calls if re.search(r"\bsource$", ast.unparse(call.func))]
    shown = [ast.unparse(argument) for call in calls for argument in call.args]
    parts = {text: text.split(".") for text in shown}
    return {text: reduce(getattr, rest, names[name]) for text, (name, *rest) in parts.items()}


def is_public(thing) -> bool:
    """Whether `thing` is a function or class that the package offers under a public name."""
    module = getattr(thing, "__module__", "")
    if module.split(".")[0] != "fuzzydiff_lite":
        return False
    parts = thing.__qualname__.split(".")
    if any(part.startswith("_") for part in parts):
        return False
    found = importlib.import_module(module)
    for part in parts:
        found = getattr(found, part)
    return getattr(found, "__func__", found) is getattr(thing, "__func__", thing)


MODULES = sorted((ROOT / "fuzzydiff_lite").rglob("*.py"))
BOOK = ROOT / "book"
NOTEBOOKS = {p.relative_to(BOOK).with_suffix("").as_posix(): p for p in BOOK.rglob("*.ipynb")}
CHAPTERS = {name: nbformat.read(path, as_version=4) for name, path in NOTEBOOKS.items()}
CITED = [(path.stem, *pair) for path in MODULES for pair in cited_labels(path.read_text())]
COMMENTED = sorted(
    {
        (path.stem, label)
        for path in MODULES
        if path.parent.name == "samplers"
        for label in COMMENT.findall(path.read_text())
    }
)
ALGORITHMS = sorted(set(samplers.__all__) - {"Step", "run", "from_measurement"})


@pytest.mark.parametrize("module, label, chapter", sorted(set(CITED)))
def test_a_label_in_a_docstring_is_in_its_chapter(module, label, chapter):
    assert chapter in CHAPTERS, f"{module} cites book/{chapter}, which is not there"
    assert label in defined_labels(CHAPTERS[chapter])


@pytest.mark.parametrize("module, label", COMMENTED)
def test_a_label_in_a_comment_is_in_the_book(module, label):
    assert label in set().union(*map(defined_labels, CHAPTERS.values()))


def test_no_label_is_defined_twice():
    labels = [label for chapter in CHAPTERS.values() for label in defined_labels(chapter)]
    assert len(labels) == len(set(labels))


def test_every_citation_is_read():
    """A citation that the pattern misses would never be checked."""
    texts = [text for path in MODULES for text in docstrings(path.read_text())]
    mentions = sum(len(re.findall(r"\bEq\.\s\(", text)) for text in texts)
    assert mentions == sum(len(CITATION.findall(text)) for text in texts) > 0


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_a_chapter_shows_is_public(chapter):
    shown = shown_sources(CHAPTERS[chapter])
    assert [name for name, thing in shown.items() if not is_public(thing)] == []


@functools.cache
def all_shown() -> list:
    """What all chapters show."""
    return [thing for chapter in CHAPTERS.values() for thing in shown_sources(chapter).values()]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_is_shown(name):
    assert any(thing is getattr(samplers, name) for thing in all_shown())


# The readers themselves.


def chapter(*sources, kind="code"):
    new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    return nbformat.v4.new_notebook(cells=[new(source) for source in sources])


def test_citations_are_read_from_docstrings_only():
    source = '''
def f():
    """Mean. Source: Ho 2020; Eq. (a-b) and (c),
    book/prior/posterior."""
    # Eq. (no), book/prior/posterior

class C:
    "Eq. (d), book/fuzzy/fuzzy."
'''
    labels = {("a-b", "prior/posterior"), ("c", "prior/posterior"), ("d", "fuzzy/fuzzy")}
    assert cited_labels(source) == labels


def test_labels_are_read_from_equations_only():
    text = "$$ (x) a $$ (one)\n\n$$\nb\n$$ (two)\n\n```{math}\n:label: three\nc\n```\n(four)= {eq}`five` $a$ (six)"
    assert defined_labels(chapter(text, kind="markdown")) == {"one", "two", "three"}
    assert defined_labels(chapter("$$ a $$ (one)")) == set()


def test_shown_sources_are_found_through_the_imports():
    setup = (
        "from fuzzydiff_lite import Schedule\nfrom fuzzydiff_lite.show import plots\n"
        "from fuzzydiff_lite.samplers import ddim"
    )
    shown = shown_sources(chapter(setup, "plots.source(ddim)\nplots.source(Schedule.linear)"))
    assert list(shown) == ["ddim", "Schedule.linear"] and all(map(is_public, shown.values()))
    with pytest.raises(KeyError):
        shown_sources(chapter(setup, "plots.source(ddpm)"))
    with pytest.raises(ImportError):
        shown_sources(chapter("from fuzzydiff_lite.samplers import nothing"))


def test_private_and_foreign_things_are_not_public():
    source = (
        "from fuzzydiff_lite import noise\nfrom fuzzydiff_lite.show import plots\n"
        "plots.source(noise._key)"
    )
    shown = shown_sources(chapter(source))
    assert not any(map(is_public, [*shown.values(), re.compile, len])) and len(shown) == 1
