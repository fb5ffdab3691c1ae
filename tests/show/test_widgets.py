import base64
import html
import io
import json
import re
from itertools import product

import pytest
import torch
from PIL import Image

from fuzzydiff_lite import GaussianPrior, Noise, Walk, load_prior, masks, run
from fuzzydiff_lite.data import to_tensor
from fuzzydiff_lite.samplers import fuzzy
from fuzzydiff_lite.show.widgets import MODULE, Explorer, label, load_grid, make_grid, save_grid
from studies import common, grids

AXES = {"m": [0, 0.5, 1.0], "mask": ["box", "half"], "J": [1, 2]}
ALT = 'A grey "face" for m = {m}, J = {J} and the {mask}'


def grey(m, mask, J):
    """A grey that tells values apart: 0, 100, 200 for m, plus 20 for half, plus 5 for J = 2."""
    value = 200 * m + 20 * (mask == "half") + 5 * (J - 1)
    return torch.full((3, 8, 8), value / 127.5 - 1), f"m {m:g} <{mask}> {J}"


def explorer(compute=grey, **kwargs):
    return Explorer(compute, AXES, ALT, **kwargs)


def spec_of(page):
    return json.loads(html.unescape(re.search(r"data-spec='([^']*)'", page)[1]))


def level(image):
    colours = {pixel for _, pixel in image.getcolors()}
    assert len(colours) == 1
    return colours.pop()[0]


def test_starts_where_it_is_told_and_else_at_the_first_values():
    assert repr(explorer()) == "Explorer(m = 0, mask = box, J = 1): m 0 <box> 1"
    moved = explorer(start={"m": 1, "mask": "half"})
    assert repr(moved) == "Explorer(m = 1, mask = half, J = 1): m 1 <half> 1"


def test_it_computes_each_frame_once_and_says_what_is_anywhere():
    calls = []

    def compute(**values):
        calls.append(values)
        return grey(**values)

    made = explorer(compute, start={"mask": "half"})
    picture, text = made.at(m=1, J=2)
    assert text == "m 1 <half> 2" and torch.equal(picture, grey(1, "half", 2)[0])
    assert made.at()[1] == "m 0 <half> 1"  # at the start again: nothing has moved
    assert len(calls) == 12 and {"m": 1.0, "mask": "half", "J": 2} in calls
    assert all(isinstance(values["m"], float) for values in calls if values["m"])


def test_errors_of_compute_come_out():
    def compute(m, mask, J):
        raise ZeroDivisionError("no luck")

    with pytest.raises(ZeroDivisionError, match="luck"):
        explorer(compute)


@pytest.mark.parametrize("values", [{"m": 0.3}, {"mask": "stripes"}, {"n": 1}])
def test_unknown_values_and_names_are_refused(values):
    with pytest.raises(ValueError, match="not in the axes"):
        explorer().at(**values)
    with pytest.raises(ValueError, match="not in the axes"):
        explorer(start=values)


def test_bad_axes_and_alt_are_refused():
    with pytest.raises(ValueError, match="written differently"):
        Explorer(grey, AXES | {"m": [0.1, 0.1 + 1e-9]}, ALT)
    with pytest.raises(ValueError, match="written differently"):
        Explorer(grey, AXES | {"m": []}, ALT)
    with pytest.raises(ValueError, match="alt names"):
        Explorer(grey, AXES, "level {t}")


def test_the_page_holds_every_frame_where_it_says():
    shown = explorer(start={"m": 0.5, "J": 2})
    bundle, _ = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == "Explorer(m = 0.5, mask = box, J = 2): m 0.5 <box> 2"
    spec = spec_of(bundle["text/html"])
    assert spec == json.loads(json.dumps(shown.spec))  # what Jupyter's view gets
    assert spec["axes"] == {"m": ["0", "0.5", "1"], "mask": ["box", "half"], "J": ["1", "2"]}
    assert spec["sliders"] == ["m", "J"] and spec["tile"] == [8, 8] and spec["scale"] == 32
    assert spec["start"] == 1 * 4 + 0 * 2 + 1 and spec["alt"] == ALT
    prefix, data = spec["sprite"].split(",", 1)
    assert prefix == "data:image/webp;base64"
    sprite = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    frames = [(m, mask, J) for m in AXES["m"] for mask in AXES["mask"] for J in AXES["J"]]
    for i, frame in enumerate(frames):
        left, top = i % spec["columns"] * 8, i // spec["columns"] * 8
        tile = sprite.crop((left, top, left + 8, top + 8))
        picture, text = grey(*frame)
        assert abs(level(tile) - (picture[0, 0, 0] + 1) * 127.5) < 2
        assert spec["texts"][i] == text


def test_the_fallback_is_the_start_frame_with_its_alt():
    page = explorer(start={"m": 1}).to_html()
    pattern = r"<img class='fallback[^>]* src='[^,]*,([^']*)' alt='([^']*)' width='(\d+)'"
    img = re.search(pattern, page)
    assert html.unescape(img[2]) == 'A grey "face" for m = 1, J = 1 and the box'
    assert img[3] == "256"
    picture = Image.open(io.BytesIO(base64.b64decode(img[1]))).convert("RGB")
    assert level(picture) == 200
    assert "m 1 &lt;box&gt; 1" in page.split("<img")[1]


