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

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open

from fuzzydiff_lite import Prior, Schedule
from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.networks import TONES, FaceNet, load_net, sha256
from studies.common import DATA, SHIPPED, kept, write
from studies.elbo_faces import Faces, training_faces, validation_faces, webp
from studies.elbo_terms import (
    LEVELS,
    TABLE,
    VARIANCES,
    Rows,
    bound,
    interpolation_error,
    measure,
    standard_error,
    summary,
)

FILE = DATA / "elbo.json"
AGAINST_START = [150, 300, 500]


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


def timed(work: Callable[[], Rows]) -> Rows:
    """What `work` returns, and "seconds"."""
    began = time.monotonic()
    rows = work()
    return rows | {"seconds": time.monotonic() - began}


def main(files: list[Path]) -> None:
    """All weights' table; in detail what the shipped pay for colour faces, new and known."""
    torch.backends.cudnn.allow_tf32 = False  # float32 means it
    # Bad files are refused before any work.
    nets = [(path.stem, *open_net(path), sha256(path)) for path in files]
    nets.append(("faces64", load_net(), open_net(FOLDER / "faces64.safetensors")[1], SHIPPED))
    faces, train = validation_faces(), training_faces()
    rows, levels = [], {"levels": LEVELS, "table": TABLE}
    for name, net, seen, sha in nets:
        works = parts(*by_tone(net), faces)
        how = {"weights": sha, **levels}
        done = {part: kept("elbo", part, timed, work, **how) for part, work in works.items()}
        row = {"name": name, "weights_sha256": sha, "images_seen": seen}
        rows.append(row | by_group(done, faces.london))
    colour = by_tone(net)[0]
    on_train = kept("elbo", "train", timed, lambda: measure(colour, train, LEVELS), **levels)
    gaussian = load_net().gaussian()
    by_gaussian = {part: work() for part, work in parts(gaussian, gaussian, faces).items()}

    before = json.loads(FILE.read_text()) if FILE.is_file() else {}
    validation = before.get("validation", {"levels": None})
    # What was measured at other levels is not comparable.
    same = [before.get("levels"), validation["levels"]] == [LEVELS, TABLE]
    table = merged(validation["weights"] if same else [], rows[:-1], rows[-1])
    n = {"colour": len(faces.colour), "mono": len(faces.mono), "london": faces.london}
    facts = {
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
    write(FILE, "elbo", facts)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
