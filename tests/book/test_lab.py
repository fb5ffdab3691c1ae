"""A chapter in JupyterLab, with a kernel: its explorer moves, and its boxes are boxes.

`make test` runs this last, with the checks of the pages.
"""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.pages

BOOK = Path(__file__).parents[2] / "book"
CHAPTER = "fuzzy/fuzzy.ipynb"
TOKEN = "0123456789"
OPTIONS = ["--no-browser", "--allow-root", "--port=0", f"--IdentityProvider.token={TOKEN}"]
OPTIONS += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
SECONDS = 60  # for JupyterLab to start, for a kernel to run a cell: on a busy machine


def excerpt(notebook):
    """A chapter's text on what it needs, its first cell, its explorer and the cell before that."""
    text = next(cell for cell in notebook.cells if "```{admonition}" in cell.source)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    (at,) = (i for i, cell in enumerate(code) if re.search(r"\bExplorer\(", cell.source))
    cells = [text, code[0], code[at - 1], code[at]]
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


@contextmanager
def jupyter_lab(book, home):
    """The address of JupyterLab in the folder `book`; what it keeps of its own is in `home`."""
    names = "HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"
    environment = os.environ | dict.fromkeys(names, str(home))
    command = [sys.executable, "-m", "jupyterlab", *OPTIONS, str(book)]
    with open(home / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port(server, home)}/lab"
    finally:
        server.terminate()  # it ends its kernels
        server.wait(SECONDS)


def port(server, home):
    """Where a server listens, from the file that it then writes; RuntimeError if it does not."""
    for _ in range(10 * SECONDS):
        written = "".join(file.read_text() for file in home.glob("jpserver-*.json"))
        if written.endswith("}"):
            return json.loads(written)["port"]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError((home / "log").read_text())


def run_all(page):
    """Run every cell of the notebook that a page shows."""
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # else there is no kernel yet
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


class Shown:
    """The explorer that a cell shows."""

    def __init__(self, page):
        self.widget = page.locator(".widget-vbox")
        self.picture, self.line = self.widget.locator("img"), self.widget.locator("p")

    def move(self, name, key, alt):
        """Press a key on a slider; returns what the kernel then shows: picture and line."""
        slider = self.widget.locator(".widget-slider").filter(has_text=name)
        slider.get_by_role("slider").press(key)
        return self.read(alt)

    def read(self, alt):
        """The picture whose alternative text ends so, and the line under it."""
        self.widget.locator(f"img[alt$='{alt}']").wait_for()
        return self.picture.get_attribute("src"), self.line.inner_text()


def test_sliders_for_m_and_J_move_picture_and_text(opened, tmp_path):
    book, home = tmp_path / "book", tmp_path / "home"
    (book / CHAPTER).parent.mkdir(parents=True)
    home.mkdir()
    (book / "data").symlink_to(BOOK / "data")
    nbformat.write(excerpt(nbformat.read(BOOK / CHAPTER, as_version=4)), book / CHAPTER)
    with jupyter_lab(book, home) as lab:
        url = f"{lab}/tree/{CHAPTER}?token={TOKEN}"
        with opened(url) as (page, faults):
            page.set_default_timeout(1000 * SECONDS)
            box = page.locator(".jp-MarkdownCell .myst-admonition")
            assert box.inner_text().startswith("You need / You will")
            run_all(page)
            shown = Shown(page)
            first = shown.read("m = 1 outside the hole and J = 1.")
            trusting_less = shown.move("m", "ArrowLeft", "m = 0.9 outside the hole and J = 1.")
            twice = shown.move("J", "ArrowRight", "m = 0.9 outside the hole and J = 2.")
            pictures, lines = zip(first, trusting_less, twice)
            assert len(set(pictures)) == 3
            assert "outside exact; 20 network calls" in lines[0]
            assert re.search(r"outside \d+\.\d dB; 20 network calls", lines[1])
            assert re.search(r"outside \d+\.\d dB; 39 network calls", lines[2])
            # what other pages define, MyST does not find
            assert [fault for fault in faults if "Cross reference target" not in fault] == []
