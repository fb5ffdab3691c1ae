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
from fuzzydiff_lite.show.widgets import Explorer, label, load_grid, make_grid, save_grid
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
    assert explorer().values == {"m": 0, "mask": "box", "J": 1}
    moved = explorer(start={"m": 1, "mask": "half"})
    assert moved.values == {"m": 1.0, "mask": "half", "J": 1}
    assert isinstance(moved.values["m"], float)
    assert moved.text == "m 1 <half> 1" and level(moved.picture) == 220


def test_set_moves_the_controls_and_computes_once():
    calls = []

    def compute(**values):
        calls.append(values)
        return grey(**values)

    shown = explorer(compute)
    shown.set(m=0.5, mask="half", J=2)
    assert shown.values == {"m": 0.5, "mask": "half", "J": 2} and level(shown.picture) == 125
    shown.set(m=0)
    shown.set(m=0.5)
    assert calls == [
        {"m": 0, "mask": "box", "J": 1},
        {"m": 0.5, "mask": "half", "J": 2},
        {"m": 0, "mask": "half", "J": 2},
    ]


def test_a_message_of_the_browser_moves_the_picture():
    shown = explorer()
    slider = next(control for control in shown.children if control.description == "m")
    slider.set_state({"index": 2})
    assert shown.text == "m 1 <box> 1" and level(shown.picture) == 200
    frame, line = shown.children[-2:]
    assert "alt='A grey &quot;face&quot; for m = 1, J = 1 and the box'" in frame.value
    assert "aria-live='polite'" in line.value and "&lt;box&gt;" in line.value


def test_numbers_become_sliders_and_words_select_boxes():
    controls = explorer().children[:-2]
    kinds = {control.description: type(control).__name__ for control in controls}
    assert kinds == {"m": "SelectionSlider", "mask": "Dropdown", "J": "SelectionSlider"}


def test_errors_of_compute_come_out_and_are_shown():
    def compute(m, mask, J):
        if m == 1:
            raise ZeroDivisionError("no <luck>")
        return grey(m, mask, J)

    shown = explorer(compute)
    with pytest.raises(ZeroDivisionError, match="luck"):
        shown.set(m=1)
    line = shown.children[-1].value
    assert "ZeroDivisionError" in line and "&lt;luck&gt;" in line
    with pytest.raises(ZeroDivisionError):
        shown._repr_mimebundle_()
    shown.set(m=0.5)  # and it recovers
    assert shown.text == "m 0.5 <box> 1" and "ZeroDivisionError" not in shown.children[-1].value
    with pytest.raises(ZeroDivisionError):
        explorer(compute, start={"m": 1})


@pytest.mark.parametrize("values", [{"m": 0.3}, {"mask": "stripes"}, {"n": 1}])
def test_unknown_values_and_names_are_refused(values):
    shown = explorer()
    with pytest.raises(ValueError, match="not in the axes"):
        shown.set(**values)
    with pytest.raises(ValueError, match="not in the axes"):
        explorer(start=values)
    assert shown.values == {"m": 0, "mask": "box", "J": 1}


def test_bad_axes_and_alt_are_refused():
    with pytest.raises(ValueError, match="written differently"):
        Explorer(grey, AXES | {"m": [0.1, 0.1 + 1e-9]}, ALT)
    with pytest.raises(ValueError, match="written differently"):
        Explorer(grey, AXES | {"m": []}, ALT)
    with pytest.raises(ValueError, match="alt names"):
        Explorer(grey, AXES, "level {t}")


def test_the_page_holds_every_frame_where_it_says():
    shown = explorer(start={"m": 0.5, "J": 2})
    bundle = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == "Explorer(m = 0.5, mask = box, J = 2): m 0.5 <box> 2"
    spec = spec_of(bundle["text/html"])
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
    img = re.search(
        r"<img class='fallback' src='data:image/webp;base64,([^']*)' alt='([^']*)' width='(\d+)'",
        page,
    )
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


def test_baked_frames_are_shown_and_real_values_computed(tmp_path):
    file = tmp_path / "grid.json"
    save_grid(file, grey, AXES, weights_sha256="abc")
    assert json.loads(file.read_text())["weights_sha256"] == "abc"
    calls = []

    def compute(**values):
        calls.append(values)
        return torch.ones(3, 8, 8), "live"

    shown = explorer(compute, start={"m": 1}, frames=file)
    assert shown.text == "m 1 <box> 1" and level(shown.picture) == 200
    spec = spec_of(shown._repr_mimebundle_()["text/html"])
    assert spec["texts"][-1] == "m 1 <half> 2" and spec["start"] == 8 and not calls
    assert spec == spec_of(explorer(start={"m": 1}).to_html())  # baked or computed, the same
    shown.set(J=2)
    assert shown.text == "live" and level(shown.picture) == 255
    assert calls == [{"m": 1.0, "mask": "box", "J": 2}]


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
    axes = {"picture": ["astronaut", "person 2"], "mask": ["box", "half"]}
    axes |= {"m": [0, 0.5, 1], "J": [1, 2]}
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
