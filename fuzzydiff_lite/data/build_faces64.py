# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = [
#     "mediapipe==0.10.21",
#     "numpy==1.26.4",
#     "opencv-contrib-python==4.11.0.86",
#     "pillow==13.0.0",
#     "pooch==1.9.0",
#     "scipy==1.17.1",
#     "tqdm==4.70.1",
# ]
# ///
"""Build faces64.zip and faces64.csv, the faces the prior is trained on, from public sources.

MediaPipe, which finds the faces, needs an older NumPy than the package. So this file imports
nothing of the package and says above what it needs: `fuzzydiff data build` runs it in an
environment of its own, and so do

  uv run --script fuzzydiff_lite/data/build_faces64.py --out shared/faces64
  pipx run fuzzydiff_lite/data/build_faces64.py --out shared/faces64

An interrupted build goes on where it stopped. Files that are no pictures are reported and
skipped. OUT/build/decisions.csv says why each original was dropped; OUT/originals and OUT/build
may be deleted afterwards.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage
from tqdm import tqdm

REPOSITORY, COMMIT = "voteview/member_photos", "687cf7a"
LONDON = "doi:10.6084/m9.figshare.5047666"  # DeBruine & Jones 2017, CC BY 4.0
POSES = {"neutral_front": "neutral", "smiling_front": "smiling"}
SPLIT = Path(__file__).parents[1] / "assets" / "faces64_split.csv"
COLUMNS = ["name", "source", "source_file", "tone", "born", "congress", "split", "crop_px"]
# of Face Mesh: the corners of the two eyes and of the mouth
POINTS = [33, 133, 362, 263, 61, 291]
SIZE, FINE = 64, 256
TOO_SMALL, TOO_FAR_OUT, TOO_FLAT, TOO_BLURRED = 60, 0.15, 24, 250
SAME = 0.985  # correlation of two thumbnails from which they are the same picture
COLOUR = 9

# uint8 (H, W, 3) -> for each face the POINTS as fractions (6, 2)
Detect = Callable[[np.ndarray], list[np.ndarray]]


def download(folder: Path) -> None:
    """Fetch the originals into `folder`, portraits checked by Git hash, London archives by MD5.

    The commit names its tree, the tree the hash of every file. Raises ValueError for a file
    that is not what it says.
    """
    import pooch

    def fetch(url: str, name: str) -> Path:
        return Path(pooch.retrieve(url, None, name, folder / "downloads", progressbar=True))

    api = f"https://api.github.com/repos/{REPOSITORY}"
    commit = json.loads(fetch(f"{api}/commits/{COMMIT}", "commit.json").read_bytes())
    if not commit["sha"].startswith(COMMIT):
        raise ValueError(f"asked {REPOSITORY} for commit {COMMIT}, got {commit['sha']}")
    url = f"{api}/git/trees/{commit['commit']['tree']['sha']}?recursive=1"
    tree = json.loads(fetch(url, "tree.json").read_bytes())
    if tree["truncated"]:
        raise ValueError(f"the list of files of {REPOSITORY} came cut short")
    hashes = {blob["path"]: blob["sha"] for blob in tree["tree"]}
    pattern = re.compile(r"members\.csv|images/\w+/\w+\.jpg")
    wanted = [path for path in hashes if pattern.fullmatch(path)]
    url = f"https://github.com/{REPOSITORY}/archive/{commit['sha']}.zip"
    archive = fetch(url, "member_photos.zip")
    top = f"member_photos-{commit['sha']}"
    unpack(archive, folder, {f"{top}/{path}": path for path in wanted}, hashes)
    london = pooch.create(folder / "downloads", LONDON)
    london.load_registry_from_doi()  # the names of the files and their MD5
    for pose in POSES:
        archive = Path(london.fetch(f"{pose}.zip", progressbar=True))
        listed = zipfile.ZipFile(archive).namelist()
        names = [name for name in listed if re.search(r"(^|/)\d{3}_\d{2}\.jpg$", name)]
        unpack(archive, folder, {name: f"{pose}/{Path(name).name}" for name in names}, {})


def unpack(archive: Path, folder: Path, place: dict[str, str], hashes: dict[str, str]) -> None:
    """Write each file that `place` names into `folder`; ValueError for another Git hash."""
    with zipfile.ZipFile(archive) as file:
        for path, target in place.items():
            data = file.read(path)  # which checks its CRC
            sha = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if hashes.get(target, sha) != sha:
                raise ValueError(
                    f"{path} in {archive} is not the committed one: "
                    "delete the archive and start again"
                )
            write(folder / target, data)


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def find(originals: Path) -> list[dict]:
    """A record for each original: Congress as in members.csv, its latest first, then London."""
    members, records = {}, []
    if (originals / "members.csv").is_file():
        with open(originals / "members.csv", newline="", encoding="utf-8") as file:
            members = {row["image"]: row for row in csv.DictReader(file)}
    found = originals.glob("images/*/*.jpg")
    files = {path.relative_to(originals).as_posix() for path in found}
    for path in [path for path in members if path in files] + sorted(files - set(members)):
        row = members.get(path, {"name": path, "born": "", "congress": ""})
        person = f"{row['name']}, {row['born']}"
        facts = {"born": row["born"], "congress": row["congress"], "person": person}
        name = "_".join(Path(path).with_suffix("").parts[1:])
        records.append({"name": name, "source": "congress", "source_file": path, **facts})
    for pose, short in POSES.items():
        for file in sorted(path.name for path in (originals / pose).glob("*.jpg")):
            facts = {"born": "", "congress": "", "crop_px": "", "tone": "colour"}
            facts["person"] = f"london_{file[:3]}"
            name, path = f"london_{short}_{file[:3]}", f"{pose}/{file}"
            records.append({"name": name, "source": "london", "source_file": path, **facts})
    return records


def read(path: Path) -> np.ndarray:
    """A picture file, upright, uint8 (H, W, 3); ValueError if broken or too small for faces."""
    try:
        with Image.open(path) as file:
            pixels = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a picture: {error}") from error
    if min(pixels.shape[:2]) < TOO_SMALL / 2:
        raise ValueError(f"a picture of {pixels.shape[1]}x{pixels.shape[0]} pixels")
    return pixels


def face_mesh() -> Detect:
    """MediaPipe's landmarks; it finds small faces in an enlarged picture better."""
    os.environ.setdefault("GLOG_minloglevel", "2")  # its notes about itself
    import cv2
    import mediapipe

    settings = {"static_image_mode": True, "max_num_faces": 2, "min_detection_confidence": 0.4}
    mesh = mediapipe.solutions.face_mesh.FaceMesh(**settings)

    def detect(pixels: np.ndarray) -> list[np.ndarray]:
        height, width = pixels.shape[:2]
        if height < 480:
            size = int(width * (480 / height)), 480
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
        faces = mesh.process(pixels).multi_face_landmarks or []
        marks = [[face.landmark[i] for i in POINTS] for face in faces]
        return [np.array([(mark.x, mark.y) for mark in six]) for six in marks]

    return detect


