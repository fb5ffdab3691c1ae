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

ROOT = Path(__file__).parents[1]
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
caught = ipywidgets.Output()
with caught:
    print("inside")
display(caught)
slider"""
GOOD = {"talks": [TALKS, CHANGES, "_ + 1"], "widget": [WIDGET]}
CALLBACK = (
    "from ipywidgets import interactive\nhalf = interactive(lambda J: 1 / (J - 2), J=(0, 4))"
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
    widgets = notebook.metadata.get("widgets", {"": {"state": {}}})
    (models,) = (kind["state"].values() for kind in widgets.values())
    parts = [notebook.cells, notebook.metadata.language_info, *models]
    texts = (json.dumps(part, sort_keys=True) for part in parts)
    return sorted(re.sub(r"[0-9a-f]{32}", "id", text) for text in texts)


def test_the_pages_show_what_a_book_of_its_own_run_would(book, capfd):
    write(book, GOOD)
    cache = look()
    lines = capfd.readouterr().out.splitlines()
    for name in GOOD:
        notebook = nbformat.read(book / f"{name}.ipynb", as_version=4)
        _, kept = cache.merge_match_into_notebook(notebook)
        made = NotebookClient(notebook, record_timing=False, timeout=60).execute()
        assert plain(kept) == plain(made)
        assert any(re.fullmatch(rf"{name} +\d+ s +\d\.\d\d MB", line) for line in lines)
    assert "second" in str(plain(kept)) or "inside" in str(plain(kept))


def test_only_what_is_new_is_executed(book, capfd, monkeypatch):
    write(book, GOOD)
    first = look().path
    capfd.readouterr()
    write(book, {"talks": ["print('anew')"]})
    assert look().path == first
    ran = capfd.readouterr().out
    assert "talks" in ran and "widget" not in ran
    with monkeypatch.context() as nothing_runs:
        nothing_runs.setattr(subprocess, "run", None)
        look()
    (book.parent / "requirements.lock").write_text("numpy==0")
    (book / "widget.ipynb").unlink()
    assert look().path != first and not first.exists()


def test_no_page_is_made_of_what_fails(book, capfd):
    write(book, GOOD | BAD)
    with pytest.raises(ExtensionError, match="did not pass"):
        look()
    kept = {
        Path(record.uri).stem
        for record in get_cache(book_build.executed()).list_cache_records()
    }
    assert kept == GOOD.keys()
    said = capfd.readouterr().out
    for fault in (
        "raises.ipynb::c03",
        "1 / x.real.none",
        "AttributeError",
        "callback.ipynb::c0",
    ):
        assert fault in said
    assert "ZeroDivisionError" in said and "too far" not in said and "zmq" not in said


def test_jupyter_alone_would_not_notice_the_callback(book):
    """Which is why nbval is the judge."""
    write(book, BAD)
    notebook = nbformat.read(book / "callback.ipynb", as_version=4)
    NotebookClient(notebook, timeout=60).execute()
