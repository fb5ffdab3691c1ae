"""What change of good faces is usual: the statistics by which attention is counted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..assets import FOLDER
from ..noise import Noise
from ..priors.prior import Prior
from .attention import OURS, Settings, errors

LEAST = 1e-6  # of the standard deviations: where nothing changes, any change would be infinite


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of the projection's errors on good faces, (D, 3 | 2, H, W).

    They say what change is usual, and where. `face` (3, H, W) is the mean of these faces. The
    other fields say how the errors were made, with which prior, on how many pictures.
    Eq. (projection-statistics), book/fuzzy/attention.
    """

    mean: Tensor
    deviation: Tensor
    face: Tensor
    settings: Settings
    tone: str
    weights: str | None
    pictures: int

    def save(self, path: str | Path) -> None:
        """Write a `.safetensors` file: roots of mean and deviation, in half precision."""
        names = ("mean", "deviation")  # whose roots half precision holds better
        tensors = {name: getattr(self, name).sqrt().half().contiguous() for name in names}
        tensors["face"] = self.face.half().contiguous()
        made = {"tone": self.tone, "weights": self.weights, "pictures": self.pictures}
        save_file(tensors, path, {"attention": json.dumps(asdict(self.settings) | made)})

    @classmethod
    def load(cls, path: str | Path) -> Statistics:
        """Read a file of `save`. Raises ValueError for a missing or broken one."""
        try:
            with safe_open(path, "pt") as file:
                fields = json.loads((file.metadata() or {})["attention"])
                fields["depths"] = tuple(fields["depths"])
                made = [fields.pop(name) for name in ("tone", "weights", "pictures")]
                mean = file.get_tensor("mean").float().square()
                deviation = file.get_tensor("deviation").float().square()
                face = file.get_tensor("face").float()
            return cls(mean, deviation, face, Settings(**fields), *made)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} does not hold the statistics of projections: {error}"
            ) from error

    def scores(self, e: Tensor) -> Tensor:
        """Errors of pictures (B, D, 3 | 2, H, W) in standard deviations from the usual mean.

        Eq. (z-score), book/fuzzy/attention.
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
    settings: Settings = OURS,
    noise: Noise | None = None,
) -> Statistics:
    """Statistics of the projection's errors on good faces: batches (B, 3, H, W) in [-1, 1].

    Each batch is taken once. Raises ValueError for fewer than two pictures.
    Eq. (projection-statistics), book/fuzzy/attention.
    """
    noise, count, total, square, faces = noise or Noise(), 0, 0.0, 0.0, 0.0
    for x in batches:
        here = Noise(noise.seed, noise.first + count)  # every face gets noise of its own
        e = errors(prior, x, settings, here).double()
        count, total, square = count + len(x), total + e.sum(0), square + e.square().sum(0)
        faces = faces + x.sum(0)
    if count < 2:
        raise ValueError(f"statistics need at least two pictures, got {count}")
    mean, face = total / count, faces / count
    deviation = (square / count - mean**2).clamp(min=0).sqrt()
    made = settings, prior.tone, prior.weights, count
    return Statistics(mean.float(), deviation.float(), face.float(), *made)


def load_statistics(prior: Prior, paper: bool = False) -> Statistics:
    """The shipped statistics for a prior; `paper`: of errors by `PAPER`, in colour only.

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
    """How unusual the projection's errors of pictures x are, (B, D, 3 | 2, H, W).

    In standard deviations from the usual mean at each depth and pixel; `noise` as for `errors`.
    Raises ValueError like `sdedit` and `Statistics.check`.
    Eq. (z-score), book/fuzzy/attention.
    """
    return statistics.check(prior).scores(errors(prior, x, statistics.settings, noise))
