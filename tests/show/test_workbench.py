"""The workbench: what Python and the page must agree on, and the page in a browser."""

import base64
import html
import io
import json
import re
import runpy
import shlex

import numpy as np
import pytest
import torch
from PIL import Image

from fuzzydiff_lite import GaussianPrior, Noise, Walk, masks, run, samplers
from fuzzydiff_lite.cli import commands, options
from fuzzydiff_lite.data import london, people, to_image, to_tensor
from fuzzydiff_lite.operators import AveragePool
from fuzzydiff_lite.restore.files import read
from fuzzydiff_lite.restore.tasks import restorer, settings
from fuzzydiff_lite.show import workbench
from fuzzydiff_lite.show.engine import sampler
from fuzzydiff_lite.show.widgets import save_grid
from fuzzydiff_lite.show.workbench import JS, MARKS, START, Workbench, faces, shape
from tests.conftest import served

METHODS = ["fuzzy", "repaint", "ddnm", "ilvr", "ddim"]
SETTINGS = "workbench/settings.js"


@pytest.fixture(scope="module")
def prior():
    return GaussianPrior(people(64).mean(0), torch.tensor(0.05))


@pytest.fixture(scope="module")
def grid(tmp_path_factory, prior):
    """Frames of two settings of m: grey where m = 0, the picture where m = 1."""
    file = tmp_path_factory.mktemp("frames") / "frames.json"
    axes = {"picture": ["astronaut"], "mask": ["box", "half"], "m": [0, 0.1, 1], "J": [1, 3]}
    y = faces()["astronaut"]

    def compute(picture, mask, m, J):
        return torch.cat([y, m * y], 3), f"{mask}, m = {m}, J = {J}"

    save_grid(file, compute, axes)
    return file


@pytest.fixture(scope="module")
def made(prior, grid):
    return Workbench(frames=grid, prior=prior)


def spec_of(page):
    return json.loads(html.unescape(re.search(r"data-spec='([^']*)'", page)[1]))


def test_the_stops_of_m_leave_visibly_different_shares():
    found = workbench.weights()
    c = [(1 - m) / (m**2 + (1 - m) ** 2) ** 0.5 for m in found]
    assert [share**20 for share in c] == pytest.approx(
        [k / 10 for k in range(10, -1, -1)], abs=0.03
    )


def test_shapes_are_those_of_masks():
    for name in ("box", "half", "stripes"):
        assert torch.equal(shape(name), masks.named(name))
    assert shape("whole").sum() == 0
    with pytest.raises(ValueError, match="shape must be one of whole, "):
        shape("nose")


def test_the_marks_are_on_the_eyes_and_the_mouth():
    mean = torch.cat([london(), people()]).mean((0, 1))
    for mark, (left, top, right, bottom) in [
        (MARKS["eyes"][0], (12, 20, 30, 34)),
        (MARKS["eyes"][1], (34, 20, 52, 34)),
        (MARKS["mouth"][0], (24, 42, 40, 54)),
    ]:
        part = mean[top:bottom, left:right]
        if mark in MARKS["mouth"]:  # it is wide: its row, and the middle of the face
            darkest = 32.0, top + int(part.mean(1).argmin()) + 0.5
        else:
            row, column = divmod(int(part.argmin()), right - left)
            darkest = left + column + 0.5, top + row + 0.5
        assert mark == darkest


def test_it_refuses_what_it_does_not_know(prior, tmp_path):
    with pytest.raises(ValueError, match="method must be one of fuzzy, .*got 'dps'"):
        Workbench("dps", prior=prior)
    with pytest.raises(ValueError, match="a start has picture, .*got noise"):
        Workbench(start={"noise": 1}, prior=prior)
    with pytest.raises(ValueError, match="picture must be one of .*got 'nobody'"):
        Workbench(start={"picture": "nobody"}, prior=prior)
    with pytest.raises(ValueError, match="method must be one of fuzzy, .*got 'dps'"):
        Workbench(start={"method": "dps"}, prior=prior)
    with pytest.raises(ValueError, match=r"seed must be one of \[0, 1, .*got 25"):
        Workbench(start={"seed": 25}, prior=prior)
    save_grid(tmp_path / "a.json", lambda m: (faces()["Paine"], ""), {"m": [0]})
    with pytest.raises(ValueError, match="frames need the axes picture, mask, m and J"):
        Workbench(frames=tmp_path / "a.json", prior=prior)


