"""The tables of the model card, from what the other benchmarks measured.

`python -m studies.card` writes them anew into the card, `fuzzydiff_lite/assets/README.md`,
each between a line `<!-- NAME -->` and the next `<!-- end -->`.
"""

import json
import re
from pathlib import Path

from fuzzydiff_lite.assets import FOLDER

DATA, CARD = Path(__file__).parents[1] / "book" / "data", FOLDER / "README.md"
WEIGHTS = ("stage 1", "stage 2", "shipped")  # the rows of elbo.json, old to new
LEVELS = (10, 50, 150, 300, 500, 700)
GROUPS = ("colour", "mono", "london")


def load(name: str) -> dict:
    """What a benchmark left in `book/data`."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def table(*lines: list[str]) -> str:
    """A Markdown table; the first line is its head."""
    head, *rows = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def priors() -> dict[str, dict]:
    """Rows of elbo.json by their names in the card: the Gaussian, then weights, old to new."""
    found = load("elbo")["validation"]
    weights = zip(WEIGHTS, found["weights"], strict=True)
    return {"Gaussian alone": found["gaussian"]} | dict(weights)


def errors() -> str:
    """Mean squared error of the predicted noise, level by level."""
    measured = load("elbo")["validation"]["levels"]
    at = [measured.index(level) for level in LEVELS]
    rows = [
        [group, name, *(f"{row['eps_mse'][group][i]:#.3g}" for i in at)]
        for group in GROUPS
        for name, row in priors().items()
    ]
    return table(["faces", "weights", *map(str, LEVELS)], *rows)


def bound() -> str:
    """Bits per dimension with smaller and larger variance, and standard errors over faces."""
    columns = [(group, variance) for group in GROUPS for variance in ("beta-tilde", "beta")]
    rows = []
    for name, row in priors().items():
        cells = [row[variance][group] for group, variance in columns]
        bits = (f"{cell['bound']:.2f} ± {cell['standard_error']:.2f}" for cell in cells)
        rows.append([name, *bits])
    head = [f"{group}, {'β̃' if 'tilde' in v else 'β'}" for group, v in columns]
    return table(["weights", *head], *rows)


def frechet() -> str:
    """Squared Fréchet distances to training faces, of all of a row and as few as validate."""
    found = load("samples")
    names = {row.get("weights_sha256"): name for name, row in priors().items()}
    sets = {"validation faces": found["rows"]["val"], "training faces": found["rows"]["train"]}
    sets |= {
        f"samples, {name}": found["weights"][sha]["samples"]
        for sha, name in names.items()
        if sha in found["weights"]
    }
    sets |= {name: row for name, row in found["rows"].items() if name not in ("val", "train")}
    rows = [
        [name, str(row["hog"]["count"]), *far(row["hog"]), *far(row["pixels"])]
        for name, row in sets.items()
    ]
    head = ["pictures", "number", "HOG: all", "HOG: few", "pixels: all", "pixels: few"]
    return table(head, *rows)


def far(row: dict) -> list[str]:
    """The distance of all pictures, and that of few with its deviation over the subsets."""
    few = f"{row['few']:#.3g}"
    if row["subsets"] > 1:
        few += f" ± {row['few_deviation']:.2g}"
    return [f"{row['train']:#.3g}", few]


def copies() -> str:
    """How near training faces are, and the shares nearer than 5 % of validation faces are."""
    found, rows = load("samples")["copies"], []
    for tone in ("colour", "mono"):
        for name, row in found["pixels"][tone].items():
            near = close(row) + close(found["hog"][tone][name])
            rows.append([tone, name, str(row["count"]), *near])
    columns = ("nearest", "median", "nearer than 5 %")
    head = [f"{space}: {column}" for space in ("pixels", "HOG") for column in columns]
    return table(["faces", "pictures", "number", *head], *rows)


def close(row: dict) -> list[str]:
    """The least and median distance, and the share nearer than 5 % of the validation faces."""
    least, median = (f"{row['quantiles'][q]:.3f}" for q in ("0", "0.5"))
    return [least, median, f"{row['nearer_than_0.05']:.1%}"]


def restoration() -> str:
    """PSNR and SSIM of what was restored, and what is won on the classical method."""
    found, rows = load("restoration")["scores"], []
    for title in next(iter(found.values())):
        for method in found["London"][title]:
            cells = (cell for group in found.values() for cell in won(group[title][method]))
            rows.append([title, method, *cells])
    head = [f"{group}: {what}" for group in found for what in ("PSNR, dB", "SSIM")]
    return table(["damage", "method", *head], *rows)


def won(row: dict) -> list[str]:
    """Cells of a row of restoration.json."""
    psnr, ssim = f"{row['psnr'][0]:.2f}", f"{row['ssim'][0]:.3f}"
    if "psnr_gain" in row:
        (gain, error), (more, _) = row["psnr_gain"], row["ssim_gain"]
        psnr, ssim = f"{psnr} ({gain:+.2f} ± {error:.2f})", f"{ssim} ({more:+.3f})"
    return [psnr, ssim]


TABLES = {make.__name__: make for make in (errors, bound, frechet, copies, restoration)}


def filled(card: str) -> str:
    """The card with its tables as they have to be.

    Raises ValueError where one has no place in it.
    """
    for name, make in TABLES.items():
        new = f"<!-- {name} -->\n\n{make()}\n\n<!-- end -->"
        card, places = re.subn(f"<!-- {name} -->\n.*?<!-- end -->", new, card, flags=re.DOTALL)
        if places != 1:
            raise ValueError(f"wanted one table {name} in the card, found {places}")
    return card


if __name__ == "__main__":
    CARD.write_text(filled(CARD.read_text(encoding="utf-8")), encoding="utf-8")
