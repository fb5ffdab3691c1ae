"""What the shipped prior pays for faces it has never seen, level by level: `book/data/elbo.json`.

Needs the faces64 folder. 34 levels are measured; the terms between are interpolated: log L_{t-1} as a polyline over
log t. What that costs is measured with the Gaussian alone, whose terms are computed at every level too.
"""

import io
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, load_prior
from fuzzydiff_lite.data import from_uint8, load_faces64, to_image
from fuzzydiff_lite.elbo import step_term, top_term
from fuzzydiff_lite.steps import noise_to
from fuzzydiff_lite.weights import SHA256

FILE = Path(__file__).parents[1] / "book" / "data" / "elbo.json"
LEVELS = sorted({round(10 ** (3 * i / 33)) for i in range(34)} | {2, 3, 150, 300, 700, 900})


def measure(prior: Prior, faces: Tensor, levels: list[int]) -> dict[str, Tensor]:
    """Noise error and terms in bits per dimension of each face at each level, (len(levels), B) by name."""
    rows, alpha_bar = {"eps_mse": [], "beta-tilde": [], "beta": []}, prior.schedule.alpha_bar
    for t in levels:
        x = noise_to(faces, Noise(t).like(faces), alpha_bar[t])
        guess = torch.cat([prior.x0(part, t) for part in x.split(32)])
        rows["eps_mse"].append((guess - faces).square().mean((1, 2, 3)) * prior.schedule.snr[t])
        for variance in ("beta-tilde", "beta"):
            term = step_term(faces, x, guess.clamp(-1, 1), alpha_bar[t], alpha_bar[t - 1], variance)
            rows[variance].append(term)
    return {name: torch.stack(values) for name, values in rows.items()}


def chain(levels: list[int], rows: Tensor) -> Tensor:
    """The sum of L_{t-1} over all t = 2..T from rows (len(levels), B) that begin at level 1, for each face, (B,)."""
    logs, every = np.log(levels[1:]), np.log(np.arange(2, levels[-1] + 1))
    sums = [np.exp(np.interp(every, logs, np.log(face))).sum() for face in rows[1:].T.numpy()]
    return torch.tensor(sums)


def summary(prior: Prior, faces: Tensor) -> dict:
    """Means over the faces, level by level and added up, and the standard error of the whole bound."""
    rows = measure(prior, faces, LEVELS)
    top = top_term(faces, prior.schedule.alpha_bar[-1])
    result = {"eps_mse": rows["eps_mse"].mean(1).tolist(), "top": top.mean().item()}
    for variance in ("beta-tilde", "beta"):
        steps = chain(LEVELS, rows[variance])
        bound = top + steps + rows[variance][0]
        result[variance] = {
            "terms": rows[variance].mean(1).tolist(),
            "steps": steps.mean().item(),
            "decoder": rows[variance][0].mean().item(),
            "bound": bound.mean().item(),
            "standard_error": (bound.std() / len(bound) ** 0.5).item(),
        }
    return result


def interpolation_error(prior: Prior, faces: Tensor) -> float:
    """Relative error of `chain` against the sum over every level."""
    every = list(range(1, prior.schedule.T + 1))
    rows = measure(prior, faces, every)["beta-tilde"]
    some = rows[torch.tensor(LEVELS) - 1]
    return (chain(LEVELS, some).mean() / rows[1:].sum(0).mean() - 1).item()


def webp(face: Tensor) -> float:
    """Bits per dimension of a face (3, H, W) in a lossless WebP file, its header included."""
    file = io.BytesIO()
    to_image(face).save(file, "webp", lossless=True, quality=100, method=6)
    return 8 * len(file.getvalue()) / face.numel()


def main() -> None:
    """Measure on the colour faces of the validation set, and on as many training faces from the same sources."""
    began = time.monotonic()
    prior = load_prior(device="cpu")
    gaussian = prior.net.gaussian()
    val, train = colour_faces("val"), []
    for source in ("congress", "london"):
        count, faces = len(colour_faces("val", source=source)), colour_faces("train", source=source)
        train.append(faces[:: len(faces) // count][:count])
    train = torch.cat(train)
    result = {
        "weights_sha256": SHA256["faces64"],
        "command": "python -m benchmarks.elbo",
        "faces": {"val": len(val), "train": len(train)},
        "levels": LEVELS,
        "prior": summary(prior, val),
        "gaussian": summary(gaussian, val),
        "prior_on_train": summary(prior, train),
        "gaussian_on_train": summary(gaussian, train),
        "webp": sum(map(webp, val)) / len(val),
        "interpolation_error": interpolation_error(gaussian, val[::12]),
    }
    result["seconds"] = round(time.monotonic() - began)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(result, indent=1) + "\n")


def colour_faces(split: str, **wanted: str) -> Tensor:
    """The colour faces of a split of faces64, (n, 3, 64, 64) in [-1, 1]."""
    return from_uint8(load_faces64(split=split, tone="colour", **wanted)[0])


if __name__ == "__main__":
    main()
