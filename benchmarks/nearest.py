"""Does the prior copy? Samples beside the training faces nearest to them: `book/data/nearest.json`, a figure.

Needs the faces64 folder. Distances are root-mean-square over pixels in [-1, 1], to the nearer of a face and its mirror
image. Validation faces, which the prior cannot have copied, give the scale.
"""

import json
import time
from pathlib import Path

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, load_prior, run
from fuzzydiff_lite.data import from_uint8, load_faces64
from fuzzydiff_lite.plots import sheet
from fuzzydiff_lite.samplers import ddim
from fuzzydiff_lite.weights import SHA256

BOOK = Path(__file__).parents[1] / "book"


def distances(faces: Tensor, others: Tensor) -> Tensor:
    """Root-mean-square distance of each face (n, 3, H, W) to each other (m, 3, H, W) or its mirror image, (n, m)."""
    pairs = [torch.cdist(faces.flatten(1), side.flatten(1)) for side in (others, others.flip(3))]
    return torch.minimum(*pairs) / faces[0].numel() ** 0.5


def quantiles(nearest: Tensor) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": nearest.min().item(), "median": nearest.median().item(), "max": nearest.max().item()}


def main(count: int = 16, shown: int = 6) -> None:
    """`count` colour faces, 50 DDIM steps, seed 1; the `shown` ones with the nearest neighbours go into the figure."""
    began = time.monotonic()
    samples = run(ddim(load_prior(device="cpu"), count, 50, noise=Noise(1)))
    train, _, names = load_faces64(split="train")
    train, val = from_uint8(train), from_uint8(load_faces64(split="val", tone="colour")[0])
    of_samples, of_val = distances(samples, train), distances(val, train)
    free = torch.tensor([i for i, name in enumerate(names) if not name.startswith("london")])
    nearest, index = of_samples[:, free].min(1)
    closest = nearest.argsort()[:shown]
    neighbours = train[free[index[closest]]]
    mirrored = (samples[closest] - neighbours).square().sum((1, 2, 3)) > (
        (samples[closest] - neighbours.flip(3)).square().sum((1, 2, 3))
    )
    neighbours[mirrored] = neighbours[mirrored].flip(3)
    (BOOK / "images").mkdir(exist_ok=True)
    figure = sheet(torch.cat([samples[closest], neighbours]), shown, scale=2)
    figure.save(BOOK / "images" / "nearest.webp", quality=92, method=6)
    result = {
        "weights_sha256": SHA256["faces64"],
        "command": "python -m benchmarks.nearest",
        "samples": of_samples.min(1).values.tolist(),
        "sample_quantiles": quantiles(of_samples.min(1).values),
        "val_quantiles": quantiles(of_val.min(1).values),
        "val_faces": len(val),
        "train_faces": len(train),
        "shown": nearest[closest].tolist(),
        "shown_names": [names[free[i]] for i in index[closest]],
        "seconds": round(time.monotonic() - began),
    }
    (BOOK / "data").mkdir(exist_ok=True)
    (BOOK / "data" / "nearest.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