def test_it_runs_what_its_controls_say(made, prior):
    y, m = made.pictures["astronaut"], shape("eyes") * 0.5 + 0.5
    walk = Walk(20, repeats=3)
    asked = {
        "fuzzy": samplers.fuzzy(prior, y, 0.21 * m, walk=walk, noise=Noise(0)),
        "repaint": samplers.repaint(prior, y, (m == 1).float(), walk=walk, noise=Noise(0)),
        "ddim": samplers.ddim(prior, walk=20, eta=0.0, noise=Noise(0)),
    }
    for method, expected in asked.items():
        assert torch.equal(made.run(map=m, method=method, m=0.21), run(expected))
    assert made.run(seed=25).sub(made.run()).abs().max() > 0.1
    told = [made._moved(made.spec["start"], moved)["tone"] for moved in (
        {"picture": "Paine"}, {"picture": "Paine", "tone": "none"}, {"tone": "mono"},
    )]  # fmt: skip
    assert told == ["mono", "none", "mono"]


def test_a_notebook_shows_a_widget_and_the_page_of_it(made):
    bundle, _ = made._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"} == set(
        bundle
    )
    assert "Workbench(fuzzy, astronaut" in bundle["text/plain"]
    page = bundle["text/html"]
    assert page == made.to_html() and len(re.findall("<img [^>]*alt='[^']{40,}'", page)) == 1
    spec = spec_of(page)
    assert spec == json.loads(json.dumps(made.spec))
    assert not set(re.findall(r"https?://[^\"'\s]*", page))
    script = workbench.MODULE + (JS / "workbench/page.js").read_text(encoding="utf-8")
    named = r"^(?:const|class|(?:async )?function\*?) (\w+)"
    names = re.findall(named, script, re.MULTILINE)
    assert len(names) == len(set(names)) > 30


@pytest.mark.parametrize("method", METHODS)
def test_the_first_picture_is_that_of_the_first_settings(prior, method, in_javascript):
    made = Workbench(method, prior=prior, start={"picture": "Paine", "steps": 5})
    spec = spec_of(made.to_html())
    _, data = spec["first"].split(",")
    first = to_tensor(Image.open(io.BytesIO(base64.b64decode(data))))
    asked = in_javascript(SETTINGS, "({ requestOf }, start) => requestOf(start)", spec["start"])
    assert asked["settings"]["tone"] == "mono"
    y = faces()["Paine"]
    steps = sampler(prior, y, shape("box"), asked["method"], asked["settings"], Noise(0))
    assert (first - run(steps).clamp(-1, 1)).abs().max() <= 1.01 / 255  # half a level


def start(**chosen):
    usual = START | {"method": "fuzzy", "eta": 1.0, "tone": "colour", "J": 2, "steps": 5}
    return usual | chosen


CASES = [
    start(),
    start(m=0.16, rescale=False, seed=3),
    start(per="run", share=0.3, m=0.2),
    start(method="repaint", m=0.2, seed=7),
    start(method="ddnm", eta=0.85),
    start(method="ilvr", scale=4, until=200, J=1),
    start(method="ilvr", scale=16),
    start(method="ddim", eta=0.25, seed=2),
]
WRITTEN = """({ callsOf, commandOf, pythonOf, requestOf, samplerMap }, cases) => cases.map(([at, map]) => {
  const request = requestOf(at);
  const used = Array.from(samplerMap(at, Float32Array.from(map)));
  return [request, used, commandOf(at), pythonOf(at), callsOf(at)];
})"""


