"""What the prior pays for faces it has never seen, level by level: `book/data/elbo.json`.

`python -m studies.elbo [FILE ...]` measures the shipped weights and older ones with the same
noise, the oldest file first. Weights that were measured before keep their row of the table, so
that their files are not needed again.

Needs the faces64 folder. The bound is taken of all colour faces and of every third monochrome
one, at 41 levels; the terms between are interpolated: log L_{t-1} as a polyline over log t.
What that costs is measured with the Gaussian alone, whose terms are computed at every level
too. The error in the noise is taken of all faces, at 13 of the levels. In float32: the bound is
most sensitive where the errors are smallest. About 11 300 network calls on one picture for each
file, 4 000 more for the shipped one. Each set of faces is kept in `runs/elbo` when it is done,
so that an interrupted run goes on where it stopped.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, Schedule
from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.data import from_uint8, load_faces64, to_image
from fuzzydiff_lite.metrics.elbo import step_term, top_term
from fuzzydiff_lite.networks import SHA256, TONES, FaceNet, load_net, sha256
from fuzzydiff_lite.steps import noise_to

ROOT = Path(__file__).parents[1]
FILE, PARTS = ROOT / "book" / "data" / "elbo.json", ROOT / "runs" / "elbo"
TABLE = [10, 50, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900, 950]
LEVELS = sorted({round(10 ** (3 * i / 33)) for i in range(34)} | {2, 3} | set(TABLE))
AGAINST_START = [150, 300, 500]
VARIANCES = ("beta-tilde", "beta")

# Noise error and terms in bits per dimension by name, each (levels, B); L_T as "top", (B,).
Rows = dict[str, Tensor]


class Faces(NamedTuple):
    """The validation faces, (n, 3, 64, 64): in colour from Congress and then London, and
    monochrome ones, of which the first `bound_mono` are those whose bound is measured.
    """

    colour: Tensor
    london: int
    mono: Tensor
    bound_mono: int


def measure(prior: Prior, faces: Tensor, levels: list[int], first: int = 0) -> Rows:
    """Everything about the faces at each level.

    The noise is that of the level and of the face, the first of which has the stream `first`.
    """
    rows, alpha_bar = {"eps_mse": [], "beta-tilde": [], "beta": []}, prior.schedule.alpha_bar
    for t in levels:
        x = noise_to(faces, Noise(t, first).like(faces), alpha_bar[t])
        guess = torch.cat([prior.x0(part.to(prior.device), t).cpu() for part in x.split(32)])
        rows["eps_mse"].append((guess - faces).square().mean((1, 2, 3)) * prior.schedule.snr[t])
        guess = guess.clamp(-1, 1)
        for variance in VARIANCES:
            term = step_term(faces, x, guess, alpha_bar[t], alpha_bar[t - 1], variance)
            rows[variance].append(term)
    stacked = {name: torch.stack(values) for name, values in rows.items()}
    return stacked | {"top": top_term(faces, alpha_bar[-1])}


def chain(levels: list[int], rows: Tensor) -> Tensor:
    """The sum of L_{t-1} over t = 2..T, (B,), from rows (len(levels), B) from level 1 on."""
    logs, every = np.log(levels[1:]), np.log(np.arange(2, levels[-1] + 1))
    sums = [np.exp(np.interp(every, logs, np.log(face))).sum() for face in rows[1:].T.numpy()]
    return torch.tensor(sums)


def bound(rows: Rows, variance: str) -> Tensor:
    """The negative bound of each face, from rows at LEVELS, (B,)."""
    return rows["top"] + chain(LEVELS, rows[variance]) + rows[variance][0]


def summary(rows: Rows) -> dict:
    """Means over the faces, by level and added up, and the whole bound's standard error."""
    result = {"eps_mse": rows["eps_mse"].mean(1).tolist(), "top": rows["top"].mean().item()}
    for variance in VARIANCES:
        whole = bound(rows, variance)
        result[variance] = {
            "terms": rows[variance].mean(1).tolist(),
            "steps": chain(LEVELS, rows[variance]).mean().item(),
            "decoder": rows[variance][0].mean().item(),
            "bound": whole.mean().item(),
            "standard_error": standard_error(whole),
        }
    return result


