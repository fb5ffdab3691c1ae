"""What Jupyter Book does not do: notice that the package, the data or a script of the pages has
changed, and take the outputs of the run that tests them.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[2]
CACHES = ROOT / "_build/.jupyter_cache"
EXECUTE = [sys.executable, "-m", "pytest", "-q", "-n2", "--dist=loadfile"]


def digest(root: Path, *names: str) -> str:
    """A hash of the names and contents of files, and of all files in folders, below `root`."""
    paths = (path for name in names for path in [root / name, *(root / name).rglob("*")])
    files = sorted(path for path in paths if path.is_file() and path.suffix != ".pyc")
    digests = (
        f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in files
    )
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def executed() -> Path:
    """Where the executed notebooks are.

    jupyter-cache looks at the notebook alone, so every state of what it uses gets a cache of
    its own.
    """
    used = digest(ROOT, "fuzzydiff_lite", "book/data", "book/images", "requirements.lock")
    return CACHES / used


def missing(cache) -> list[Path]:
    """The chapters that `cache` does not have as they are."""
    known = {record.hashkey for record in cache.list_cache_records()}
    paths = sorted((ROOT / "book").rglob("*.ipynb"))
    chapters = [path for path in paths if ".ipynb_checkpoints" not in path.parts]
    read = (nbformat.read(path, as_version=4) for path in chapters)
    keys = [cache.create_hashed_notebook(notebook)[1] for notebook in read]
    return [path for path, key in zip(chapters, keys) if key not in known]


def look(app, config):
    """Execute what is new, as book/conftest.py says, before Sphinx reads anything.

    A new cache path makes Sphinx read every page again, a new `pages_key` makes it write every
    page again.
    """
    chosen = executed()
    cache = get_cache(chosen)
    if new := missing(cache):
        failed = subprocess.run([*EXECUTE, *new], cwd=ROOT, check=False).returncode
        if failed or missing(cache):
            raise ExtensionError("no pages are made of chapters that did not pass")
    for other in set(CACHES.glob("*")) - {chosen}:
        shutil.rmtree(other)
    config.nb_execution_cache_path = str(chosen)
    config.pages_key = digest(ROOT, "book/_static")


def setup(app):
    app.add_config_value("pages_key", "", "html")
    app.connect("config-inited", look)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