@pytest.fixture(scope="module")
def written(in_javascript):
    """For each of the cases: request, map, command, Python and calls, on a map with a slope."""
    levels = (255 * torch.linspace(0, 1.2, 64).clamp(max=1)).round() / 255
    m = levels.expand(64, 64).flatten()
    return m, in_javascript(SETTINGS, WRITTEN, [[case, m.tolist()] for case in CASES])


@pytest.mark.parametrize("number", range(len(CASES)))
def test_command_and_python_make_the_same(number, written, prior, tmp_path, monkeypatch):
    m, answers = written
    request, used, command, python, calls = answers[number]
    y, case = faces()["London 8"], CASES[number]
    m, used = m.reshape(1, 1, 64, 64), torch.tensor(used).reshape(1, 1, 64, 64)
    method, how = request["method"], request["settings"]
    steps = list(sampler(prior, y, used, method, how, Noise(case["seed"])))
    assert len(steps) == calls
    expected = steps[-1].x
    to_image(y).save(tmp_path / "given.png")
    to_image(2 * m.expand(1, 3, 64, 64) - 1).save(tmp_path / "map.png")
    pool = AveragePool(case["scale"])
    to_image(pool(y)).save(tmp_path / "small.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fuzzydiff_lite.load_prior", lambda tone: prior)
    (tmp_path / "same.py").write_text(python)
    assert (runpy.run_path("same.py")["x"] - expected).abs().max() < 1e-5
    if method == "ilvr" and case["scale"] == 16:
        assert command.endswith("use Python for 16.")
        return
    given = options.parser(commands.COMMANDS).parse_args(shlex.split(command)[1:])
    assert (
        given.seed == case["seed"] and given.steps == case["steps"] and given.tone == "colour"
    )
    if method == "ddim":
        assert (given.method, given.eta, given.n) == ("ddim", case["eta"], 1)
        return
    chosen = dict(given.set) | {"steps": given.steps, "repeats": given.repeats}
    measured = read(given.input, given.task, given.mask, given.m)
    noise = Noise(given.seed)
    chosen = settings(given.task, given.method, **chosen)
    x = run(restorer(prior, measured, given.method, noise, **chosen))
    # small.png holds 8 bits of each block's mean
    assert (x - expected).abs().max() < (0.02 if method == "ilvr" else 1e-5)


def test_a_link_carries_what_is_shown_and_nothing_else(made, in_javascript):
    script = """({ linkOf, readLink }, [cases, spec]) => cases.map((at) => {
      const link = linkOf(at, at.picture, at.shape);
      return [link, readLink(link, spec)];
    })"""
    spec = made.spec | {"stops": made.spec["stops"] | {"m": [0, 0.16, 0.2, 1]}}
    cases = [case | {"J": 3, "steps": 50} for case in CASES]
    for case, (link, found) in zip(cases, in_javascript(SETTINGS, script, [cases, spec])):
        assert link.startswith("#workbench?method=") and len(link) < 200
        assert found.items() <= case.items()
        assert {"method", "picture", "shape", "steps", "seed", "tone"} <= set(found)
        assert ("m" in found) == (case["method"] == "fuzzy" and case["per"] == "fusion")
        assert ("until" in found) == (case["method"] == "ilvr")
    bad = (
        "#workbench?method=dps&steps=7&picture=nobody&shape=nose&tone=red&x=1&J=3&constructor=1"
    )
    script = "({ readLink }, [hash, spec]) => readLink(hash, spec)"
    assert in_javascript(SETTINGS, script, [bad, spec]) == {"J": 3}