def standard_error(values: Tensor) -> float:
    """Of the mean of the values, (n,)."""
    return (values.std() / len(values) ** 0.5).item()


def parts(colour: Prior, mono: Prior, faces: Faces) -> dict[str, Callable[[], Rows]]:
    """What is measured of the validation faces, each with the prior of its tone."""
    n = faces.bound_mono
    return {
        "colour": lambda: measure(colour, faces.colour, LEVELS),
        "mono": lambda: measure(mono, faces.mono[:n], LEVELS),
        "rest": lambda: measure(mono, faces.mono[n:], TABLE, n),
    }


def by_group(rows: dict[str, Rows], london: int) -> dict:
    """The table's entry: error at the levels of TABLE and bound of each group of faces."""
    at = [LEVELS.index(t) for t in TABLE]
    some = rows["colour"], rows["mono"]
    errors = torch.cat([*(part["eps_mse"][at] for part in some), rows["rest"]["eps_mse"]], 1)
    n = len(rows["colour"]["top"])
    groups = {"colour": slice(n), "mono": slice(n, None), "london": slice(n - london, n)}
    means = {name: errors[:, group].mean(1) for name, group in groups.items()}
    means["all"] = errors.mean(1)
    result = {"eps_mse": {name: rounded(mean.tolist()) for name, mean in means.items()}}
    for variance in VARIANCES:
        whole = torch.cat([bound(part, variance) for part in some])
        result[variance] = {}
        # Not of all: a third of the monochrome faces would weigh too little in it.
        for name, group in groups.items():
            values = rounded([whole[group].mean().item(), standard_error(whole[group])])
            result[variance][name] = dict(zip(("bound", "standard_error"), values))
    return result


def rounded(values: list[float]) -> list[float]:
    """To six digits."""
    return [float(f"{value:.6g}") for value in values]


def merged(before: list[dict], given: list[dict], shipped: dict) -> list[dict]:
    """The table's rows, old to new: those given now, those of before, the shipped weights."""
    rows = {row["weights_sha256"]: row for row in given}
    rows |= {row["weights_sha256"]: row for row in before if row["weights_sha256"] not in rows}
    rows.pop(shipped["weights_sha256"], None)
    return [*rows.values(), shipped]


def against_start(rows: list[dict]) -> dict:
    """The last row's errors as shares of the row "start"'s, by group; empty without one."""
    for row in rows:
        if row["name"] == "start":
            old, new = row["eps_mse"], rows[-1]["eps_mse"]
            levels = [str(level) for level in AGAINST_START]
            at = [TABLE.index(level) for level in AGAINST_START]
            shares = {g: rounded([new[g][i] / old[g][i] for i in at]) for g in new}
            return {group: dict(zip(levels, values)) for group, values in shares.items()}
    return {}


def open_net(path: Path) -> tuple[FaceNet, int | None]:
    """The network in a file of weights, and how many pictures it had seen if it says so."""
    net = load_net(path)
    with safe_open(path, "pt") as file:
        seen = file.metadata().get("images_seen")
    return net, seen and int(seen)


