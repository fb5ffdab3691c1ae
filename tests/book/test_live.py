"""The folder `live` beside the pages: book/_ext/live.py."""

import gzip
import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from fuzzydiff_lite.networks import TONES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def live(monkeypatch, tmp_path):
    """The extension, on a folder of its own with a runtime of nine bytes."""
    monkeypatch.syspath_prepend(ROOT / "book/_ext")
    import live

    for name in (*live.MADE_OF, "package.json", ".npmrc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    runtime = tmp_path / "node_modules/onnxruntime-web/dist"
    runtime.mkdir(parents=True)
    (runtime / "ort-wasm-simd-threaded.wasm").write_bytes(b"the wasm\n")
    (runtime / "ort.wasm.bundle.min.mjs").write_text("the runtime")
    shutil.copy(ROOT / "package-lock.json", tmp_path / "node_modules/.package-lock.json")
    shutil.copytree(live.JS, tmp_path / "js")
    for name in live.MODULES:
        (tmp_path / "js" / name).touch()
    paths = {"ROOT": tmp_path, "PACKAGES": tmp_path / "node_modules", "RUNTIME": runtime}
    paths |= {"CACHES": tmp_path / "caches", "JS": tmp_path / "js"}
    for name, path in paths.items():
        monkeypatch.setattr(live, name, path)
    return live


def test_the_folder_has_what_it_describes_and_is_made_once(live, tmp_path):
    folder = tmp_path / "html/live"
    live.lay(folder)
    about = json.loads((folder / "live.json").read_text())
    assert about["tones"] == list(TONES) and 300 < about["variance"] < 400
    for part in about["model"], about["wasm"]:
        data = (folder / part["file"]).read_bytes()
        assert len(data) == part["bytes"]
        assert hashlib.sha256(data).hexdigest() == part["sha256"]
    assert gzip.decompress((folder / about["wasm"]["file"]).read_bytes()) == b"the wasm\n"
    assert {*live.MODULES, "ort.mjs"} <= {path.name for path in folder.iterdir()}

    (kept,) = live.CACHES.iterdir()
    made = (kept / "prior.onnx").stat().st_mtime_ns
    live.lay(folder)
    assert (kept / "prior.onnx").stat().st_mtime_ns == made
    for lock in (tmp_path / "package-lock.json", tmp_path / "node_modules/.package-lock.json"):
        lock.write_text('{"packages": {"": {}, "more": {"version": "1.0"}}}')
    live.lay(folder)
    assert kept not in list(live.CACHES.iterdir())  # only the newest is kept


def test_without_npm_a_line_and_the_pages_say_so(live, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "html/live"
    folder.mkdir(parents=True)
    (tmp_path / "node_modules/.package-lock.json").unlink()
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    live.lay(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"live.json": "null"}
    line = (
        "The pages will show pictures, but not run the network: npm error code ECONNREFUSED\n"
    )
    assert capsys.readouterr().out == line


def test_it_is_laid_for_pages_that_were_built(live, tmp_path, monkeypatch):
    laid = []
    monkeypatch.setattr(live, "lay", laid.append)
    for kind, exception in [("html", None), ("html", ValueError()), ("latex", None)]:
        app = SimpleNamespace(builder=SimpleNamespace(format=kind), outdir=tmp_path)
        live.built(app, exception)
    assert laid == [tmp_path / "live"]
