"""How good are the samples, and does the prior copy? `book/data/samples.json` and pictures.

Needs the faces64 folder. Three measurements, about 385 000 network calls on single faces in
bfloat16, and about five minutes of features:

- 64 uncurated samples of each tone, picture k from `Noise(k)`, in 1000 ancestral and in 50 DDIM
  steps: four sheets.
- Squared Fréchet distances of 5000 samples to training and validation faces, in the 64
  principal directions of HOG and of pixels. Training mirrors half of the faces, so every set
  counts with its mirror images. `few` compares at equal numbers: subsets as large as the
  validation set and with its tones, the mean over as many as are disjoint. Faces spoiled on
  purpose show that HOG notices. "fitted gaussian" shows that pixels do not: a Gaussian of these
  training faces has their first two moments, which is all that the distance compares. The
  "gaussian" of weights has them only where it was fitted to as large a share of faces in
  colour: `gaussian_colour` is the share in its mean.
- Distances of samples to the nearest training face, mirrored or not, beside those of validation
  faces, which nobody copied, and of blurred training faces, which are copies. In pixels smooth
  pictures are near to everything, copies or not. Of Congress no split by person is known, so a
  validation face may have another portrait among them. One more picture has the nearest faces.

Each part is kept in `runs/samples` when it is done, so that an interrupted run goes on where it
stopped. Give weights files to have their samples measured too; the rows of weights that were
measured before stay in the table.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from skimage.filters import gaussian
from torch import Tensor

from fuzzydiff_lite import GaussianPrior, Noise, Prior, load_prior, run
from fuzzydiff_lite.data import from_uint8, load_faces64, sheet, to_uint8
from fuzzydiff_lite.metrics import frechet, hog
from fuzzydiff_lite.networks import TONES, load_net
from fuzzydiff_lite.priors import fit_gaussian
from fuzzydiff_lite.samplers import ddim, ddpm

ROOT = Path(__file__).parents[1]
PARTS = ROOT / "runs" / "samples"
LABELS = TONES[:2]  # colour and mono; the third is no label
SHEET, SHEET_PART = 64, 16
PART, BATCH = 250, 50
DIRECTIONS = 64
COPIES, SHOWN = 200, 6  # samples of a tone looked for among the faces, pairs in the figure
SPACES = {
    "pixels": lambda faces: from_uint8(faces).flatten(1),
    "hog": lambda faces: hog(from_uint8(faces)),
}


class Seeds(Noise):
    """Picture i of a batch gets what the i-th source gives a single picture."""

    def __init__(self, sources: Sequence[Noise]):
        self.sources = list(sources)

    def branch(self, number: int) -> "Seeds":
        return Seeds([source.branch(number) for source in self.sources])

    def __call__(self, shape, device="cpu", dtype=torch.float32) -> Tensor:
        batch, *rest = shape
        pairs = zip(range(batch), self.sources, strict=True)
        return torch.cat([source((1, *rest), device, dtype) for _, source in pairs])


def kept(prior: Prior, name: str, make: Callable[[], Tensor]) -> Tensor:
    """What `make` gives, uint8, from `runs/samples` where a run with these weights left it."""
    file = PARTS / f"{prior.weights[:16]}-{name}.pt"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(to_uint8(make()).cpu(), file.with_suffix(".new"))
        file.with_suffix(".new").rename(file)
        print(name, flush=True)
    return torch.load(file)


def shown(prior: Prior, tone: str, way: str, steps: int, count: int) -> Tensor:
    """`count` samples, uint8, the k-th of `Noise(k)`; `way` is "ddpm" (ancestral) or "ddim"."""

    def part(first: int, last: int) -> Tensor:
        sampler = {"ddpm": ddpm, "ddim": ddim}[way]
        noise = Seeds([Noise(k) for k in range(first, last)])
        return run(sampler(prior, last - first, walk=steps, noise=noise))

    ends = [(first, min(first + SHEET_PART, count)) for first in range(0, count, SHEET_PART)]
    name = f"{tone}-{way}-{steps}"
    parts = [kept(prior, f"{name}-{i}-{j}", lambda i=i, j=j: part(i, j)) for i, j in ends]
    return torch.cat(parts)


def drawn(prior: Prior, tone: str, steps: int, count: int) -> Tensor:
    """`count` DDIM samples for statistics, 0.. of seed 100 (colour) or 101 (mono), uint8."""
    seed = 100 + LABELS.index(tone)

    def part(first: int, last: int) -> Tensor:
        parts = [(i, min(BATCH, last - i)) for i in range(first, last, BATCH)]
        walks = (ddim(prior, n, walk=steps, noise=Noise(seed, i)) for i, n in parts)
        return torch.cat([run(walk).cpu() for walk in walks])

    ends = [(first, min(first + PART, count)) for first in range(0, count, PART)]
    name = f"{tone}-many-{steps}"
    parts = [kept(prior, f"{name}-{i}-{j}", lambda i=i, j=j: part(i, j)) for i, j in ends]
    return torch.cat(parts)


def gaussian_draws(prior: GaussianPrior, count: int) -> Tensor:
    """`count` pictures of the Gaussian alone, exactly, pictures 0.. of seed 102, uint8."""
    directions, spread = prior.directions, prior.variances.sqrt()
    parts = []
    for first in range(0, count, PART):
        z = Noise(102, first)((min(PART, count - first), prior.mean.numel()))
        inside = z @ directions
        x = (z - inside @ directions.T) * prior.rest**0.5 + (inside * spread) @ directions.T
        parts.append(to_uint8((prior.mean.flatten() + x).reshape(-1, *prior.shape)))
    return torch.cat(parts)


def colour_share(mean: Tensor, faces: Tensor, tones: Tensor) -> float:
    """The share of colour in the mix of the tones' mean faces nearest to `mean` (3, H, W)."""
    colour, mono = (from_uint8(faces[tones == i]).mean(0) for i in (0, 1))
    return (((mean - mono) * (colour - mono)).sum() / (colour - mono).square().sum()).item()


