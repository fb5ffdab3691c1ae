"""Chapters in JupyterLab, with a kernel: explorer and workbench move, and boxes are boxes.

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
EXPLORER, WORKBENCH = "restoring/repaint.ipynb", "fuzzy/fuzzy.ipynb"
NEEDED = ["shown, n_values =", "def edge("]  # in cells that the explorer's own need
TOKEN = "0123456789"
OPTIONS = ["--no-browser", "--allow-root", "--port=0", f"--IdentityProvider.token={TOKEN}"]
OPTIONS += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
SECONDS = 60  # for JupyterLab to start, for a kernel to run a cell: on a busy machine


def with_explorer(code):
    """The imports, the explorer and the cells before it that this needs."""
    imports = next(cell for cell in code if "load_prior" in cell.source)
    (at,) = (i for i, cell in enumerate(code) if re.search(r"\bExplorer\(", cell.source))
    needed = [cell for part in NEEDED for cell in code if part in cell.source]
    return [imports, *needed, code[at - 1], code[at]]


def with_workbench(code):
    """The workbench, which needs nothing before it."""
    return [cell for cell in code if re.search(r"\bWorkbench\(", cell.source)]


def write_excerpt(folder, chapter, part):
    """Put a chapter's text on what it needs, and that part of its code, into a folder."""
    notebook = nbformat.read(BOOK / chapter, as_version=4)
    text = next(cell for cell in notebook.cells if "```{admonition}" in cell.source)
    cells = part([cell for cell in notebook.cells if cell.cell_type == "code"])
    notebook.cells = [text, *cells]
    (folder / chapter).parent.mkdir(parents=True)
    nbformat.write(notebook, folder / chapter)


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


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of JupyterLab on the two excerpts."""
    folder = tmp_path_factory.mktemp("lab")
    book, home = folder / "book", folder / "home"
    write_excerpt(book, EXPLORER, with_explorer)
    write_excerpt(book, WORKBENCH, with_workbench)
    home.mkdir()
    (book / "data").symlink_to(BOOK / "data")
    with jupyter_lab(book, home) as address:
        yield address


@pytest.fixture
def run_in_lab(opened, lab):
    """`with run_in_lab(chapter) as page`: its page after "Run All Cells", without faults."""

    @contextmanager
    def run_in_lab(chapter):
        with opened(f"{lab}/tree/{chapter}?token={TOKEN}") as (page, faults):
            page.set_default_timeout(1000 * SECONDS)
            run_all(page)
            yield page
            # what other pages define, MyST does not find
            assert [fault for fault in faults if "Cross reference target" not in fault] == []

    return run_in_lab


def test_a_slider_moves_picture_and_text_at_once_and_live(run_in_lab):
    with run_in_lab(EXPLORER) as page:
        box = page.locator(".jp-MarkdownCell .myst-admonition")
        assert box.inner_text().startswith("You need / You will")
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


def test_sliders_for_m_and_J_move_the_workbench_and_the_kernel_runs_it(run_in_lab):
    with run_in_lab(WORKBENCH) as page:
        bench, pictures = page.locator(".workbench"), []
        hero, caption = bench.locator("canvas.hero"), bench.locator("figure.result figcaption")

        def see(words):
            caption.get_by_text(words).wait_for()
            pictures.append(hero.evaluate("(canvas) => canvas.toDataURL()"))

        see("Computed beforehand")
        bench.get_by_role("slider", name="m", exact=True).press("ArrowLeft")
        bench.get_by_role("slider", name="J", exact=True).press("Home")
        see("Computed beforehand")
        bench.get_by_role("button", name="Run", exact=True).click()
        see("Restored here")
        assert len(set(pictures)) == 3
        done = bench.locator(".line").get_by_text(re.compile(r"Done: 20 calls in \d+\.\d s\."))
        assert done.is_visible()
