"""Operators that act along one axis after another: lost colour, lost resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basis import on
from .linear import Operator


class Separable(Operator):
    """A matrix along each axis: `channels` (c, C), `rows` (h, H) and `columns` (w, W).

    They take pictures (B, C, H, W) to measurements (B, c, h, w). The singular values are the
    products of the matrices' own. Raises ValueError for a matrix with more rows than columns,
    NaN or infinity.
    """

    def __init__(self, channels: Tensor, rows: Tensor, columns: Tensor):
        self.matrices = tuple(m.double() for m in (channels, rows, columns))
        if any(m.ndim != 2 or m.shape[0] > m.shape[1] for m in self.matrices):
            shapes = [tuple(m.shape) for m in self.matrices]
            raise ValueError(
                f"three matrices with no more rows than columns are wanted, got {shapes}"
            )
        if not all(m.isfinite().all() for m in self.matrices):
            raise ValueError("the matrices must hold no NaN or infinity")
        self._u, values, self._v = zip(*map(_svd, self.matrices))
        self._u_back = [m.T.contiguous() for m in self._u]
        self._v_back = [m.T.contiguous() for m in self._v]
        c, h, w = values
        s = c[:, None, None] * h[:, None] * w
        seen = s > 1e-9 * s.max()  # rounding is no measurement
        self.singular_values = torch.where(seen, s, 0)

    def V(self, c):
        return _along(c, self._v_back)

    def V_adjoint(self, x):
        return _along(x, self._v)

    def U(self, c):
        channels, rows, columns = (len(m) for m in self.matrices)
        return _along(c[:, :channels, :rows, :columns], self._u)

    def U_adjoint(self, y):
        c = _along(y, self._u_back)
        # F.pad begins with the last axis.
        missing = [m.shape[1] - m.shape[0] for m in reversed(self.matrices)]
        return F.pad(c, [side for n in missing for side in (0, n)])

    def __matmul__(self, inner):
        if not isinstance(inner, Separable):
            return super().__matmul__(inner)
        pairs = list(zip(self.matrices, inner.matrices))
        if any(a.shape[1] != b.shape[0] and not _leaves_alone(a) for a, b in pairs):
            given = tuple(len(b) for _, b in pairs)
            raise ValueError(
                f"{type(self).__name__} does not fit "
                f"the {given} that {type(inner).__name__} measures"
            )
        # So Gray() fits any resolution.
        return Separable(*(b if _leaves_alone(a) else a @ b for a, b in pairs))


class Gray(Separable):
    """Colour is lost: y (B, 1, H, W) weights red, green and blue, by default to their mean."""

    def __init__(self, weights=(1 / 3, 1 / 3, 1 / 3), size: int = 64):
        pixels = torch.eye(size)
        super().__init__(torch.tensor(weights, dtype=torch.float64)[None], pixels, pixels)


class AveragePool(Separable):
    """Low resolution: the means of blocks of factor x factor pixels.

    y (B, C, size / factor, size / factor). Raises ValueError for a factor that does not divide
    the size.
    """

    def __init__(self, factor: int, size: int = 64, channels: int = 3):
        _check_factor(factor, size)
        means = torch.full((1, factor), 1 / factor, dtype=torch.float64)
        blocks = torch.kron(torch.eye(size // factor, dtype=torch.float64), means)
        super().__init__(torch.eye(channels), blocks, blocks)


class Bicubic(Separable):
    """Low resolution by a cubic kernel widened by the factor, as photo programs do it.

    y (B, C, size / factor, size / factor). Raises ValueError for a factor that does not divide
    the size.
    """

    def __init__(self, factor: int, size: int = 64, channels: int = 3):
        _check_factor(factor, size)
        pixels = torch.eye(size, dtype=torch.float64)[None, None]
        shape = size // factor, size
        shrink = F.interpolate(pixels, shape, mode="bicubic", antialias=True)[0, 0]
        super().__init__(torch.eye(channels), shrink, shrink)


def _svd(matrix):
    """U (h, h), the singular values (H,) with zeros at the end, and V^T (H, H)."""
    h, full = matrix.shape
    u, s, v = torch.linalg.svd(matrix, full_matrices=True)
    return u, F.pad(s, (0, full - h)), v


def _leaves_alone(matrix):
    return torch.equal(matrix, torch.eye(len(matrix)).to(matrix))


def _along(x, matrices):
    """Matrices along the channels, rows and columns of x (B, C, H, W)."""
    channels, rows, columns = (on(m, x.device, x.dtype) for m in matrices)
    x = rows @ x @ columns.T
    return (channels @ x.flatten(2)).unflatten(2, x.shape[2:])


def _check_factor(factor: int, size: int) -> None:
    if not isinstance(factor, int) or factor < 1 or size % factor:
        raise ValueError(f"factor must be a whole number that divides {size}, got {factor}")
