"""What Jupyter Book does not notice: that the package, the data or a script of the pages has
changed.
"""

import hashlib
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def fingerprint(root: Path, *names: str) -> str:
    """A hash of the names and contents of files, and of all files in folders, below `root`."""
    paths = (path for name in names for path in [root / name, *(root / name).rglob("*")])
    files = sorted(path for path in paths if path.is_file() and path.suffix != ".pyc")
    digests = (
        f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in files
    )
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def look(app, config):
    """jupyter-cache looks at the notebook alone, so every state of what it uses gets a cache of
    its own.

    A new cache path makes Sphinx read every page again, a new `pages_key` makes it write every
    page again.
    """
    caches = Path(app.outdir).parent / ".jupyter_cache"
    chosen = caches / fingerprint(
        ROOT, "fuzzydiff_lite", "book/data", "book/images", "requirements.lock"
    )
    for other in set(caches.glob("*")) - {chosen}:
        shutil.rmtree(other)
    config.nb_execution_cache_path = str(chosen)
    config.pages_key = fingerprint(ROOT, "book/_static")


def setup(app):
    app.add_config_value("pages_key", "", "html")
    app.connect("config-inited", look)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