VIEWS = """({ Engine }) => {
  const hearers = [];
  const model = {
    get: () => ({ kind: "kernel" }),
    on: (name, hear) => name === "msg:custom" && hearers.push(hear),
    send: (content) => sent.push(content),
  };
  const sent = [];
  const views = ["one", "other"].map(() => new Engine(model, () => {}));
  const tell = (content) => hearers.forEach((hear) => hear(content, []));
  const states = () => views.map(({ state }) => state);
  const said = [];
  for (const view of views) {
    view.found();
    view.run({ method: "fuzzy", settings: {} }, [0], new Float32Array(1), new Float32Array(1));
    tell({ kind: "ready", engine: "PyTorch on cpu", call_ms: 10 });
    said.push(states());
  }
  const [first, second] = sent.filter(({ kind }) => kind === "run");
  tell({ kind: "cancelled", id: first.id }); // the kernel runs one at a time
  said.push(states());
  tell({ kind: "error", id: second.id, message: "bad" });
  said.push(states());
  tell({ kind: "error", message: "gone" });
  said.push(states());
  return said;
}"""


def test_views_of_one_kernel_do_not_mix_their_runs(in_javascript):
    said = in_javascript("workbench/answers.js", VIEWS, None)
    assert said == [
        ["running", "absent"],
        ["running", "running"],
        ["ready", "running"],
        ["ready", "ready"],
        ["asleep", "asleep"],
    ]


# The page in a browser, with an engine that draws where m is low what is black for seed 0, white for others.

ENGINE = """
let last = 0;
addEventListener("message", async ({ data: { content, buffers } }) => {
  const say = (content, arrays = []) => postMessage({ content, buffers: arrays.map(({ buffer }) => buffer) });
  const wait = () => new Promise((done) => setTimeout(done, 10));
  const { kind, id, settings } = content;
  const mine = ++last;
  if (kind === "load") {
    say({ kind: "loading", done: 10e6, total: 20e6 });
    say({ kind: "ready", engine: "WebAssembly", call_ms: 10 });
  }
  if (kind !== "run") return;
  if (settings.walk.steps === 5) return say({ kind: "error", id, message: "There is too little memory." });
  if (settings.walk.steps === 50) return say({ kind: "error", message: "The network has stopped." });
  const [y, m] = buffers.map((buffer) => new Float32Array(buffer));
  const of = settings.walk.steps * settings.walk.repeats - settings.walk.repeats + 1;
  for (const seed of content.seeds) {
    const x = y.map((value, i) => m[i % 4096] * value + (1 - m[i % 4096]) * (seed ? 1 : -1));
    for (let number = 1; number <= of; number++) {
      await wait();
      if (of > 90 && number === 10) await new Promise(() => {}); // a long run waits until it is cancelled
      if (mine !== last) return;
      say({ kind: "step", id, seed, number, of, level: of - number, ms: 10 }, [x.slice(), x.map((value) => value / 2)]);
    }
    say({ kind: "done", id, seed }, [x.slice()]);
  }
});
"""


@pytest.fixture(scope="module")
def site(made, prior, tmp_path_factory):
    """The address of a folder with pages, and the folder: as a book, and its engine."""
    folder = tmp_path_factory.mktemp("site")
    pages = {"index": made.to_html(), "ilvr": Workbench("ilvr", prior=prior).to_html()}
    pages["ddnm"] = Workbench("ddnm", prior=prior, start={"eta": 0.5, "tone": "none"}).to_html()
    pages["broken"] = pages["ilvr"].replace(
        "data:image/webp;base64,", "data:image/webp;base64,AAAA"
    )
    pages["odd"] = pages["ilvr"]  # in a book whose live.json is not what it should be
    for name, page in pages.items():
        root = "./odd/" if name == "odd" else "./"
        text = (
            f'<!doctype html><html lang="en" data-content_root="{root}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f"<title>Workbench</title>{page}</html>"
        )
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    (folder / "odd/live").mkdir(parents=True)
    (folder / "odd/live/live.json").write_text("<html>")
    (folder / "live").mkdir()
    (folder / "live/worker.js").write_text(ENGINE, encoding="utf-8")
    about = {"model": {"bytes": 16_400_000}, "wasm": {"bytes": 3_600_000}}
    (folder / "live/live.json").write_text(json.dumps(about))
    with served(folder) as address:
        yield address, folder


