"""What every linear operator can do, and the operators that leave the pixels where they are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basis import on
from ..noise import Noise
from .functions import Functions, composed

# Measurement noise shares no number with what a sampler or a mask of the same seed draws.
BRANCH = 3


class Operator:
    """A linear map A = U S V^T from pictures x (B, C, H, W) to measurements y (B, ...).

    `V_adjoint(x)` gives the coefficients c of a picture in an orthonormal basis, `V(c)` the
    picture again; `singular_values` (float64, broadcasts to c) says how strongly each
    coefficient is measured, 0 for not at all. `U(c)` takes coefficients to a measurement and
    `U_adjoint(y)` a measurement to the coefficients that are measured; its values where the
    singular value is 0 mean nothing. Coefficients are complex for some operators, pictures
    never. All follow the device and precision of their input.

    Source: Kawar et al. 2022, section 3; Eq. (svd), book/restoring/ddrm.
    """

    singular_values: Tensor

    def V(self, c: Tensor) -> Tensor:
        """The picture with the coefficients c."""
        raise NotImplementedError

    def V_adjoint(self, x: Tensor) -> Tensor:
        """The coefficients of a picture."""
        raise NotImplementedError

    def U(self, c: Tensor) -> Tensor:
        """U c: the measurement with the coefficients c, which are not multiplied by S here."""
        raise NotImplementedError

    def U_adjoint(self, y: Tensor) -> Tensor:
        """The coefficients of a measurement: U^T y."""
        raise NotImplementedError

    def S(self, like: Tensor) -> Tensor:
        """The singular values as real numbers, on the device and in the precision of `like`."""
        return on(self.singular_values, like.device, like.dtype.to_real())

    def __call__(self, x: Tensor) -> Tensor:
        """A x: the measurement of a picture, without noise."""
        c = self.V_adjoint(x)
        return self.U(self.S(c) * c)

    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y, the picture for which <A x, y> = <x, A^T y> for every x."""
        c = self.U_adjoint(y)
        return self.V(self.S(c) * c)

    def pinv(self, y: Tensor) -> Tensor:
        """The pseudo-inverse A† y: of all pictures that fit y best, the smallest.

        Eq. (pseudo-inverse), book/restoring/ddnm.
        """
        c = self.U_adjoint(y)
        s = self.S(c)
        return self.V(torch.where(s > 0, c / s, 0))

    def project(self, x: Tensor) -> Tensor:
        """A† A x: the part of a picture that is measured, its range part.

        Eq. (range-null), book/restoring/ddnm.
        """
        c = self.V_adjoint(x)
        return self.V(torch.where(self.S(c) > 0, c, 0))

    def prox(self, x: Tensor, y: Tensor, rho) -> Tensor:
        """The picture u with the least |y - A u|^2 + rho |u - x|^2.

        `rho` is a number of at least 0; 0 gives the picture nearest to x that fits y best.
        Eq. (proximal), book/restoring/diffpir.
        """
        c = self.V_adjoint(x)
        s = self.S(c)
        strength = s**2 + rho
        fitted = (s * self.U_adjoint(y) + rho * c) / strength
        return self.V(torch.where(strength > 0, fitted, c))

    def std(self, sigma: float, like: Tensor) -> Tensor:
        """The standard deviation of the noise in each coefficient of A† y; in y it is `sigma`.

        Infinite where nothing is measured. In the device and precision of the coefficients
        `like`. Eq. (spread), book/restoring/ddrm.
        """
        s = self.S(like)
        return torch.where(s > 0, sigma / s, torch.inf)

    def __matmul__(self, inner):
        """`A @ B`: first B, then A.

        An `Operator` where the singular values of both together have a closed form, else
        `Functions`, which have none.
        """
        return composed(self, inner)


def measure(A, x: Tensor, sigma: float = 0.0, noise: Noise | None = None) -> Tensor:
    """A x, what is measured of the pictures x, plus normal noise of standard deviation `sigma`.

    `sigma` is in units of [-1, 1]. Raises ValueError unless it is a number of at least 0.
    Eq. (measurement), book/restoring/ddrm.
    """
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"sigma must be a number of at least 0, got {sigma}")
    y = A(x)
    return y + sigma * (noise or Noise()).branch(BRANCH).like(y) if sigma else y


