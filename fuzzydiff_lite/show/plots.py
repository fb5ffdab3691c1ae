"""Pictures of pictures: sheets, figures for the book, and the source of an algorithm."""

from __future__ import annotations

import inspect
import io
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence

import matplotlib.pyplot as plt
from IPython.display import Image as Png
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ..data.pictures import to_image

DPI = 100
CELL = 128  # pixels of the page that one picture of `show` takes at scale 1
# Okabe & Ito's (2008), which the colour-blind can tell apart; yellow is too light for lines.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]


def style() -> None:
    """Set Matplotlib for the book: colours for the colour-blind, white paper, no clutter."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": DPI,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "legend.frameon": False,
        }
    )


def picture(x: Tensor | Image.Image) -> Image.Image:
    """What the book shows for `x`, as an RGB Pillow picture.

    Three channels, (3, H, W) or (1, 3, H, W), are a picture in [-1, 1]; one channel, (1, H, W)
    or (1, 1, H, W), is a map in [0, 1]: white keeps, black hallucinates. A Pillow picture stays
    as it is. Raises ValueError for others.
    """
    if isinstance(x, Image.Image):
        return x.convert("RGB")
    flat = x[0] if x.ndim == 4 and len(x) == 1 else x
    if flat.ndim != 3 or flat.shape[0] not in (1, 3):
        raise ValueError(
            f"wanted one picture (3, H, W) or one map (1, H, W), got {tuple(x.shape)}"
        )
    flat = flat.detach().float()
    return to_image(flat if len(flat) == 3 else (2 * flat - 1).expand(3, -1, -1))


def show(
    pictures: Tensor | Iterable[Tensor | Image.Image],
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    scale: float = 1.0,
) -> Figure:
    """A row, or grid of `columns`, of titled pictures, [-1, 1], and one-channel maps, [0, 1].

    `pictures` is a batch (n, 3|1, H, W) or a list of what `picture` takes. Every pixel becomes
    a square of whole pixels: 2 x 2 for 64-pixel faces at `scale` 1. A notebook shows the figure
    once, whether or not it is the cell's last value. Raises ValueError where titles and
    pictures do not match in number.
    """
    images = [picture(x) for x in pictures]
    titles = [""] * len(images) if titles is None else list(titles)
    if len(titles) != len(images) or not images:
        raise ValueError(f"got {len(titles)} titles for {len(images)} pictures")
    columns = columns or math.ceil(len(images) / math.ceil(len(images) / 6))
    rows = math.ceil(len(images) / columns)
    tallest, widest = max(i.height for i in images), max(i.width for i in images)
    zoom = max(1, round(scale * CELL / tallest))
    width, height, gap = zoom * widest, zoom * tallest, 8
    titles = [textwrap.fill(str(title), max(8, width // 7)) for title in titles]
    head = max(6 + 15 * (title.count("\n") + 1) if title else 0 for title in titles)
    across, down = columns * (width + gap) + gap, rows * (height + head + gap) + gap
    look = {"figsize": (across / DPI, down / DPI), "facecolor": "white", "layout": "none"}
    figure = plt.figure(FigureClass=Shown, dpi=DPI, **look)
    for i, (image, title) in enumerate(zip(images, titles)):
        row, column = divmod(i, columns)
        left, top = gap + column * (width + gap), gap + row * (height + head + gap) + head
        box = left / across, 1 - (top + zoom * image.height) / down, zoom * image.width / across
        axes = figure.add_axes((*box, zoom * image.height / down))
        axes.imshow(image, interpolation="nearest")
        axes.set_title(title, fontsize=9, pad=4)
        axes.set_axis_off()
    return figure


class Shown(Figure):
    """A pyplot figure that is closed when displayed: the cell that returns it shows it once."""

    def _ipython_display_(self):
        png = io.BytesIO()
        figure_image(self).save(png, "png")
        display(Png(png.getvalue()))


def figure_image(figure: Figure) -> Image.Image:
    """A Matplotlib figure, which is closed, as a Pillow picture on white, 100 pixels an inch.

    The picture has the figure's size, so that the frames of an explorer do not jump; what the
    figure holds is fitted into it.
    """
    if figure.get_layout_engine() is None and not isinstance(figure, Shown):
        figure.set_layout_engine("constrained")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI, facecolor="white", bbox_inches=None)
    plt.close(figure)
    return Image.open(png).convert("RGB")


def source(*functions: Callable) -> None:
    """Display the source of functions or classes, docstring included, highlighted as Python."""
    for function in functions:
        code = textwrap.dedent(inspect.getsource(function)).rstrip()
        fence = "~~~~~~"
        display(Markdown(f"{fence}python\n{code}\n{fence}"))
