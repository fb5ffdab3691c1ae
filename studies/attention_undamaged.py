"""What attention makes of faces without damage, and of what is no face: `studies.attention`."""

from dataclasses import asdict

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior
from fuzzydiff_lite.metrics import auroc
from fuzzydiff_lite.restore.blind import correct
from fuzzydiff_lite.restore.likeness import LEAST_LIKENESS, likeness
from fuzzydiff_lite.restore.statistics import Statistics
from studies.attention_faces import skin, strange
from studies.attention_maps import pooled, taken
from studies.common import kept_in_parts

FACE = (..., slice(16, 58), slice(14, 50))  # of an aligned picture, with little background
BATCH = 25


def corrected(name: str, prior: Prior, s: Statistics, x: Tensor) -> Tensor:
    """What `correct` makes of faces x."""

    def part(first: int, last: int) -> Tensor:
        return correct(prior, x[first:last], s, noise=Noise(0, first))[0].half()

    decisive = {"settings": asdict(s.settings)}
    return kept_in_parts(
        "attention", f"corrected-{name}", part, len(x), BATCH, **decisive
    ).float()


def by_group(
    A: Tensor, change: Tensor, groups: dict[str, list[int]]
) -> dict[str, dict[str, float]]:
    """Attention, false alarms and change, in the face, for groups of faces without damage."""
    return {
        name: {
            "faces": len(rows),
            "attention": A[rows][FACE].mean().item(),
            "alarms": (A[rows][FACE] > 0.5).double().mean().item(),
            "change": change[rows][FACE].square().mean().sqrt().item(),
        }
        for name, rows in groups.items()
    }


def by_face(x: Tensor, A: Tensor, change: Tensor) -> dict[str, list[float]]:
    """The skin of each face x, and attention and change in it."""
    return {
        "skin": skin(x).tolist(),
        "attention": A[FACE].mean((1, 2, 3)).tolist(),
        "change": change[FACE].square().mean((1, 2, 3)).sqrt().tolist(),
    }


def others(
    prior: Prior, s: Statistics, faces: dict[str, Tensor], residuals: dict[str, Tensor]
) -> tuple[dict[str, dict], dict[str, float]]:
    """Likeness and attention of faces and of what is no face, and how well they tell them apart.

    `faces` are those without damage, "faces", and with it, "damaged". Neither attention nor
    likeness has seen any of the other pictures.
    """
    sets = strange(faces["faces"])
    residuals = residuals | {name: taken(f"other-{name}", prior, x) for name, x in sets.items()}
    sets |= faces
    like = {name: likeness(x, s) for name, x in sets.items()}
    mean = {name: pooled(residuals[name], s).mean((1, 2, 3)) for name in sets}
    rows = {
        name: {
            "likeness": like[name].sort().values.tolist(),
            "attention": mean[name].sort().values.tolist(),
        }
        for name in sets
    }
    other = torch.cat([torch.full((len(x),), float(n not in faces)) for n, x in sets.items()])
    refused = torch.cat(list(like.values())) < LEAST_LIKENESS
    return rows, {
        "likeness": auroc(-torch.cat(list(like.values())), other),
        "attention": auroc(torch.cat(list(mean.values())), other),
        "faces_refused": int((refused & (other == 0)).sum()),
        "others_passed": int((~refused & (other == 1)).sum()),
    }
