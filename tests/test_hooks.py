"""What the hooks of .pre-commit-config.yaml do to a commit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
CLEAN = "x = 1\n"


@pytest.fixture
def run(tmp_path):
    """Runs the hooks on files of a new repository; returns whether they pass, and what they say."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("no git on this machine's PATH")
    repository = tmp_path / "repository"
    repository.mkdir()
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, repository)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"PATH": path, "PRE_COMMIT_HOME": str(tmp_path / "home")}

    def call(*command):
        options = {"cwd": repository, "env": environment, "capture_output": True, "text": True}
        return subprocess.run(command, check=False, **options)

    assert call(git, "init").returncode == 0

    def run(**files):
        for name, text in files.items():
            (repository / name.replace("_", ".")).write_text(text)
        assert call(git, "add", ".").returncode == 0
        done = call(sys.executable, "-m", "pre_commit", "run", "--all-files")
        return done.returncode == 0, done.stdout + done.stderr

    run.repository = repository
    return run


def test_what_is_in_order_passes(run):
    passes, said = run(a_py=CLEAN)
    assert passes, said


@pytest.mark.parametrize(
    "text, hook",
    [("import os\n\nx = 1\n", "ruff-check"), ("x = [1,2]\n", "ruff-format")],
)
def test_ruff_stops_a_commit(run, text, hook):
    passes, said = run(a_py=text)
    failed = said.split(f"hook id: {hook}")
    assert not passes and len(failed) == 2 and said.count("hook id") == 1, said


def test_a_saved_notebook_loses_its_outputs_only(run):
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    cell = nbformat.v4.new_code_cell("x\n", id="c01", metadata={"tags": ["remove-cell"]})
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=metadata)
    clean = nbformat.writes(notebook) + "\n"
    assert run(a_ipynb=clean)[0]
    cell.execution_count = 3
    cell.outputs = [nbformat.v4.new_output("stream", text="1\n")]
    notebook.metadata["language_info"] |= {"version": "3.11.7", "mimetype": "text/x-python"}
    passes, said = run(a_ipynb=nbformat.writes(notebook))
    assert not passes and "hook id: nbstripout" in said
    assert (run.repository / "a.ipynb").read_text() == clean
