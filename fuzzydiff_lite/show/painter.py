"""Paint the map m on a picture: fuzzy conditioning follows, in Jupyter and the built page."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..assets import FOLDER
from ..data.pictures import from_uint8, sheet, to_uint8
from ..noise import Noise
from ..priors.gaussian import GaussianPrior
from ..samplers import fuzzy, run
from ..walk import Walk
from .widgets import attribute, data_uri, webp

SIZE = 32  # pixels of the side of a picture
JS = Path(__file__).parent / "js"
SCRIPTS = ["noise.js", "fuzzy.js", "painter.js"]
TINT = (0, 114, 178)  # covers the picture where m is low
SHAPES = {  # what a button fills: rectangles, each left, top, right, bottom
    "whole": [(0, 0, 32, 32)],
    "box": [(10, 10, 22, 22)],
    "half": [(16, 0, 32, 32)],
    "eyes": [(5, 11, 27, 17)],
    "mouth": [(9, 21, 23, 28)],
    "stripes": [(0, top, 32, top + 4) for top in range(4, 32, 8)],
}
SETTINGS = {"scale": 1.0, "steps": 20, "J": 3, "seed": 0, "per": "fusion", "fix": True}


def save(
    path: str | Path, prior: GaussianPrior, pictures: Mapping[str, Tensor], **stamp: str
) -> None:
    """Write a small Gaussian and the pictures of a painter, all in 8 bits, to `path` (.json).

    `prior` knows pictures (3, 32, 32); `pictures` has (1, 3, 32, 32) in [-1, 1] by name;
    `stamp`, e.g. weights_sha256="…", says what made them. Each direction is a whole number from
    -127 to 127 times its scale.
    """
    scales = prior.directions.abs().amax(0) / 127
    steps = (prior.directions / scales).round().to(torch.int8).T.contiguous()
    facts = {
        **stamp,
        "pictures": {name: _base64(to_uint8(picture)) for name, picture in pictures.items()},
        "mean": _base64(to_uint8(prior.mean)),
        "rest": float(prior.rest),
        "variances": [float(f"{value:.6g}") for value in prior.variances],
        "scales": [float(f"{value:.6g}") for value in scales],
        "directions": _base64(steps),
    }
    text = json.dumps(facts, ensure_ascii=False, indent=0) + "\n"
    Path(path).write_text(text, encoding="utf-8")


def shape(name: str) -> Tensor:
    """The map (1, 1, 32, 32) of a button with the brush's m at 0: 0 in the shape, 1 around."""
    if name not in SHAPES:
        raise ValueError(f"shape must be one of {', '.join(SHAPES)}, got {name!r}")
    m = torch.ones(1, 1, SIZE, SIZE)
    for left, top, right, bottom in SHAPES[name]:
        m[..., top:bottom, left:right] = 0
    return m


class Painter:
    """Paint m, see the face that fuzzy conditioning makes of it.

    A notebook shows it as HTML that needs no kernel. A browser cannot run the network, so the
    prior is the Gaussian of the faces, at 32 x 32 pixels: its denoiser is closed,
    Eq. (gaussian-denoiser), book/prior/denoiser. `restore` gives in Python what the page shows.
    `pictures` holds what can be painted on, by name, (1, 3, 32, 32) in [-1, 1]; `prior` is the
    `GaussianPrior`.
    """

    def __init__(self, start: str = "box"):
        self._start = shape(start)
        self._spec = json.loads((FOLDER / "painter.json").read_text(encoding="utf-8"))
        texts = self._spec["pictures"]
        self.pictures = {name: _picture(text)[None] for name, text in texts.items()}
        self._spec |= {"start": start, "shapes": SHAPES, "settings": SETTINGS, "tint": TINT}
        scales, variances = (torch.tensor(self._spec[name]) for name in ("scales", "variances"))
        data = bytearray(base64.b64decode(self._spec["directions"]))
        steps = torch.frombuffer(data, dtype=torch.int8)
        directions = (steps.reshape(len(scales), -1) * scales[:, None]).T.contiguous()
        mean, rest = _picture(self._spec["mean"]), self._spec["rest"]
        self.prior = GaussianPrior(mean, rest, directions, variances)

    def restore(
        self,
        m: Tensor | float,
        picture: str | None = None,
        steps: int = SETTINGS["steps"],
        J: int = SETTINGS["J"],
        seed: int = SETTINGS["seed"],
        per: str = SETTINGS["per"],
        fix: bool = SETTINGS["fix"],
    ) -> Tensor:
        """What the page shows for a map m and its controls, (1, 3, 32, 32).

        `m` is a number or (1, 1, 32, 32), in [0, 1]. Without a name the first picture is
        restored. Raises ValueError like `samplers.fuzzy`, and for another name.
        """
        picture = picture or next(iter(self.pictures))
        if picture not in self.pictures:
            raise ValueError(
                f"picture must be one of {', '.join(self.pictures)}, got {picture!r}"
            )
        y = self.pictures[picture]
        walk, variance = (
            Walk(steps, repeats=J),
            {"fusion": None, "run": self.prior.variance}[per],
        )
        settings = {"noise": Noise(seed), "rescale": fix, "variance": variance}
        return run(fuzzy(self.prior, y, m, walk=walk, **settings))

    def to_html(self) -> str:
        """The built page's painter, script and style inside; without scripts, its start."""
        files = ["painter.css", *SCRIPTS]
        style, *scripts = ((JS / name).read_text(encoding="utf-8") for name in files)
        y = next(iter(self.pictures.values()))
        tint = from_uint8(torch.tensor(TINT, dtype=torch.uint8))[None, :, None, None]
        clear = 0.2 + 0.8 * self._start
        painted = clear * y + (1 - clear) * tint
        both = sheet(torch.cat([painted, self.restore(self._start)]), columns=2)
        image = both.resize((512, 256), Image.Resampling.BICUBIC)
        alt = (
            f"A face whose {self._spec['start']} is not trusted, covered in blue, "
            "and beside it what is restored there."
        )
        return (
            f"<style>{style}</style><fuzzy-painter data-spec='{attribute(self._spec)}'>"
            f"<img class='fallback' src='{data_uri('webp', webp(image, quality=90))}' "
            f"alt='{alt}' width='512' height='256'>"
            f"</fuzzy-painter><script>{''.join(scripts)}</script>"
        )

    def _repr_mimebundle_(self, **kwargs):
        text = f"Painter({', '.join(self.pictures)})"
        return {"text/html": self.to_html(), "text/plain": text}


def _base64(values: Tensor) -> str:
    return base64.b64encode(values.numpy().tobytes()).decode()


def _picture(text: str) -> Tensor:
    """8-bit values, one colour after another, as a picture (3, 32, 32) in [-1, 1]."""
    values = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return from_uint8(torch.from_numpy(values.copy()).reshape(3, SIZE, SIZE))
