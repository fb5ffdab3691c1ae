"""Damaged pictures in files, as what the methods need, and where the results go.

Nothing here degrades a picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..data.faces64 import load_faces64
from ..data.pictures import crop_square, from_uint8, open_picture, to_image, to_tensor
from ..operators import AveragePool, Blur, Denoise, Gray, Inpaint, Jpeg, masks
from .tasks import Measurement


def in_folder(source: Path, out: Path) -> dict[Path, Path]:
    """The picture files of a folder, by their names' endings, and where each result goes."""
    endings = Image.registered_extensions()
    inside = filter(Path.is_file, source.iterdir())
    files = sorted(path for path in inside if path.suffix.lower() in endings)
    jobs = {path: out / f"{path.stem}.png" for path in files}
    if len(set(jobs.values())) < len(jobs) or not jobs:
        raise ValueError(
            f"{source} has no pictures, or two whose names differ only in their endings"
        )
    return jobs


def faces(folder: Path, tone: str = "colour", size: int = 64) -> Tensor:
    """Faces without damage, (n, 3, size, size) in [-1, 1].

    The central squares of a folder's pictures, or of faces64 256 training faces of that tone.
    Raises ValueError for a folder that is not there, has none, or a broken one.
    """
    if not folder.is_dir():
        raise ValueError(f"no such folder: {folder}")
    if not (folder / "faces64.csv").is_file():
        images = map(open_picture, in_folder(folder, folder))
        return torch.cat([to_tensor(crop_square(image, None, size)) for image in images])
    wanted = {} if tone == "none" else {"tone": tone}
    pictures, _, _ = load_faces64(folder, size, split="train", **wanted)
    return from_uint8(pictures[torch.linspace(0, len(pictures) - 1, 256).round().long()])


def check_output(path: Path, ending: str | None = None) -> None:
    """Raise ValueError early where the result, a picture or `ending`, cannot be written."""
    if not path.parent.is_dir():
        raise ValueError(f"no such folder: {path.parent}")
    kinds = Image.registered_extensions()
    pictures = {name for name, kind in kinds.items() if kind in Image.SAVE}
    if path.is_dir() or path.suffix.lower() not in ({ending} if ending else pictures):
        raise ValueError(
            f"cannot write a file called {path}: use a name that ends in {ending or '.png'}"
        )


def check_not_lost(given: Iterable[str | Path], written: Iterable[Path]) -> None:
    """Raise ValueError where a file that is `given` would be `written` over."""
    inputs = {Path(path).resolve() for path in given}
    for path in written:
        if path.resolve() in inputs:
            raise ValueError(f"{path} is an input, which would be lost: choose another OUT")


def beside(target: Path, name: str) -> Path:
    """Where the preview, or the map, of a result goes."""
    return target.with_name(f"{target.stem}-{name}.png")


