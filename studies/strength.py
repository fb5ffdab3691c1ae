"""How much of a given face arrives, with a weight per fusion or run: `book/data/strength.json`.

Faces restored with one and the same noise can differ only by what was given. So the regression
of the results on the given faces says which share of a difference between two given faces is
left: 0 with weight 0, 1 with weight 1. About 72 000 network calls on one picture. Each setting
is kept in `runs/strength` when it is done, so that an interrupted run goes on where it stopped.
"""

import torch
from torch import Tensor

from fuzzydiff_lite import Prior, Walk, load_prior, run
from fuzzydiff_lite.basis import Basis
from fuzzydiff_lite.data import london
from fuzzydiff_lite.noise import Shared
from fuzzydiff_lite.samplers import fuzzy
from studies.common import DATA, kept, write

FILE = DATA / "strength.json"
FACES = [0, 5, 10]  # of the London set
WEIGHTS = {"fusion": [0.05, 0.1, 0.2], "run": [0.25, 0.5, 0.75]}
SETTINGS = [(20, 1), (50, 1), (1000, 1), (20, 3), (50, 5), (20, 10)]  # steps, repeats


def retained(x: Tensor, y: Tensor, dims: tuple[int, ...] = (0, 1, 2, 3)) -> Tensor:
    """The slope of results x regressed on given y, (faces, 3, H, W), summed over `dims`."""
    x, y = x - x.mean(0), y - y.mean(0)
    return (x * y).sum(dims) / y.square().sum(dims)


def by_band(x: Tensor, y: Tensor) -> list[float]:
    """The same, octave by octave of Haar's wavelets, coarse ones first."""
    basis = Basis.haar(x.shape[-1])
    x, y = basis.V_adjoint(x), basis.V_adjoint(y)
    bands = [basis.bands == k for k in basis.bands.unique()]
    return [retained(x[..., band], y[..., band], (0, 1, 2)).item() for band in bands]


def seeds(per: str, steps: int) -> range:
    """A setting's seeds: more for a weight per run, to which the mean over noise matters."""
    return range(1 if per == "fusion" else 3 if steps > 500 else 6)


def restored(prior: Prior, per: str, steps: int, repeats: int, seed: int) -> Tensor:
    """All faces with all weights and one noise, (weights, faces, 3, 64, 64)."""
    faces, weights = london()[FACES].to(prior.device), WEIGHTS[per]
    m = torch.tensor(weights).repeat_interleave(len(faces))[:, None, None, None]
    y = faces.repeat(len(weights), 1, 1, 1)
    walk, variance = Walk(steps, repeats=repeats), prior.variance if per == "run" else None
    x = run(fuzzy(prior, y, m, walk=walk, noise=Shared(seed), variance=variance))
    return x.unflatten(0, (len(weights), len(faces))).float().cpu()


def row(x: Tensor, per: str, steps: int, repeats: int) -> dict:
    """A line of the table: a setting, and for each weight the share of given faces left."""
    y, weights = london()[FACES], range(x.shape[1])
    shares = [[retained(x[seed, k], y).item() for seed in range(len(x))] for k in weights]
    by_seed = [[by_band(x[seed, k], y) for seed in range(len(x))] for k in weights]
    bands = [torch.tensor(lines).mean(0).tolist() for lines in by_seed]
    return {
        "per": per,
        "steps": steps,
        "repeats": repeats,
        "retained": [[round(share, 4) for share in line] for line in shares],
        "bands": [[round(share, 4) for share in line] for line in bands],
    }


def main() -> None:
    """All settings, with the shipped weights in bfloat16."""
    prior = load_prior(dtype=torch.bfloat16)

    def measured(per: str, steps: int, repeats: int) -> dict:
        decisive, xs = {"faces": FACES, "m": WEIGHTS[per]}, []
        for seed in seeds(per, steps):
            part = f"per {per}, {steps} steps, J = {repeats}, seed {seed}"
            setting = prior, per, steps, repeats, seed
            xs.append(kept("strength", part, restored, *setting, **decisive))
        return row(torch.stack(xs), per, steps, repeats)

    rows = [measured(per, *setting) for per in WEIGHTS for setting in SETTINGS]
    write(FILE, "strength", {"faces": FACES, "weights": WEIGHTS, "rows": rows})


if __name__ == "__main__":
    main()
