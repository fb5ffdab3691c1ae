"""The workbench: restore a face, or a picture of one's own, in Jupyter and in the built page."""

from __future__ import annotations

import html
import json
import math
from pathlib import Path

import anywidget
import torch
import traitlets
from PIL import Image
from torch import Tensor

from .. import data
from ..data.pictures import from_uint8, sheet, to_image
from ..networks.weights import load_prior
from ..noise import Noise
from ..priors.prior import Prior
from ..samplers import run
from .engine import Engine, sampler
from .widgets import Grid, attribute, data_uri, load_grid, webp

JS = Path(__file__).parent / "js"
OWN = ["settings", "canvas", "crop", "pictures", "answers", "results", "sharing", "workbench"]
FILES = [JS / "controls.js", *(JS / f"workbench/{name}.js" for name in OWN)]
MODULE = "\n".join(file.read_text(encoding="utf-8") for file in FILES)
SIZE = 64  # pixels of the side of a picture
TINT = (0, 114, 178)  # covers the picture where it is to be invented
STAIN = (0.9, -0.6, -0.9)  # its colour, in [-1, 1]
SHAPES = {  # what a button fills: rectangles, each left, top, right, bottom
    "whole": [(0, 0, 64, 64)],
    "box": [(20, 20, 44, 44)],
    "half": [(32, 0, 64, 64)],
    "eyes": [(10, 22, 54, 35)],
    "mouth": [(19, 41, 45, 54)],
    "stripes": [(0, top, 64, top + 8) for top in range(8, 64, 16)],
}
PARTS = ["eyes", "mouth"]  # shapes that are added to a map; the others begin anew
# Where the darkest pixels of eyes and mouth are in the mean of the faces that ship, x and y.
MARKS = {"eyes": [(23.5, 29.5), (40.5, 29.5)], "mouth": [(32.0, 47.5)]}
START = {
    "picture": "astronaut",
    "tone": "colour",
    "method": "fuzzy",
    "shape": "box",
    "per": "fusion",
    "m": 1.0,
    "share": 1.0,
    "J": 3,
    "steps": 20,
    "seed": 0,
    "rescale": True,
    "eta": 1.0,
    "scale": 8,
    "until": 0,
}
ONCE = ("ddnm", "ilvr", "ddim")  # methods that walk each step once unless told
METHODS = ("fuzzy", "repaint", *ONCE)
REAL = "A real person, whom the prior has not seen in training"
LONDON = f"{REAL}: Face Research Lab London Set, CC BY 4.0."
DRAWN = "A person who does not exist: this prior drew the picture."
ABOUT = {  # of each face to pick: where it comes from
    "astronaut": f"{REAL}: Eileen Collins, NASA.",
    **{f"London {number}": LONDON for number in (2, 8, 11, 14)},
    "Paine": f"{REAL}: H. E. Paine, born in 1826; voteview.com, UCLA.",
    "person 1": DRAWN,
    "person 2": DRAWN,
    "person 1, stained": DRAWN + " A stain is painted over it.",
}
TONE = {"Paine": "mono"}  # all others are in colour


def faces() -> dict[str, Tensor]:
    """The faces to pick, (1, 3, 64, 64) in [-1, 1] by name, those of `ABOUT`."""
    people, stained = data.people()[[36, 58]], data.people()[36:37].clone()
    stained[..., 30:50, 20:44] = torch.tensor(STAIN)[:, None, None]
    found = {"astronaut": data.astronaut()}
    found |= {f"London {number}": data.london()[[number]] for number in (2, 8, 11, 14)}
    found |= {"Paine": data.portrait(), "person 1": people[:1], "person 2": people[1:]}
    return found | {"person 1, stained": stained}


def shape(name: str) -> Tensor:
    """The map (1, 1, 64, 64) of a shape: 0 inside it, 1 around.

    Raises ValueError for another name.
    """
    if name not in SHAPES:
        raise ValueError(f"shape must be one of {', '.join(SHAPES)}, got {name!r}")
    m = torch.ones(1, 1, SIZE, SIZE)
    for left, top, right, bottom in SHAPES[name]:
        m[..., top:bottom, left:right] = 0
    return m


