"""Every chapter is executed once: what nbval tests is what the pages show.

nbval judges each cell. The messages that it gets from the kernel also go to nbclient, which makes
outputs of them as it does for every Jupyter Book, and a chapter whose cells have all passed
enters the cache that the build reads.
"""

import copy
import time
from contextlib import suppress

import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from book._ext.book_build import executed


def pytest_configure(config):
    """Make the cache before a second process can try the same."""
    get_cache(executed()).db.dispose()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    found = yield
    return [
        Chapter.from_parent(parent, path=file_path) if isinstance(file, IPyNbFile) else file
        for file in found
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report):
    """One line a chapter, or for the cell that fails, instead of a letter a cell."""
    line = dict(report.user_properties).get("line")
    if line is None or report.when != "call" and not report.skipped:
        return None
    line = f"{report.nodeid} failed\n" if report.failed else line
    return report.outcome, line, report.outcome.upper()


class Chapter(IPyNbFile):
    """A notebook under nbval that keeps its outputs."""

    failed = False

    def collect(self):
        for cell in super().collect():
            known = {"cell_num": cell.cell_num, "cell": cell.cell, "options": cell.options}
            yield Cell.from_parent(self, name=cell.cell.id, **known)

    def setup(self):
        """Start the kernel, and count the time from here."""
        self.began = time.monotonic()
        super().setup()
        self.kernel.execute_cell_input = self.execute
        self.client = NotebookClient(copy.deepcopy(self.nb), record_timing=False)
        self.client.kc = self.kernel.kc
        about = self.kernel.kc.kernel_info(reply=True, timeout=600)["content"]
        self.client.nb.metadata["language_info"] = about["language_info"]
        cells = enumerate(self.client.nb.cells)
        self.code = [(i, cell) for i, cell in cells if cell.cell_type == "code"]
        self.passed = 0

    def begin(self, number):
        """Say which code cell the outputs to come are of."""
        self.index, self.cell = self.code[number]
        self.client.clear_before_next_output = False

    def execute(self, source, allow_stdin):
        """Number the cells, as Jupyter does: nbval alone would leave them out of the history."""
        self.request = self.kernel.kc.execute(
            source, allow_stdin=allow_stdin, stop_on_error=False
        )
        return self.request

    def get_kernel_message(self, timeout=None, stream="iopub"):
        """What nbval asks for, which nbclient makes the outputs of the cell of."""
        message = super().get_kernel_message(timeout, stream)
        if message["parent_header"].get("msg_id") == self.request:
            with suppress(CellExecutionComplete):  # how nbclient says that the cell is done
                self.client.process_message(message, self.cell, self.index)
        return message

    def keep(self) -> str:
        """Write the executed notebook into the cache; returns its name, seconds and size.

        Without the state of its widgets: the pages show the HTML beside it.
        """
        seconds = time.monotonic() - self.began
        cache = get_cache(executed())
        record = cache.cache_notebook_bundle(
            CacheBundleIn(self.client.nb, str(self.path), data={"execution_seconds": seconds}),
            check_validity=False,
            overwrite=True,
        )
        size = (cache.path / "executed" / record.hashkey / "base.ipynb").stat().st_size
        return f"{self.path.stem:<20}{seconds:4.0f} s {size / 1e6:6.2f} MB\n"


class Cell(IPyNbCell):
    """A cell of a chapter, named by its id."""

    def setup(self):
        """A slow machine may take its time; a chapter ends at its first error."""
        self.output_timeout = self.config.option.nbval_cell_timeout
        self.user_properties.append(("line", ""))
        if self.parent.failed:
            pytest.skip("a cell above it failed")

    def runtest(self):
        self.parent.begin(self.cell_num)
        try:
            super().runtest()
        except Exception:
            self.parent.failed = True
            raise
        self.parent.passed += 1
        if self.parent.passed == len(self.parent.code):
            self.user_properties.append(("line", self.parent.keep()))

    def repr_failure(self, excinfo):
        error = excinfo.value
        if not isinstance(error, NbCellError):
            return super().repr_failure(excinfo)
        return f"{error}\n\n{error.source}\n{error.inner_traceback or ''}"

    def reportinfo(self):
        return self.path, 0, self.nodeid
