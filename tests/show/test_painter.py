"""The painter's script restores what Python does; its page follows mouse, finger and keys."""

import html
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from fuzzydiff_lite import GaussianPrior, Noise, Walk, masks, run
from fuzzydiff_lite.cli.commands import main
from fuzzydiff_lite.networks import load_net
from fuzzydiff_lite.restore.files import read
from fuzzydiff_lite.samplers import fuzzy
from fuzzydiff_lite.schedule import Schedule
from fuzzydiff_lite.show.painter import JS, SETTINGS, SHAPES, SIZE, Painter, save, shape
from fuzzydiff_lite.walk import travel
from studies import painter as bench

SOURCE = "".join((JS / f"{name}.js").read_text("utf-8") for name in ("noise", "fuzzy"))
RESTORE = """([spec, cases]) => {
  const prior = fuzzydiff.gaussian(spec);
  return cases.map(([picture, m, settings]) => {
    const { x, calls } = fuzzydiff.fuzzy(prior, fuzzydiff.picture(spec.pictures[picture]), m, settings);
    return [Array.from(x), calls, prior.variance];
  });
}"""
SLOPE = torch.linspace(0, 1, SIZE).expand(1, 1, SIZE, SIZE)
CASES = [  # picture, map, steps, J, seed, per, fix
    ("astronaut", shape("box"), 20, 3, 0, "fusion", True),
    ("astronaut", SLOPE, 16, 1, 7, "fusion", True),  # levels between two whole numbers
    ("person 2", 0.3 * shape("stripes"), 10, 2, 3, "fusion", False),
    ("person 1, stained", SLOPE, 20, 2, 1, "run", True),
    ("person 1", 0.5 * shape("half"), 20, 1, 2, "run", False),
    ("person 1", 0.0 * SLOPE, 50, 1, 19, "fusion", True),
]


@pytest.fixture(scope="module")
def painter():
    return Painter()


def spec_of(page):
    return json.loads(html.unescape(re.search(r"data-spec='([^']*)'", page)[1]))


@pytest.fixture(scope="module")
def answers(painter, in_javascript):
    """For each of the cases: the picture, the calls and the variance of JavaScript."""
    names = "steps", "repeats", "seed", "per", "fix"
    given = [(name, m.flatten().tolist(), dict(zip(names, rest))) for name, m, *rest in CASES]
    return in_javascript(SOURCE, RESTORE, [spec_of(painter.to_html()), given])


def difference(painter, case, answer):
    name, m, steps, J, seed, per, fix = case
    expected = painter.restore(m, name, steps, J, seed, per, fix)
    return (torch.tensor(answer[0]).reshape(expected.shape) - expected).abs().max().item()


def test_javascript_restores_what_python_restores(painter, answers):
    for case, answer in zip(CASES, answers, strict=True):
        assert difference(painter, case, answer) < 1e-4, case
        _, _, steps, J, *_ = case
        assert answer[1] == steps * J - J + 1
        assert answer[2] == pytest.approx(painter.prior.variance, rel=1e-4)


@pytest.mark.parametrize(
    "number, other",
    [
        (0, ("person 1", shape("box"), 20, 3, 0, "fusion", True)),
        (0, ("astronaut", shape("mouth"), 20, 3, 0, "fusion", True)),
        (0, ("astronaut", shape("box"), 20, 2, 0, "fusion", True)),
        (1, ("astronaut", SLOPE, 17, 1, 7, "fusion", True)),
        (1, ("astronaut", SLOPE, 16, 1, 8, "fusion", True)),
        (1, ("astronaut", SLOPE, 16, 1, 7, "run", True)),
        (1, ("astronaut", SLOPE, 16, 1, 7, "fusion", False)),
    ],
    ids=["picture", "map", "J", "steps", "seed", "per", "fix"],
)
def test_the_comparison_notices_another_setting(painter, answers, number, other):
    assert difference(painter, other, answers[number]) > 1e-3


def test_levels_and_walk_are_pythons(in_javascript):
    cases = [(steps, repeats) for steps in (1, 5, 16, 20, 80, 1000) for repeats in (1, 3)]
    script = """(cases) => cases.map(([steps, repeats]) => fuzzydiff.travel(fuzzydiff.levels(steps), repeats))"""
    for (steps, repeats), walk in zip(cases, in_javascript(SOURCE, script, cases)):
        moves = travel(Schedule.linear().levels(steps), repeats)
        assert walk == [[move.t, move.s] for move in moves]


