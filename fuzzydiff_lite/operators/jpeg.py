"""Degradations that round: JPEG and fewer grey levels.

They are not linear. They are idempotent: applied a second time, they change nothing more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from PIL import Image
from PIL.JpegImagePlugin import get_sampling
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

# ITU-T T.81, Tables K.1 (luminance) and K.2 (chrominance): the steps at quality 50.
# Row: vertical frequency.
LUMINANCE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMINANCE = torch.full((8, 8), 99)
CHROMINANCE[:4, :4] = torch.tensor(
    [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
)

# JFIF: Y = 0.299 R + 0.587 G + 0.114 B, and B - Y and R - Y scaled to the range of Y.
# The inverse is computed, not typed in: with the standard's rounded constants, encoding would
# undo decoding only nearly.
YCBCR = torch.tensor(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ],
    dtype=torch.float64,
)
RGB = torch.linalg.inv(YCBCR)

# The orthonormal DCT: row k is the cosine of frequency k at the eight pixels.
_k = torch.arange(8, dtype=torch.float64)
DCT = torch.cos(math.pi / 8 * _k[:, None] * (_k + 0.5)) / 2
DCT[0] /= math.sqrt(2)


class Idempotent:
    """A degradation A that changes nothing when applied a second time: A(A(x)) = A(x).

    Its measurement y = A(x) is a picture, and y is a picture whose measurement is y. So y
    serves as its own pseudo-inverse. Pictures are (B, 3, H, W), floating point, in [-1, 1]; the
    measurement has the same shape, device and dtype.
    """

    def __call__(self, x: Tensor) -> Tensor:
        """The measurement of a picture: the picture degraded."""
        raise NotImplementedError

    def pinv(self, y: Tensor) -> Tensor:
        """A picture whose measurement is `y`: y itself, (B, 3, H, W)."""
        return y

    def project(self, x: Tensor) -> Tensor:
        """What the measurement keeps of a picture, A(x), (B, 3, H, W)."""
        return self.pinv(self(x))


class Coefficients(NamedTuple):
    """What a JPEG file holds of a batch: whole numbers of quantisation steps.

    Each is (B, rows, columns, 8, 8), one 8x8 block of vertical and horizontal frequencies for
    each block of pixels: in luminance `y` and, with fewer rows and columns if subsampled, in
    the two colour differences `cb` and `cr`.
    """

    y: Tensor
    cb: Tensor
    cr: Tensor


class Jpeg(Idempotent):
    """JPEG at a `quality` of 1 to 95; its measurement is the decoded picture.

    `subsampling` is the side, in pixels, of the squares that share a colour: 2 (4:2:0) or 1
    (4:4:4). `tables` (3, 8, 8) has the quantisation steps of Y, Cb and Cr on the scale 0..255.

    A restorer moves a picture x0 to x' = x0 - A(x0) + A(x), and then A(x') = A(x): both encode
    to the same integers n. Encoding is an affine map, then rounding, and the affine map takes a
    decoded picture back to its integers. So if it takes x0 to c, which rounds to r, it takes x'
    to c - r + n. Half is rounded up, so c - r is at least -1/2 and below 1/2, and c - r + n
    rounds to n. (In floating point, what is half but for the last bits may go either way.) With
    x0 = A(x) this says that A(A(x)) is A(x). Decoding does not clamp to [-1, 1], for a clamped
    picture has other integers.

    H and W are padded to multiples of 8 * `subsampling` by repeating the border, and cut back
    after decoding. What is cut is lost, so with padding all this holds only nearly.

    Raises ValueError for another quality or subsampling, and, called, for pictures of another
    shape or whole numbers.
    Source: ITU-T T.81 and T.871, scaled as libjpeg does; Kawar et al. 2022, "JPEG Artifact
    Correction using Denoising Diffusion Restoration Models"; Eq. (jpeg-update),
    book/restoring/ddrm.
    """

    def __init__(self, quality: int = 10, subsampling: int = 2):
        if quality not in range(1, 96):
            raise ValueError(f"quality must be a whole number of 1 to 95, got {quality!r}")
        if subsampling not in (1, 2):
            raise ValueError(f"subsampling must be 1 (4:4:4) or 2 (4:2:0), got {subsampling!r}")
        percent = 5000 // quality if quality < 50 else 200 - 2 * quality
        steps = torch.stack([LUMINANCE, CHROMINANCE, CHROMINANCE])
        self.tables = ((steps * percent + 50) // 100).clamp(1, 255)
        self.subsampling = subsampling

    @classmethod
    def of(cls, image: Image.Image) -> Jpeg:
        """The codec that wrote a JPEG file, given as `PIL.Image.open` returns it.

        It has the file's tables and subsampling. Pillow decodes to 8 bits, clamped, with smooth
        colour upsampling. So A(y) is near the file's picture y, and a restorer that wants an
        exact measurement takes A(y).

        Raises ValueError for a picture that is not from a JPEG file (a converted or turned copy
        is not), and for a file not in YCbCr or with a subsampling other than 4:4:4 and 4:2:0.
        """
        # Pillow's number for it: ours. Its -1 is anything else.
        sampling = {0: 1, 2: 2}.get(get_sampling(image))
        if sampling is None or image.info.get("adobe_transform") == 0:
            sizes = (f"{across}x{down}" for _, across, down, _ in getattr(image, "layer", []))
            layers = ", ".join(sizes) or "no layers"
            raise ValueError(
                "a JPEG file in YCbCr, 4:4:4 or 4:2:0, as PIL.Image.open returns it, "
                f"is wanted, got {type(image).__name__} of {layers}"
            )
        codec = cls(subsampling=sampling)
        tables = [image.quantization[table] for *_, table in image.layer]
        codec.tables = torch.tensor(tables).reshape(3, 8, 8)
        return codec

    def encode(self, x: Tensor) -> Coefficients:
        """The integers that a file of these pictures would hold."""
        _check(x)
        side = 8 * self.subsampling
        height, width = x.shape[-2:]
        x = pad(x, (0, -width % side, 0, -height % side), mode="replicate")
        ycbcr = torch.einsum("ij,bjhw->bihw", YCBCR.to(x), 127.5 * (x + 1))
        cb, cr = avg_pool2d(ycbcr[:, 1:], self.subsampling).unbind(1)
        y = ycbcr[:, 0] - 128  # the colour differences are centred already
        dct = DCT.to(x)
        blocks = (
            plane.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2)
            for plane in (y, cb, cr)
        )
        pairs = zip(blocks, self.tables.to(x))
        return Coefficients(*((dct @ b @ dct.T / q + 0.5).floor() for b, q in pairs))

    def decode(self, coefficients: Coefficients, size: tuple[int, int]) -> Tensor:
        """The pictures of `size` (H, W) that a file with these integers shows, not clamped.

        Raises ValueError for coefficients that this codec does not give pictures of that size.
        """
        n = self.subsampling
        rows, columns = (-(-side // (8 * n)) for side in size)  # of blocks of colour
        have = [tuple(c.shape[1:]) for c in coefficients]
        want = [(rows * k, columns * k, 8, 8) for k in (n, 1, 1)]
        if have != want:
            raise ValueError(
                f"pictures of size {tuple(size)} have coefficients "
                f"of shapes (B, ...) {want}, got {have}"
            )
        tables, dct = self.tables.to(coefficients.y), DCT.to(coefficients.y)
        blocks = (dct.T @ (c * q) @ dct for c, q in zip(coefficients, tables))
        y, cb, cr = (b.transpose(-3, -2).flatten(-2).flatten(-3, -2) for b in blocks)
        cb, cr = (c.repeat_interleave(n, -1).repeat_interleave(n, -2) for c in (cb, cr))
        rgb = torch.einsum("ij,bjhw->bihw", RGB.to(y), torch.stack([y + 128, cb, cr], 1))
        return (rgb / 127.5 - 1)[..., : size[0], : size[1]]

    def __call__(self, x: Tensor) -> Tensor:
        """The pictures as their JPEG files show them."""
        return self.decode(self.encode(x), x.shape[-2:])


class Quantize(Idempotent):
    """Every value at the nearest of `levels` equally spaced ones, the first -1 and the last 1.

    For x0 in [-1, 1], x0 - A(x0) + y has the measurement y, for the reason given in `Jpeg`.
    Raises ValueError for fewer than 2 levels, and, called, for pictures of another shape or
    whole numbers.
    """

    def __init__(self, levels: int):
        if not isinstance(levels, int) or levels < 2:
            raise ValueError(f"levels must be a whole number of at least 2, got {levels!r}")
        self.levels = levels

    def __call__(self, x: Tensor) -> Tensor:
        """The pictures in fewer levels."""
        _check(x)
        steps = (self.levels - 1) / 2  # in a distance of 1
        return ((x.clamp(-1, 1) + 1) * steps + 0.5).floor() / steps - 1


def _check(x: Tensor) -> None:
    """Raise ValueError unless `x` is a batch of floating-point pictures."""
    if x.ndim != 4 or x.shape[1] != 3 or not x.numel() or not x.is_floating_point():
        raise ValueError(
            "floating-point pictures (B, 3, H, W) are wanted, "
            f"got {x.dtype} of shape {tuple(x.shape)}"
        )
