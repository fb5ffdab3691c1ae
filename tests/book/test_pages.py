"""The built book in a browser: quiet, self-contained, accessible, and its explorers at work.

`make test` runs this last.
"""

import base64
import io
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import served

pytestmark = pytest.mark.pages

HTML = Path(__file__).parents[2] / "_build/html"
SOURCES = {
    file.relative_to(HTML).as_posix(): file.read_text(encoding="utf-8")
    for file in sorted(HTML.rglob("*.html"))
    if not {"_static", "_sources"} & set(file.relative_to(HTML).parts)
}
# Not index.html, which only leads on.
PAGES = [name for name, text in SOURCES.items() if 'http-equiv="Refresh"' not in text]
WITH_EXPLORER = [name for name in PAGES if "<fuzzy-explorer" in SOURCES[name]]
SKIP = pytest.mark.skip(reason=f"no page of this kind in {HTML.name}: run `make html`")
NOTHING = [pytest.param(None, marks=SKIP)]

FAULTS_IN_PAGE = """async () => {
  const faults = [];
  for (const img of document.images) if (!img.getAttribute("alt")) faults.push("no alt: " + img.src.slice(0, 80));
  for (const img of document.images) if (img.complete && !img.naturalWidth) faults.push("broken: " + img.src.slice(0, 80));
  const wide = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
  if (wide > innerWidth) faults.push(`overflow: ${wide} pixels wide in a window of ${innerWidth}`);
  const maths = [...document.querySelectorAll(".math")];
  if (maths.length && window.MathJax?.startup) await MathJax.startup.promise;
  for (const m of maths) if (!m.querySelector("mjx-container")) faults.push("not typeset: " + m.textContent.slice(0, 80));
  for (const e of document.querySelectorAll("mjx-merror")) faults.push("bad maths: " + e.textContent.slice(0, 80));
  await new Promise((done) => setTimeout(done, 400));  // the theme waits 300 ms before it looks at what scrolls
  const boxes = "pre, .math, div.math mjx-container, .pst-scrollable-table-container, .output";
  for (const e of document.querySelectorAll(boxes)) {
    const inside = e.matches("span.math") ? e.querySelector("mjx-math")?.offsetWidth : e.scrollWidth;
    if (!e.clientWidth || inside <= e.clientWidth + 1) continue;
    const { overflowX } = getComputedStyle(e);
    if (innerWidth >= 1280 && !e.matches(".output")) faults.push("cut off: " + e.textContent.slice(0, 80));
    else if (!["auto", "scroll"].includes(overflowX)) faults.push("out of reach: " + e.textContent.slice(0, 80));
    else if (e.tabIndex < 0 && !e.querySelector("a")) faults.push("not for keys: " + e.textContent.slice(0, 80));
  }
  return faults;
}"""

STATE = """(explorer, control) => {
  const canvas = explorer.querySelector("canvas");
  return {
    picture: canvas.toDataURL(),
    alt: canvas.getAttribute("aria-label"),
    role: canvas.getAttribute("role"),
    line: explorer.querySelector("p[aria-live=polite]").innerText,
    height: explorer.getBoundingClientRect().height,
    says: [control?.parentElement.querySelector("output")?.innerText, control?.getAttribute("aria-valuetext")],
  };
}"""

STOPS = """() => {
  const all = [...document.querySelectorAll("fuzzy-explorer")];
  const stops = [];
  document.addEventListener("focusin", ({ target }) => {
    const lit = getComputedStyle(target).outlineStyle !== "none";
    stops.push([all.indexOf(target.closest("fuzzy-explorer")), target.getAttribute("aria-label"), lit]);
  });
  return stops;
}"""


@pytest.fixture(scope="module")
def site():
    with served(HTML, seconds=3600) as address:
        yield address


@pytest.mark.parametrize("name", PAGES or NOTHING)
def test_a_page_is_whole_quiet_and_for_keys(opened, site, name):
    """One load for all that is looked at, since the load costs most."""
    with opened(site + name) as (page, faults):
        found = page.evaluate(FAULTS_IN_PAGE)
        if name in WITH_EXPLORER:
            controls_are_named_and_reached_by_tab(page)
            keys_move_every_control(page)
        page.set_viewport_size({"width": 390, "height": 900})
        found += page.evaluate(FAULTS_IN_PAGE)
        keys_move_every_control(page)
        assert faults + found == []


def test_these_checks_notice_a_bad_page(opened, tmp_path):
    (tmp_path / "bad.html").write_text(
        """<!doctype html><script src="https://example.org/x.js"></script><script>undefinedFunction()</script>
        <script>console.error("oh")</script><img src="absent.png"><div style="width:2000px">wide</div>
        <span class="math">\\(x\\)</span><pre style="overflow: auto; width: 90px">a long line of code</pre>
        <div class="math" style="overflow: hidden; width: 50px; white-space: nowrap">a long formula</div>"""
    )
    with served(tmp_path) as address, opened(address + "bad.html") as (page, faults):
        found = "\n".join(faults + page.evaluate(FAULTS_IN_PAGE))
        page.set_viewport_size({"width": 390, "height": 900})
        narrow = page.evaluate(FAULTS_IN_PAGE)
    assert "not for keys: a long line of code" in narrow
    assert "out of reach: a long formula" in narrow
    for fault in (
        "request: https://example.org/x.js",
        "error: undefinedFunction",
        "console: oh",
        "404",
        "no alt: http",
    ):
        assert fault in found
    for fault in ("broken: http", "overflow: 20", "cut off: a long", "not typeset: \\(x\\)"):
        assert fault in found


