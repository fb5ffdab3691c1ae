"""Show what training does: `book/images/training.webp`.

`python -m studies.history FOLDER` makes it. FOLDER holds the sample sheets to show,
`sheet_NNNNNNN.png`, as training writes them, named by the pictures seen. Each row has the first
eight faces of a sheet; the first row is drawn from the Gaussian alone.
"""

import json
import sys
from pathlib import Path

from PIL import Image

from fuzzydiff_lite import Noise, run
from fuzzydiff_lite.data import sheet
from fuzzydiff_lite.networks import load_net
from fuzzydiff_lite.samplers import ddim
from studies.common import DATA, IMAGES, SHIPPED

FACES = 8


def gaussian_row() -> Image.Image:
    """Faces from the network's Gaussian, drawn as training draws its sheets."""
    sampler = ddim(load_net().gaussian(), FACES, walk=25, noise=Noise(0))
    return sheet(run(sampler), columns=FACES)


def first_faces(path: Path) -> Image.Image:
    """The first eight faces of a sheet that training wrote, four a row, in one row."""
    whole = Image.open(path)
    size = whole.width // 4
    row = Image.new("RGB", (FACES * size, size))
    for i in range(FACES):
        left, top = i % 4 * size, i // 4 * size
        row.paste(whole.crop((left, top, left + size, top + size)), (i * size, 0))
    return row


def main(folder: Path) -> None:
    """All sheets in `folder`."""
    sheets = sorted(folder.glob("sheet_*.png"))
    rows = [gaussian_row(), *map(first_faces, sheets)]
    strip = Image.new("RGB", (rows[0].width, len(rows) * rows[0].height))
    for i, row in enumerate(rows):
        strip.paste(row, (0, i * row.height))
    strip.save(IMAGES / "training.webp", quality=92, method=6)
    seen = [0, *(int(path.stem.split("_")[1]) for path in sheets)]
    facts = {"images_seen": seen, "weights_sha256": SHIPPED}
    (DATA / "training.json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
