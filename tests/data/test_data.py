import csv
import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from fuzzydiff_lite import data
from fuzzydiff_lite.assets import FOLDER
from studies.faces import londoners

ROWS = [
    ("anna", "london", "colour", "train"),
    ("bert", "congress", "mono", "train"),
    ("carl", "congress", "mono", "val"),
]


def collection(folder, rows):
    """A collection of plain pictures in `folder`: 10, 20, 30, … in the red channel."""
    with open(folder / "faces64.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "source", "tone", "split"])
        writer.writerows(rows)
    with zipfile.ZipFile(folder / "faces64.zip", "w") as archive:
        for i, (name, *_) in enumerate(rows):
            buffer = io.BytesIO()
            face = Image.new("RGB", (64, 64), (10 * i + 10, 0, 255))
            face.save(buffer, "webp", lossless=True)
            archive.writestr(f"{name}.webp", buffer.getvalue())


@pytest.fixture
def faces64(tmp_path):
    collection(tmp_path, ROWS)
    return tmp_path


def test_load_faces64_gives_pictures_tones_and_names_in_order(faces64):
    pictures, tones, names = data.load_faces64(faces64)
    assert pictures.shape == (3, 3, 64, 64) and pictures.dtype == torch.uint8
    assert pictures[:, :, 5, 7].tolist() == [[10, 0, 255], [20, 0, 255], [30, 0, 255]]
    assert tones.tolist() == [0, 1, 1] and names == ["anna", "bert", "carl"]


def test_load_faces64_selects_and_shrinks(faces64):
    assert data.load_faces64(faces64, split="train", tone="mono")[2] == ["bert"]
    pictures, _, _ = data.load_faces64(faces64, size=16, source="congress")
    assert pictures.shape == (2, 3, 16, 16) and pictures[1, :, 0, 0].tolist() == [30, 0, 255]
    with pytest.raises(ValueError, match="nobody"):
        data.load_faces64(faces64, source="nobody")


def test_a_broken_collection_is_named(faces64):
    with open(faces64 / "faces64.csv", "a") as file:
        file.write("dora,london,mono,val\n")
    with pytest.raises(ValueError, match="dora"):
        data.load_faces64(faces64)
    (faces64 / "faces64.zip").write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="does not hold the pictures of faces64.csv"):
        data.load_faces64(faces64)


def test_faces64_is_found_where_the_environment_says(faces64, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("FUZZYDIFF_FACES64", str(faces64))
    assert data.faces64_folder() == faces64
    assert data.load_faces64(split="val")[2] == ["carl"]
    monkeypatch.setenv("FUZZYDIFF_FACES64", "nowhere")
    with pytest.raises(ValueError, match="FUZZYDIFF_FACES64"):
        data.faces64_folder()


def test_8_bit_values_survive_the_round_trip():
    values = torch.arange(256, dtype=torch.uint8)
    floats = data.from_uint8(values)
    assert floats[0] == -1 and floats[-1] == 1
    assert torch.equal(data.to_uint8(floats), values)
    assert data.to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_pictures_survive_the_round_trip():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    tensor = data.to_tensor(Image.fromarray(pixels))
    assert tensor.shape == (1, 3, 5, 7)
    assert np.array_equal(np.asarray(data.to_image(tensor)), pixels)
    assert np.array_equal(np.asarray(data.to_image(tensor[0])), pixels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_open_picture_takes_every_mode(mode, tmp_path):
    path = tmp_path / "picture.tif"
    Image.new("RGB", (4, 6), (255, 255, 255)).convert(mode).save(path)
    picture = data.open_picture(path)
    assert picture.mode == "RGB" and picture.size == (4, 6)
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert data.open_picture(path, "L").mode == "L"


def test_open_picture_scales_16_bits_to_8(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.array_equal(np.asarray(data.open_picture(tmp_path / "deep.png", "L")), grey)


def test_open_picture_turns_photos_upright(tmp_path):
    image = Image.new("RGB", (4, 6))
    exif = image.getexif()
    exif[0x0112] = 6  # orientation: the camera was turned by a quarter
    image.save(tmp_path / "photo.jpg", exif=exif)
    assert data.open_picture(tmp_path / "photo.jpg").size == (6, 4)


def test_open_picture_says_what_is_wrong_with_a_file(tmp_path):
    with pytest.raises(ValueError, match="no such file: .*missing.png"):
        data.open_picture(tmp_path / "missing.png")
    (tmp_path / "text.png").write_text("not pixels")
    with pytest.raises(ValueError, match="not a picture: .*text.png"):
        data.open_picture(tmp_path / "text.png")
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "png")
    (tmp_path / "cut.png").write_bytes(buffer.getvalue()[:-1500])
    with pytest.raises(ValueError, match="not a picture: .*cut.png"):
        data.open_picture(tmp_path / "cut.png")


def test_crop_square_takes_the_centre_or_the_box():
    image = Image.new("RGB", (30, 10), "black")
    image.paste("white", (10, 0, 20, 10))
    assert np.asarray(data.crop_square(image, size=5)).min() == 255
    assert np.asarray(data.crop_square(image, (0, 0, 10, 10), 5)).max() == 0
    assert data.crop_square(image).size == (64, 64)


@pytest.mark.parametrize(
    "box", [(0, 0, 10, 9), (-1, 0, 9, 10), (25, 0, 35, 10), (5, 5, 5, 5), (10, 10, 0, 0)]
)
def test_crop_square_refuses_boxes_that_are_no_squares_inside(box):
    with pytest.raises(ValueError, match="not a square inside a picture of 30x10"):
        data.crop_square(Image.new("RGB", (30, 10)), box)


def test_the_pictures_of_the_book():
    assert data.people().shape == (256, 3, 64, 64) and data.london().shape == (20, 3, 64, 64)
    for face in (data.astronaut(), data.portrait()):
        assert face.shape == (1, 3, 64, 64)
    for faces in (data.people(), data.london(), data.astronaut(), data.portrait()):
        assert faces.abs().max() <= 1 and faces.std() > 0.3


@pytest.mark.parametrize("faces, columns", [(data.people, 16), (data.london, 5)])
def test_a_sheet_is_read_row_by_row(faces, columns):
    whole = np.asarray(Image.open(FOLDER / f"{faces.__name__}.webp").convert("RGB"))
    second_row_second_column = data.to_image(faces(columns + 2)[-1])
    assert np.array_equal(np.asarray(second_row_second_column), whole[64:128, 64:128])


@pytest.mark.parametrize("faces, most", [(data.people, 256), (data.london, 20)])
def test_a_sheet_has_so_many_faces_and_no_more(faces, most):
    assert len(faces(1)) == 1 and len(faces(most)) == most
    for n in (-1, 0, most + 1):
        with pytest.raises(ValueError, match=f"between 1 and {most}, got {n}"):
            faces(n)


def test_londoners_are_different_people_neutral_and_smiling_by_turns(tmp_path, monkeypatch):
    names = [f"london_neutral_{number:03}" for number in (3, 7, 9, 12)]
    names += [f"london_smiling_{number:03}" for number in (3, 7)]
    rows = [(name, "london", "colour", "test") for name in names]
    collection(tmp_path, rows + ROWS)
    monkeypatch.setenv("FUZZYDIFF_FACES64", str(tmp_path))
    red = [10, 60, 30, 40]  # 3 is neutral, 7 smiles, 9 is neutral, 12 has no smile
    assert londoners()[:, 0, 0, 0].tolist() == red
    assert londoners(2)[:, 0, 0, 0].tolist() == red[:2]