class Shown:
    """One explorer of a page, and what its data say it should show."""

    def __init__(self, page, number):
        self.page, self.root = page, page.locator("fuzzy-explorer").nth(number)
        self.spec = json.loads(self.root.get_attribute("data-spec"))
        self.sprite = picture_of(self.spec["sprite"])
        self.frames = list(product(*self.spec["axes"].values()))  # the last axis runs fastest
        self.values = dict(zip(self.spec["axes"], self.frames[self.spec["start"]]))
        self.root.locator("canvas").wait_for()

    def control(self, name):
        return self.root.get_by_label(name, exact=True).element_handle()

    def check(self, control=None):
        """Picture, alt text and line belong to `values`; returns picture and line, and what
        else is there: the height, and what `control` says of itself.
        """
        shown = self.root.evaluate(STATE, control)
        frame = self.frames.index(tuple(self.values.values()))
        picture = picture_of(shown["picture"])
        (width, height), columns = self.spec["tile"], self.spec["columns"]
        left, top = frame % columns * width, frame // columns * height
        difference = np.abs(picture - self.sprite[top : top + height, left : left + width])
        assert picture.shape == (height, width, 3) and difference.mean() < 1, (
            f"not the picture of {self.values}"
        )
        alt = re.sub(r"\{(\w+)\}", lambda found: self.values[found[1]], self.spec["alt"])
        assert shown["alt"] == alt and shown["role"] == "img"
        assert shown["line"].split() == self.spec["texts"][frame].split()
        return (picture.tobytes(), shown["line"]), shown

    def sweep(self, name):
        """Move one control by keys to its first value, the middle, the last and back.

        Returns what was shown, and the heights of the explorer.
        """
        values, slider = self.spec["axes"][name], name in self.spec["sliders"]
        forth, back = ("ArrowRight", "ArrowLeft") if slider else ("ArrowDown", "ArrowUp")
        start, middle, last = values.index(self.values[name]), len(values) // 2, len(values) - 1
        stops = [["Home"], [forth] * middle, ["End"], [back] * (last - start)]
        control, seen, heights = self.control(name), set(), set()
        control.focus()
        for keys, at in zip(stops, (0, middle, last, start), strict=True):
            for key in keys:
                self.page.keyboard.press(key)
            self.values[name] = values[at]
            picture_and_line, shown = self.check(control)
            assert not slider or shown["says"] == [values[at]] * 2
            seen.add(picture_and_line)
            heights.add(shown["height"])
        return seen, heights


def picture_of(uri):
    data = base64.b64decode(uri.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def explorers(page):
    return [Shown(page, i) for i in range(page.locator("fuzzy-explorer").count())]


def keys_move_every_control(page):
    for explorer in explorers(page):
        explorer.check()
        for control, values in explorer.spec["axes"].items():
            seen, heights = explorer.sweep(control)
            assert len(seen) > 1 or len(values) == 1, f"{control} changes nothing"
            assert len(heights) == 1, f"the page jumps when {control} moves: {heights}"


def names_of(page, role):
    """What a screen reader calls the elements of a role, in their order."""
    session = page.context.new_cdp_session(page)
    document = session.send("DOM.getDocument", {"depth": 0})["root"]["backendNodeId"]
    query = {"backendNodeId": document, "role": role}
    nodes = session.send("Accessibility.queryAXTree", query)["nodes"]
    return [node["name"]["value"] for node in nodes]


def controls_are_named_and_reached_by_tab(page):
    # The workbench is for test_workbench.py.
    page.evaluate('document.querySelectorAll("fuzzy-workbench").forEach((w) => w.remove())')
    specs = [explorer.spec for explorer in explorers(page)]
    wanted = [(i, axis) for i, spec in enumerate(specs) for axis in spec["axes"]]
    for role in ("slider", "combobox"):
        kind = [
            axis for i, axis in wanted if (axis in specs[i]["sliders"]) == (role == "slider")
        ]
        assert names_of(page, role) == kind
    watched = page.evaluate_handle(STOPS)
    most = page.locator("a, button, input, select, textarea, [tabindex]").count() + 1
    for _ in range(0, most, 10):
        for _ in range(10):
            page.keyboard.press("Tab")
        stops = watched.json_value()
        reached = list(dict.fromkeys((i, axis) for i, axis, _ in stops if i >= 0))
        if len(reached) >= len(wanted) and stops[-1][0] < 0:
            break  # the rest of the page comes after the explorers
    assert all(lit for i, _, lit in stops if i >= 0), "no visible focus"
    assert reached == wanted


@pytest.mark.parametrize("name", WITH_EXPLORER or NOTHING)
def test_without_scripts_the_start_picture_shows(opened, site, name):
    with opened(site + name, java_script_enabled=False) as (page, _):
        images = page.locator("fuzzy-explorer img.fallback")
        assert images.count() == page.locator("fuzzy-explorer").count() > 0
        for image in images.all():
            assert image.is_visible() and image.get_attribute("alt")
            shot = Image.open(io.BytesIO(image.screenshot()))
            assert np.ptp(np.asarray(shot)) > 50  # not an empty box


@pytest.mark.parametrize("name", WITH_EXPLORER[:1] or NOTHING)
def test_it_works_from_a_folder_without_a_server(opened, name):
    with opened((HTML / name).as_uri()) as (page, faults):
        explorer = explorers(page)[0]
        for control in explorer.spec["axes"]:
            explorer.sweep(control)
        assert faults == []