def square(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (2,) and half-sides (2, 2), right and down, as (x, y), of a square around a face.

    Its `points` are (6, 2). The square of FFHQ (Karras et al. 2019), a little tighter.
    """
    left, right, mouth = points.reshape(3, 2, 2).mean(1)
    eyes, down = right - left, mouth - (left + right) / 2
    along = eyes + [down[1], -down[0]]
    along *= 0.92 * max(2.0 * np.hypot(*eyes), 1.8 * np.hypot(*down)) / np.hypot(*along)
    return (left + right) / 2 + 0.1 * down, np.array([along, [-along[1], along[0]]])


def outside(centre: np.ndarray, halves: np.ndarray, width: int, height: int) -> float:
    """The share of the square that lies outside the picture, 0 to 1."""
    grid = (np.arange(FINE) + 0.5) * 2 / FINE - 1
    (across, down), right = halves, grid[None]
    x, y = (centre[i] + right * across[i] + right.T * down[i] for i in (0, 1))
    return float(((x < 0) | (x > width) | (y < 0) | (y > height)).mean())


def align(pixels: np.ndarray, centre: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """The square upright, uint8 (64, 64, 3): cubic at 256x256, means of 4x4, mirrored borders.

    A Gaussian comes first where the square is larger than 256 pixels. Pixel (0, 0) of the
    256x256 is the corner.
    """
    step = 2 * halves[::-1, ::-1].T / FINE  # in rows and columns of the original
    corner, scale = (centre - halves.sum(0))[::-1], 2 * np.hypot(*halves[0]) / FINE
    how = {"output_shape": (FINE, FINE), "order": 3, "mode": "mirror"}
    planes, tiles = [], (SIZE, FINE // SIZE, SIZE, FINE // SIZE)
    for plane in np.moveaxis(pixels.astype(np.float32), 2, 0):
        if scale > 1:
            plane = ndimage.gaussian_filter(plane, 0.5 * scale)
        fine = ndimage.affine_transform(plane, step, corner, **how)
        planes.append(fine.clip(0, 255).reshape(tiles).mean((1, 3)))
    return np.stack(planes, 2).round().astype(np.uint8)


def fault(face: np.ndarray) -> str:
    """Why an aligned face, uint8 (64, 64, 3), is not good enough; "" where it is."""
    grey = (face @ [0.299, 0.587, 0.114]).round()
    if face.std() < TOO_FLAT:
        return "flat"
    return "blurred" if ndimage.laplace(grey, mode="mirror").var() < TOO_BLURRED else ""


def tone(face: np.ndarray) -> str:
    """colour, or mono where a face, uint8 (64, 64, 3), hardly deviates from grey, as sepia."""
    deviation = face - face.mean(2, keepdims=True)
    return "colour" if deviation.std((0, 1)).mean() > COLOUR else "mono"


def examine(pixels: np.ndarray, detect: Detect) -> tuple[dict, np.ndarray | None]:
    """What an original gives: {dropped, crop_px, tone} and the aligned face, or None."""
    faces = detect(pixels)
    if len(faces) != 1:
        return {"dropped": "several faces" if faces else "no face"}, None
    height, width = pixels.shape[:2]
    centre, halves = square(faces[0] * [width, height])
    side = 2 * float(np.hypot(*halves[0]))
    found = {"crop_px": round(side)}
    if side < TOO_SMALL:
        return {**found, "dropped": "small"}, None
    if outside(centre, halves, width, height) > TOO_FAR_OUT:
        return {**found, "dropped": "outside"}, None
    face = align(pixels, centre, halves)
    dropped = fault(face)
    return {**found, "dropped": dropped, "tone": tone(face)}, None if dropped else face


def near_duplicates(faces: list[np.ndarray]) -> set[int]:
    """Which faces, uint8 (64, 64, 3), look like an earlier kept one or its mirror image."""
    kept, drop = np.empty((len(faces), 144), np.float32), set()
    for i, face in enumerate(faces):
        small = Image.fromarray(face).convert("L").resize((12, 12), Image.Resampling.BOX)
        thumbnail = np.asarray(small, np.float32) - np.mean(small)
        thumbnail /= max(np.linalg.norm(thumbnail), 1e-6)
        both = np.stack([thumbnail, thumbnail[:, ::-1]]).reshape(2, 144)
        row = i - len(drop)
        if row and (kept[:row] @ both.T).max() > SAME:
            drop.add(i)
        else:
            kept[row] = both[0]
    return drop


def splits(records: list[dict]) -> list[str]:
    """The split of each record's person: as published, else "train", but "" for a Londoner.

    The published list names validation pictures of the Congress and, by person, all Londoners
    of the collection.
    """
    with open(SPLIT, newline="") as file:
        published = {row["name"]: row["split"] for row in csv.DictReader(file)}
    keys = [(r["person"], key) for r in records for key in (r["person"], r["name"])]
    of_person = {person: published[key] for person, key in keys if key in published}
    return [
        of_person.get(r["person"], "train" if r["source"] == "congress" else "")
        for r in records
    ]


def resume(path: Path) -> dict[str, dict]:
    """The records of an earlier run by source file; half a line that a kill left is cut off."""
    data = path.read_bytes() if path.is_file() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        write(path, whole)
    return {record["source_file"]: record for record in map(json.loads, whole.splitlines())}


def examine_all(originals: Path, work: Path, make_detect: Callable[[], Detect]) -> list[dict]:
    """A record for each original picture; the faces go to `work`, each before its record."""
    done, records, detect = resume(work / "records.jsonl"), [], None
    with open(work / "records.jsonl", "a", encoding="utf-8") as log:
        for record in tqdm(find(originals), unit="pictures", disable=None):
            if record["source_file"] in done:
                records.append(done[record["source_file"]])
                continue
            try:
                pixels = read(originals / record["source_file"])
            except ValueError as error:  # not recorded: a mended file is taken next time
                print(f"skipped {record['source_file']}: {error}", file=sys.stderr)
                continue
            detect = detect or make_detect()
            found, face = examine(pixels, detect)
            record = {"tone": "", "crop_px": "", **found, **record}
            if not record["dropped"]:
                buffer = io.BytesIO()
                Image.fromarray(face).save(buffer, "webp", lossless=True, exact=True)
                write(work / f"{record['name']}.webp", buffer.getvalue())
            log.write(json.dumps(record) + "\n")
            log.flush()
            records.append(record)
    return records


def table(records: list[dict], columns: list[str]) -> bytes:
    """Records as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def build(
    out: Path, originals: Path | None = None, make_detect: Callable[[], Detect] = face_mesh
) -> list[dict]:
    """Write faces64.zip and faces64.csv into `out`; return all records, of dropped ones too.

    `originals` has images/*/*.jpg with members.csv, neutral_front/ and smiling_front/, or some
    of them; they are downloaded where it is None. Raises ValueError where there is nothing to
    build, or the collection is there already.
    """
    if (out / "faces64.zip").exists():  # written last
        raise ValueError(
            f"{out / 'faces64.zip'} is there already: move it away or choose another --out"
        )
    if originals is not None and not find(originals):
        raise ValueError(
            f"no originals in {originals}: "
            "it must hold images/*/*.jpg, neutral_front or smiling_front"
        )
    work = out / "build"
    work.mkdir(parents=True, exist_ok=True)
    if originals is None:
        originals = out / "originals"
        download(originals)
    records = examine_all(originals, work, make_detect)
    for record, split in zip(records, splits(records), strict=True):
        record["split"] = split
        record["dropped"] = record["dropped"] or ("" if split else "not on the list")
    portraits = [r for r in records if r["source"] == "congress" and not r["dropped"]]
    faces = [np.asarray(Image.open(work / f"{r['name']}.webp")) for r in portraits]
    for i in near_duplicates(faces):
        portraits[i]["dropped"] = "near-duplicate"
    kept = sorted((r for r in records if not r["dropped"]), key=lambda r: r["name"])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for r in kept:  # without dates, so that the same faces are the same file
            name = f"{r['name']}.webp"
            file.writestr(zipfile.ZipInfo(name), (work / name).read_bytes())
    write(work / "decisions.csv", table(records, [*COLUMNS, "dropped"]))
    write(out / "faces64.csv", table(kept, COLUMNS))
    write(out / "faces64.zip", archive.getvalue())
    return records


def main(argv: list[str] | None = None) -> int:
    """Build, say what was dropped and why, return 0, or 2 after a line of error on stderr."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="build_faces64.py", description=__doc__, formatter_class=style
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="the folder for faces64.zip and faces64.csv"
    )
    text = "a folder of them (default: download them to OUT/originals)"
    parser.add_argument("--originals", type=Path, help=text)
    options = parser.parse_args(argv)
    try:
        records = build(options.out, options.originals)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: the same command goes on from here", file=sys.stderr)
        return 130
    reasons = Counter(record["dropped"] or "kept" for record in records)
    counts = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
    print(f"{len(records)} originals: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
