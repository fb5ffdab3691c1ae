"""What ships: all that the book shows of the prior says which weights made it, and is theirs."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from fuzzydiff_lite import data
from fuzzydiff_lite.assets import FOLDER
from fuzzydiff_lite.networks import SHA256
from fuzzydiff_lite.restore.statistics import Statistics
from studies.faces import PORTRAIT, londoners

pytestmark = pytest.mark.studies

BOOK = Path(__file__).parents[2] / "book"
TABLES = sorted((BOOK / "data").glob("*.json"))
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


def test_the_weights_fit_the_size():
    assert (FOLDER / "faces64.safetensors").stat().st_size <= 16 * 2**20


def test_the_portrait_has_no_colour_and_the_london_faces_have():
    def colour(faces):
        return (faces - faces.mean(1, keepdim=True)).square().mean((1, 2, 3)).sqrt()

    assert colour(data.portrait()) < 1e-6 and colour(data.london()).min() > 0.03


def test_the_real_faces_weigh_little():
    files = FOLDER / "london.webp", FOLDER / "portrait.webp"
    assert sum(file.stat().st_size for file in files) < 300_000


def test_the_real_faces_are_those_of_the_collection():
    try:
        data.faces64_folder()
    except ValueError:
        pytest.skip("the faces64 collection is not here")
    assert torch.equal(data.to_uint8(data.london()), londoners())
    portrait = data.load_faces64(name=PORTRAIT, split="val")[0]
    assert torch.equal(data.to_uint8(data.portrait()), portrait)