def test_restore_is_the_sampler_on_the_small_gaussian(painter):
    m = shape("mouth")
    y = painter.pictures["person 2"]
    expected = run(
        fuzzy(
            painter.prior,
            y,
            m,
            walk=Walk(10, repeats=2),
            noise=Noise(4),
            variance=painter.prior.variance,
        )
    )
    x = painter.restore(m, "person 2", steps=10, J=2, seed=4, per="run")
    assert torch.equal(x, expected)
    y = painter.pictures["astronaut"]
    assert torch.equal(painter.restore(m) * m, y * m)
    with pytest.raises(ValueError, match="picture must be one of astronaut, .*got 'nobody'"):
        painter.restore(m, "nobody")
    with pytest.raises(ValueError, match="m has shape"):
        painter.restore(masks.box())


def test_shapes_are_those_of_masks():
    assert torch.equal(shape("box"), masks.box(SIZE, 12))
    assert torch.equal(shape("half"), masks.half(SIZE))
    assert torch.equal(shape("stripes"), masks.stripes(SIZE, 4, 4))
    assert shape("whole").sum() == 0
    with pytest.raises(ValueError, match="shape must be one of whole, "):
        Painter("nose")


def test_the_small_gaussian_is_that_of_averaged_faces(painter):
    gaussian = load_net().gaussian()
    small = bench.smaller(gaussian, SIZE, bench.DIRECTIONS)
    # A vector's variance under the averaged Gaussian is its adjoint's under the full one.
    probe = small.directions[:, 5]
    back = probe.reshape(3, SIZE, 1, SIZE, 1).expand(3, SIZE, 2, SIZE, 2).reshape(-1) / 4
    along = gaussian.directions.T @ back
    rest = gaussian.rest * (back.square().sum() - along.square().sum())
    exact = (along.square() * gaussian.variances).sum() + rest
    assert small.variances[5].item() == pytest.approx(exact.item(), rel=0.02)
    # What ships is this Gaussian in 8 bits.
    torch.testing.assert_close(painter.prior.mean, small.mean, rtol=0, atol=1 / 255 + 1e-6)
    torch.testing.assert_close(painter.prior.variances, small.variances, rtol=1e-4, atol=0)
    directions = painter.prior.directions
    assert (directions - small.directions).norm(dim=0).max() < 0.03
    assert (directions.T @ directions - torch.eye(bench.DIRECTIONS)).abs().max() < 0.01
    assert painter.prior.rest == pytest.approx(float(small.rest), rel=1e-4)


def test_saving_keeps_pictures_and_stamp(tmp_path, painter):
    directions = torch.eye(3 * SIZE**2)[:, :2]
    prior = GaussianPrior(torch.zeros(3, SIZE, SIZE), 0.1, directions, torch.tensor([3.0, 1.0]))
    pictures = {"one": torch.ones(1, 3, SIZE, SIZE)}
    save(tmp_path / "small.json", prior, pictures, weights_sha256="abc")
    facts = json.loads((tmp_path / "small.json").read_text())
    assert facts["weights_sha256"] == "abc" and facts["variances"] == [3.0, 1.0]
    assert list(facts["pictures"]) == ["one"]


def test_the_element_is_whole_without_scripts(painter):
    bundle = painter._repr_mimebundle_()
    page = bundle["text/html"]
    assert bundle["text/plain"].startswith("Painter(astronaut, ")
    assert len(page) < 360_000 and page.count("</script>") == 1 and page.count("</style>") == 1
    fallback = re.search(
        r"<img class='fallback' src='data:image/webp;base64,[^']*' alt='([^']*)'", page
    )
    assert len(fallback[1]) > 40
    spec = spec_of(page)
    assert spec["shapes"] == json.loads(json.dumps(SHAPES)) and spec["settings"] == SETTINGS


# In a browser, on a page with nothing else.


@pytest.fixture(scope="module")
def url(tmp_path_factory, painter):
    file = tmp_path_factory.mktemp("painter") / "page.html"
    head = "<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    file.write_text(f"{head}<title>Painter</title><body>{painter.to_html()}", encoding="utf-8")
    return file.as_uri()


class Shown:
    """The painter of an opened page."""

    def __init__(self, page):
        self.page, self.root = page, page.locator("fuzzy-painter")
        self.canvas = self.root.locator("canvas.map")
        self.settle()

    def settle(self):
        """Wait until the last change has been restored."""
        self.page.wait_for_function(
            "() => { const p = document.querySelector('fuzzy-painter');"
            " return p.result && !p.waiting; }"
        )

    def map(self):
        return np.array(self.root.evaluate("p => Array.from(p.map)")).reshape(SIZE, SIZE)

    def picture(self):
        self.settle()
        x = self.root.evaluate("p => Array.from(p.result.x)")
        return np.array(x).reshape(3, SIZE, SIZE)

    def pixels(self):
        """What the canvas of the restored face shows."""
        self.settle()
        return self.root.evaluate("p => p.restored.toDataURL()")

    def line(self):
        self.settle()
        return self.root.locator("p.line").inner_text()

    def at(self, column, row):
        """The middle of a pixel of the map in the window."""
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        x = box["x"] + (column + 0.5) / SIZE * box["width"]
        y = box["y"] + (row + 0.5) / SIZE * box["height"]
        return x, y

    def button(self, name):
        self.root.get_by_role("button", name=name, exact=True).click()

    def control(self, name):
        return self.root.get_by_label(name, exact=True)


