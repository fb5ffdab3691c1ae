"""Every notebook of book/ is in the table of contents, clean, and asserts its numbers."""

import ast
import copy
import re
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
NOTEBOOKS = sorted(BOOK.rglob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
NAMES = "Python 3", "Python 3 (ipykernel)"  # the second as JupyterLab saves it
LONGEST_CELL = 18  # lines of code
LONGEST_LINE = 96  # characters: what a page shows on a laptop, see book/_static/page.css
SHORTEST_ALT = 40  # characters
DRIVES = {"Explorer": "at", "Workbench": "run"}  # what a hidden cell must call on each


def faults(notebook) -> list[str]:
    """What is wrong with the form of a notebook, a line each."""
    cells = notebook.cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    found = [f"{cell.id}: {fault}" for cell in code for fault in cell_faults(cell)]
    found += [
        f"{cell.id}: has a line of {n} characters" for cell in cells for n in too_long(cell)
    ]
    kernels = [METADATA["kernelspec"] | {"display_name": name} for name in NAMES]
    agreed = [METADATA | {"kernelspec": kernel} for kernel in kernels]
    if notebook.metadata not in agreed or (notebook.nbformat, notebook.nbformat_minor) != (
        4,
        5,
    ):
        found.append("the notebook's metadata is not the agreed one, or its format not 4.5")
    if [cell.id for cell in cells] != [f"c{i:02d}" for i in range(1, len(cells) + 1)]:
        found.append("the cell ids are not c01, c02, …")
    asserts = re.compile(r"^\s*assert\b|\bassert_close\(", re.MULTILINE)
    if not any(asserts.search(cell.source) for cell in code):
        found.append("no cell asserts anything")
    for i, cell in enumerate(code):
        for kind, drive in DRIVES.items():
            for name in widgets(cell, kind):
                call = re.compile(rf"\b{name}\.{drive}\(")
                hidden = filter(is_hidden, code[i + 1 :])
                if not any(call.search(later.source) for later in hidden):
                    found.append(f"{cell.id}: no remove-cell after it calls {name}.{drive}(")
    return found


def too_long(cell) -> list[int]:
    """The lengths of lines of code that do not fit a page, in code cells and in solutions."""
    code = [cell.source]
    if cell.cell_type == "markdown":
        code = re.findall(r"^```python\n(.*?)^```", cell.source, re.MULTILINE | re.DOTALL)
    lines = [line for part in code for line in part.splitlines()]
    return [len(line) for line in lines if len(line) > LONGEST_LINE]


def is_hidden(cell) -> bool:
    return "remove-cell" in cell.metadata.get("tags", [])


def cell_faults(cell) -> list[str]:
    """What is wrong with one code cell."""
    lines = [line for line in cell.source.splitlines() if line.strip()]
    mystnb = cell.metadata.get("mystnb", {})
    checks = {
        "has outputs or a count": cell.outputs or cell.execution_count is not None,
        f"has {len(lines)} lines": len(lines) > LONGEST_CELL,
        "has a line that ends in ;": any(line.rstrip().endswith(";") for line in lines),
        "has a figure without a telling alt text": "figure" in mystnb
        and len(mystnb.get("image", {}).get("alt", "")) < SHORTEST_ALT,
    }
    return [fault for fault, is_so in checks.items() if is_so]


def widgets(cell, kind: str) -> list[str]:
    """The names of a cell's widgets of a kind; one without a name is `kind`, with no drive."""
    nodes = list(ast.walk(ast.parse(cell.source)))
    calls = [node for node in nodes if makes(node, kind)]
    named = [node for node in nodes if isinstance(node, ast.Assign) and makes(node.value, kind)]
    return [node.targets[0].id for node in named] + [kind] * (len(calls) - len(named))


def makes(node, kind: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == kind


def pages(toc: dict) -> set[str]:
    """The files that a table of contents names, without their endings."""
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    return {toc["root"], *(chapter["file"] for chapter in chapters)}


def test_the_table_of_contents_and_the_book_agree():
    named = pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    files = [*BOOK.rglob("*.ipynb"), *BOOK.rglob("*.md")]
    assert named == {path.relative_to(ROOT).with_suffix("").as_posix() for path in files}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert faults(notebook) == []


# The checks themselves, on a notebook that is right and on what can be wrong with it.

CODE = {
    "c02": "x = 1\nassert x == 1",
    "c03": "explorer = widgets.Explorer(lambda m: show(m), {'m': [0, 1]})\nexplorer",
    "c04": "explorer.at(m=1)",
}


@pytest.fixture
def good():
    cells = [nbformat.v4.new_markdown_cell("# Title", id="c01")]
    cells += [nbformat.v4.new_code_cell(source, id=name) for name, source in CODE.items()]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(METADATA))
    cells[1].metadata["mystnb"] = {
        "image": {"alt": "a" * SHORTEST_ALT},
        "figure": {"caption": "A finding."},
    }
    cells[3].metadata["tags"] = ["remove-cell"]
    return notebook


def test_a_good_notebook_has_no_faults(good):
    nbformat.validate(good)
    assert faults(good) == []


METADATA_DIFFERS = "the notebook's metadata is not the agreed one"
OUTPUTS = "c02: has outputs or a count"
SHORT_ALT = "c02: has a figure without a telling alt"
UNDRIVEN = "c03: no remove-cell after it calls "


@pytest.mark.parametrize(
    "damage, fault",
    [
        (lambda n: n.metadata.kernelspec.update(name="mine"), METADATA_DIFFERS),
        (lambda n: n.metadata.update(authors=[]), METADATA_DIFFERS),
        (lambda n: n.update(nbformat_minor=4), METADATA_DIFFERS),
        (lambda n: n.cells[2].update(id="c3"), "the cell ids are not"),
        (lambda n: n.cells[1].update(source="assertive = 1"), "no cell asserts anything"),
        (lambda n: n.cells[1].update(execution_count=1), OUTPUTS),
        (lambda n: n.cells[1].outputs.append(nbformat.v4.new_output("stream")), OUTPUTS),
        (lambda n: n.cells[1].update(source="assert 1\n\n" * 19), "c02: has 19 lines"),
        (
            lambda n: n.cells[1].update(source="assert 1" + "  #" * 30),
            "c02: has a line of 98 characters",
        ),
        (
            lambda n: n.cells[0].update(source=f"```python\n{'x' * 97}\n```"),
            "c01: has a line of 97 characters",
        ),
        (
            lambda n: n.cells[1].update(source="assert 1; \nx = 2"),
            "c02: has a line that ends in ;",
        ),
        (lambda n: n.cells[1].metadata.mystnb.image.update(alt="short"), SHORT_ALT),
        (lambda n: n.cells[1].metadata.mystnb.pop("image"), SHORT_ALT),
        (lambda n: n.cells[3].metadata.pop("tags"), UNDRIVEN + "explorer.at("),
        (lambda n: n.cells[3].update(source="other.at(m=1)"), UNDRIVEN + "explorer.at("),
        (lambda n: n.cells[2].update(source="Explorer(f, {})"), UNDRIVEN + "Explorer.at("),
        (
            lambda n: n.cells[2].update(source="bench = Workbench()"),
            UNDRIVEN + "bench.run(",
        ),
        (lambda n: n.cells.insert(2, n.cells.pop(3)), UNDRIVEN + "explorer.at("),
    ],
)
def test_a_fault_is_found(good, damage, fault):
    damage(good)
    assert any(line.startswith(fault) for line in faults(good)), faults(good)