def ready(page):
    page.locator("fuzzy-workbench[data-ready]").wait_for()
    return page.locator("figure.result > figcaption"), page.locator(".line")


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def saved(page, name):
    """The picture that a button of the saving part gives, uint8 (H, W, 3)."""
    page.locator("details").evaluate("(element) => (element.open = true)")
    with page.expect_download() as download:
        press(page, name)
    return np.asarray(Image.open(download.value.path()).convert("RGB"))


def focus(page):
    """What has the focus, in words."""
    element = page.locator(":focus")
    return element.get_attribute("aria-label") or element.inner_text()


def pixels(picture):
    return np.asarray(to_image(picture))


@pytest.mark.pages
def test_frames_come_at_once_and_a_run_when_it_is_asked_for(opened, site):
    y, box = faces()["astronaut"], shape("box")
    with opened(site[0]) as (page, faults):
        caption, line = ready(page)
        assert caption.inner_text() == "Computed beforehand"
        assert line.inner_text() == "box, m = 1, J = 3"
        assert np.abs(saved(page, "the result").astype(int) - pixels(y)).mean() < 2
        page.get_by_role("slider", name="m", exact=True).press("ArrowLeft")
        assert caption.inner_text() == "Of other settings: press Run"
        assert page.locator("figure.result.stale").count() == 1
        assert page.get_by_role("button", name="the result", exact=True).is_disabled()
        assert page.locator(".hero").get_attribute("aria-label") == caption.inner_text()
        page.get_by_role("slider", name="m", exact=True).press("End")
        assert caption.inner_text() == "Computed beforehand"
        page.get_by_role("slider", name="seed").press("ArrowRight")
        press(page, "Run it here, 20 MB")
        page.wait_for_function("() => document.querySelectorAll('.film:not([hidden])').length")
        assert "x̂" in page.locator(".film").inner_text()
        line.filter(has_text="Done: 58 calls in").wait_for()
        assert caption.inner_text() == "Restored here: Fuzzy conditioning, seed 1"
        assert page.locator(".hero").get_attribute("aria-label") == caption.inner_text()
        assert "58 calls of the network, about" in page.locator(".actions").inner_text()
        assert page.locator(".actions").inner_text().endswith(" s by WebAssembly")
        page.get_by_role("slider", name="m", exact=True).press("ArrowLeft")
        assert caption.inner_text() == "Of other settings: press Run"
        page.get_by_role("slider", name="m", exact=True).press("End")
        assert caption.inner_text() == "Restored here: Fuzzy conditioning, seed 1"
        expected = pixels(box * y + (1 - box))
        assert np.array_equal(saved(page, "the result"), expected)
        assert saved(page, "the result, enlarged").shape == (256, 256, 3)
        bar = page.get_by_role("progressbar")
        assert bar.is_hidden()
        page.get_by_text("what is as given").click()
        assert (
            page.locator(".legend")
            .inner_text()
            .endswith("orange: further away, 0 %. blue: invented, 14 %.")
        )
        page.get_by_text("before | after").click()
        page.get_by_role("slider", name="step of the film").press("Home")
        assert "step 1 of 58" in page.locator(".film").inner_text()
        # Cancelled, and run again; an answer of each of four seeds.
        page.get_by_role("slider", name="seed").press("ArrowLeft")
        page.get_by_role("slider", name="J", exact=True).press("ArrowRight")
        press(page, "Run")
        bar.wait_for()
        assert page.get_by_role("button", name="the result", exact=True).is_disabled()
        press(page, "Cancel")
        caption.filter(has_text="Of other settings: press Run").wait_for()
        page.get_by_role("slider", name="J", exact=True).press("Home")
        press(page, "Four answers")
        line.filter(has_text="Done: 80 calls in").wait_for()
        assert focus(page) == "Four answers"
        assert page.locator(".answers button").count() == 4
        assert (
            "1.00 where all is invented, by 0.00 where" in page.locator(".answers").inner_text()
        )
        page.get_by_role("button", name="answer of seed 2").click()
        assert focus(page) == "answer of seed 2"
        assert caption.inner_text() == "Restored here: Fuzzy conditioning, seed 2"
        # An error is said, and the page goes on.
        page.get_by_role("slider", name="steps").press("Home")
        press(page, "Run")
        page.get_by_role("alert").filter(has_text="There is too little memory.").wait_for()
        page.get_by_role("slider", name="steps").press("End")
        press(page, "Run")
        page.get_by_role("alert").filter(has_text="The network has stopped.").wait_for()
        page.get_by_role("slider", name="steps").press("Home")
        page.get_by_role("slider", name="steps").press("ArrowRight")
        press(page, "Run it here, 20 MB")
        line.filter(has_text="Done: 10 calls in").wait_for()
        assert page.get_by_role("alert").inner_text() == ""
        assert faults == []


