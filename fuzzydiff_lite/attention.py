"""Diffusion projection attention (El Helou, ICIP 2023): what in a picture surprises a prior."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .assets import FOLDER
from .noise import Noise
from .priors.prior import Prior
from .samplers import fuzzy, run, sdedit
from .samplers.checks import check_picture

DEPTHS = (100, 200, 400, 700)
PAPER = {
    "depths": (300, 400, 500, 600),
    "steps": 50,
    "draws": 1,
    "blur": None,
    "shared": True,
}  # as the slides of the paper have it
BRANCH = 5  # projections share no number with what a sampler of the same seed draws
SURE = 3.0  # deviations that make `correct` distrust a pixel: fewer would change all of a face
LEAST_LIKENESS = 0.22  # of a face, damaged or not: benchmarks/attention.py says why
LEAST = 1e-6  # no deviation is smaller: where nothing changes, any change would be infinite


def residuals(
    prior: Prior,
    x: Tensor,
    depths: tuple[int, ...] = DEPTHS,
    steps: int = 1,
    draws: int = 4,
    noise: Noise | None = None,
    shared: bool = False,
) -> Tensor:
    """Pictures x (B, 3, H, W) in [-1, 1] minus their projections, (B, len(depths), 3, H, W).

    The projection to a depth noises x to that level and denoises it again, as `sdedit` does, on
    the levels of `steps` steps from the top; one step is the prior's guess of the clean
    picture. The mean of `draws` projections is taken from x. Each depth has noise of its own,
    or all have the same where it is `shared`. With one step, len(depths) * draws network calls.
    Raises ValueError like `sdedit` and for no draws. Eq. (projection-error), book/13_attention.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    noise, rows = noise or Noise(), []
    for depth in depths:
        own = noise.branch(BRANCH) if shared else noise.branch(BRANCH).branch(depth)
        sources = [own.branch(k) for k in range(draws)]
        projections = [run(sdedit(prior, x, depth, steps, source)).to(x) for source in sources]
        rows.append(x - sum(projections) / draws)
    return torch.stack(rows, 1)


def squared(r: Tensor, blur: float | None = 1.0) -> Tensor:
    """Squared errors from residuals r (B, D, 3, H, W).

    With `blur` None the paper's, (B, D, 3, H, W): each colour channel by itself. Else
    (B, D, 2, H, W): of lightness, the mean of the channels, and of colour, what the channels
    have beside it; both blurred by a Gaussian with that standard deviation in pixels. Faces
    vary much in lightness and little in colour.
    Eq. (projection-error) and (opponent-error), book/13_attention.
    """
    if blur is None:
        return r**2
    lightness = r.mean(2, keepdim=True)
    e = torch.cat([lightness**2, ((r - lightness) ** 2).mean(2, keepdim=True)], 2)
    return gaussian(e, blur)


def gaussian(e: Tensor, sigma: float) -> Tensor:
    """`e` (..., H, W) blurred by a Gaussian of `sigma` pixels, cut at 4 sigma; edges repeat."""
    if sigma == 0:
        return e
    reach = round(4 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).to(e) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    flat = F.pad(e.reshape(-1, 1, *e.shape[-2:]), [reach] * 4, mode="replicate")
    across = F.conv2d(flat, kernel[None, None, None])
    return F.conv2d(across, kernel[None, None, :, None]).reshape(e.shape)


