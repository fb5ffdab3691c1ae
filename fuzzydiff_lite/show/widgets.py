"""Sliders over precomputed frames, in Jupyter and in the built page."""

from __future__ import annotations

import base64
import functools
import html
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import anywidget
import traitlets
from PIL import Image
from torch import Tensor

from .plots import picture as as_image

Axes = Mapping[str, Sequence[float | str]]
Compute = Callable[..., tuple[Tensor | Image.Image, str]]
JS = Path(__file__).parent / "js"
PARTS = ["controls.js", "explorer.js"]
MODULE = "\n".join((JS / name).read_text(encoding="utf-8") for name in PARTS)


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
    return str(value) if _is_word(value) else f"{value:g}"


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
    frames = [compute(**values) for values in _combinations(axes)]
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

    An explorer shows the baked frames; `compute` is what the notebook runs live, so both must
    show the same. A chapter runs a few of its settings, with the axes of the file::

        axes = {"picture": ["face 0", …], "mask": ["box", "half", "strokes"]}
        axes |= {"n": [1, 2, 3, 4, 5, 10, 20]}
        alt = "Left: {picture} with the mask {mask}. Right: …"
        explorer = Explorer(restore, axes, alt, frames="data/resampling.json")
        picture, text = explorer.at(mask="half", n=3)
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


class Explorer(anywidget.AnyWidget):
    """Move controls, see a picture and a line of numbers: in Jupyter and in the built page.

    `compute(**values)` returns (picture, text): a tensor (3, H, W) or (1, 3, H, W) in [-1, 1]
    or a Pillow picture, and one line. `axes` names the controls: numbers make a slider, strings
    a select box. `alt` describes the picture, with the values in braces. `start` gives some
    controls their first value; the others begin with their first one.

    Every combination is computed at once, so that moving a control never waits. `frames` names
    a file of `save_grid` that has them already: then Jupyter has a box to tick, with which each
    move asks `compute` too. Answers of `compute` are remembered.

    Raises ValueError for a value or name that the axes do not have, and what `compute` raises.
    """

    _esm = MODULE
    _css = (JS / "explorer.css").read_text(encoding="utf-8")
    spec = traitlets.Dict().tag(sync=True)
    live = traitlets.Bool().tag(sync=True)

    def __init__(
        self, compute: Compute, axes: Axes, alt: str, start: Mapping | None = None, frames=None
    ):
        self._compute = functools.cache(compute)
        self._axes, self._labels = dict(axes), _labels(axes)
        self._start = {name: values[0] for name, values in axes.items()}
        self._start = self._moved(start or {})
        if unknown := set(re.findall(r"\{(\w+)\}", alt)) - set(axes):
            raise ValueError(f"alt names {unknown}, the axes are {list(axes)}")
        live = frames is not None
        self._grid = load_grid(frames, axes) if live else make_grid(self._compute, axes)
        numbers = [name for name, values in axes.items() if not any(map(_is_word, values))]
        start = _combinations(axes).index(self._start)
        spec = self._grid._asdict() | {"alt": alt, "start": start, "sliders": numbers}
        spec["sprite"] = data_uri("webp", self._grid.sprite)
        super().__init__(spec=spec, live=live)
        self.on_msg(lambda _, content, buffers: self._answer(content["frame"]))

    def at(self, **values) -> tuple[Tensor | Image.Image, str]:
        """What `compute` returns there; controls not named are where they were at first.

        It moves nothing that is seen. Raises what `compute` raises, and ValueError for an
        unknown value.
        """
        return self._compute(**self._moved(values))

    def _moved(self, values):
        """The start with other values, as `axes` has them: 1.0 where 1 is given."""
        moved = dict(self._start)
        for name, value in values.items():
            if label(value) not in self._labels.get(name, ()):
                raise ValueError(f"{name} = {value!r} is not in the axes {self._labels}")
            moved[name] = self._axes[name][self._labels[name].index(label(value))]
        return moved

    def _answer(self, frame):
        """Tell the views a frame that they ask for, or what went wrong."""
        try:
            given, text = self._compute(**_combinations(self._axes)[frame])
        except Exception as error:
            self.send({"frame": frame, "error": f"{type(error).__name__}: {error}"})
            raise
        picture = webp(as_image(given), lossless=True)
        self.send({"frame": frame, "text": text}, [picture])

    def to_html(self) -> str:
        """The explorer of the built page, script and style inside; without scripts, its start."""
        grid, start = self._grid, self.spec["start"]
        (width, height), sprite = grid.tile, Image.open(io.BytesIO(grid.sprite)).convert("RGB")
        left, top = start % grid.columns * width, start // grid.columns * height
        image = sprite.crop((left, top, left + width, top + height))
        alt = re.sub(r"\{(\w+)\}", lambda n: label(self._start[n[1]]), self.spec["alt"])
        look = "pixels" if grid.scale > 1 else ""
        fallback = (
            f"<img class='fallback {look}' src='{data_uri('webp', webp(image, lossless=True))}' "
            f"alt='{html.escape(alt)}' width='{grid.scale * width}' "
            f"height='{grid.scale * height}'><p>{html.escape(grid.texts[start])}</p>"
        )
        return (
            f"<style>{self._css}</style><fuzzy-explorer class='explorer' "
            f"data-spec='{attribute(self.spec)}'>{fallback}</fuzzy-explorer>"
            f"<script type='module'>{self._esm}</script>"
        )

    def __repr__(self) -> str:
        where = ", ".join(f"{name} = {label(value)}" for name, value in self._start.items())
        return f"Explorer({where}): {self._grid.texts[self.spec['start']]}"

    def _repr_mimebundle_(self, **kwargs):
        bundle, metadata = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/html": self.to_html()}, metadata


def _combinations(axes: Axes) -> list[dict]:
    """The values of every frame, in the order of frames: the last axis runs fastest."""
    return [dict(zip(axes, values)) for values in product(*axes.values())]


def _is_word(value):
    return isinstance(value, (str, bool))
