"""The pictures that `studies.samples` compares: what priors draw, and faces spoiled on purpose."""

from collections.abc import Sequence

import torch
from skimage.filters import gaussian
from torch import Tensor

from fuzzydiff_lite import GaussianPrior, Noise, Prior, run
from fuzzydiff_lite.data import from_uint8, to_uint8
from fuzzydiff_lite.networks import TONES
from fuzzydiff_lite.priors import fit_gaussian
from fuzzydiff_lite.samplers import ddim, ddpm
from studies.common import kept_in_parts

LABELS = TONES[:2]  # colour and mono; the third is no label
SHEET_PART, PART, BATCH = 16, 250, 50


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


def shown(prior: Prior, tone: str, way: str, steps: int, count: int) -> Tensor:
    """`count` samples, uint8, the k-th of `Noise(k)`; `way` is "ddpm" (ancestral) or "ddim"."""

    def part(first: int, last: int) -> Tensor:
        sampler = {"ddpm": ddpm, "ddim": ddim}[way]
        noise = Seeds([Noise(k) for k in range(first, last)])
        return to_uint8(run(sampler(prior, last - first, walk=steps, noise=noise))).cpu()

    name, weights = f"{tone}-{way}-{steps}", prior.weights
    return kept_in_parts("samples", name, part, count, SHEET_PART, weights=weights)


def drawn(prior: Prior, tone: str, steps: int, count: int) -> Tensor:
    """`count` DDIM samples for statistics, 0.. of seed 100 (colour) or 101 (mono), uint8."""
    seed = 100 + LABELS.index(tone)

    def part(first: int, last: int) -> Tensor:
        parts = [(i, min(BATCH, last - i)) for i in range(first, last, BATCH)]
        walks = (ddim(prior, n, walk=steps, noise=Noise(seed, i)) for i, n in parts)
        return to_uint8(torch.cat([run(walk).cpu() for walk in walks]))

    name, weights = f"{tone}-many-{steps}", prior.weights
    return kept_in_parts("samples", name, part, count, PART, weights=weights)


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


def fitted_draws(train: Tensor, count: int) -> Tensor:
    """`count` pictures of a Gaussian fitted to the training faces, uint8."""
    mean, directions, variances, rest = fit_gaussian(
        from_uint8(train), min(256, len(train) - 1)
    )
    prior = GaussianPrior(mean.reshape(train.shape[1:]), rest, directions, variances)
    return gaussian_draws(prior, count)


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
