"""Operators by two functions do what dense matrices and closed forms do, and fit the samplers."""

import functools

import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, run
from fuzzydiff_lite.operators import (
    AveragePool,
    Bicubic,
    Blur,
    Functions,
    Gray,
    Inpaint,
    WalshHadamard,
    from_functions,
    masks,
)
from fuzzydiff_lite.samplers import ddnm, ddrm, diffpir, dps, mcg, pigdm

SHAPE = 3, 8, 8
X = 0.5 * Noise(1)((4, *SHAPE), dtype=torch.float64)
CLOSED = {
    "inpaint": lambda: Inpaint(masks.box(8, 4)),
    "inpaint softly": lambda: Inpaint(masks.soften(masks.box(8, 4).double(), 1.0)),
    "gray": lambda: Gray(size=8),
    "pool": lambda: AveragePool(4, 8),
    "bicubic": lambda: Bicubic(2, 8),
    "gaussian": lambda: Blur.gaussian(0.6, 8),
    "motion": lambda: Blur.motion(3, 30, 8),
    "hadamard": lambda: WalshHadamard(0.3, 8),
}
ROWS = Noise(2)((40, 192), dtype=torch.float64)


def rows():
    """Forty numbers of no shape, each a random sum of all pixels."""
    return from_functions(
        lambda x: x.flatten(1) @ ROWS.to(x).T,
        lambda y: (y @ ROWS.to(y)).reshape(-1, *SHAPE),
        SHAPE,
    )


def own(A):
    """An operator without its singular values."""
    return from_functions(A.__call__, A.adjoint, SHAPE)


MADE = {
    "rows": rows,
    "pool of blur": lambda: AveragePool(4, 8) @ Blur.gaussian(0.8, 8),
    "inpaint of blur": lambda: Inpaint(masks.half(8)) @ Blur.gaussian(0.6, 8),
    "gray of blur": lambda: Gray(size=8) @ Blur.motion(3, 30, 8),
    **{
        f"own {name}": functools.partial(lambda make: own(make()), CLOSED[name])
        for name in CLOSED
    },
}


def dense(A):
    """The matrix of A, (measurements, 192)."""
    return A(torch.eye(192, dtype=torch.float64).reshape(192, *SHAPE)).flatten(1).T


@pytest.mark.parametrize("name", MADE)
def test_it_undoes_what_its_matrix_says(name):
    A = MADE[name]()
    M, y = dense(A), Noise(3).like(A(X))
    flat, measured = X.flatten(1), y.flatten(1)

    def close(picture, expected):
        off = (picture.flatten(1) - expected).norm(dim=1) / expected.norm(dim=1)
        assert off.max() < 1e-4

    inverse = torch.linalg.pinv(M, rtol=1e-9)
    close(A.adjoint(y), measured @ M)
    close(A.pinv(y), measured @ inverse.T)
    close(A.project(X), flat @ (inverse @ M).T)
    near = flat + (measured - flat @ M.T) @ inverse.T
    close(A.prox(X, y, 0.0), near)
    for rho in (1e-3, 0.7, 50.0):
        right = measured @ M + rho * flat
        close(A.prox(X, y, rho), torch.linalg.solve(M.T @ M + rho * torch.eye(192), right.T).T)


@pytest.mark.parametrize("name", CLOSED)
def test_it_undoes_what_the_closed_form_undoes(name):
    A = CLOSED[name]()
    B, y = own(A), Noise(3).like(A(X))
    for found, exact in (
        (B(X), A(X)),
        (B.adjoint(y), A.adjoint(y)),
        (B.pinv(y), A.pinv(y)),
        (B.project(X), A.project(X)),
        (B.prox(X, y, 0.0), A.prox(X, y, 0.0)),
        (B.prox(X, y, 0.3), A.prox(X, y, 0.3)),
    ):
        torch.testing.assert_close(found, exact, rtol=0, atol=1e-4 * exact.abs().max().item())


def test_pictures_do_not_wait_for_each_other():
    """A batch is as many single pictures, also where some are done at once."""
    A, y = MADE["pool of blur"](), Noise(3)((4, 3, 2, 2), dtype=torch.float64)
    y[1] = 0
    y[2] *= 1e-6
    singles = torch.cat([A.pinv(part) for part in y.split(1)])
    torch.testing.assert_close(A.pinv(y), singles, rtol=1e-9, atol=0)
    assert torch.equal(singles[1], torch.zeros(SHAPE).double())


def test_single_precision_will_do():
    A = MADE["pool of blur"]()
    x = A.pinv(A(X.float()))
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.double(), A.pinv(A(X)), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "forward, adjoint, message",
    [
        (lambda x: 2 * x, lambda y: y, "adjoint is not the adjoint of forward"),
        (lambda x: x.flip(3), lambda y: y.flip(2), "adjoint is not the adjoint of forward"),
        (lambda x: x.roll(1, 3), lambda y: y.roll(1, 3), "adjoint is not"),
        (lambda x: x * torch.nan, lambda y: y, "adjoint is not"),
        (lambda x: x[:, :, ::2], lambda y: y, r"do not fit pictures of shape \(3, 8, 8\)"),
        (lambda x: x @ torch.eye(9).double(), lambda y: y, r"do not fit pictures of shape"),
        (lambda x: x[5], lambda y: y, r"do not fit pictures of shape"),
    ],
)
def test_functions_that_do_not_belong_together_are_refused(forward, adjoint, message):
    with pytest.raises(ValueError, match=message):
        from_functions(forward, adjoint, SHAPE)


# One operator of two, in samplers

PRIOR = GaussianPrior(torch.linspace(-0.3, 0.3, 192).double().reshape(SHAPE), 0.2)
RESTORE = {
    "ddnm": ddnm,
    "diffpir": diffpir,
    "pigdm": pigdm,
    "dps": functools.partial(dps, step_size=0.1),
    "mcg": functools.partial(mcg, step_size=0.1),
}


@pytest.mark.parametrize("name", RESTORE)
def test_samplers_give_pictures_with_the_measurement_of_a_composition(name):
    A = AveragePool(4, 8) @ Blur.gaussian(0.8, 8)
    assert isinstance(A, Functions)
    y = A(X)
    x = run(RESTORE[name](PRIOR, y, A, walk=8, noise=Noise(0)))
    torch.testing.assert_close(A(x), y, rtol=0, atol=1e-5)
    assert (x - X).abs().max() > 0.1


@pytest.mark.parametrize("name", ["diffpir", "pigdm", "ddnm"])
def test_samplers_do_with_functions_what_they_do_with_the_closed_form(name):
    A, y = CLOSED["pool"](), CLOSED["pool"]()(X)
    sigma = 0.0 if name == "ddnm" else 0.1
    closed, by_functions = (
        run(RESTORE[name](PRIOR, y, operator, sigma, walk=8, noise=Noise(0)))
        for operator in (A, own(A))
    )
    torch.testing.assert_close(by_functions, closed, rtol=0, atol=1e-4)


def test_samplers_that_go_by_singular_values_refuse_it():
    A = MADE["rows"]()
    for sampler in (ddrm(PRIOR, A(X), A), ddnm(PRIOR, A(X), A, 0.1)):
        with pytest.raises(
            ValueError, match="operator with singular values is wanted, got Func"
        ):
            next(sampler)