def errors(
    prior: Prior,
    x: Tensor,
    depths: tuple[int, ...] = DEPTHS,
    steps: int = 1,
    draws: int = 4,
    noise: Noise | None = None,
    blur: float | None = 1.0,
    shared: bool = False,
) -> Tensor:
    """How much projections change pictures x (B, 3, H, W) in [-1, 1].

    The result, (B, len(depths), 3 | 2, H, W), is the `squared` `residuals`, whose arguments and
    errors these are. The paper's: errors(prior, x, **PAPER).
    Eq. (projection-error) and (opponent-error), book/13_attention.
    """
    return squared(residuals(prior, x, depths, steps, draws, noise, shared), blur)


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of the projection's errors on good faces, (D, 3 | 2, H, W).

    They say what change is usual, and where. `face` (3, H, W) is the mean of these faces. The
    other fields say how the errors were made (see `errors`), with which prior, on how many
    pictures.
    Eq. (projection-statistics), book/13_attention.
    """

    mean: Tensor
    deviation: Tensor
    face: Tensor
    depths: tuple[int, ...]
    steps: int
    draws: int
    blur: float | None
    shared: bool
    tone: str
    weights: str | None
    pictures: int

    def save(self, path: str | Path) -> None:
        """Write a `.safetensors` file in half precision, of mean and deviation the roots."""
        fields = asdict(self)
        names = ("mean", "deviation")  # whose roots half precision holds better
        tensors = {name: fields.pop(name).sqrt().half().contiguous() for name in names}
        tensors["face"] = fields.pop("face").half().contiguous()
        save_file(tensors, path, {"attention": json.dumps(fields)})

    @classmethod
    def load(cls, path: str | Path) -> Statistics:
        """Read a file of `save`. Raises ValueError for a missing or broken one."""
        try:
            with safe_open(path, "pt") as file:
                fields = json.loads((file.metadata() or {})["attention"])
                fields["depths"] = tuple(fields["depths"])
                mean = file.get_tensor("mean").float().square()
                deviation = file.get_tensor("deviation").float().square()
                face = file.get_tensor("face").float()
            return cls(mean, deviation, face, **fields)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} does not hold the statistics of projections: {error}"
            ) from error

    def scores(self, e: Tensor) -> Tensor:
        """Errors of pictures (B, D, 3 | 2, H, W) in deviations from what is usual.

        Eq. (z-score), book/13_attention.
        """
        return (e - self.mean.to(e)) / self.deviation.to(e).clamp(min=LEAST)

    def check(self, prior: Prior) -> Statistics:
        """Itself; ValueError where made with another prior, which expects other changes."""
        advice = "fit new ones: `fuzzydiff attention fit`"
        if self.weights != prior.weights:
            own, other = (str(weights)[:8] for weights in (prior.weights, self.weights))
            raise ValueError(
                f"the statistics belong to the weights {other}, the prior has {own}: {advice}"
            )
        tone, shape = prior.tone, tuple(self.mean.shape)
        if self.tone != tone:
            raise ValueError(
                f"the statistics are of tone {self.tone}, the prior of {tone}: {advice}"
            )
        if shape[-2:] != tuple(prior.shape[-2:]):
            raise ValueError(
                f"the statistics are of shape {shape}, the pictures {prior.shape}: {advice}"
            )
        return self


def fit(
    prior: Prior,
    batches: Iterable[Tensor],
    depths: tuple[int, ...] = DEPTHS,
    steps: int = 1,
    draws: int = 4,
    blur: float | None = 1.0,
    noise: Noise | None = None,
    shared: bool = False,
) -> Statistics:
    """Statistics of the projection's errors on good faces: batches (B, 3, H, W) in [-1, 1].

    Each batch is taken once. Raises ValueError for fewer than two pictures.
    Eq. (projection-statistics), book/13_attention.
    """
    noise, count, total, square, faces = noise or Noise(), 0, 0.0, 0.0, 0.0
    for x in batches:
        here = Noise(noise.seed, noise.first + count)  # every face gets noise of its own
        e = errors(prior, x, depths, steps, draws, here, blur, shared).double()
        count, total, square = count + len(x), total + e.sum(0), square + e.square().sum(0)
        faces = faces + x.sum(0)
    if count < 2:
        raise ValueError(f"statistics need at least two pictures, got {count}")
    mean = total / count
    deviation = (square / count - mean**2).clamp(min=0).sqrt()
    made = tuple(depths), steps, draws, blur, shared, prior.tone, prior.weights, count
    return Statistics(mean.float(), deviation.float(), (faces / count).float(), *made)


def load_statistics(prior: Prior, paper: bool = False) -> Statistics:
    """The shipped statistics for a prior; `paper`: of the paper's own errors, in colour only.

    Raises ValueError for a prior with other weights or another tone than they were made with.
    """
    path = FOLDER / f"attention-{'paper' if paper else prior.tone}.safetensors"
    if not path.is_file():
        raise ValueError(
            f"no statistics ship for the tone {prior.tone}: "
            "fit them with `fuzzydiff attention fit`"
        )
    return Statistics.load(path).check(prior)


def z_scores(
    prior: Prior, x: Tensor, statistics: Statistics, noise: Noise | None = None
) -> Tensor:
    """How unusual the projection's errors are, (B, D, 3 | 2, H, W).

    In deviations from what is usual at each depth and pixel. `noise`: as for `errors`. Raises
    ValueError like `sdedit` and `Statistics.check`.
    Eq. (z-score), book/13_attention.
    """
    s = statistics.check(prior)
    return s.scores(errors(prior, x, s.depths, s.steps, s.draws, noise, s.blur, s.shared))


def attention(z: Tensor, low: float = 1.0, high: float = 6.0) -> Tensor:
    """The map of attention A (B, C, H, W) in [0, 1] from scores z (B, D, C, H, W).

    A mean over the depths: a depth counts 0 where its score is below `low` deviations and 1
    where it is above `high`.
    Eq. (attention), book/13_attention.
    """
    return ((z.clamp(low, high) - low) / (high - low)).mean(1)


def trust(A: Tensor, scale: float = 1.0) -> Tensor:
    """The map of trust m = scale (1 - A)^2 in [0, scale].

    Eq. (attention-trust), book/13_attention.
    """
    return scale * (1 - A) ** 2


def likeness(x: Tensor, statistics: Statistics) -> Tensor:
    """How much pictures x (B, 3, H, W) look like an aligned face, (B,) in [-1, 1].

    The correlation of their lightness with that of the mean face, in the middle of the picture,
    both less what is coarser than 4 of 64 pixels and finer than one. Eyes, nose and mouth in
    their places count; a flat picture has 0.
    """
    side, pixel = x.shape[-1], x.shape[-1] / 64
    middle = (..., slice(side // 4, side * 29 // 32), slice(side * 7 // 32, side * 25 // 32))

    def band(picture):
        lightness = picture.mean(1, keepdim=True)
        b = (gaussian(lightness, pixel) - gaussian(lightness, 4 * pixel))[middle].flatten(1)
        b = b - b.mean(1, keepdim=True)
        return b / b.norm(dim=1, keepdim=True).clamp(min=1e-6)

    return (band(x) * band(statistics.face.to(x)[None])).sum(1)


class Correction(NamedTuple):
    """A restored `picture` (B, 3, H, W), its maps of trust `m` and `attention` (B, 1, H, W)."""

    picture: Tensor
    m: Tensor
    attention: Tensor


def correct(
    prior: Prior,
    picture: Tensor,
    statistics: Statistics | None = None,
    scale: float = 1.0,
    steps: int = 25,
    repeats: int = 3,
    noise: Noise | None = None,
) -> Correction:
    """Find and restore what is damaged in pictures (B, 3, H, W) in [-1, 1], without a mask.

    A pixel gets the highest attention of its channels, counted from `SURE` deviations on, and
    `trust` gives the share of it that the whole run of `fuzzy` keeps. `statistics`: the shipped
    ones unless given. Warns of a picture that is no aligned face, one whose `likeness` is below
    `LEAST_LIKENESS`. Takes len(depths) * draws + (steps - 1) * repeats + 1 network calls, 89
    unless told. Raises ValueError like `fuzzy` and `load_statistics`.
    """
    check_picture(picture, prior)
    statistics = (statistics or load_statistics(prior)).check(prior)
    A = attention(z_scores(prior, picture, statistics, noise), SURE).amax(1, keepdim=True)
    for i, value in enumerate(likeness(picture, statistics).tolist()):
        if value < LEAST_LIKENESS:
            warnings.warn(
                f"picture {i} is no aligned face: its likeness is {value:.2f}, "
                f"and that of a face at least {LEAST_LIKENESS}, "
                "so that what is found and what comes out mean little",
                stacklevel=2,
            )
    m = trust(A, scale)
    return Correction(run(fuzzy(prior, picture, m, steps, repeats, noise, per="run")), m, A)