def by_tone(net: FaceNet) -> list[Prior]:
    """The prior of colour faces and that of monochrome ones."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = net.to(device)
    return [
        Prior(net, Schedule.linear(), label=TONES.index(tone), device=device)
        for tone in ("colour", "mono")
    ]


def kept(stamp: str, name: str, work: Callable[[], Rows]) -> Rows:
    """What `work` returns, and "seconds", from `runs/elbo` where these weights have left it."""
    file = PARTS / f"{stamp[:16]}-{name}.pt"
    saved = torch.load(file) if file.is_file() else {}
    if saved.get("levels") != [LEVELS, TABLE]:
        began = time.monotonic()
        saved = work() | {"levels": [LEVELS, TABLE]}
        saved["seconds"] = time.monotonic() - began
        PARTS.mkdir(parents=True, exist_ok=True)
        torch.save(saved, file.with_suffix(".new"))
        file.with_suffix(".new").rename(file)
        print(f"{stamp[:8]}, {name}: {saved['seconds']:.0f} s", flush=True)
    return saved


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


def select(split: str, tone: str, **wanted: str) -> Tensor:
    """The faces of a split of faces64 and a tone, (n, 3, 64, 64) in [-1, 1]."""
    return from_uint8(load_faces64(split=split, tone=tone, **wanted)[0])


def validation_faces() -> Faces:
    """All of them, every third monochrome one before the others."""
    london, mono = select("val", "colour", source="london"), select("val", "mono")
    colour = torch.cat([select("val", "colour", source="congress"), london])
    third = torch.arange(len(mono)) % 3 == 0
    return Faces(colour, len(london), torch.cat([mono[third], mono[~third]]), int(third.sum()))


def training_faces() -> Tensor:
    """Colour faces spread over the training set, as many of each source as for validation."""
    picked = []
    for source in ("congress", "london"):
        count = len(select("val", "colour", source=source))
        faces = select("train", "colour", source=source)
        picked.append(faces[:: len(faces) // count][:count])
    return torch.cat(picked)


def main(files: list[Path]) -> None:
    """All weights' table; in detail what the shipped pay for colour faces, new and known."""
    torch.backends.cudnn.allow_tf32 = False  # float32 means it
    stamp = SHA256["faces64"]
    # Bad files are refused before any work.
    nets = [(path.stem, *open_net(path), sha256(path)) for path in files]
    nets.append(("faces64", load_net(), open_net(FOLDER / "faces64.safetensors")[1], stamp))
    faces, train = validation_faces(), training_faces()
    rows = []
    for name, net, seen, sha in nets:
        works = parts(*by_tone(net), faces)
        done = {part: kept(sha, part, work) for part, work in works.items()}
        row = {"name": name, "weights_sha256": sha, "images_seen": seen}
        rows.append(row | by_group(done, faces.london))
    on_train = kept(stamp, "train", lambda: measure(by_tone(net)[0], train, LEVELS))
    gaussian = load_net().gaussian()
    by_gaussian = {part: work() for part, work in parts(gaussian, gaussian, faces).items()}

    before = json.loads(FILE.read_text()) if FILE.is_file() else {}
    validation = before.get("validation", {"levels": None})
    # What was measured at other levels is not comparable.
    same = [before.get("levels"), validation["levels"]] == [LEVELS, TABLE]
    table = merged(validation["weights"] if same else [], rows[:-1], rows[-1])
    n = {"colour": len(faces.colour), "mono": len(faces.mono), "london": faces.london}
    result = {
        "weights_sha256": stamp,
        "command": "python -m studies.elbo",
        "faces": {"val": len(faces.colour), "train": len(train)},
        "levels": LEVELS,
        "prior": summary(done["colour"]),
        "gaussian": summary(by_gaussian["colour"]),
        "prior_on_train": summary(on_train),
        "gaussian_on_train": summary(measure(gaussian, train, LEVELS)),
        "webp": sum(map(webp, faces.colour)) / len(faces.colour),
        "interpolation_error": interpolation_error(gaussian, faces.colour[::12]),
        "validation": {
            "levels": TABLE,
            "faces": n | {"all": n["colour"] + n["mono"]},
            "bound_faces": n | {"mono": faces.bound_mono},
            "gaussian": by_group(by_gaussian, faces.london),
            "weights": table,
            "ratio_to_start": against_start(table),
        },
        "seconds": round(sum(part["seconds"] for part in [*done.values(), on_train])),
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