@pytest.mark.pages
def test_a_map_is_painted_by_mouse_and_keys_and_taken_back(opened, site):
    with opened(site[0], width=390, has_touch=True) as (page, faults):
        _, line = ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        canvas = page.locator("canvas.map")
        press(page, "clear")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        at = box["x"] + box["width"] * 20.5 / 64, box["y"] + box["height"] * 10.5 / 64
        page.mouse.move(*at)
        page.mouse.down()
        page.mouse.move(at[0] + box["width"] * 10 / 64, at[1])
        page.mouse.up()
        painted = saved(page, "map.png")[:, :, 0]
        rows, columns = np.nonzero(painted < 255)
        assert set(painted.flatten()) == {0, 255}
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 14, 16, 34)
        canvas.focus()
        for key in ("+", "Shift+ArrowDown", " "):
            canvas.press(key)
        assert line.inner_text().startswith("Painted m = 0 at column 31, row 19")
        more = saved(page, "map.png")[:, :, 0]
        assert np.nonzero(more < 255)[0].max() == 18 + 5
        canvas.press("Control+z")
        assert np.array_equal(saved(page, "map.png")[:, :, 0], painted)
        press(page, "redo")
        assert np.array_equal(saved(page, "map.png")[:, :, 0], more)
        # A second finger leaves a stroke alone; taken back, a stroke has ended.
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        at = box["x"] + box["width"] * 20.5 / 64, box["y"] + box["height"] * 10.5 / 64
        page.mouse.move(*at)
        page.mouse.down()
        corner = {"clientX": box["x"] + 2, "clientY": box["y"] + 2, "pointerId": 99}
        for name in ("pointerdown", "pointermove", "pointerup"):
            canvas.dispatch_event(name, corner)
        page.mouse.move(at[0], at[1] + box["height"] * 20 / 64)
        page.keyboard.press("Control+z")
        page.mouse.move(*at)
        page.mouse.up()
        assert np.array_equal(saved(page, "map.png")[:, :, 0], more)
        canvas.press("Control+Shift+Z")
        longer = saved(page, "map.png")[:, :, 0]
        assert longer[30, 20] == 0 and longer[0, 0] == 255
        canvas.tap(position={"x": 5, "y": box["height"] - 5})
        assert saved(page, "map.png")[63, 0, 0] == 0
        page.get_by_label("method", exact=True).select_option("repaint")
        page.get_by_role("slider", name="brush: m").press("End")
        press(page, "half")
        assert saved(page, "map.png").min() == 255
        assert page.get_by_role("slider", name="m", exact=True).is_hidden()
        assert faults == []