class Inpaint(Operator):
    """Some pixels are missing, or faint: y = mask * x.

    `mask` (1 | B, 1 | C, H, W) in [0, 1]: 1 = known, 0 = missing. Its values are the singular
    values. Raises ValueError for other values and another shape.
    """

    def __init__(self, mask: Tensor):
        if mask.ndim != 4:
            raise ValueError(
                f"mask must have shape (1 | B, 1 | C, H, W), got {tuple(mask.shape)}"
            )
        if not ((mask >= 0) & (mask <= 1)).all():
            raise ValueError("mask must lie in [0, 1] and have no NaN")
        self.mask = self.singular_values = mask.double()

    def V(self, c):
        return c

    V_adjoint = U = U_adjoint = V

    def __matmul__(self, inner):
        return Masked(self.mask, inner) if Masked.fits(inner) else composed(self, inner)


class Denoise(Inpaint):
    """Nothing is lost: y = x. With measurement noise this is denoising."""

    def __init__(self):
        super().__init__(torch.ones(1, 1, 1, 1))


class Masked(Operator):
    """Some of the measurements of another operator are missing: `Inpaint(mask) @ inner`.

    Its basis is the measurements of `inner` themselves, scaled, and the null space of `inner`.
    This is orthonormal where all that `inner` measures is measured equally strongly, as by
    `AveragePool` and `Gray`. Raises ValueError for another `inner`, and for a mask that does
    not fit what it measures.
    """

    def __init__(self, mask: Tensor, inner: Operator):
        if not Masked.fits(inner):
            raise ValueError(
                f"a mask after {type(inner).__name__} has no singular values in closed form"
            )
        s = inner.singular_values
        self._seen = s > 0
        strength, measured = s[self._seen], inner.U(torch.zeros(1, *s.shape))
        self._inner, self._measured = inner, measured.shape[1:]
        if any(have not in (1, want) for have, want in zip(mask.shape[1:], self._measured)):
            raise ValueError(
                f"a mask of shape {tuple(mask.shape)} does not fit "
                f"measurements {tuple(self._measured)}"
            )
        known = strength[0] * mask.double().expand(len(mask), *self._measured).flatten(1)
        self.singular_values = F.pad(known, (0, s.numel() - known.shape[1]))

    @staticmethod
    def fits(inner) -> bool:
        """Whether a mask after `inner` has singular values in closed form."""
        s = getattr(inner, "singular_values", torch.zeros(()))
        strength = s[s > 0]
        if s.ndim != 3 or not len(strength):
            return False
        whole = inner.U(torch.zeros(1, *s.shape)).numel() == len(strength)
        return whole and bool(strength.max() <= (1 + 1e-9) * strength.min())

    def V_adjoint(self, x):
        c = self._inner.V_adjoint(x)
        return torch.cat([self._inner.U(c).flatten(1), c[:, ~self._seen.to(c.device)]], 1)

    def V(self, c):
        measured, null = c.tensor_split([math.prod(self._measured)], 1)
        whole = self._inner.U_adjoint(measured.unflatten(1, self._measured))
        whole[:, ~self._seen.to(c.device)] = null
        return self._inner.V(whole)

    def U(self, c):
        return c[:, : math.prod(self._measured)].unflatten(1, self._measured)

    def U_adjoint(self, y):
        known = y.flatten(1)
        return F.pad(known, (0, self.singular_values.shape[1] - known.shape[1]))


def whiten(A: Operator, y: Tensor, std: Tensor) -> tuple[Operator | Functions, Tensor, float]:
    """The same measurement with the same noise everywhere: (operator, measurement, sigma).

    `std` (1 | B, 1 | C, H, W) is the standard deviation of the noise in each number of
    y = A x + noise, in units of [-1, 1]; infinite where y says nothing. Where the singular
    values of `A` differ, unless it is `Inpaint`, the operator is `Functions`: then any sampler
    that knows sigma takes the result but `ddrm` and DDNM+.
    Raises ValueError for other values and where all are infinite.
    Eq. (whitening), book/fuzzy/one_formula.
    """
    sigma = float(std.min())
    if not 0 < sigma < float("inf"):  # false for NaN too
        raise ValueError(
            f"every std must be above 0 and one at least finite, got a smallest one of {sigma}"
        )
    weight = sigma / std
    weighted = Inpaint(weight * A.mask) if isinstance(A, Inpaint) else Inpaint(weight) @ A
    return weighted, weight * y, sigma