def spoiled(faces: Tensor, tones: Tensor) -> dict[str, Tensor]:
    """Faces, uint8, worse in ways known: blurred (pixels), noisy (in [-1, 1]), ghosts (share).

    A ghost, the mean of two faces of one tone, replaces a face.
    """
    x = from_uint8(faces)
    other = x.clone()
    for tone in tones.unique():
        other[tones == tone] = x[tones == tone].roll(1, 0)
    ghosts, place = to_uint8((x + other) / 2), torch.arange(len(x))[:, None, None, None] % 4
    rows = {}
    for sigma in (0.5, 1.0):
        blurred = gaussian(x.numpy(), (0, 0, sigma, sigma), mode="nearest")
        rows[f"blur {sigma}"] = to_uint8(torch.from_numpy(blurred))
    for sigma in (0.05, 0.1):
        rows[f"noise {sigma}"] = to_uint8(x + sigma * Noise(103).like(x))
    for share in (0.25, 0.5, 1.0):
        rows[f"ghosts {share}"] = torch.where(place < 4 * share, ghosts, faces)
    return rows


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


def main(
    files: Sequence[str] = (),
    count: int = 5000,
    steps: int = 50,
    ancestral: int = 1000,
    faces: int | None = None,
    folder: Path = ROOT / "book",
) -> None:
    """Measure the shipped weights, `files` by distance only; `faces` limits training faces."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    train, tones, names = load_faces64(split="train")
    val, val_tones, _ = load_faces64(split="val")
    order = Noise(104)((1, len(train)))[0].argsort()[:faces]
    train, tones, names = train[order], tones[order], [names[i] for i in order]
    colour = round(count * (tones == 0).double().mean().item())
    numbers = dict(zip(LABELS, (colour, count - colour)))
    labels = torch.tensor([0] * colour + [1] * (count - colour))

    spoils = spoiled(train[:count], tones[:count])
    sets = {"train": (train[:count], tones[:count]), "val": (val, val_tones)}
    sets |= {name: (pictures, tones[:count]) for name, pictures in spoils.items()}
    most = min(256, len(train) - 1)
    mean, directions, variances, rest = fit_gaussian(from_uint8(train), most)
    fitted = GaussianPrior(mean.reshape(train.shape[1:]), rest, directions, variances)
    sets["fitted gaussian"] = gaussian_draws(fitted, count), labels
    measured, shares = {}, {}
    for file in ("faces64", *files):
        priors = {tone: load_prior(file, tone, dtype=torch.bfloat16) for tone in LABELS}
        sha = priors["colour"].weights
        measured[sha] = Path(file).name
        for tone, prior in priors.items() if file == "faces64" else ():
            for way, walk in (("ddpm", ancestral), ("ddim", steps)):
                pictures = from_uint8(shown(prior, tone, way, walk, min(SHEET, count)))
                place = folder / "images" / f"samples-{tone}-{walk}.webp"
                picture = sheet(pictures, columns=8)
                picture.save(place, quality=92, method=6, xmp=sha.encode())
        samples = [drawn(prior, tone, steps, numbers[tone]) for tone, prior in priors.items()]
        sets[f"{sha} samples"] = torch.cat(samples), labels
        alone = load_net(file).gaussian()
        sets[f"{sha} gaussian"] = gaussian_draws(alone, count), labels
        shares[sha] = colour_share(alone.mean, train, tones)

    shipped = next(iter(measured))

    def some(name: str) -> tuple[Tensor, Tensor]:
        pictures, of = sets[name]
        chosen = torch.cat([(of == i).nonzero().flatten()[:COPIES] for i in range(len(LABELS))])
        return pictures[chosen], of[chosen]

    suspects = {"samples": some(f"{shipped} samples"), "val": sets["val"]}
    suspects["blur 1.0"] = some("blur 1.0")
    rows, explained, near, tiles, pairs = {name: {} for name in sets}, {}, {}, [], {}
    for name in SPACES:
        space = Space(name, train)
        explained[name] = space.explained
        known, new = space.train.flatten(0, 1), space(val).flatten(0, 1)
        for row, (pictures, of) in sets.items():
            rows[row][name] = distances(space(pictures), of, known, new, val_tones)
        near[name] = copies(space, suspects)
        tile, pairs[name] = closest(space, suspects["samples"][0], train, names)
        tiles.append(tile)
    figure = sheet(from_uint8(torch.cat(tiles)), SHOWN, scale=2)
    figure.save(folder / "images" / "copies.webp", quality=92, method=6, xmp=shipped.encode())

    table = folder / "data" / "samples.json"
    old = json.loads(table.read_text())["weights"] if table.is_file() else {}
    old = {k: row for k, row in old.items() if (row["count"], row["steps"]) == (count, steps)}
    new = {
        sha: {"file": file, "count": count, "steps": steps, "gaussian_colour": shares[sha]}
        | {name: rows.pop(f"{sha} {name}") for name in ("samples", "gaussian")}
        for sha, file in measured.items()
    }
    result = {
        "weights_sha256": shipped,
        "command": "python -m studies.samples",
        "count": count,
        "steps": steps,
        "ancestral": ancestral,
        "tones": numbers,
        "directions": DIRECTIONS,
        "explained": explained,
        "train_faces": len(train),
        "val_faces": len(val),
        "rows": rows,
        "weights": old | new,
        "copies": near,
        "shown": pairs,
    }
    table.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure samples of the prior.")
    parser.add_argument("files", nargs="*", help="other weights, measured by Fréchet distance")
    for name, value in {"count": 5000, "steps": 50, "ancestral": 1000, "faces": None}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--folder", type=Path, default=ROOT / "book")
    main(**vars(parser.parse_args()))
