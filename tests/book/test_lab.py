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
CHAPTER = "restoring/repaint.ipynb"
NEEDED = ["shown, n_values =", "def edge("]  # in cells that the explorer's own need
TOKEN = "0123456789"
OPTIONS = ["--no-browser", "--allow-root", "--port=0", f"--IdentityProvider.token={TOKEN}"]
OPTIONS += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
SECONDS = 60  # for JupyterLab to start, for a kernel to run a cell: on a busy machine


def excerpt(notebook):
    """A chapter's text on what it needs, its first cell, its explorer and the cells before it
    that this needs.
    """
    text = next(cell for cell in notebook.cells if "```{admonition}" in cell.source)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    (at,) = (i for i, cell in enumerate(code) if re.search(r"\bExplorer\(", cell.source))
    needed = [cell for part in NEEDED for cell in code if part in cell.source]
    cells = [text, code[0], *needed, code[at - 1], code[at]]
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
        self.explorer = page.locator(".explorer")
        self.canvas, self.line = self.explorer.locator("canvas"), self.explorer.locator(".line")
        self.live = self.explorer.get_by_role("checkbox", name="live")
        self.slider = self.explorer.get_by_role("slider", name="n", exact=True)

    def read(self, n):
        """Picture and line, whose description and control both say n."""
        self.explorer.locator(f"canvas[aria-label$='with n = {n}.']").wait_for()
        assert self.slider.get_attribute("aria-valuetext") == str(n)
        assert self.explorer.get_by_role("alert").inner_text() == ""
        return self.canvas.evaluate("(canvas) => canvas.toDataURL()"), self.line.inner_text()

    def computed(self, n):
        """The same when the kernel has answered."""
        self.explorer.get_by_text("computed in").wait_for()
        return self.read(n)


def test_a_slider_moves_picture_and_text_at_once_and_live(opened, tmp_path):
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
            seen = {("once", 1): shown.read(1)}
            shown.slider.press("ArrowRight")
            seen["once", 2] = shown.read(2)
            shown.live.check()
            seen["live", 2] = shown.computed(2)
            shown.slider.press("ArrowDown")  # which in JupyterLab leads to the next cell
            seen["live", 1] = shown.computed(1)
            assert page.evaluate("document.activeElement.type") == "range"
            pictures, lines = zip(*seen.values())
            assert len(set(pictures)) == 4
            calls = [re.search(r"(\d+) network calls", line)[1] for line in lines]
            assert calls == ["25", "49", "49", "25"]
            # what other pages define, MyST does not find
            assert [fault for fault in faults if "Cross reference target" not in fault] == []
