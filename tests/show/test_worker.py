"""The engine of a page, `show/js/worker.js`, with the network that ships, in Chromium."""

import hashlib
import itertools
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from fuzzydiff_lite import Noise, Walk, load_prior, masks, samplers
from fuzzydiff_lite.data import astronaut
from fuzzydiff_lite.operators import AveragePool, Inpaint
from tests.conftest import served

pytestmark = pytest.mark.pages

ROOT = Path(__file__).parents[2]
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script>
  window.start = (file) => {
    window.heard = [];
    const worker = new Worker(file, { type: "module" });
    worker.onmessage = ({ data: { content, buffers } }) =>
      heard.push({ ...content, pictures: buffers.map((buffer) => new Float32Array(buffer)) });
    window.send = (content, arrays) =>
      worker.postMessage({ content, buffers: arrays.map((array) => Float32Array.from(array).buffer) });
  };
</script>"""
UNTIL = """([id, kinds, times]) =>
  heard.filter((said) => kinds.includes(said.kind) && (said.id ?? null) === id).length >= times
"""
PICTURES = """(id) =>
  heard.filter((said) => said.id === id).map((said) => said.pictures.map((picture) => Array.from(picture)))
"""
SETTINGS = {
    "fuzzy": {"rescale": True, "share": True},
    "repaint": {},
    "ddnm": {"eta": 0.85},
    "ilvr": {"scale": 8, "until": 0},
    "ddim": {"eta": 0},
}
PICTURE = astronaut()
SHARP = masks.box()
SOFT = 0.4 * SHARP  # what fuzzy alone takes


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """The folder that the extension of the book makes, with an empty page in it."""
    folder = tmp_path_factory.mktemp("site") / "live"
    # One process at a time, where tests run in several.
    with pytest.MonkeyPatch.context() as patch, FileLock(ROOT / "_build/.live.lock"):
        patch.syspath_prepend(ROOT / "book/_ext")
        import live

        if failed := live.install():
            pytest.skip(f"npm could not bring the runtime: {failed}")
        live.lay(folder)
    (folder / "page.html").write_text(PAGE)
    return folder


class Engine:
    """A worker in a page, and what it has said."""

    def __init__(self, page, file="worker.js"):
        self.page = page
        page.evaluate("(file) => start(file)", file)

    def send(self, kind, *arrays, **content):
        lists = [np.asarray(array, dtype=np.float32).ravel().tolist() for array in arrays]
        self.page.evaluate(
            "([content, lists]) => send(content, lists)", [{"kind": kind, **content}, lists]
        )

    def run(self, id, method, m=None, seeds=(0,), steps=2, repeats=1, picture=PICTURE, **more):
        self.page.bring_to_front()  # Chromium lets pages behind others wait
        walk = {"steps": steps, "repeats": repeats}
        settings = {"tone": "colour", "walk": walk, **SETTINGS[method], **more}
        m = (SOFT if method == "fuzzy" else SHARP) if m is None else m
        about = {"method": method, "settings": settings, "seeds": list(seeds)}
        self.send("run", picture, m, id=id, **about)

    def until(self, id, *kinds, times=1):
        """All that it has said once it has said one of these, in the run `id`; no pictures."""
        self.page.wait_for_function(UNTIL, arg=[id, kinds, times], timeout=120_000)
        return self.page.evaluate("() => heard.map(({ pictures, ...said }) => said)")

    def pictures(self, id):
        """The pictures of all that it has said in a run."""
        return [np.array(said) for said in self.page.evaluate(PICTURES, id)]


@pytest.fixture(scope="module")
def engine(opened, live):
    """One that has loaded the network."""
    with served(live, seconds=3600) as address, opened(address + "page.html") as (page, faults):
        made = Engine(page)
        made.send("load")
        assert made.until(None, "ready", "error")[-1]["kind"] == "ready"
        yield made
        assert faults == []


def of(heard, kind, id):
    """What was said of a run, of one kind or any."""
    return [m for m in heard if m.get("id") == id and kind in (None, m["kind"])]


def test_it_loads_with_progress_and_is_kept_for_the_next_visit(opened, live):
    about = json.loads((live / "live.json").read_text())
    total = about["model"]["bytes"] + about["wasm"]["bytes"]
    assert total < 25e6
    asked = []
    with served(live, seconds=3600) as address:
        for visit in "first", "second":
            with opened(address + "page.html") as (page, faults):
                page.on(
                    "request", lambda request, visit=visit: asked.append((visit, request.url))
                )
                engine = Engine(page)
                engine.send("load")
                *loading, last = engine.until(None, "ready", "error")
                assert last["kind"] == "ready" and last["call_ms"] > 0
                assert last["engine"] == "WebAssembly"
                assert {message["kind"] for message in loading} == {"loading"}
                done = [message["done"] for message in loading]
                assert done == sorted(done) and done[-1] == total == loading[-1]["total"]
                assert faults == []
            assert (len(done) > 10) == (visit == "first")
    files = {
        visit: {url.rsplit("/")[-1] for by, url in asked if by == visit} for visit, _ in asked
    }
    assert files["first"] >= {"prior.onnx", "ort.wasm.gzip"}
    assert not files["second"] & {"prior.onnx", "ort.wasm.gzip"}


def test_each_step_is_told_and_each_seed_done(engine):
    engine.run("told", "fuzzy", seeds=[3, 0])
    heard = of(engine.until("told", "error", "done", times=2), None, "told")
    told = [(m["kind"], m["seed"], m.get("number"), m.get("level")) for m in heard]
    assert told == [
        ("step", 3, 1, 500),
        ("step", 3, 2, 0),
        ("done", 3, None, None),
        ("step", 0, 1, 500),
        ("step", 0, 2, 0),
        ("done", 0, None, None),
    ]
    assert all(m["of"] == 2 and m["ms"] > 0 for m in heard if m["kind"] == "step")
    pictures = engine.pictures("told")
    assert [each.shape for each in pictures] == 2 * [(2, 12288), (2, 12288), (1, 12288)]
    assert all(np.isfinite(each).all() for each in pictures)
    for first, second, done in pictures[:3], pictures[3:]:
        assert (done[0] == second[0]).all() and (first[0] != second[0]).any()
    assert (pictures[2] != pictures[5]).any()


def test_a_run_is_cancelled_at_its_next_step_and_another_begins(engine):
    engine.run("long", "fuzzy", steps=100)
    engine.until("long", "step")
    engine.send("cancel", id="long")
    heard = engine.until("long", "cancelled", "done")
    assert not of(heard, "done", "long")
    assert len(of(heard, "step", "long")) < 50
    engine.run("after", "ddim")
    heard = engine.until("after", "done", "error")
    assert of(heard, "done", "after")
    assert len(of(heard, "cancelled", "long")) == 1


def test_a_second_run_cancels_the_first(engine):
    for id in "one", "two", "three":
        engine.run(id, "fuzzy", steps=2 if id == "three" else 100)
    heard = engine.until("three", "done", "error")
    assert of(heard, "cancelled", "one") and of(heard, "cancelled", "two")
    assert not of(heard, "done", "one") + of(heard, "done", "two")
    ids = [m["id"] for m in heard if m.get("id") in ("one", "two", "three")]
    assert ids == sorted(ids, key=["one", "two", "three"].index)


def test_bad_input_is_an_error_of_that_run_alone(engine):
    for id, given, message in [
        ("short", {"picture": PICTURE[..., :32]}, "y must hold 12288 numbers, got 6144"),
        ("m", {"m": SHARP + 0.5}, "m must lie in [0, 1] and have no NaN"),
        ("tone", {"tone": "red"}, "tone must be one of colour, mono, none, got red"),
        ("steps", {"steps": 0}, "steps must be a whole number between 1 and 1000, got 0"),
    ]:
        engine.run(id, "fuzzy", **given)
        (error,) = of(engine.until(id, "error", "done"), "error", id)
        assert error["message"] == message
    engine.run("good", "fuzzy")
    assert of(engine.until("good", "error", "done"), "done", "good")


def test_a_damaged_or_missing_file_is_named_and_can_be_mended(opened, live, tmp_path):
    shutil.copytree(live, tmp_path, dirs_exist_ok=True)
    about = json.loads((live / "live.json").read_text())
    model = bytearray((live / "prior.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    whole = {name: (live / name).read_bytes() for name in ("prior.onnx", "live.json")}
    other = about | {"model": about["model"] | {"bytes": 9}}
    faults_of = [
        ("prior.onnx", bytes(model), "live/prior.onnx is damaged: its checksum"),
        ("prior.onnx", bytes(model)[:-5], "live/prior.onnx is damaged: its checksum"),
        ("live.json", json.dumps(other).encode(), "live/prior.onnx is damaged: its checksum"),
        ("prior.onnx", None, "live/prior.onnx is missing from this book (status 404)"),
        ("live.json", b"<html>", "live/live.json is not what it should be (Unexpected token"),
        ("live.json", None, "live/live.json is missing from this book (status 404)"),
    ]
    seconds = itertools.count(
        int(time.time())
    )  # by which the server tells one file from another

    def write(name, data):
        (tmp_path / name).unlink(missing_ok=True)
        if data is not None:
            (tmp_path / name).write_bytes(data)
            os.utime(tmp_path / name, 2 * (next(seconds),))

    with served(tmp_path, seconds=3600) as address, opened(address + "page.html") as (page, _):
        engine = Engine(page)
        for name, data, message in faults_of:
            write(name, data)
            page.evaluate("() => { heard.length = 0 }")
            engine.send("load")
            last = engine.until(None, "ready", "error")[-1]
            assert last["kind"] == "error" and last["message"].startswith(message)
            write(name, whole[name])
        page.evaluate("() => { heard.length = 0 }")
        engine.send("load")
        assert engine.until(None, "ready", "error")[-1]["kind"] == "ready"


def test_it_says_when_it_is_offline(opened, live):
    with served(live, seconds=3600) as address, opened(address + "page.html") as (page, _):
        with page.expect_event("requestfinished", lambda asked: "noise.js" in asked.url):
            engine = Engine(page)  # all of the worker's files are there
        page.context.set_offline(True)
        engine.send("load")
        message = engine.until(None, "ready", "error")[-1]["message"]
        page.context.set_offline(False)
    assert message.startswith("live/live.json cannot be had (Failed to fetch).")


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("delete self.WebAssembly;", "This browser has no WebAssembly"),
        ("delete self.DecompressionStream;", "This browser has no WebAssembly"),
        (
            "WebAssembly.Memory = function () { throw new RangeError('could not allocate memory'); };",
            "There is too little memory to run the network",
        ),
    ],
    ids=["WebAssembly", "DecompressionStream", "memory"],
)
def test_it_says_what_a_browser_lacks(opened, live, tmp_path, lacking, message):
    shutil.copytree(live, tmp_path, dirs_exist_ok=True)
    (tmp_path / "lacking.js").write_text(lacking)
    (tmp_path / "start.js").write_text('import "./lacking.js";\nimport "./worker.js";\n')
    with served(tmp_path, seconds=3600) as address, opened(address + "page.html") as (page, _):
        engine = Engine(page, "start.js")
        engine.send("load")
        last = engine.until(None, "ready", "error")[-1]
    assert last["kind"] == "error" and last["message"].startswith(message)


def test_it_loads_without_https_and_checksums(opened, live, tmp_path):
    shutil.copytree(live, tmp_path, dirs_exist_ok=True)
    nothing = "{ value: undefined }"
    (tmp_path / "lacking.js").write_text(
        f"for (const name of ['crypto', 'caches']) Object.defineProperty(self, name, {nothing});"
    )
    (tmp_path / "start.js").write_text('import "./lacking.js";\nimport "./worker.js";\n')
    model = bytearray((live / "prior.onnx").read_bytes())
    model[0] ^= 255
    with served(tmp_path, seconds=3600) as address, opened(address + "page.html") as (page, _):
        engine = Engine(page, "start.js")
        (tmp_path / "prior.onnx").write_bytes(model)
        engine.send("load")
        last = engine.until(None, "ready", "error")[-1]
        assert last["kind"] == "error"
        assert last["message"].startswith("The network cannot be started (")
        (tmp_path / "prior.onnx").write_bytes((live / "prior.onnx").read_bytes())
        page.evaluate("() => { heard.length = 0 }")
        engine.send("load")
        assert engine.until(None, "ready", "error")[-1]["kind"] == "ready"


FAKE = """let calls = 0;
export const env = { wasm: {} };
export class Tensor { constructor(type, data) { this.data = data; } }
const run = async ({ x }) => {
  calls += 1;
  if (calls === 4) throw new WebAssembly.RuntimeError("unreachable");
  return { x0_hat: { data: x.data.map((value) => value / 2) } };
};
export const InferenceSession = { create: async () => ({ run }) };
"""


def test_after_a_trap_in_a_run_the_network_is_loaded_anew(opened, live, tmp_path):
    shutil.copytree(live, tmp_path, dirs_exist_ok=True)
    (tmp_path / "ort.mjs").write_text(FAKE)
    with (
        served(tmp_path, seconds=3600) as address,
        opened(address + "page.html") as (page, faults),
    ):
        engine = Engine(page)
        engine.send("load")
        engine.until(None, "ready", "error")
        engine.run("trap", "fuzzy")
        heard = engine.until(None, "error")
        assert of(heard, "step", "trap") and not of(heard, "error", "trap")
        assert heard[-1]["message"].startswith("The network has stopped (unreachable).")
        page.evaluate("() => { heard.length = 0 }")
        engine.send("load")
        heard = engine.until(None, "ready", "error")
        assert heard[0]["kind"] == "loading" and heard[-1]["kind"] == "ready"
        engine.run("good", "fuzzy")
        assert of(engine.until("good", "error", "done"), "done", "good")
        assert faults == []


KEPT = """async ({ download }, { data, ...about }) => {
  const set = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true });
  set("fetch", async () => new Response(Uint8Array.from(data)));
  set("caches", { open: async () => { throw new DOMException("blocked", "SecurityError"); } });
  return Array.from(await download(about, () => {}));
}"""


def test_it_loads_where_site_data_are_blocked(in_javascript):
    data = [1, 2, 3]
    about = {"file": "three", "bytes": 3, "sha256": hashlib.sha256(bytes(data)).hexdigest()}
    assert in_javascript("download.js", KEPT, {"data": data, **about}) == data


def in_python(prior, method, seed, steps, repeats):
    """The picture that the package makes."""
    run = {"walk": Walk(steps, repeats=repeats), "noise": Noise(seed)}
    if method == "fuzzy":
        return samplers.fuzzy(prior, PICTURE, SOFT, variance=prior.variance, **run)
    if method == "repaint":
        return samplers.repaint(prior, PICTURE, SHARP, **run)
    if method == "ddnm":
        A = Inpaint(SHARP)
        return samplers.ddnm(prior, A(PICTURE), A, eta=0.85, **run)
    if method == "ilvr":
        return samplers.ilvr(prior, PICTURE, AveragePool(8).project, until=0, **run)
    return samplers.ddim(prior, eta=0.0, **run)


@pytest.mark.parametrize(
    ("method", "steps", "repeats"),
    [
        ("fuzzy", 20, 1),
        ("fuzzy", 20, 3),
        ("repaint", 20, 1),
        ("ddnm", 20, 1),
        ("ilvr", 20, 1),
        ("ddim", 5, 1),
    ],
)
def test_a_page_makes_the_picture_that_python_makes(engine, method, steps, repeats):
    """Same seed, same picture."""
    id = f"{method} {repeats}"
    engine.run(id, method, seeds=[7], steps=steps, repeats=repeats)
    prior = load_prior(tone="colour", device="cpu")
    *_, last = in_python(prior, method, 7, steps, repeats)
    assert of(engine.until(id, "error", "done"), "done", id)
    x = torch.from_numpy(engine.pictures(id)[-1]).reshape(last.x.shape)
    difference = (x - last.x).abs().max().item()
    print(f"{id}: {difference:.2g}")
    assert difference <= 1e-4