def weights(fusions: int = 20) -> list[float]:
    """Weights of a fusion, each of which leaves visibly less of a difference than the last.

    What `fusions` of them leave of a difference from the given picture, c^fusions with
    c = (1 - m) / sqrt(m^2 + (1 - m)^2), is 1, 0.9 … 0.1, 0 where the prior does not draw back
    between them. To two decimals.
    Eq. (pull), book/fuzzy/fuzzy.
    """
    left = [tenths / 10 for tenths in range(9, 0, -1)]
    odds = [math.sqrt(share ** (-2 / fusions) - 1) for share in left]  # m / (1 - m)
    return [0.0, *(round(each / (1 + each), 2) for each in odds), 1.0]


STOPS = {  # of the sliders
    "m": weights(),
    "share": [k / 10 for k in range(10)] + [0.99, 0.999, 1.0],  # the last show the fine detail
    "J": [1, 2, 3, 5, 10],
    "steps": [5, 10, 20, 50],
    "eta": [0.0, 0.25, 0.5, 0.85, 1.0],
    "scale": [2, 4, 8, 16],
    "until": [0, 50, 100, 200, 300, 400, 500, 700],
    "seed": list(range(20)),
}


def request(start: dict) -> dict:
    """The settings of a run, for `Engine.receive`, from where the controls stand."""
    repeats = 1 if start["method"] == "ddim" else start["J"]
    chosen = {"walk": {"steps": start["steps"], "repeats": repeats}, "tone": start["tone"]}
    more = {
        "fuzzy": {"rescale": start["rescale"], "share": start["per"] == "run"},
        "repaint": {},
        "ddnm": {"eta": start["eta"]},
        "ilvr": {"scale": start["scale"], "until": start["until"]},
        "ddim": {"eta": start["eta"]},
    }
    return chosen | more[start["method"]]


