"""The builder of faces64, in the package's own environment.

Landmarks are recorded ones, but in the last test.
"""

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fuzzydiff_lite import data
from fuzzydiff_lite.data import build
from fuzzydiff_lite.data import build_faces64 as faces
from fuzzydiff_lite.data.faces64 import TONES

# MediaPipe's landmarks of the portrait that ships, as fractions of the picture, which is
# aligned: the corners of the eyes and the mouth.
PORTRAIT = np.array(
    [
        [0.316, 0.463],
        [0.432, 0.470],
        [0.573, 0.473],
        [0.681, 0.469],
        [0.412, 0.777],
        [0.597, 0.772],
    ]
)


def portrait():
    return np.asarray(data.to_image(data.portrait()))


def texture(seed, grey=False):
    """A picture of 320x240 pixels that passes every filter, unlike any other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((240, 320), Image.Resampling.BICUBIC)
    return np.asarray(image.convert("L").convert("RGB") if grey else image)


def middle(pixels):
    """A recorded face whose square is the middle of any picture."""
    return [0.25 + PORTRAIT / 2]


def turn(points, angle, scale, shift):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return points @ np.array([[c, s], [-s, c]]) + shift


# The square


def test_the_square_of_an_aligned_face_is_its_picture():
    centre, halves = faces.square(PORTRAIT * 64)
    assert np.abs(centre - 32).max() < 0.5
    assert np.abs(halves - 32 * np.eye(2)).max() < 1


def test_the_square_follows_the_recipe_on_a_plain_face():
    """Eyes 100 apart, the mouth 90 below: the width decides; 140 below: the height."""
    for drop, side in ((90, 2.0 * 100), (140, 1.8 * 140)):
        eyes = [[140, 200], [160, 200], [240, 200], [260, 200]]
        mouth = [[170, 200 + drop], [230, 200 + drop]]
        centre, halves = faces.square(np.array(eyes + mouth, float))
        assert np.allclose(centre, [200, 200 + 0.1 * drop])
        assert np.allclose(halves, 0.92 * side * np.eye(2))


def test_the_square_turns_and_grows_with_the_face():
    centre, halves = faces.square(PORTRAIT)
    moved_centre, moved_halves = faces.square(turn(PORTRAIT, 0.4, 3.0, [5, -2]))
    assert np.allclose(moved_centre, turn(centre, 0.4, 3.0, [5, -2]))
    assert np.allclose(moved_halves, turn(halves, 0.4, 3.0, 0))


def test_outside_is_the_share_of_the_square():
    halves = 50 * np.eye(2)
    assert faces.outside(np.array([50, 50]), halves, 100, 100) == 0
    assert faces.outside(np.array([100, 50]), halves, 100, 100) == 0.5
    assert faces.outside(np.array([0, 100]), halves, 100, 100) == 0.75
    diamond = np.array([[50, 50], [-50, 50]])
    assert faces.outside(np.array([50, 50]), diamond, 100, 100) == pytest.approx(0.5, abs=0.02)


# The warp


def wave(x, y):
    """A smooth picture in coordinates -1..1 of the square."""
    planes = [np.sin(3 * x + y), np.cos(2 * y - x), np.sin(4 * x * y)]
    return 127.5 + 100 * np.stack(planes, -1)


@pytest.mark.parametrize(
    "angle, half", [(0.0, 100.0), (0.5, 100.0), (-1.2, 60.0), (0.3, 200.0)]
)
def test_align_undoes_turning_and_scaling(angle, half):
    centre = np.array([301.0, 290.0])
    along = half * np.array([np.cos(angle), np.sin(angle)])
    halves = np.array([along, [-along[1], along[0]]])
    row, column = np.mgrid[:600, :600]
    x, y = np.moveaxis((np.stack([column, row], -1) - centre) @ halves.T, -1, 0) / half**2
    pixels = wave(x, y).round().clip(0, 255).astype(np.uint8)
    at = (np.arange(64) + 0.375) / 32 - 1  # the mean of four of the 256, from the corner on
    wanted = wave(at[None, :] + 0 * at[:, None], at[:, None] + 0 * at[None, :])
    error = np.abs(faces.align(pixels, centre, halves) - wanted)
    assert error.mean() < 0.6 and error.max() < 3


def test_align_gives_the_portrait_back():
    large = Image.fromarray(portrait()).resize((256, 256), Image.Resampling.BICUBIC)
    turned = np.asarray(large.rotate(-20, Image.Resampling.BICUBIC, expand=True))
    to_middle = np.array(turned.shape[1::-1]) / 2
    points = turn(PORTRAIT * 256 - 128, np.radians(20), 1.0, to_middle)
    again = faces.align(turned, *faces.square(points))
    assert np.abs(again[8:-8, 8:-8] - portrait()[8:-8, 8:-8].astype(float)).mean() < 8
    assert np.abs(again[:, ::-1][8:-8, 8:-8] - portrait()[8:-8, 8:-8].astype(float)).mean() > 20


def test_align_mirrors_at_the_border():
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[:, :20] = 200  # a bright stripe at the left edge
    face = faces.align(pixels, np.array([0.0, 50.0]), 40 * np.eye(2))
    assert face[:, 18:46].min() > 190 and face[:, :14].max() < 20 and face[:, 50:].max() < 20


def test_align_averages_what_is_too_fine():
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    face = faces.align(stripes, np.array([600.0, 600.0]), 500 * np.eye(2))
    assert np.abs(face.astype(int) - 127).max() <= 3


# What is kept


def test_a_flat_picture_and_a_blurred_one_are_faulty():
    row = np.linspace(0, 255, 64).round().astype(np.uint8)
    ramp = row[None, :, None].repeat(64, 0).repeat(3, 2)
    assert faces.fault(ramp) == "blurred"
    assert faces.fault(np.full((64, 64, 3), 90, np.uint8)) == "flat"
    assert faces.fault(portrait()) == ""
    checks = np.indices((64, 64)).sum(0)[..., None].repeat(3, 2) % 2
    # The deviation of a chessboard is half its contrast.
    for amplitude, found in ((23, "flat"), (25, "")):
        assert faces.fault((128 + amplitude * (2 * checks - 1)).astype(np.uint8)) == found


def test_the_laplacian_decides_at_250():
    """Waves a cos(w x) have the Laplacian variance (a (2 - 2 cos w))^2 / 2, a ramp has none."""
    w = 2 * np.pi * 8 / 63  # whole waves, so that the mirrored borders go on with them
    ramp = np.linspace(-60, 60, 64)[:, None]
    for variance, found in ((230, "blurred"), (270, "")):
        a = np.sqrt(2 * variance) / (2 - 2 * np.cos(w))
        picture = 128 + ramp + a * np.cos(w * np.arange(64))
        assert faces.fault(picture.round().astype(np.uint8)[..., None].repeat(3, 2)) == found


def test_sepia_is_mono_and_colour_is_colour():
    assert faces.tone(portrait()) == "mono"
    sepia = (portrait() * [1.0, 0.9, 0.75]).astype(np.uint8)
    assert faces.tone(sepia) == "mono"
    assert faces.tone(texture(0)[:64, :64]) == "colour"


@pytest.mark.parametrize(
    "points, reason",
    [
        ([], "no face"),
        ([PORTRAIT, PORTRAIT], "several faces"),
        ([PORTRAIT / 10 + 0.4], "small"),
        ([PORTRAIT + [0.5, 0]], "outside"),
        ([0.25 + PORTRAIT / 2], ""),
    ],
)
def test_examine_says_why_a_picture_was_dropped(points, reason):
    found, face = faces.examine(texture(1), lambda pixels: points)
    assert found["dropped"] == reason
    assert (face is None) == bool(reason)
    if not reason:
        assert found["tone"] == "colour" and found["crop_px"] == pytest.approx(162, abs=2)
        assert face.shape == (64, 64, 3) and face.dtype == np.uint8


def test_near_duplicates_are_dropped_after_their_first():
    first, second = (faces.examine(texture(seed), middle)[1] for seed in (1, 2))
    grain = np.random.default_rng(0).normal(0, 4, first.shape)
    paler = (first * 0.7 + 40 + grain).clip(0, 255).astype(np.uint8)
    assert faces.near_duplicates([first, second, paler, first[:, ::-1], second]) == {2, 3, 4}
    assert faces.near_duplicates([first, second]) == set()
    assert faces.near_duplicates([]) == set()


def record(name, person, source="congress"):
    return {"name": name, "person": person, "source": source}


def test_a_person_is_in_one_split_only():
    with open(faces.SPLIT, newline="") as file:
        published = {row["name"]: row["split"] for row in csv.DictReader(file)}
    name = next(name for name in published if not name.startswith("london"))
    test_person = next(key for key, split in published.items() if split == "test")
    records = [
        record("wiki_999999", "A"),
        record(name, "B"),
        record("wiki_999998", "B"),
        record("london_neutral_x", test_person, "london"),
        record("london_neutral_999", "london_999", "london"),
    ]
    assert faces.splits(records) == ["train", "val", "val", "test", ""]


def test_the_published_split_is_that_of_the_collection():
    with open(faces.SPLIT, newline="") as file:
        published = list(csv.DictReader(file))
    assert len({row["name"] for row in published}) == len(published) == 477
    londoners = [row["split"] for row in published if row["name"].startswith("london")]
    counts = {split: londoners.count(split) for split in set(londoners)}
    assert counts == {"train": 40, "val": 12, "test": 25}


# The build


@pytest.fixture
def originals(tmp_path):
    """Five portraits, of which one comes twice, and a Londoner who is on the list."""
    folder = tmp_path / "originals"
    (folder / "images" / "wiki").mkdir(parents=True)
    (folder / "neutral_front").mkdir()
    for i, seed in enumerate([1, 2, 3, 4, 2]):
        path = folder / "images" / "wiki" / f"90000{i}.jpg"
        Image.fromarray(texture(seed, grey=seed == 3)).save(path, quality=95)
    Image.fromarray(texture(9)).save(folder / "neutral_front" / "003_03.jpg", quality=95)
    with open(folder / "members.csv", "w", newline="") as file:
        rows = [("name", "born", "congress", "image")]
        rows += [(f"NAME{i}", 1800 + i, 20 - i, f"images/wiki/90000{i}.jpg") for i in range(5)]
        csv.writer(file).writerows(rows)
    return folder


def table(folder):
    with open(folder / "faces64.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_build_makes_a_collection_that_the_package_reads(originals, tmp_path):
    out = tmp_path / "out"
    records = faces.build(out, originals, lambda: middle)
    assert [r["dropped"] for r in records] == ["", "", "", "", "near-duplicate", ""]
    rows = table(out)
    assert list(rows[0]) == faces.COLUMNS
    wiki = [f"wiki_90000{i}" for i in range(4)]
    assert [row["name"] for row in rows] == ["london_neutral_003", *wiki]
    assert [row["split"] for row in rows] == ["test", *["train"] * 4]
    assert [row["tone"] for row in rows] == ["colour", "colour", "colour", "mono", "colour"]
    assert rows[1]["born"] == "1800" and rows[1]["congress"] == "20"
    assert rows[0]["crop_px"] == rows[0]["born"] == ""
    pictures, _, names = data.load_faces64(out)
    assert pictures.shape == (5, 3, 64, 64) and names == [row["name"] for row in rows]
    face = faces.examine(faces.read(originals / "images/wiki/900000.jpg"), middle)[1]
    assert np.array_equal(pictures[1].permute(1, 2, 0).numpy(), face)


def test_build_does_not_replace_a_collection(originals, tmp_path):
    faces.build(tmp_path, originals, lambda: middle)
    with pytest.raises(ValueError, match="faces64.zip is there already"):
        faces.build(tmp_path, originals, lambda: middle)


def test_build_wants_originals(tmp_path):
    with pytest.raises(ValueError, match="no originals in"):
        faces.build(tmp_path / "out", tmp_path, lambda: middle)
    assert not (tmp_path / "out").exists()


def test_broken_files_are_reported_and_skipped(originals, tmp_path, capsys):
    wiki = originals / "images" / "wiki"
    whole = (wiki / "900000.jpg").read_bytes()
    (wiki / "900010.jpg").write_bytes(whole[: len(whole) // 2])
    (wiki / "900011.jpg").write_text("not pixels")
    (wiki / "900012.jpg").write_bytes(b"")
    Image.new("RGB", (1, 1)).save(wiki / "900013.jpg")
    records = faces.build(tmp_path / "out", originals, lambda: middle)
    assert len(records) == 6 and len(table(tmp_path / "out")) == 5
    lines = capsys.readouterr().err.splitlines()
    skipped = [line for line in lines if line.startswith("skipped")]
    names = ["900010", "900011", "900012", "900013"]
    reasons = ["truncated", "not a picture", "not a picture", "1x1 pixels"]
    for line, name, why in zip(skipped, names, reasons, strict=True):
        assert name in line and why in line


def test_an_interrupted_build_goes_on_and_gives_the_same(originals, tmp_path):
    faces.build(tmp_path / "whole", originals, lambda: middle)
    seen = []

    def stop_at_the_third(pixels):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(pixels)
        return middle(pixels)

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        faces.build(out, originals, lambda: stop_at_the_third)
    assert not (out / "faces64.zip").exists()
    with open(out / "build" / "records.jsonl", "a") as log:
        log.write('{"name": "wiki_9000')  # as a kill leaves it

    def count(pixels):
        seen.append(pixels)
        return middle(pixels)

    faces.build(out, originals, lambda: count)
    assert len(seen) == 6  # each original once
    for name in ("faces64.zip", "faces64.csv"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_main_says_what_was_kept_and_what_is_wrong(originals, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(faces.build, "__defaults__", (None, lambda: middle))
    options = ["--out", str(tmp_path / "out"), "--originals", str(originals)]
    assert faces.main(options) == 0
    assert "6 originals: 5 kept, 1 near-duplicate" in capsys.readouterr().out
    assert faces.main(options) == 2
    assert "is there already" in capsys.readouterr().err

    def stop(pixels):
        raise KeyboardInterrupt

    monkeypatch.setattr(faces.build, "__defaults__", (None, lambda: stop))
    assert faces.main(["--out", str(tmp_path / "other"), "--originals", str(originals)]) == 130
    assert "goes on from here" in capsys.readouterr().err


# The download, from folders instead of the internet


def pretend_pooch(folder, tree):
    """A pooch that knows one commit and the two London archives."""
    sha = faces.COMMIT + "0" * 33
    commit = {"sha": sha, "commit": {"tree": {"sha": "t"}}}
    (folder / "commit.json").write_text(json.dumps(commit))
    (folder / "tree.json").write_text(json.dumps(tree))
    with zipfile.ZipFile(folder / "member_photos.zip", "w") as file:
        for path in ("members.csv", "images/wiki/1.jpg", "README.md"):
            file.writestr(f"member_photos-{sha}/{path}", path)
    for pose in faces.POSES:
        with zipfile.ZipFile(folder / f"{pose}.zip", "w") as file:
            file.writestr(f"{pose}/003_03.jpg", pose)
            file.writestr(f"__MACOSX/{pose}/._003_03.jpg", "not this")
    store = types.SimpleNamespace(
        load_registry_from_doi=lambda: None, fetch=lambda name, progressbar: folder / name
    )
    asked = []

    def retrieve(url, known_hash, name, path, progressbar):
        asked.append(url)
        return folder / name

    return types.SimpleNamespace(
        retrieve=retrieve, create=lambda path, base_url: store, asked=asked
    )


def blob(path):
    return {"path": path, "sha": hashlib.sha1(f"blob {len(path)}\0{path}".encode()).hexdigest()}


def test_download_takes_the_pinned_commit_and_checks_each_file(tmp_path, monkeypatch):
    blobs = [blob("members.csv"), blob("images/wiki/1.jpg"), blob("README.md")]
    pooch = pretend_pooch(tmp_path, {"truncated": False, "tree": blobs})
    monkeypatch.setitem(sys.modules, "pooch", pooch)
    out = tmp_path / "out"
    faces.download(out)
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    londoners = {"neutral_front/003_03.jpg", "smiling_front/003_03.jpg"}
    assert found == {"members.csv", "images/wiki/1.jpg"} | londoners
    assert (out / "smiling_front" / "003_03.jpg").read_text() == "smiling_front"
    assert any(f"archive/{faces.COMMIT}" in url for url in pooch.asked)


def test_download_refuses_another_file_than_the_committed_one(tmp_path, monkeypatch):
    other = {**blob("images/wiki/1.jpg"), "sha": "f" * 40}
    tree = {"truncated": False, "tree": [blob("members.csv"), other]}
    monkeypatch.setitem(sys.modules, "pooch", pretend_pooch(tmp_path, tree))
    with pytest.raises(ValueError, match="images/wiki/1.jpg .* is not the committed one"):
        faces.download(tmp_path / "out")
    cut_short = {**tree, "truncated": True}
    monkeypatch.setitem(sys.modules, "pooch", pretend_pooch(tmp_path, cut_short))
    with pytest.raises(ValueError, match="cut short"):
        faces.download(tmp_path / "out")


# The environment


def test_the_requirements_are_pinned_and_keep_mediapipe_out_of_the_package():
    wanted = build.requirements()
    assert "mediapipe==0.10.21" in wanted and all("==" in line for line in wanted)
    assert "mediapipe" not in Path("pyproject.toml").read_text(encoding="utf-8")


def test_an_environment_that_cannot_be_made_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    failed = types.SimpleNamespace(returncode=1)
    monkeypatch.setattr(subprocess, "run", lambda command, check: failed)
    with pytest.raises(ValueError, match="could not make .*venv, pip and PyPI"):
        build.ready()
    monkeypatch.setattr(build, "PYTHONS", ("9.9",))
    with pytest.raises(ValueError, match="needs Python 9.9"):
        build.ready()


def test_the_environment_is_made_once_and_runs_the_script(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    commands = []

    def run(command, check):
        commands.append([str(part) for part in command])
        build.environment().mkdir(parents=True, exist_ok=True)
        return types.SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    parser = argparse.ArgumentParser()
    build.add_command(parser.add_subparsers())
    for _ in range(2):
        options = parser.parse_args(["data", "build", "--out", "here", "--originals", "there"])
        options.command(options)
    assert len(commands) == 4 and commands[2] == commands[3]  # venv, pip, then the script twice
    assert commands[3][1:] == ["-P", str(build.SCRIPT), "--out", "here", "--originals", "there"]


# The collection itself, where it is


@pytest.fixture
def faces64():
    try:
        return data.faces64_folder()
    except ValueError:
        pytest.skip("the faces64 collection is not here")


def test_the_collection_passes_the_filters(faces64):
    pictures, tones, names = data.load_faces64(faces64, source="congress", split="val")
    pictures = pictures.permute(0, 2, 3, 1).numpy()
    for picture, number, name in zip(pictures, tones, names, strict=True):
        assert faces.fault(picture) == "" and faces.tone(picture) == TONES[number], name


def test_the_collection_has_no_near_duplicates(faces64):
    pictures, _, _ = data.load_faces64(faces64, source="congress")
    assert faces.near_duplicates(list(pictures.permute(0, 2, 3, 1).numpy())[::4]) == set()


def test_the_sample_of_originals_gives_the_collection(faces64, tmp_path):
    """The whole script, MediaPipe and all: `fuzzydiff data build` makes its environment."""
    if not (build.environment() / ".ready").exists():
        pytest.skip("MediaPipe's environment is not here")
    if not (faces64 / "raw_sample").is_dir():
        pytest.skip("the sample of originals is not here")
    build.launch(argparse.Namespace(out=tmp_path, originals=faces64 / "raw_sample"))
    published = {row["source_file"]: row for row in table(faces64)}
    with open(tmp_path / "build" / "decisions.csv", newline="") as file:
        decisions = {row["source_file"]: not row["dropped"] for row in csv.DictReader(file)}
    assert len(decisions) == 300
    assert np.mean([kept == (path in published) for path, kept in decisions.items()]) >= 0.98
    both = [row for row in table(tmp_path) if row["source_file"] in published]
    for column in ("name", "tone", "born", "congress", "split"):
        made = [row[column] for row in both]
        assert made == [published[row["source_file"]][column] for row in both]
    pictures, _, names = data.load_faces64(faces64)
    ours, _, our_names = data.load_faces64(tmp_path)
    index = {name: i for i, name in enumerate(names)}
    difference = [
        (ours[i].float() - pictures[index[name]].float()).abs().mean()
        for i, name in enumerate(our_names)
        if name in index
    ]
    assert np.mean(difference) <= 2 and np.median(difference) <= 0.5
