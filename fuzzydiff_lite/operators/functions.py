"""Linear operators known by what they do only: A x and A^T y, undone by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..noise import Noise

Map = Callable[[Tensor], Tensor]
ITERATIONS = 200  # at most; each applies A and A^T once
TOLERANCE = 1e-6  # of the residual, in parts of the right-hand side


class Functions:
    """A linear map A from pictures x (B, C, H, W) to measurements y (B, ...), by two functions.

    It has what samplers ask of an `Operator` but for singular values, so all but `ddrm` and
    DDNM+ take it. `pinv`, `project` and `prox` are found by conjugate gradients, at most
    `ITERATIONS` of them, which stop at `TOLERANCE`.
    """

    def __init__(self, forward: Map, adjoint: Map):
        self._forward, self._adjoint = forward, adjoint

    def __call__(self, x: Tensor) -> Tensor:
        """A x: the measurement of a picture, without noise."""
        return self._forward(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y, the picture for which <A x, y> = <x, A^T y> for every x."""
        return self._adjoint(y)

    def pinv(self, y: Tensor) -> Tensor:
        """The pseudo-inverse A† y: of all pictures that fit y best, the smallest."""
        return self._solve(self.adjoint(y), 0.0)

    def project(self, x: Tensor) -> Tensor:
        """A† A x: the part of a picture that is measured."""
        return self.pinv(self(x))

    def prox(self, x: Tensor, y: Tensor, rho: float) -> Tensor:
        """The picture u with the least |y - A u|^2 + rho |u - x|^2.

        `rho` is a number of at least 0; 0 gives the picture nearest to x that fits y best.
        Eq. (proximal), book/restoring/diffpir.
        """
        return x + self._solve(self.adjoint(y - self(x)), rho)

    def __matmul__(self, inner) -> Functions:
        """`A @ B`: first B, then A."""
        return composed(self, inner)

    def _solve(self, b: Tensor, rho: float) -> Tensor:
        """The smallest u with (A^T A + rho) u = b, for b in the range of A^T or rho above 0."""
        u, r = torch.zeros_like(b), b
        p, rr = r, _dot(r, r)
        least = TOLERANCE**2 * rr
        for _ in range(ITERATIONS):
            if (rr <= least).all():
                break
            q = self.adjoint(self(p)) + rho * p
            step = torch.where(rr > least, rr / _dot(p, q), 0)  # a picture that is done rests
            u, r = u + step * p, r - step * q
            new = _dot(r, r)
            p, rr = r + torch.where(rr > least, new / rr, 0) * p, new
        return u


def from_functions(forward: Map, adjoint: Map, shape=(3, 64, 64)) -> Functions:
    """A linear operator of your own, for pictures of `shape`: A x and A^T y as two functions.

    Raises ValueError unless <A x, y> = <x, A^T y> for a pair of random x and y: else nothing
    that is computed with A would be right.
    """
    x = Noise()((1, *shape), dtype=torch.float64)
    try:
        image = forward(x)
        y = Noise(1)(image.shape, dtype=torch.float64)
        apart = (_dot(image, y) - _dot(x, adjoint(y))).abs().item()
        scale = (_dot(image, image) * _dot(y, y)).sqrt().item()
    except (RuntimeError, IndexError) as error:
        raise ValueError(
            f"the functions do not fit pictures of shape {shape}: {error}"
        ) from error
    if not apart <= 1e-5 * scale:  # true for NaN too
        raise ValueError(
            "adjoint is not the adjoint of forward: "
            f"<A x, y> and <x, A^T y> differ by {apart:.2g}, of {scale:.2g} at most"
        )
    return Functions(forward, adjoint)


def composed(outer, inner) -> Functions:
    """First `inner`, then `outer`, both with an adjoint."""
    return Functions(lambda x: outer(inner(x)), lambda y: inner.adjoint(outer.adjoint(y)))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of each picture with its counterpart, (B, 1, ...)."""
    return (a * b).flatten(1).sum(1).reshape(-1, *[1] * (a.ndim - 1))