class Workbench(anywidget.AnyWidget):
    """Pick a face or load a picture, paint the map m, choose a method, run it, see each step.

    Where a kernel runs, it runs the samplers of this package on the prior that ships; the built
    page runs the same in the browser. `method` is the one chosen at first: fuzzy, repaint,
    ddnm, ilvr or ddim. `frames` names a file of `save_grid` with the axes picture, mask, m and
    J, whose pictures, 20 steps with seed 0, are shown before anything runs. `start` replaces
    some of `START`, by values of `STOPS`. `prior` takes the place of the shipped one,
    `load_prior()`.

    The attribute `pictures` has the faces to pick, (1, 3, 64, 64) in [-1, 1] by name. Raises
    ValueError for another method, start or frames.
    """

    _esm = MODULE
    _css = (JS / "workbench/workbench.css").read_text(encoding="utf-8")
    spec = traitlets.Dict().tag(sync=True)
    engine = traitlets.Dict({"kind": "kernel"}).tag(sync=True)

    def __init__(
        self,
        method: str = "fuzzy",
        frames: str | Path | None = None,
        start: dict | None = None,
        prior: Prior | None = None,
    ):
        self.pictures, self.prior = faces(), prior or load_prior()
        usual = START | ({"J": 1} if method in ONCE else {})
        start = self._moved(usual, {"method": method} | (start or {}))
        for name, stops in STOPS.items():
            if start[name] not in stops:
                raise ValueError(f"{name} must be one of {stops}, got {start[name]}")
        self._restored = self._run(start, shape(start["shape"]))
        spec = {"start": start, "stops": STOPS, "variance": self.prior.variance}
        spec |= {"pictures": _described(self.pictures), "first": _file(self._restored)}
        spec |= {"shapes": SHAPES, "parts": PARTS, "marks": MARKS, "tint": TINT}
        if frames is not None:
            grid = _frames(frames)
            spec["frames"] = grid._asdict() | {"sprite": data_uri("webp", grid.sprite)}
        super().__init__(spec=spec)
        self._engine = Engine(lambda content, buffers: self.send(content, buffers), self.prior)
        self.on_msg(lambda _, content, buffers: self._engine.receive(content, buffers))

    def run(self, map: Tensor | None = None, **moved) -> Tensor:
        """What *Run* gives where these controls are `moved` from the start: (1, 3, 64, 64).

        `map` (1, 1, 64, 64) in [0, 1] is painted in place of the shape. The controls of the
        page stay where they are, and need not have the values as stops. Raises ValueError like
        `Workbench`, and what samplers raise.
        """
        start = self._moved(self.spec["start"], moved)
        return self._run(start, shape(start["shape"]) if map is None else map)

    def _moved(self, start, moved):
        """A start with some of its controls moved; a picture moves its tone, a method its eta."""
        if unknown := set(moved) - set(start):
            raise ValueError(f"a start has {', '.join(start)}, got {', '.join(unknown)}")
        brought = {}
        if "picture" in moved:
            brought["tone"] = TONE.get(moved["picture"], "colour")
        if "method" in moved:
            brought["eta"] = float(moved["method"] != "ddim")
        start = start | brought | moved
        for name, known in {"picture": self.pictures, "method": METHODS}.items():
            if start[name] not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, got {start[name]!r}"
                )
        return start

    def _run(self, start, m):
        """The restored picture of a start and a painted map."""
        if start["method"] == "fuzzy":
            m = start["share" if start["per"] == "run" else "m"] * m
        if start["method"] in ("repaint", "ddnm"):  # they keep a pixel, or they do not
            m = (m == 1).float()
        y, noise = self.pictures[start["picture"]], Noise(start["seed"])
        return run(sampler(self.prior, y, m, start["method"], request(start), noise)).cpu()

    def to_html(self) -> str:
        """The built page's workbench, script and style inside; without scripts, its start."""
        script = MODULE + (JS / "workbench/page.js").read_text(encoding="utf-8")
        start = self.spec["start"]
        tint = from_uint8(torch.tensor(TINT, dtype=torch.uint8))[None, :, None, None]
        clear = 0.2 + 0.8 * shape(start["shape"])
        painted = clear * self.pictures[start["picture"]] + (1 - clear) * tint
        both = sheet(torch.cat([painted, self._restored]), columns=2)
        image = both.resize((512, 256), Image.Resampling.BICUBIC)
        alt = (
            f"The face {start['picture']}, whose {start['shape']} is covered in blue: that is "
            f"to be invented. Beside it what {start['method']} makes of it."
        )
        fallback = (
            f"<img class='fallback' src='{data_uri('webp', webp(image, quality=90))}' "
            f"alt='{html.escape(alt, quote=True)}' width='512' height='256'>"
        )
        return (
            f"<style>{self._css}</style>"
            f"<fuzzy-workbench data-spec='{attribute(self.spec)}'>{fallback}</fuzzy-workbench>"
            f"<script type='module'>{script}</script>"
        )

    def __repr__(self) -> str:
        return f"Workbench({self.spec['start']['method']}, {', '.join(ABOUT)})"

    def _repr_mimebundle_(self, **kwargs):
        bundle, metadata = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/html": self.to_html()}, metadata


def _described(pictures: dict[str, Tensor]) -> dict[str, dict]:
    """What the page has to know of each picture."""
    return {
        name: {
            "file": _file(picture),
            "about": ABOUT[name],
            "tone": TONE.get(name, "colour"),
        }
        for name, picture in pictures.items()
    }


def _file(picture: Tensor) -> str:
    return data_uri("webp", webp(to_image(picture), lossless=True))


def _frames(path: str | Path) -> Grid:
    """The frames in a file of `save_grid`; ValueError for other axes than the workbench's."""
    axes = json.loads(Path(path).read_text(encoding="utf-8"))["axes"]
    if list(axes) != ["picture", "mask", "m", "J"]:
        raise ValueError(f"frames need the axes picture, mask, m and J, got {axes}")
    return load_grid(path, axes)
