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
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, load_prior
from fuzzydiff_lite.data import from_uint8, load_faces64
from fuzzydiff_lite.networks import load_net
from studies.common import ROOT, save_sheet, write
from studies.samples_distances import (
    DIRECTIONS,
    SHOWN,
    SPACES,
    Space,
    closest,
    copies,
    distances,
    first_of_each_tone,
)
from studies.samples_drawn import (
    LABELS,
    colour_share,
    drawn,
    fitted_draws,
    gaussian_draws,
    shown,
    spoiled,
)

SHEET = 64
Pictures = tuple[Tensor, Tensor]  # uint8 (n, 3, 64, 64), and the tone of each


def training_faces(faces: int | None) -> tuple[Tensor, Tensor, list[str]]:
    """As many of them as wanted, with their tones and names, in an order by chance."""
    train, tones, names = load_faces64(split="train")
    order = Noise(104)((1, len(train)))[0].argsort()[:faces]
    return train[order], tones[order], [names[i] for i in order]


def sheets(priors: dict[str, Prior], ways: dict[str, int], count: int, images: Path) -> None:
    """Samples of each tone in each of the `ways`, {sampler: its steps}."""
    for tone, prior in priors.items():
        for way, steps in ways.items():
            pictures = from_uint8(shown(prior, tone, way, steps, min(SHEET, count)))
            file, how = images / f"samples-{tone}-{steps}.webp", {"weights": prior.weights}
            save_sheet(file, pictures, 8, quality=92, **how)


def compared(
    sets: dict[str, Pictures], samples: str, train: Tensor, names: list[str], file: Path
) -> tuple[dict[str, dict], dict]:
    """Each set's distances by space, and all else that is found in a space.

    `samples` names the set whose nearest faces are looked for; the figure goes to `file`.
    """
    suspects = {"samples": first_of_each_tone(*sets[samples]), "val": sets["val"]}
    suspects["blur 1.0"] = first_of_each_tone(*sets["blur 1.0"])
    val, val_tones = sets["val"]
    rows, tiles = {name: {} for name in sets}, []
    found = {"explained": {}, "copies": {}, "shown": {}}
    for name in SPACES:
        space = Space(name, train)
        found["explained"][name] = space.explained
        known, new = space.train.flatten(0, 1), space(val).flatten(0, 1)
        for row, (pictures, of) in sets.items():
            rows[row][name] = distances(space(pictures), of, known, new, val_tones)
        found["copies"][name] = copies(space, suspects)
        tile, found["shown"][name] = closest(space, suspects["samples"][0], train, names)
        tiles.append(tile)
    weights = samples.removesuffix(" samples")
    pictures = from_uint8(torch.cat(tiles))
    save_sheet(file, pictures, SHOWN, scale=2, weights=weights, quality=92)
    return rows, found


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
    train, tones, names = training_faces(faces)
    val = load_faces64(split="val")[:2]
    colour = round(count * (tones == 0).double().mean().item())
    numbers = dict(zip(LABELS, (colour, count - colour)))
    labels = torch.tensor([0] * colour + [1] * (count - colour))
    sets = {"train": (train[:count], tones[:count]), "val": val}
    spoils = spoiled(train[:count], tones[:count])
    sets |= {name: (pictures, tones[:count]) for name, pictures in spoils.items()}
    sets["fitted gaussian"] = fitted_draws(train, count), labels
    measured = {}
    for file in ("faces64", *files):
        priors = {tone: load_prior(file, tone, dtype=torch.bfloat16) for tone in LABELS}
        if file == "faces64":
            sheets(priors, {"ddpm": ancestral, "ddim": steps}, count, folder / "images")
        sha, alone = priors["colour"].weights, load_net(file).gaussian()
        samples = [drawn(prior, tone, steps, numbers[tone]) for tone, prior in priors.items()]
        sets[f"{sha} samples"] = torch.cat(samples), labels
        sets[f"{sha} gaussian"] = gaussian_draws(alone, count), labels
        row = {"file": Path(file).name, "count": count, "steps": steps}
        measured[sha] = row | {"gaussian_colour": colour_share(alone.mean, train, tones)}
    shipped, figure = next(iter(measured)), folder / "images" / "copies.webp"
    rows, found = compared(sets, f"{shipped} samples", train, names, figure)
    for sha, row in measured.items():
        row |= {name: rows.pop(f"{sha} {name}") for name in ("samples", "gaussian")}
    table = folder / "data" / "samples.json"
    old = json.loads(table.read_text())["weights"] if table.is_file() else {}
    old = {k: row for k, row in old.items() if (row["count"], row["steps"]) == (count, steps)}
    facts = {
        "count": count,
        "steps": steps,
        "ancestral": ancestral,
        "tones": numbers,
        "directions": DIRECTIONS,
        "explained": found.pop("explained"),
        "train_faces": len(train),
        "val_faces": len(val[0]),
        "rows": rows,
        "weights": old | measured,
        **found,
    }
    write(table, "samples", facts, shipped)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure samples of the prior.")
    parser.add_argument("files", nargs="*", help="other weights, measured by Fréchet distance")
    for name, value in {"count": 5000, "steps": 50, "ancestral": 1000, "faces": None}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--folder", type=Path, default=ROOT / "book")
    main(**vars(parser.parse_args()))