@pytest.mark.pages
@pytest.mark.parametrize("width", [1280, 390])
def test_the_face_follows_the_brush(opened, url, painter, width):
    with opened(url, width) as (page, faults):
        shown = Shown(page)
        assert np.array_equal(shown.map(), shape("box")[0, 0].numpy())  # the start
        shown.button("clear")
        y = painter.pictures["astronaut"][0].numpy()
        np.testing.assert_allclose(shown.picture(), y, atol=1e-6)
        before = shown.pixels()
        page.mouse.move(*shown.at(8, 24))
        page.mouse.down()
        page.mouse.move(*shown.at(23, 24), steps=4)
        held = shown.picture()  # while the button is still down
        assert shown.root.locator("p.line").get_attribute("aria-live") == "off"
        page.mouse.up()
        m, x = shown.map(), shown.picture()
        assert np.array_equal(held, x) and shown.pixels() != before
        assert (m[24, 8:24] == 0).all() and (m[:20] == 1).all() and (m[29:] == 1).all()
        np.testing.assert_allclose((x - y)[:, m == 1], 0, atol=1e-6)
        assert np.abs(x - y)[:, m == 0].mean() > 0.05
        expected = painter.restore(torch.tensor(m, dtype=torch.float32)[None, None])[0].numpy()
        np.testing.assert_allclose(x, expected, atol=1e-3)
        assert shown.root.locator("p.line").get_attribute("aria-live") == "polite"
        said = rf"Painted m = 0 at column 24, row 25\. Mean trust {m.mean():.2f}\. .*0\.00 where trusted.* 58 calls"
        assert re.search(said, shown.line()), shown.line()
        shown.button("undo")
        assert (shown.map() == 1).all()
        wide = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        assert page.evaluate(f"{wide} <= innerWidth")
        assert faults == []


@pytest.mark.pages
def test_the_brush_has_its_m_and_a_soft_edge(opened, url):
    with opened(url) as (page, _):
        shown = Shown(page)
        shown.button("clear")
        for name, value in {"m of the brush": "0.4", "softness": "1", "radius": "6"}.items():
            shown.control(name).fill(value)
        page.mouse.move(*shown.at(15, 15))
        page.mouse.down()
        for _ in range(3):  # going over it again in one stroke paints no more
            page.mouse.move(*shown.at(17, 15))
            page.mouse.move(*shown.at(15, 15))
        page.mouse.up()
        row = shown.map()[15, 15:24]
        assert abs(row[0] - 0.4) < 0.01 and row[-1] == 1
        assert (np.diff(row) >= 0).all() and len(set(row)) > 5
        assert np.allclose(shown.map() * 255, np.round(shown.map() * 255), atol=1e-4)


@pytest.mark.pages
def test_keys_paint_and_say_what_they_did(opened, url):
    with opened(url) as (page, faults):
        shown = Shown(page)
        shown.button("clear")
        shown.canvas.focus()
        for key in ["ArrowRight", "Shift+ArrowDown", "ArrowUp", "-", "-"]:
            page.keyboard.press(key)
        assert shown.line().startswith("Radius 1.")
        assert shown.control("radius").input_value() == "1"
        page.keyboard.press("Space")
        ((row,), (column,)) = np.nonzero(shown.map() == 0)
        assert shown.line().startswith(f"Painted m = 0 at column {column + 1}, row {row + 1}.")
        page.keyboard.press("ArrowLeft")
        cursor = f"Cursor at column {column}, row {row + 1}"
        assert shown.line().startswith(f"{cursor}, m = 1.00 there.")
        assert cursor in shown.canvas.get_attribute("aria-label")
        page.keyboard.press("+")
        page.keyboard.press("Enter")
        assert (shown.map() == 0).sum() > 4 and faults == []
        page.keyboard.press("Tab")
        label = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert label == "m of the brush"


@pytest.mark.pages
def test_letters_typed_on_it_stay_in_it(opened, url):
    with opened(url) as (page, faults):
        shown = Shown(page)
        page.evaluate("() => { document.keys = []; }")
        page.evaluate("document.addEventListener('keydown', (e) => document.keys.push(e.key))")
        for place in (shown.canvas, shown.control("seed"), shown.control("picture")):
            for key in ["m", "d", "d", "Control+s"]:
                place.press(key)
        assert set(page.evaluate("document.keys")) == {"Control", "s"} and faults == []


