import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.testing.globalipapp import start_ipython
from IPython.utils.capture import capture_output

from fuzzydiff_lite import steps
from fuzzydiff_lite.data import sheet, to_uint8
from fuzzydiff_lite.show import plots


@pytest.fixture(autouse=True)
def closed():
    with plt.rc_context():
        yield
    assert not plt.get_fignums(), "a figure stays open"


def pixels(figure):
    return np.asarray(plots.figure_image(figure))


def test_sheet_puts_pictures_in_rows():
    colours = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 3, 4, 6)
    whole = sheet(colours, columns=3, scale=2)
    assert whole.size == (3 * 6 * 2, 2 * 4 * 2)
    assert whole.getpixel((0, 0))[0] == 0 and whole.getpixel((13, 9))[0] == 255
    assert whole.getpixel((35, 15)) == (255, 255, 255)  # the empty place


def test_show_enlarges_every_pixel_to_a_square_and_smooths_nothing():
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.9
    page = pixels(plots.show(x))
    enlarged = to_uint8(x)[0].permute(1, 2, 0).numpy().repeat(2, 0).repeat(2, 1)
    assert page.shape == (128 + 16, 128 + 16, 3)
    assert (page[8:-8, 8:-8] == enlarged).all()
    assert (page[:8] == 255).all() and (page[:, :8] == 255).all()


def test_show_arranges_and_titles():
    x = torch.zeros(7, 3, 64, 64)
    titles = [f"{i}" for i in range(7)]
    plain, titled = plots.show(x), plots.show(x, titles=titles)
    assert len(plain.axes) == 7 and [a.get_title() for a in titled.axes] == titles
    assert plain.get_size_inches()[0] == pytest.approx((4 * 136 + 8) / 100)  # 4 + 3, not 6 + 1
    assert titled.get_size_inches()[1] > plain.get_size_inches()[1]
    one = plots.show(x, columns=7, scale=0.5)
    assert one.get_size_inches() == pytest.approx([(7 * 72 + 8) / 100, (64 + 16) / 100])
    for figure in (plain, titled, one):
        plt.close(figure)


def test_show_takes_pictures_maps_and_pillow_together():
    grey, keep = torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
    page = pixels(plots.show([grey, keep, 0 * keep[0], plots.picture(grey)]))
    middle = page[70, [70 + 136 * i for i in range(4)], 0]
    assert list(middle) == [128, 255, 0, 128]


def test_show_and_picture_refuse_what_they_cannot_show():
    with pytest.raises(ValueError, match="2 titles for 3 pictures"):
        plots.show(torch.zeros(3, 3, 8, 8), titles=["a", "b"])
    with pytest.raises(ValueError, match="0 pictures"):
        plots.show([])
    for bad in (torch.zeros(8, 8), torch.zeros(2, 3, 8, 8), torch.zeros(4, 8, 8)):
        with pytest.raises(ValueError, match="wanted one picture"):
            plots.picture(bad)


def test_figure_image_is_white_has_the_figure_size_and_closes():
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.set_ylabel("a label that must fit")
    image = plots.figure_image(figure)
    assert image.mode == "RGB" and image.size == (400, 300)
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert (np.asarray(image) < 128).any()


def test_a_displayed_figure_is_closed_and_shown_once():
    start_ipython()
    figure = plots.show(torch.zeros(1, 3, 8, 8))
    with capture_output() as said:
        from IPython.display import display

        display(figure)
    (output,) = said.outputs
    assert output.data["image/png"] and not plt.get_fignums()


def test_source_prints_the_code_that_runs(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", shown.append)
    plots.source(steps.noise_to, plots.Shown._ipython_display_)
    function, method = (markdown.data for markdown in shown)
    assert function.startswith("~~~~~~python\ndef noise_to(") and function.endswith("\n~~~~~~")
    assert '"""' in function and "return" in function
    assert "\ndef _ipython_display_" in method  # dedented


def test_style_gives_colours_that_differ():
    plots.style()
    colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    assert len(set(colours)) == len(colours) >= 6
    assert plt.rcParams["figure.facecolor"] == "white"
