"""Sliders that work twice: live in Jupyter, and in the built page from precomputed frames."""

from __future__ import annotations

import base64
import html
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import ipywidgets
from PIL import Image
from torch import Tensor

from .plots import picture as as_image

Axes = Mapping[str, Sequence[float | str]]
Compute = Callable[..., tuple[Tensor | Image.Image, str]]


class Grid(NamedTuple):
    """Every frame of an explorer: one WebP `sprite`, `columns` tiles a row, last axis fastest.

    `axes` holds the labels of the values, `texts` one line a frame, `tile` the width and height
    of a frame in pixels, `scale` how much the page enlarges it.
    """

    axes: dict[str, list[str]]
    texts: list[str]
    tile: tuple[int, int]
    columns: int
    scale: int
    sprite: bytes


def label(value: float | str) -> str:
    """How a value is written: in the controls, in alternative texts and in files."""
    return str(value) if isinstance(value, (str, bool)) else f"{value:g}"


def _labels(axes: Axes) -> dict[str, list[str]]:
    labels = {name: [label(value) for value in values] for name, values in axes.items()}
    for name, written in labels.items():
        if not written or len(set(written)) < len(written):
            raise ValueError(
                f"the values of {name} must be written differently, and be some: got {written}"
            )
    return labels


def _enlargement(image: Image.Image, given: Tensor | Image.Image) -> int:
    """Tensors are small: shown about 256 pixels high; a Pillow picture has its size already."""
    if isinstance(given, Image.Image):
        return 1
    return max(1, min(256 // image.height, 640 // image.width))


def webp(image: Image.Image, **options) -> bytes:
    """A picture as a WebP file."""
    file = io.BytesIO()
    image.save(file, "webp", method=6, **options)
    return file.getvalue()


def attribute(spec: dict) -> str:
    """What a page's script reads as JSON, as the value of an attribute in single quotes."""
    text = html.escape(json.dumps(spec, ensure_ascii=False), quote=False)
    return text.replace("'", "&#39;")  # double quotes stay: JSON is full of them


def data_uri(kind: str, data: bytes) -> str:
    """A picture file as the address of a page that holds it itself."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def make_grid(compute: Compute, axes: Axes) -> Grid:
    """Ask `compute` for every combination of values and pack the answers."""
    frames = [compute(**dict(zip(axes, values))) for values in product(*axes.values())]
    images = [as_image(given) for given, _ in frames]
    width, height = max(i.width for i in images), max(i.height for i in images)
    columns = math.ceil(math.sqrt(len(images) * height / width))
    rows = math.ceil(len(images) / columns)
    sprite = Image.new("RGB", (columns * width, rows * height), "white")
    for i, image in enumerate(images):
        sprite.paste(image, (i % columns * width, i // columns * height))
    packed = min(webp(sprite, quality=90), webp(sprite, lossless=True), key=len)
    texts = [text for _, text in frames]
    scale = _enlargement(images[0], frames[0][0])
    return Grid(_labels(axes), texts, (width, height), columns, scale, packed)


def save_grid(path: str | Path, compute: Compute, axes: Axes, **stamp: str) -> None:
    """Bake the frames of an explorer into `path` (.json) and a sprite of that name (.webp).

    `stamp`, e.g. weights_sha256="…", is written into the file: what the frames were made with.
    """
    grid = make_grid(compute, axes)
    facts = grid._asdict() | stamp
    Path(path).with_suffix(".webp").write_bytes(facts.pop("sprite"))
    text = json.dumps(facts, ensure_ascii=False, indent=0) + "\n"
    Path(path).write_text(text, encoding="utf-8")


def load_grid(path: str | Path, axes: Axes) -> Grid:
    """Read what `save_grid` wrote; ValueError where that is missing or its axes are not `axes`.

    The page shows the baked frames; `compute` stays what the notebook runs live, so both must
    show the same. The fuzzy chapter, whose frames `python -m studies.grids` bakes, runs a
    few of its settings, with the axes of that file::

        axes = {"picture": ["astronaut", "person 1", "person 2"]}
        axes |= {"mask": ["box", "half", "stripes"]}
        axes |= {"m": [0, 0.1, …, 1], "J": [1, 2, 3, 5, 10, 20]}
        alt = "Restored with m = {m}, J = {J}, …"
        Explorer(restore, axes, alt, start={"m": 1}, frames="data/fuzzy.json")
    """
    path = Path(path)
    if not path.is_file() or not path.with_suffix(".webp").is_file():
        raise ValueError(f"no baked frames in {path} and {path.with_suffix('.webp')}")
    facts = json.loads(path.read_text(encoding="utf-8"))
    if list(facts["axes"].items()) != list(_labels(axes).items()):
        raise ValueError(f"{path} has the axes {facts['axes']}, wanted {_labels(axes)}")
    sprite = path.with_suffix(".webp").read_bytes()
    tile, columns, scale = tuple(facts["tile"]), facts["columns"], facts["scale"]
    return Grid(facts["axes"], facts["texts"], tile, columns, scale, sprite)


class Explorer(ipywidgets.VBox):
    """Move controls, see a picture and a line of numbers.

    `compute(**values)` returns (picture, text): a tensor (3, H, W) or (1, 3, H, W) in [-1, 1]
    or a Pillow picture, and one line. `axes` names the controls: numbers make a slider, strings
    a select box. `alt` describes the picture, with the values in braces. `start` gives some
    controls their first value; the others begin with their first one.

    Where a kernel runs, moving a control calls `compute`; answers are remembered. Displaying
    the explorer computes every combination, unless `frames` names a file of `save_grid`, and
    puts them into the output as HTML: the built page shows those.

    Raises ValueError for a value or name that the axes do not have, and what `compute` raises.
    """

    def __init__(
        self, compute: Compute, axes: Axes, alt: str, start: Mapping | None = None, frames=None
    ):
        self._compute, self._alt, self._memo = compute, alt, {}
        self._axes, self._labels = dict(axes), _labels(axes)
        start = {name: values[0] for name, values in axes.items()} | dict(start or {})
        self._check(start)
        if unknown := set(re.findall(r"\{(\w+)\}", alt)) - set(axes):
            raise ValueError(f"alt names {unknown}, the axes are {list(axes)}")
        self._grid = load_grid(frames, axes) if frames is not None else None
        self._controls = {name: _control(name, axes[name], start[name]) for name in axes}
        self._frame, self._line = ipywidgets.HTML(), ipywidgets.HTML()
        super().__init__([*self._controls.values(), self._frame, self._line])
        if self._grid is None:
            self._show(*self._answer(**self.values))
        else:
            self._show(*self._baked(self._index(self.values)), self._grid.scale)
        self._listening = True
        for control in self._controls.values():
            control.observe(self._moved, "value")

    @property
    def values(self) -> dict:
        """Where the controls stand."""
        return {name: control.value for name, control in self._controls.items()}

    def set(self, **values) -> None:
        """Move controls as a reader would.

        Raises what `compute` raises, and ValueError for an unknown value.
        """
        self._check(values)
        self._listening = False  # until all stand where they should
        for name, value in values.items():
            control = self._controls[name]
            control.value = dict(control.options)[label(value)]
        self._listening = True
        self._moved()

    def _check(self, values):
        for name, value in values.items():
            if label(value) not in self._labels.get(name, ()):
                raise ValueError(f"{name} = {value!r} is not in the axes {self._labels}")

    def _moved(self, change=None):
        if not self._listening:
            return
        try:
            answer = self._answer(**self.values)
        except Exception as error:
            kind, text = type(error).__name__, html.escape(str(error))
            self._line.value = f"<p role='alert'><b>{kind}</b>: {text}</p>"
            raise
        self._show(*answer)

    def _answer(self, **values):
        key = tuple(map(label, values.values()))
        if key not in self._memo:
            self._memo[key] = self._compute(**values)
        return self._memo[key]

    def _show(self, given, text, scale=None):
        self.picture, self.text = as_image(given), text
        scale = scale or _enlargement(self.picture, given)
        self._frame.value = self._img(self.picture, scale, self.values)
        self._line.value = f"<p aria-live='polite'>{html.escape(text)}</p>"

    def _img(self, image, scale, values):
        alt = re.sub(r"\{(\w+)\}", lambda found: label(values[found[1]]), self._alt)
        alt = html.escape(alt)
        size = f"width='{scale * image.width}' height='{scale * image.height}'"
        look = "max-width:100%;height:auto" + ";image-rendering:pixelated" * (scale > 1)
        src = data_uri("webp", webp(image, lossless=True))
        return f"<img class='fallback' src='{src}' alt='{alt}' {size} style='{look}'>"

    def _index(self, values):
        index = 0
        for name, labels in self._labels.items():
            index = index * len(labels) + labels.index(label(values[name]))
        return index

    def _baked(self, index):
        width, height = self._grid.tile
        sprite = Image.open(io.BytesIO(self._grid.sprite)).convert("RGB")
        left, top = index % self._grid.columns * width, index // self._grid.columns * height
        return sprite.crop((left, top, left + width, top + height)), self._grid.texts[index]

    def to_html(self) -> str:
        """The explorer of the built page: all frames, the present one as a fallback."""
        self._grid = self._grid or make_grid(self._answer, self._axes)
        start = self._index(self.values)
        image, text = self._baked(start)
        spec = self._grid._asdict() | {"alt": self._alt, "start": start}
        spec["sprite"] = data_uri("webp", self._grid.sprite)
        slider = ipywidgets.SelectionSlider
        spec["sliders"] = [name for name, c in self._controls.items() if isinstance(c, slider)]
        picture = self._img(image, self._grid.scale, self.values)
        fallback = f"{picture}<p><span>{html.escape(text)}</span></p>"
        return f"<fuzzy-explorer data-spec='{attribute(spec)}'>{fallback}</fuzzy-explorer>"

    def _repr_mimebundle_(self, **kwargs):
        where = ", ".join(f"{name} = {label(value)}" for name, value in self.values.items())
        bundle = super()._repr_mimebundle_(**kwargs)
        plain = f"Explorer({where}): {self.text}"
        return bundle | {"text/html": self.to_html(), "text/plain": plain}


def _control(name, values, value):
    """A slider for numbers, a select box for words; `value` may be 1 for 1.0."""
    options = [(label(v), v) for v in values]
    look = {"description": name, "style": {"description_width": "initial"}}
    look |= {"options": options, "value": dict(options)[label(value)]}
    if any(isinstance(v, (str, bool)) for v in values):
        return ipywidgets.Dropdown(**look)
    return ipywidgets.SelectionSlider(continuous_update=False, **look)