@pytest.mark.pages
def test_a_picture_of_ones_own_is_placed_in_the_square(opened, site, tmp_path):
    photo = Image.new("RGB", (600, 400), "white")
    photo.paste((200, 30, 30), (100, 0, 500, 400))  # the central square, lying on its side
    photo.paste((30, 30, 200), (100, 0, 300, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    photo.save(tmp_path / "photo.png", exif=exif)
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (1, 1)).save(tmp_path / "one.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    with opened(site[0], width=800) as (page, faults):
        _, line = ready(page)
        for name, said in [
            ("text", "text.png is no picture that this browser can read"),
            ("one", "one.png has 1 × 1 pixels: at least 16 × 16 are needed."),
            ("huge", "huge.png has 20000 × 20000 pixels, more than 64 million"),
        ]:
            page.locator("input[type=file]").set_input_files(tmp_path / f"{name}.png")
            page.get_by_role("alert").filter(has_text=said).wait_for()
        page.locator("input[type=file]").set_input_files(tmp_path / "photo.png")
        square = page.locator("canvas.crop")
        square.wait_for()
        assert page.get_by_role("alert").inner_text() == ""
        press(page, "Use this square")
        square.wait_for(state="detached")
        assert focus(page) == "Load your own…"
        given = saved(page, "given.png")
        assert (given[1:30] == (30, 30, 200)).all() and (given[34:63] == (200, 30, 30)).all()
        assert page.locator(".about").inner_text() == "Your own picture: it stays here."
        # Zoomed in and moved until only its lower half is seen.
        page.locator("input[type=file]").set_input_files(tmp_path / "photo.png")
        square.wait_for()
        page.get_by_role("slider", name="zoom").fill("2")
        for _ in range(20):
            square.press("Shift+ArrowUp")
        press(page, "Use this square")
        square.wait_for(state="detached")
        assert (saved(page, "given.png")[:31] == (200, 30, 30)).all()
        assert page.get_by_role("button", name="yours").count() == 1
        # Turned by a half, and finely to and fro.
        page.locator("input[type=file]").set_input_files(tmp_path / "photo.png")
        square.wait_for()
        turn = page.get_by_role("slider", name="turn")
        press(page, "turn by 90°")
        turn.fill("10")
        press(page, "turn by 90°")
        square.press(",")
        assert turn.input_value() == "9"
        turn.fill("0")
        press(page, "Use this square")
        square.wait_for(state="detached")
        given = saved(page, "given.png")
        assert (given[1:30] == (200, 30, 30)).all() and (given[34:63] == (30, 30, 200)).all()
        page.locator("input[type=file]").set_input_files(tmp_path / "photo.png")
        square.wait_for()
        press(page, "Discard")
        assert focus(page) == "Load your own…"
        press(page, "Run it here, 20 MB")
        line.filter(has_text="Done:").wait_for()
        assert faults == []


@pytest.mark.pages
def test_a_file_says_how_to_serve_the_book(opened, site):
    with opened((site[1] / "index.html").as_uri()) as (page, faults):
        caption, _ = ready(page)
        assert caption.inner_text() == "Computed beforehand"
        assert "python -m http.server" in page.locator(".actions").inner_text()
        assert page.get_by_role("button", name="Run").count() == 0
        page.get_by_role("slider", name="J", exact=True).press("Home")
        assert caption.inner_text() == "Computed beforehand"
        assert faults == []


@pytest.mark.pages
def test_what_keeps_the_engine_from_starting_is_said(opened, site):
    with opened(site[0] + "ilvr.html", width=800) as (page, faults):
        _, line = ready(page)
        assert page.get_by_role("button", name="Run it here, 20 MB").is_visible()
        page.route("**/worker.js", lambda route: route.fulfill(status=404))
        press(page, "Run it here, 20 MB")
        page.get_by_role("alert").filter(has_text="The network did not start").wait_for()
        page.unroute("**/worker.js")
        press(page, "Run it here, 20 MB")
        line.filter(has_text="Done:").wait_for()
        assert page.get_by_role("alert").inner_text() == ""
        assert faults == []


@pytest.mark.pages
def test_what_is_broken_is_said(opened, site):
    with opened(site[0] + "odd.html", width=700) as (page, faults):
        page.locator(".actions").filter(has_text="built without its neural network").wait_for()
        assert faults == []
    with opened(site[0] + "broken.html", width=700) as (page, faults):
        page.get_by_role("alert").filter(has_text="The pictures cannot be shown").wait_for()
        press(page, "Run it here, 20 MB")
        press(page, "Four answers")
        assert page.get_by_role("button", name="Run it here, 20 MB").is_visible()
        assert faults == []


NAMELESS = """() => [...document.querySelectorAll(
  ".workbench :is(button, input, select, canvas[tabindex], pre[tabindex])")]
  .filter((element) => element.checkVisibility())
  .filter((element) => !(element.getAttribute("aria-label") || element.closest("label")?.textContent ||
    element.textContent)).length"""


@pytest.mark.pages
def test_a_link_sets_the_controls_and_all_of_them_have_names(opened, site, prior):
    link = "ilvr.html#workbench?method=ddnm&picture=Paine&shape=eyes&eta=0.5&steps=10&tone=mono"
    with opened(site[0] + link, width=320, color_scheme="dark") as (page, faults):
        ready(page)
        assert page.get_by_label("method", exact=True).input_value() == "ddnm"
        assert page.get_by_label("tone").input_value() == "mono"
        for name, text in {"eta": "0.5", "steps": "10"}.items():
            slider = page.get_by_role("slider", name=name, exact=True)
            assert slider.get_attribute("aria-valuetext") == text
        assert np.array_equal(
            saved(page, "map.png"), pixels(2 * shape("eyes").expand(1, 3, 64, 64) - 1)
        )
        assert page.evaluate(NAMELESS) == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        press(page, "Copy a link to these settings")
        page.wait_for_function("() => location.hash.includes('eta=0.5')")
        page.get_by_label("method", exact=True).select_option("fuzzy")
        page.get_by_label("m is", exact=True).select_option("run")
        share = page.get_by_role("slider", name="m", exact=True)
        share.press("Home")
        for _ in range(5):
            share.press("ArrowRight")
        assert share.get_attribute("aria-valuetext") == f"0.5\nσ_y {prior.variance**0.5:.2g}"
        page.get_by_label("method", exact=True).select_option("ilvr")
        block = page.get_by_role("slider", name="block")
        said = "side, in pixels, of the blocks whose mean is followed"
        assert block.get_attribute("aria-description") == said
        assert page.get_by_text(said).is_visible()
        small = saved(page, "small.png")
        assert small.shape == (8, 8, 3)
        expected = pixels(AveragePool(8)(faces()["Paine"]))
        assert np.abs(small.astype(int) - expected).max() <= 1
        assert faults == []
        # A link that is put into the address of the open page.
        page.evaluate("location.hash = '#workbench?method=ddim&steps=50'")
        page.wait_for_function("() => document.querySelector('.given').hidden")
        assert page.get_by_role("slider", name="eta").get_attribute("aria-valuetext") == "0"
        page.evaluate("location.hash = '#workbench?method=ddnm&shape=half&picture=London+8'")
        page.wait_for_function("() => !document.querySelector('.given').hidden")
        assert np.array_equal(saved(page, "given.png"), pixels(faces()["London 8"]))
        assert (saved(page, "map.png")[0, :, 0] == 32 * [255] + 32 * [0]).all()
        assert faults == []
    with opened(site[0] + "ddnm.html", width=320, color_scheme="dark") as (page, faults):
        ready(page)
        slider = page.get_by_role("slider", name="eta", exact=True)
        assert slider.get_attribute("aria-valuetext") == "0.5"
        assert page.get_by_label("tone").input_value() == "none"
        assert faults == []
