"""All that the book shows of the prior says which weights made it, and those are what ships."""

import json
from pathlib import Path

import pytest
from PIL import Image

from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.networks import SHA256
from fuzzydiff_lite.restore.statistics import Statistics

BOOK = Path(__file__).parents[1] / "book"
TABLES = [*sorted((BOOK / "data").glob("*.json")), FOLDER / "painter.json"]
PICTURES = [
    FOLDER / "people.webp",
    *sorted((BOOK / "images").glob("samples-*.webp")),
    *(
        BOOK / "images" / f"{name}.webp"
        for name in ("compare", "copies", "correct", "cover", "report", "restoration")
    ),
]


@pytest.mark.parametrize("file", [*TABLES, *PICTURES], ids=lambda file: file.name)
def test_made_with_the_shipped_weights(file):
    if file.suffix == ".json":
        stamp = json.loads(file.read_text(encoding="utf-8"))["weights_sha256"]
    else:
        stamp = Image.open(file).info["xmp"].decode()
    assert stamp == SHA256["faces64"], (
        f"{file.name} was made with other weights: run `make measure`"
    )


@pytest.mark.parametrize("name", ["colour", "mono", "paper"])
def test_the_statistics_are_of_the_shipped_weights(name):
    statistics = Statistics.load(FOLDER / f"attention-{name}.safetensors")
    assert statistics.weights == SHA256["faces64"], "run `make measure`"


def test_there_is_something_to_stamp():
    assert {
        "attention.json",
        "bands.json",
        "compare.json",
        "elbo.json",
        "frequency.json",
        "fuzzy.json",
        "report.json",
        "restoration.json",
        "samples.json",
        "strength.json",
        "sweep.json",
        "training.json",
        "unified.json",
    } <= {file.name for file in TABLES}