@pytest.mark.pages
def test_a_finger_paints(opened, url):
    with opened(url, 390, has_touch=True, is_mobile=True) as (page, faults):
        shown = Shown(page)
        shown.button("clear")
        page.touchscreen.tap(*shown.at(10, 12))
        assert shown.map()[12, 10] == 0 and shown.map().mean() > 0.9 and faults == []


@pytest.mark.pages
def test_every_control_is_named_and_changes_the_face_as_in_python(opened, url, painter):
    with opened(url) as (page, faults):
        shown = Shown(page)
        shown.button("half")
        tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        roles = "slider", "combobox", "checkbox"
        inputs = {n["name"]["value"] for n in tree if n.get("role", {}).get("value") in roles}
        painting = {"picture", "m of the brush", "radius", "softness"}
        restoring = {"m scale", "J", "steps", "seed", "m per", "correction"}
        assert inputs == painting | restoring
        shown.control("picture").select_option("person 2")
        shown.control("m scale").fill("0.5")
        shown.control("m per").select_option("run")
        shown.control("correction").uncheck()
        for name, key in {"J": "Home", "steps": "End", "seed": "End"}.items():
            shown.control(name).press(key)
        m = torch.tensor(shown.map(), dtype=torch.float32)[None, None] * 0.5
        expected = painter.restore(m, "person 2", steps=50, J=1, seed=19, per="run", fix=False)
        np.testing.assert_allclose(shown.picture(), expected[0].numpy(), atol=1e-3)
        options = (
            "--m 0.5 --steps 50 --repeats 1 --seed 19 --set share=true --set rescale=false"
        )
        assert options in shown.root.locator("code").inner_text()
        for name in SHAPES:
            shown.button("clear")
            shown.button(name)
            assert np.array_equal(shown.map(), shape(name)[0, 0].numpy())
        assert faults == []


@pytest.mark.pages
def test_the_saved_map_restores_a_photo_from_the_command_line(opened, url, tmp_path):
    with opened(url) as (page, faults):
        shown = Shown(page)
        shown.control("m of the brush").fill("0.3")
        shown.button("mouth")
        with page.expect_download() as download:
            shown.button("Save map.png")
        assert download.value.suggested_filename == "map.png"
        download.value.save_as(tmp_path / "map.png")
        m, command = shown.map(), shown.root.locator("code").inner_text()
        assert faults == []
    photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    given = read(tmp_path / "photo.png", mask=tmp_path / "map.png")
    np.testing.assert_allclose(given.m[0, 0].numpy(), m.repeat(2, 0).repeat(2, 1), atol=1e-6)
    words = command.replace("--steps 20 --repeats 3", "--steps 2 --repeats 1").split()
    assert words[:2] == ["fuzzydiff", "restore"] and "--steps" in words
    words = [str(tmp_path / word) if word.endswith(".png") else word for word in words[1:]]
    assert main([*words, "--device", "cpu", "--quiet"]) == 0
    photo, result = (
        np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("photo", "restored")
    )
    trusted = m.repeat(2, 0).repeat(2, 1) == 1
    assert np.array_equal(photo[trusted], result[trusted])
    assert not np.array_equal(photo[~trusted], result[~trusted])


@pytest.mark.pages
def test_without_scripts_a_picture_shows(opened, url):
    with opened(url, java_script_enabled=False) as (page, _):
        image = page.locator("fuzzy-painter img.fallback")
        assert image.is_visible() and image.get_attribute("alt")
        assert np.ptp(np.asarray(Image.open(io.BytesIO(image.screenshot())))) > 50


@pytest.mark.pages
def test_it_works_as_the_output_of_a_notebook(opened, tmp_path, painter):
    """JupyterLab sets an output's HTML and then runs its scripts anew: here two outputs."""
    (tmp_path / "lab.html").write_text(
        f"""<!doctype html><meta charset="utf-8"><title>Lab</title><body><template>{painter.to_html()}</template>
        <script>for (let i = 0; i < 2; i++) {{
          const output = document.body.appendChild(document.createElement("div"));
          output.innerHTML = document.querySelector("template").innerHTML;
          for (const old of output.querySelectorAll("script")) {{
            const script = document.createElement("script");
            script.textContent = old.textContent;
            old.replaceWith(script);
          }}
        }}</script>""",
        encoding="utf-8",
    )
    with opened((tmp_path / "lab.html").as_uri()) as (page, faults):
        page.wait_for_function(
            "() => [...document.querySelectorAll('fuzzy-painter')].every((p) => p.result)"
        )
        assert page.locator("fuzzy-painter canvas.map").count() == 2 and faults == []
        ids = page.eval_on_selector_all("fuzzy-painter [id]", "all => all.map((e) => e.id)")
        assert len(set(ids)) == len(ids) == 2
