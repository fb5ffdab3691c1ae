"""The pages show the run that is tested: book/conftest.py and book/_ext/book_build.py, on a book
of tiny chapters.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_cache import get_cache
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.errors import ExtensionError

from book._ext import book_build

ROOT = Path(__file__).parents[2]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
TALKS = """import sys
from IPython.display import clear_output, display
print("one"); print("two"); print("a warning", file=sys.stderr)
print("three")
shown = display("first", display_id=True)"""
CHANGES = """shown.update("second")
print("gone")
clear_output()
print("stays")
1 + 1"""
WIDGET = """import ipywidgets
from IPython.display import display
slider = ipywidgets.IntSlider(2, 0, 3, description="J")
display(slider)
slider.value = 3
slider"""
GOOD = {"good": [TALKS, CHANGES, "_ + 1", WIDGET], "edited": ["print(2)"]}
CALLBACK = (
    "from ipywidgets import interactive\nhalf = interactive(lambda J: 1 / (J - 2), J=(0, 3))"
)
MOVE = "half.children[0].value = 2"
BAD = {"raises": ["x = 1", "1 / x.real.none", "print('too far')"], "callback": [CALLBACK, MOVE]}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A folder that is set up as this project is, with no chapter."""
    (tmp_path / "book/_ext").mkdir(parents=True)
    for name in ("pyproject.toml", "book/conftest.py", "book/_ext/book_build.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(book_build, "ROOT", tmp_path)
    monkeypatch.setattr(book_build, "CACHES", tmp_path / "_build/.jupyter_cache")
    return tmp_path / "book"


def write(folder, chapters):
    for name, sources in chapters.items():
        cells = [new_code_cell(text, id=f"c{i:02d}") for i, text in enumerate(sources, 2)]
        cells.insert(0, new_markdown_cell("# A title", id="c01"))
        nbformat.write(new_notebook(cells=cells, metadata=METADATA), folder / f"{name}.ipynb")


def look():
    """Where the build would take the outputs from."""
    config = SimpleNamespace()
    book_build.look(None, config)
    return get_cache(config.nb_execution_cache_path)


def plain(notebook):
    """What two runs of a notebook share: lines merge as they come, and widgets have random names."""
    for cell in notebook.cells:
        merged = []
        for output in cell.get("outputs", []):
            if merged and output.get("name", "") == merged[-1].get("name"):
                merged[-1].text += output.text
            else:
                merged.append(output)
        cell.outputs = merged
    parts = notebook.cells, notebook.metadata.language_info
    return [re.sub(r"[0-9a-f]{32}", "id", json.dumps(part, sort_keys=True)) for part in parts]


def by_jupyter(path):
    """A chapter as Jupyter Book would execute it."""
    notebook = nbformat.read(path, as_version=4)
    return NotebookClient(notebook, record_timing=False, timeout=600).execute()


def test_the_pages_show_what_passed_and_only_what_is_new_is_executed(book, capfd, monkeypatch):
    write(book, GOOD | BAD)
    with pytest.raises(ExtensionError, match="did not pass"):
        look()
    said = capfd.readouterr().out
    for fault in ("raises.ipynb::c03", "1 / x.real.none", "AttributeError"):
        assert fault in said
    for fault in ("callback.ipynb::c03", MOVE, "ZeroDivisionError"):
        assert fault in said
    assert "too far" not in said and "zmq" not in said
    first = book_build.executed()
    cache = get_cache(first)
    kept = {Path(record.uri).stem for record in cache.list_cache_records()}
    assert kept == GOOD.keys()
    for name in GOOD:
        assert re.search(rf"^{name} +\d+ s +\d\.\d\d MB$", said, re.MULTILINE)
    notebook = nbformat.read(book / "good.ipynb", as_version=4)
    _, shown = cache.merge_match_into_notebook(notebook)
    assert plain(shown) == plain(by_jupyter(book / "good.ipynb"))

    for name in BAD:
        (book / f"{name}.ipynb").unlink()
    write(book, {"edited": ["print(3)"]})
    assert look().path == first
    said = capfd.readouterr().out
    assert "edited" in said and "good" not in said
    monkeypatch.setattr(subprocess, "run", None)
    look()
    (book.parent / "requirements.lock").write_text("numpy==0")
    for path in book.glob("*.ipynb"):
        path.unlink()
    assert look().path != first and not Path(first).exists()
