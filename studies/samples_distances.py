"""How far sets of pictures are from faces, and how near each to its nearest: `studies.samples`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fuzzydiff_lite.data import from_uint8
from fuzzydiff_lite.metrics import frechet, hog
from fuzzydiff_lite.priors import fit_gaussian
from studies.samples_drawn import LABELS, PART

DIRECTIONS = 64
COPIES, SHOWN = 200, 6  # samples of a tone looked for among the faces, pairs in the figure
SPACES = {
    "pixels": lambda faces: from_uint8(faces).flatten(1),
    "hog": lambda faces: hog(from_uint8(faces)),
}


class Space:
    """Principal directions of what `raw` makes of the training faces (m, 3, H, W), uint8.

    Called, it gives coordinates. `near` finds the nearest training face by root-mean-square
    over all pixels, or in the coordinates of HOG.
    """

    def __init__(self, name: str, train: Tensor):
        self.name, self.raw = name, SPACES[name]
        pairs = self._pairs(train)
        i = torch.arange(len(train))
        half = pairs[i, i % 2]  # every other face mirrored
        self.mean, self.directions, variances, rest = fit_gaussian(half, DIRECTIONS)
        whole = variances.sum() + rest * (half.shape[1] - DIRECTIONS)
        self.explained = float(variances.sum() / whole)
        self.train = self._project(pairs)
        self._known = pairs / pairs.shape[2] ** 0.5 if name == "pixels" else self.train

    def __call__(self, faces: Tensor) -> Tensor:
        """Coordinates of faces and of their mirror images, (n, 2, directions)."""
        return torch.cat([self._project(self._pairs(part)) for part in faces.split(PART)])

    def near(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The nearest training face or mirror image: distances, indices, 1 where mirrored."""
        features = self.raw(faces)
        if self.name == "pixels":
            features = features / features.shape[1] ** 0.5
        else:
            features = self._project(features)
        best, index = torch.cdist(features, self._known.flatten(0, 1)).min(1)
        return best, index // 2, index % 2

    def _pairs(self, faces: Tensor) -> Tensor:
        return torch.stack([self.raw(faces), self.raw(faces.flip(3))], 1)

    def _project(self, features: Tensor) -> Tensor:
        return (features @ self.directions) - self.mean @ self.directions


def subsets(tones: Tensor, like: Tensor) -> list[Tensor]:
    """As many disjoint index sets as there are with as many of each tone as `like` has."""
    parts = []
    for tone in like.unique():
        size = int((like == tone).sum())
        found = (tones == tone).nonzero().flatten()
        parts.append([found[i : i + size] for i in range(0, len(found) - size + 1, size)])
    return [torch.cat(together) for together in zip(*parts)]


def distances(
    of: Tensor, tones: Tensor, train: Tensor, val: Tensor, like: Tensor
) -> dict[str, float]:
    """A row: squared Fréchet distances of features (n, 2, d), of all and of subsets.

    Subsets are as large as the validation set; `few` is none with too few faces for one.
    """
    flat = of.flatten(0, 1)
    parts = [frechet(of[i].flatten(0, 1), train) for i in subsets(tones, like)]
    few = torch.tensor(parts, dtype=torch.float64)
    return {
        "count": len(of),
        "train": frechet(flat, train),
        "val": frechet(flat, val),
        "few": few.mean().item() if len(few) else None,
        "few_deviation": few.std(correction=0).item() if len(few) else None,
        "subsets": len(few),
    }


def close(
    of: Tensor, val: Tensor, quantiles: Sequence[float] = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
) -> dict:
    """Quantiles of nearest distances, and the shares below `val`'s 5 % and 50 % quantiles."""
    shares = {
        f"nearer_than_{q}": (of < val.quantile(q)).double().mean().item() for q in (0.05, 0.5)
    }
    found = {str(q): of.quantile(q).item() for q in quantiles}
    return {"count": len(of), "quantiles": found} | shares


def copies(space: Space, sets: dict[str, tuple[Tensor, Tensor]]) -> dict:
    """By tone how near sets of (faces, tones) are to training faces, "val" giving the scale."""
    result = {}
    for i, tone in enumerate(LABELS):
        found = {name: space.near(x[of == i])[0] for name, (x, of) in sets.items()}
        result[tone] = {name: close(distance, found["val"]) for name, distance in found.items()}
    return result


def closest(
    space: Space, samples: Tensor, train: Tensor, names: list[str]
) -> tuple[Tensor, dict]:
    """The samples closest to a training face above those faces, uint8, and which they are.

    Only faces of Congress, which are in the public domain, are shown. Pairs with London faces
    are counted.
    """
    distance, index, mirrored = space.near(samples)
    ranks = distance.argsort()
    london = torch.tensor([names[i].startswith("london") for i in index])
    chosen = ranks[~london[ranks]][:SHOWN]
    faces = [train[index[k]].flip(2) if mirrored[k] else train[index[k]] for k in chosen]
    return torch.cat([samples[chosen], torch.stack(faces)]), {
        "distances": distance[chosen].tolist(),
        "names": [names[index[k]] for k in chosen],
        "london": int(london.sum()),
        "london_nearer": int((london & (distance < distance[chosen[-1]])).sum()),
    }


def first_of_each_tone(pictures: Tensor, tones: Tensor) -> tuple[Tensor, Tensor]:
    """The pictures of each tone that are looked for among the faces, and their tones."""
    of_tone = [(tones == i).nonzero().flatten()[:COPIES] for i in range(len(LABELS))]
    chosen = torch.cat(of_tone)
    return pictures[chosen], tones[chosen]