def read(
    path: str | Path,
    task: str = "inpaint",
    mask: str | Path | None = None,
    m: float = 1.0,
    blur: str | None = None,
    sigma: float | None = None,
    box: tuple[int, int, int, int] | None = None,
    size: int = 64,
) -> Measurement:
    """A damaged picture file as what a method needs: its square `box`, scaled, never degraded.

    `mask`, for inpainting, is a picture file or a name of `masks.NAMES`; the map m is `m` times
    it. `blur`, for deblurring, is written gaussian:SIGMA, uniform:WIDTH or motion:LENGTH:ANGLE,
    in pixels of the scaled square and degrees. `sigma` is the standard deviation of the noise
    in units of [-1, 1]: needed for denoising, else by default 0, or 0.02 to deblur.
    A JPEG file must have `size` x `size` pixels.

    Raises ValueError for a missing or broken file and for what the task lacks or does not know.
    """
    for name, value, wanted in (("mask", mask, "inpaint"), ("blur", blur, "deblur")):
        if value is not None and task != wanted:
            raise ValueError(f"a {name} belongs to the task {wanted}, not to {task}")
    if sigma is None:
        sigma = 0.02 if task == "deblur" else 0.0
    if task == "jpeg":
        return _read_jpeg(path, box, size)
    image = open_picture(path)
    if task == "inpaint":
        picture, kept = square(image, open_mask(mask, size) if mask else None, box, size)
        known = (m * kept == 1).to(picture)
        return Measurement(known * picture, Inpaint(known), sigma, picture, m * kept)
    if task in ("x2", "x4", "x8"):
        factor = int(task[1:])
        A, y = AveragePool(factor, size), to_tensor(crop_square(image, box, size // factor))
        return Measurement(y, A, sigma, A.pinv(y).clamp(-1, 1))
    picture = to_tensor(crop_square(image, box, size))
    if task == "colour":
        y = picture.mean(1, keepdim=True)
        return Measurement(y, Gray(size=size), sigma, y.expand_as(picture))
    if task == "deblur":
        return Measurement(picture, parse_blur(blur, size), sigma, picture)
    if sigma == 0:
        raise ValueError(
            "the task denoise needs the standard deviation of the noise, sigma, above 0"
        )
    return Measurement(picture, Denoise(), sigma, picture)


def stack(parts: list[Measurement]) -> Measurement:
    """Pictures read one by one, of one task, as one batch."""
    first = parts[0]
    if first.m is None:
        pairs = ((part.y, part.picture) for part in parts)
        y, picture = (torch.cat(group) for group in zip(*pairs))
        return Measurement(y, first.A, first.sigma, picture)
    triples = ((part.y, part.picture, part.m) for part in parts)
    y, picture, m = (torch.cat(group) for group in zip(*triples))
    return Measurement(y, Inpaint((m == 1).to(y)), first.sigma, picture, m)


def parse_blur(words: str | None, size: int) -> Blur:
    """`gaussian:2`, `uniform:5` or `motion:13:30` as an operator.

    Raises ValueError for anything else.
    """
    kinds = {
        "gaussian": (Blur.gaussian, [float]),
        "uniform": (Blur.uniform, [int]),
        "motion": (Blur.motion, [float] * 2),
    }
    name, *numbers = (words or "").split(":")
    make, types = kinds.get(name, (None, []))
    try:
        values = [convert(number) for convert, number in zip(types, numbers, strict=True)]
        return make(*values, size=size)
    except (TypeError, ValueError) as error:
        reason = f" ({error})" if make and len(numbers) == len(types) else ""
        raise ValueError(
            "a blur is written gaussian:SIGMA, uniform:WIDTH or motion:LENGTH:ANGLE, "
            f"got {words!r}{reason}"
        ) from error


def square(
    image: Image.Image, mask: Image.Image | None, box, size: int
) -> tuple[Tensor, Tensor]:
    """The square `box` of a picture and of its mask.

    They are (1, 3, size, size) in [-1, 1] and (1, 1, size, size) in [0, 1]. `mask` is a grey
    picture with the size of `image`, or of the square. Raises ValueError for another size.
    """
    if mask is None:
        return to_tensor(crop_square(image, box, size)), torch.ones(1, 1, size, size)
    if mask.size == image.size:
        # As alpha, with a kernel nowhere negative: no paint from the hole bleeds out of it.
        picture = image.copy()
        picture.putalpha(mask)
        picture = crop_square(picture, box, size, Image.Resampling.HAMMING)
        mask = picture.getchannel("A")
    elif mask.size == (size, size):
        picture = crop_square(image, box, size)
    else:
        given, whole = (f"{width}x{height}" for width, height in (mask.size, image.size))
        raise ValueError(
            f"the mask has {given} pixels, "
            f"but the picture has {whole} and its square {size}x{size}"
        )
    return to_tensor(picture), (to_tensor(mask)[:, :1] + 1) / 2


def open_mask(name: str | Path, size: int) -> Image.Image:
    """A mask as a grey picture: from a file, or by a name of `masks.NAMES` for the square."""
    if name in masks.NAMES and not Path(name).exists():
        return to_image(masks.named(name, size).expand(-1, 3, -1, -1) * 2 - 1).convert("L")
    return open_picture(name, "L")


def _read_jpeg(path, box, size):
    open_picture(path)  # raises for what is no picture
    with Image.open(path) as image:
        if image.format != "JPEG" or image.size != (size, size) or box:
            kind = f"{image.format} file of {image.width}x{image.height} pixels"
            raise ValueError(
                f"the task jpeg wants a whole JPEG file of {size}x{size} pixels, "
                f"for scaling and cropping move its blocks: {path} is a {kind}"
            )
        A = Jpeg.of(image)
        picture = to_tensor(image)
    return Measurement(A(picture), A, 0.0, picture)