def test_text_with_quotes_survives_the_attribute():
    def compute(a):
        return torch.zeros(3, 8, 8), f'it\'s "{a}" & <b>'

    page = Explorer(compute, {"a": ["x'y", 'p"q']}, "{a}").to_html()
    assert spec_of(page)["texts"] == ["it's \"x'y\" & <b>", 'it\'s "p"q" & <b>']


def test_pillow_pictures_keep_their_size_and_ragged_ones_are_padded():
    def compute(n):
        return Image.new("RGB", (10 * n, 20), "black"), str(n)

    grid = make_grid(compute, {"n": [1, 2, 3]})
    assert grid.scale == 1 and grid.tile == (30, 20)
    sprite = Image.open(io.BytesIO(grid.sprite)).convert("RGB")
    assert sprite.getpixel((5, 5)) == (0, 0, 0) and sprite.getpixel((15, 5)) == (255, 255, 255)


class Kernel:
    """An explorer with baked frames whose `compute` is live, and what it says to its views."""

    def __init__(self, folder):
        save_grid(folder / "grid.json", grey, AXES, weights_sha256="abc")
        self.calls, self.said = [], []
        start, frames = {"m": 1}, folder / "grid.json"
        self.explorer = Explorer(self.compute, AXES, ALT, start, frames)
        self.explorer.send = lambda content, buffers=(): self.said.append((content, buffers))

    def compute(self, m, mask, J):
        self.calls.append((m, mask, J))
        if m == 0:
            raise ZeroDivisionError("no <luck>")
        return torch.ones(3, 8, 8), "live"

    def hear(self, content):
        """Answer what a view sends: one answer, a picture file or none with it."""
        message = {"content": {"data": {"method": "custom", "content": content}}}
        self.explorer._handle_msg(message | {"buffers": []})
        return self.said.pop()


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path)


def test_baked_frames_are_shown_and_real_values_computed(kernel, tmp_path):
    assert json.loads((tmp_path / "grid.json").read_text())["weights_sha256"] == "abc"
    spec = spec_of(kernel.explorer._repr_mimebundle_()[0]["text/html"])
    assert spec["texts"][-1] == "m 1 <half> 2" and spec["start"] == 8 and not kernel.calls
    assert spec == spec_of(explorer(start={"m": 1}).to_html())  # baked or computed, the same
    assert kernel.explorer.live and not explorer().live
    assert kernel.explorer.at(J=2)[1] == "live"
    assert kernel.calls == [(1, "box", 2)]


def test_a_view_is_answered_once_computed_and_told_what_goes_wrong(kernel):
    for _ in range(2):
        content, (file,) = kernel.hear({"frame": 11})
        assert content == {"frame": 11, "text": "live"}
        assert level(Image.open(io.BytesIO(file)).convert("RGB")) == 255
    assert kernel.calls == [(1.0, "half", 2)]
    content, buffers = kernel.hear({"frame": 0})
    assert content == {"frame": 0, "error": "ZeroDivisionError: no <luck>"} and not buffers


BOX = '<!doctype html><html lang="en"><meta charset="utf-8"><div id="box"></div></html>'
VIEW = """async ([module, spec]) => {
  const { default: { render } } = await import(URL.createObjectURL(new Blob([module], { type: "text/javascript" })));
  const sent = (window.sent = []);
  const values = { spec, live: true };
  const on = (name, hear) => (window.hear = hear);
  const off = (name, hear) => (window.hear = window.hear === hear ? null : hear);
  window.end = await render({ model: { get: (name) => values[name], on, off, send: (what) => sent.push(what) },
    el: document.querySelector("#box") });
}"""
ANSWER = """async ([content, file]) => {
  const bytes = file && Uint8Array.from(atob(file), (c) => c.charCodeAt(0));
  await hear(content, bytes ? [new DataView(bytes.buffer)] : []);
  const [r, g, b] = document.querySelector("canvas").getContext("2d").getImageData(4, 4, 1, 1).data;
  return [r, document.querySelector(".line").innerText, document.querySelector("output:not([aria-live])").value];
}"""


@pytest.mark.pages
def test_a_view_asks_for_one_frame_at_a_time_and_then_the_last(opened, tmp_path, kernel):
    (tmp_path / "page.html").write_text(BOX)
    with opened((tmp_path / "page.html").as_uri()) as (page, faults):

        def answer(frame):
            content, buffers = kernel.hear({"frame": frame})
            return page.evaluate(
                ANSWER, [content, *(base64.b64encode(b).decode() for b in buffers)]
            )

        page.evaluate(VIEW, [MODULE, json.loads(json.dumps(kernel.explorer.spec))])
        slider, line, state = (
            page.get_by_role("slider", name="J"),
            page.locator(".line"),
            page.locator("output:not([aria-live])"),
        )
        slider.press("ArrowRight")
        assert line.inner_text() == "m 1 <box> 2" and page.evaluate("sent") == []
        page.get_by_role("checkbox", name="live").check()
        assert line.inner_text() == "m 1 <box> 2" and state.inner_text() == "computing …"
        for key in ("ArrowLeft", "ArrowRight", "ArrowLeft"):
            slider.press(key)
        assert page.evaluate("sent") == [{"frame": 9}]
        grey_level, text, said = answer(9)  # not where the slider is now
        assert abs(grey_level - 200) < 2 and (text, said) == ("m 1 <box> 1", "computing …")
        assert page.evaluate("sent") == [{"frame": 9}, {"frame": 8}]
        grey_level, text, said = answer(8)
        assert (grey_level, text) == (255, "live") and re.fullmatch(
            r"computed in \d+\.\d s", said
        )
        page.get_by_role("slider", name="m").press("Home")
        answer(0)
        assert page.get_by_role("alert").inner_text() == "ZeroDivisionError: no <luck>"
        assert line.inner_text() == "m 0 <box> 1"
        page.get_by_role("checkbox", name="live").uncheck()
        assert page.get_by_role("alert").inner_text() == "" == state.inner_text()
        page.evaluate("end()")
        assert page.evaluate("hear") is None and faults == []


def test_baked_frames_of_other_axes_are_refused(tmp_path):
    save_grid(tmp_path / "grid.json", grey, AXES)
    for axes in (AXES | {"m": [0, 0.5]}, dict(reversed(AXES.items())), AXES | {"more": [1]}):
        with pytest.raises(ValueError, match="axes"):
            load_grid(tmp_path / "grid.json", axes)
    with pytest.raises(ValueError, match="no baked frames"):
        load_grid(tmp_path / "other.json", AXES)
    (tmp_path / "grid.webp").unlink()
    with pytest.raises(ValueError, match="no baked frames"):
        load_grid(tmp_path / "grid.json", AXES)


def one_by_one(prior, picture, mask, m, J):
    """A frame of the fuzzy chapter's explorer as a notebook computes it."""
    keep = masks.named(mask)
    y = masks.apply(grids.truth(picture), keep)
    x = run(fuzzy(prior, y, m * keep, walk=Walk(grids.STEPS, repeats=J), noise=Noise(0)))
    return grids.frame(x, picture, mask, J)


def test_baking_in_batches_gives_the_frames_one_by_one_and_goes_on_where_it_stopped(
    tmp_path, monkeypatch
):
    axes = {"picture": ["astronaut", "person 2"], "mask": ["half"]}
    axes |= {"m": [0.5, 1], "J": [1, 2]}
    prior = GaussianPrior(torch.zeros(3, 64, 64), 0.1)
    for repeats in axes["J"]:
        pictures = iter(grids.restored(prior, axes, repeats).split(1))
        for picture, mask, m in product(axes["picture"], axes["mask"], axes["m"]):
            both, text = one_by_one(prior, picture, mask, m, repeats)
            torch.testing.assert_close(next(pictures), both[..., 64:])
            calls = grids.STEPS * repeats - repeats + 1
            assert f"; {calls} network calls" in text and ("exact" in text) == (m == 1)
    monkeypatch.setattr(common, "RUNS", tmp_path)
    file, cache = tmp_path / "grid.json", tmp_path / "grids"
    grids.bake(prior, axes | {"J": [1]}, file, "0")
    (half_done,) = cache.iterdir()
    written = half_done.stat().st_mtime_ns
    grids.bake(prior, axes, file, "0")
    assert half_done.stat().st_mtime_ns == written and len(list(cache.iterdir())) == 2
    grids.bake(prior, axes, file, "other weights")
    assert len(list(cache.iterdir())) == 4
    assert load_grid(file, axes).tile == (128, 64)
    assert json.loads(file.read_text())["weights_sha256"] == "other weights"


def test_a_baked_frame_is_what_the_notebook_computes():
    baked, prior = load_grid(grids.FILE, grids.AXES), load_prior(device="cpu")
    index = list(product(*grids.AXES.values())).index(("person 1", "half", 0.21, 1))
    (width, height), sprite = baked.tile, Image.open(io.BytesIO(baked.sprite)).convert("RGB")
    left, top = index % baked.columns * width, index // baked.columns * height
    tile = to_tensor(sprite.crop((left, top, left + width, top + height)))
    both, text = one_by_one(prior, "person 1", "half", 0.21, 1)
    # The sprite is compressed.
    assert (tile - both).abs().mean() < 6 / 127.5
    assert re.sub(r"\d", "9", text) == re.sub(r"\d", "9", baked.texts[index])


def test_labels():
    assert [label(v) for v in (1, 1.0, 0.30000001192092896, 1000, 1e-4, "box", True)] == [
        "1", "1", "0.3", "1000", "0.0001", "box", "True",
    ]  # fmt: skip
