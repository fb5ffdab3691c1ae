"""The laws of a singular value decomposition for every operator, and what each measures."""

import functools
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.linalg import hadamard
from scipy.ndimage import convolve

from fuzzydiff_lite import GaussianPrior, Noise, masks, run
from fuzzydiff_lite.operators import (
    AveragePool,
    Bicubic,
    Blur,
    Denoise,
    Functions,
    Gray,
    Inpaint,
    Operator,
    Separable,
    WalshHadamard,
    measure,
)
from fuzzydiff_lite.operators.blur import LOST
from fuzzydiff_lite.samplers import ddnm, ddpm, replacement

LUMA = (0.299, 0.587, 0.114)


def randn(*shape, seed=0):
    return Noise(seed)(shape, dtype=torch.float64)


def hard(size, channels=1, seed=0):
    return (randn(1, channels, size, size, seed=seed) > 0).double()


def soft(size):
    """A third is known, a third is missing, the rest is faint: multiples of 1/4."""
    return (4 * randn(1, 1, size, size, seed=1).clamp(-0.5, 0.5) + 2).round() / 4


def matrix(rows, columns):
    """Of known singular values: 1 to 2, and a 0 where there is room for one."""
    u, v = (torch.linalg.qr(randn(n, n, seed=n)).Q for n in (rows, columns))
    s = torch.linspace(1, 2, rows, dtype=torch.float64)
    s[0] = 0 if rows > 2 else 1
    return u * s @ v[:rows]


# Every operator, for pictures of 3 x size x size.
OPERATORS = {
    "inpaint": lambda n: Inpaint(hard(n)),
    "inpaint each colour": lambda n: Inpaint(hard(n, 3)),
    "inpaint softly": lambda n: Inpaint(soft(n)),
    "denoise": lambda n: Denoise(),
    "gray": lambda n: Gray(size=n),
    "luma": lambda n: Gray(LUMA, n),
    "pool 2": lambda n: AveragePool(2, n),
    "pool 4": lambda n: AveragePool(4, n),
    "pool 8": lambda n: AveragePool(8, n),
    "bicubic 2": lambda n: Bicubic(2, n),
    "bicubic 4": lambda n: Bicubic(4, n),
    "separable": lambda n: Separable(matrix(2, 3), matrix(n // 2, n), matrix(n, n)),
    "gaussian": lambda n: Blur.gaussian(n / 20, n),
    "uniform": lambda n: Blur.uniform(5, n),
    "motion 0": lambda n: Blur.motion(5, 0, n),
    "motion 30": lambda n: Blur.motion(5, 30, n),
    "motion 90": lambda n: Blur.motion(4.5, 90, n),
    "a kernel": lambda n: Blur(randn(3, 3), n),
    "hadamard": lambda n: WalshHadamard(0.3, n),
    "whole hadamard": lambda n: WalshHadamard(1.0, n, Noise(5)),
    "gray of pool": lambda n: Gray() @ AveragePool(4, n),
    "pool of luma": lambda n: AveragePool(2, n) @ Gray(LUMA, n),
    "inpaint of gray": lambda n: Inpaint(hard(n)) @ Gray(size=n),
    "soft inpaint of luma": lambda n: Inpaint(soft(n)) @ Gray(LUMA, n),
    "inpaint of pool": lambda n: Inpaint(hard(n // 2, 3)) @ AveragePool(2, n),
    "inpaint of gray of pool": lambda n: Inpaint(hard(n // 4)) @ (Gray() @ AveragePool(4, n)),
}


@functools.cache
def operator(name, size):
    return OPERATORS[name](size)


every_operator = pytest.mark.parametrize("name", OPERATORS)
every_size = pytest.mark.parametrize("size", [8, 64])


def inner(a, b):
    """<a, b> of each picture or measurement of a batch."""
    return (a * b.conj()).flatten(1).sum(1).real


def norm(x):
    return x.flatten(1).norm(dim=1)


def close(a, b, tolerance=1e-11):
    torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


def pictures(size, n=2, seed=3):
    return randn(n, 3, size, size, seed=seed)


def measurement(A, size, seed=4):
    """What no picture has as its measurement, in general."""
    return Noise(seed).like(A(pictures(size)))


@every_size
@every_operator
def test_the_adjoint(name, size):
    A, x = operator(name, size), pictures(size)
    y = measurement(A, size)
    close(inner(A(x), y), inner(x, A.adjoint(y)), 1e-9)


@every_size
@every_operator
def test_the_four_laws_of_a_pseudo_inverse(name, size):
    A, x = operator(name, size), pictures(size)
    y = measurement(A, size)
    other_x = pictures(size, seed=5)
    other_y = measurement(A, size, seed=6)
    close(A(A.pinv(A(x))), A(x), 1e-9)
    close(A.pinv(A(A.pinv(y))), A.pinv(y), 1e-9)
    close(inner(A(A.pinv(y)), other_y), inner(y, A(A.pinv(other_y))), 1e-9)
    close(inner(A.pinv(A(x)), other_x), inner(x, A.pinv(A(other_x))), 1e-9)


@every_size
@every_operator
def test_v_is_orthonormal(name, size):
    A, x, other = operator(name, size), pictures(size), pictures(size, seed=5)
    c = A.V_adjoint(x)
    close(A.V(c), x)
    close(A.V_adjoint(A.V(c)), c)
    close(inner(c, A.V_adjoint(other)), inner(x, other), 1e-9)
    close(norm(c), norm(x))


@every_size
@every_operator
def test_u_is_orthonormal_where_something_is_measured(name, size):
    A, x = operator(name, size), pictures(size)
    y = A(x)
    c = A.U_adjoint(y)
    close(A.U(c), y)
    close(norm(c), norm(y))
    close(c, A.S(c) * A.V_adjoint(x))


@every_size
@every_operator
def test_each_direction_is_measured_as_strongly_as_its_singular_value_says(name, size):
    """Values in the wrong order are a common bug, which no product with the transpose finds."""
    A = operator(name, size)
    c = A.V_adjoint(pictures(size, 1))
    s = A.S(c).expand(c.shape).flatten()
    chosen = Noise(7)((1, len(s)))[0].argsort()[:24]
    unit = torch.zeros(24, len(s), dtype=c.dtype)
    unit[torch.arange(24), chosen] = 1
    # A frequency alone is no picture: of those, V gives the real part.
    x = A.V(unit.unflatten(1, c.shape[1:]))
    assert norm(x).min() > 0.5
    close(norm(A(x)), s[chosen] * norm(x))


def dense(A, size):
    """The matrix of an operator: the measurements of all unit pictures as its columns."""
    unit = torch.eye(3 * size**2, dtype=torch.float64).reshape(-1, 3, size, size)
    return A(unit).flatten(1).T


@every_operator
def test_singular_values_are_those_of_the_matrix(name):
    A = operator(name, 8)
    c = A.V_adjoint(pictures(8))
    own = A.S(c).expand(c.shape)[0].flatten().sort(descending=True).values
    matrix = dense(A, 8)
    found = torch.linalg.svdvals(matrix)
    close(own[: len(found)], found)
    assert len(own) == matrix.shape[1] and own[len(found) :].sum() == 0
    assert A.singular_values.dtype == torch.float64 and A.singular_values.min() >= 0


@every_operator
def test_adjoint_and_pseudo_inverse_are_those_of_the_matrix(name):
    A = operator(name, 8)
    matrix, y = dense(A, 8), measurement(operator(name, 8), 8)
    close(A.adjoint(y).flatten(1), y.flatten(1) @ matrix)
    close(A.pinv(y).flatten(1), y.flatten(1) @ torch.linalg.pinv(matrix, rtol=1e-9).T, 1e-8)


@every_size
@every_operator
def test_project_is_an_orthogonal_projection_on_what_is_measured(name, size):
    A, x, other = operator(name, size), pictures(size), pictures(size, seed=5)
    part = A.project(x)
    close(A.project(part), part)
    close(part, A.pinv(A(x)), 1e-9)
    close(A(part), A(x))
    close(inner(part, other), inner(x, A.project(other)), 1e-9)
    close(inner(part, x - part), torch.zeros(2, dtype=torch.float64), 1e-9)


@every_operator
@pytest.mark.parametrize("rho", [0.01, 0.5, 20.0])
def test_prox_is_the_least_of_its_objective(name, rho):
    A, x = operator(name, 8), pictures(8)
    y = measurement(A, 8)

    def objective(u):
        return norm(y - A(u)) ** 2 + rho * norm(u - x) ** 2

    u = A.prox(x, y, rho)
    close(A.adjoint(A(u) - y) + rho * (u - x), torch.zeros_like(x))
    for step in (0.01 * pictures(8, seed=8), 0.01 * (x - u), 0.01 * A.adjoint(y)):
        # The objective is quadratic, so this is exactly what a step from its minimum costs.
        cost = norm(A(step)) ** 2 + rho * norm(step) ** 2
        close(objective(u + step) - objective(u), cost, 1e-9)


@every_size
@every_operator
def test_prox_at_its_ends(name, size):
    A, x = operator(name, size), pictures(size)
    y = measurement(A, size)
    close(A.prox(x, y, 0.0), x - A.pinv(A(x) - y), 1e-9)
    close(A.prox(x, y, 1e-12), A.prox(x, y, 0.0), 1e-5)
    close(A.prox(x, y, 1e15), x)


@every_operator
def test_spread_is_the_deviation_of_the_noise_in_the_pseudo_inverse(name):
    A, sigma, n = operator(name, 8), 0.3, 4000
    c = A.V_adjoint(pictures(8, 1))
    spread = A.std(sigma, c).expand(c.shape)[0]
    assert torch.equal(spread.isinf(), A.S(c).expand(c.shape)[0] == 0)
    y = A(torch.zeros(n, 3, 8, 8, dtype=torch.float64))
    found = A.V_adjoint(A.pinv(sigma * Noise(9).like(y))).abs().square().mean(0).sqrt()
    measured = ~spread.isinf()
    ratio = found[measured] / spread[measured]
    assert (ratio - 1).abs().max() < 0.08 and abs(ratio.mean() - 1) < 0.03
    assert (A.std(0.0, c).expand(c.shape)[0][measured] == 0).all()


@every_operator
def test_single_precision_stays_single_and_near(name):
    A, x = operator(name, 64), pictures(64).clamp(-1, 1)
    y = A(x)
    for call, *arguments in (
        (A, x),
        (A.adjoint, y),
        (A.pinv, y),
        (A.project, x),
        (A.V_adjoint, x),
        (lambda x, y: A.prox(x, y, 0.1), x, y),
        (lambda x: A.V(A.V_adjoint(x)), x),
    ):
        exact, single = call(*arguments), call(*(a.float() for a in arguments))
        assert single.abs().dtype == torch.float32
        torch.testing.assert_close(single.to(exact), exact, atol=1e-4, rtol=1e-4)


@every_operator
def test_each_picture_of_a_batch_is_measured_alone(name):
    A, x = operator(name, 64), pictures(64)
    close(A(x)[1:], A(x[1:]))


@every_operator
def test_gradients_flow_through(name):
    """Back through A goes A^T."""
    A, x = operator(name, 8), pictures(8).requires_grad_()
    y = measurement(A, 8)
    (gradient,) = torch.autograd.grad((A(x) * y).sum(), x)
    close(gradient, A.adjoint(y))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_operator
def test_cuda_agrees(name):
    A, x = operator(name, 64), pictures(64)
    y = A(x)
    on_gpu = A(x.cuda())
    assert on_gpu.is_cuda
    close(on_gpu.cpu(), y)
    close(A.pinv(on_gpu).cpu(), A.pinv(y), 1e-8)
    close(A.prox(x.cuda(), on_gpu, 0.1).cpu(), A.prox(x, y, 0.1))
    assert A.std(0.1, A.V_adjoint(x.cuda())).is_cuda


def test_a_mask_for_each_picture():
    mask, x = torch.cat([hard(8), soft(8)]), pictures(8)
    for A, first, second in (
        (Inpaint(mask), Inpaint(mask[:1]), Inpaint(mask[1:])),
        *((Inpaint(m) @ Gray(size=8) for m in (mask, mask[:1], mask[1:])),),
    ):
        y = A(x)
        close(y, torch.cat([first(x[:1]), second(x[1:])]))
        close(A.pinv(y), torch.cat([first.pinv(y[:1]), second.pinv(y[1:])]))
        one_by_one = [first.prox(x[:1], y[:1], 0.1), second.prox(x[1:], y[1:], 0.1)]
        close(A.prox(x, y, 0.1), torch.cat(one_by_one))
        close(A.V(A.V_adjoint(x)), x)


# What each operator measures, said another way.


def test_inpaint_multiplies():
    x = pictures(8)
    for mask in (hard(8), hard(8, 3), soft(8), hard(8) > 0, hard(8).long()):
        close(Inpaint(mask)(x), mask * x)
    assert torch.equal(Denoise()(x), x)


def test_gray_is_a_weighted_sum():
    x = pictures(64)
    close(Gray()(x), x.mean(1, keepdim=True))
    close(Gray(LUMA)(x), 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:])


@pytest.mark.parametrize("factor", [1, 2, 4, 8, 64])
def test_average_pool_takes_the_means_of_blocks(factor):
    x, n = pictures(64), 64 // factor
    expected = x.numpy().reshape(2, 3, n, factor, n, factor).mean((3, 5))
    close(AveragePool(factor)(x), torch.from_numpy(expected))
    close(AveragePool(factor, channels=1)(x[:, :1]), torch.from_numpy(expected[:, :1]))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_bicubic_is_what_pillow_does(factor):
    x = pictures(64, 1)[0, 0].float()
    side = 64 // factor
    small = Image.fromarray(x.numpy()).resize((side, side), Image.Resampling.BICUBIC)
    y = Bicubic(factor, channels=1)(x[None, None])[0, 0]
    torch.testing.assert_close(y, torch.from_numpy(np.array(small)), atol=1e-5, rtol=0)


def test_bicubic_keeps_what_is_flat_and_what_rises_evenly():
    ramp = torch.arange(64, dtype=torch.float64).expand(1, 3, 64, 64)
    inside = Bicubic(4)(ramp)[..., 2:-2]
    close(inside, AveragePool(4)(ramp)[..., 2:-2])
    close(Bicubic(4)(torch.ones_like(ramp)), torch.ones(1, 3, 16, 16, dtype=torch.float64))


LOPSIDED = torch.tensor([[0.0, 0.3, 0.1], [0.0, 0.5, 0.0], [0.1, 0.0, 0.0]])
BLURS = {
    "gaussian": lambda size=64: Blur.gaussian(1.5, size),
    "wide gaussian": lambda size=64: Blur.gaussian(9, size),
    "uniform": lambda size=64: Blur.uniform(9, size),
    "motion": lambda size=64: Blur.motion(11, 35, size),
    "lopsided": lambda size=64: Blur(LOPSIDED, size),
    "as wide as the picture": lambda size=64: Blur(randn(63, 63).abs(), size),
}


@pytest.mark.parametrize("name", BLURS)
def test_blur_is_convolution_but_for_what_is_lost(name):
    A, x = BLURS[name](), pictures(64)
    kernel = A.kernel.numpy()[None, None]
    exact = torch.from_numpy(convolve(x.numpy(), kernel, mode="wrap"))
    assert (norm(A(x) - exact) <= LOST * norm(x)).all()
    close(A(x), A.project(exact))
    lost = (A.singular_values == 0).double().mean()
    assert (lost > 0.01) == (name in ("wide gaussian", "uniform", "motion", "gaussian"))


@pytest.mark.parametrize("name", BLURS)
def test_blur_measures_nothing_or_enough(name):
    s = BLURS[name]().singular_values
    assert ((s == 0) | (s >= LOST)).all()


@pytest.mark.parametrize(
    "A", [Blur.gaussian(1.5), Blur.uniform(7), Blur.motion(6.5, 20), Blur.motion(0.5)]
)
def test_named_blurs_keep_the_mean_and_the_place(A):
    kernel = A.kernel
    close(kernel.sum(), torch.tensor(1.0, dtype=torch.float64))
    assert kernel.min() >= 0
    close(kernel, kernel.flip(0, 1))
    flat = torch.full((1, 3, 64, 64), 0.7, dtype=torch.float64)
    close(A(flat), flat)


def moments(kernel):
    """The covariance of a kernel, across and up."""
    reach = len(kernel) // 2
    along = torch.arange(-reach, reach + 1.0)
    up, across = torch.meshgrid(-along, along, indexing="ij")
    place = torch.stack([across, up]).double().flatten(1)
    return place * kernel.flatten() @ place.T


@pytest.mark.parametrize("length", [3.0, 8.0, 15.5])
@pytest.mark.parametrize("angle", [0, 20, 45, 90, 110, 200])
def test_motion_has_the_length_and_the_angle(length, angle):
    """A line of length L along u = (cos a, sin a) has the covariance L^2 / 12 u u^T."""
    a = math.radians(angle)
    direction = torch.tensor([math.cos(a), math.sin(a)], dtype=torch.float64)
    line = length**2 / 12 * torch.outer(direction, direction)
    found = moments(Blur.motion(length, angle).kernel) - line
    # Sharing a point between pixels adds at most 1/4 along either axis, nothing between them.
    assert abs(found[0, 1]) < 0.01 * length**2 / 12 + 1e-9
    assert -0.1 < found.diagonal().min() and found.diagonal().max() < 0.26


def test_gaussian_has_its_deviation():
    close(moments(Blur.gaussian(2.0).kernel), 4 * torch.eye(2, dtype=torch.float64), 1e-3)
    along = Blur.gaussian(2.0).kernel[10]
    assert len(along) == 21 and along[0] / along[10] < 1e-5 < along[1] / along[10]
    assert len(Blur.gaussian(40.0).kernel) == 63  # no wider than the picture


@pytest.mark.parametrize("size", [1, 2, 8, 64])
def test_hadamard_waves_are_the_textbooks(size):
    """All coefficients of shuffled pixels: undo the shuffle by measuring numbered pixels."""
    A = WalshHadamard(1.0, size)
    c = A.V_adjoint(pictures(size))
    waves = torch.from_numpy(hadamard(size) / size**0.5)
    shuffled = waves @ c.unflatten(-1, (size, size)) @ waves
    numbers = torch.arange(size**2, dtype=torch.float64).reshape(1, 1, size, size)
    order = waves @ A.V_adjoint(numbers).unflatten(-1, (size, size)) @ waves
    order = order.flatten().round().long()
    close(shuffled.flatten(2), pictures(size).flatten(2)[..., order])
    assert size < 8 or (order - torch.arange(size**2)).abs().double().mean() > size**2 / 6


@pytest.mark.parametrize("keep", [1e-6, 0.1, 0.25, 1.0])
def test_hadamard_measures_the_mean_and_as_many_as_asked_for(keep):
    A, x = WalshHadamard(keep), pictures(64)
    y = A(x)
    assert y.shape == (2, 3, max(1, round(keep * 4096)))
    assert A.singular_values.sum() == y.shape[2]
    close(y[..., 0], 64 * x.mean((2, 3)))


def test_hadamard_follows_its_noise():
    x = pictures(64)
    A, again, other = (WalshHadamard(0.1, noise=Noise(seed)) for seed in (1, 1, 2))
    y = A(x)
    assert torch.equal(again(x), y)
    assert norm(other(x) - y).min() > 1 and not torch.equal(other._kept, A._kept)


@pytest.mark.parametrize(
    "outer, inner_",
    [
        (Gray(), AveragePool(4)),
        (Gray(size=16), AveragePool(4)),
        (AveragePool(2, 32), AveragePool(2)),
        (AveragePool(2, channels=1), Gray(LUMA)),
        (Bicubic(2, 32), Bicubic(2)),
        (Gray(LUMA), Bicubic(4)),
        (Inpaint(hard(64)), Gray()),
        (Inpaint(soft(64)), Gray(LUMA)),
        (Inpaint(hard(16, 3)), AveragePool(4)),
        (Inpaint(hard(16)), AveragePool(4)),
        (Inpaint(hard(16)), Gray() @ AveragePool(4)),
        (Denoise(), AveragePool(4)),
    ],
    ids=lambda A: type(A).__name__,
)
def test_composing_is_one_after_the_other(outer, inner_):
    x = pictures(64)
    y = inner_(x)
    if isinstance(outer, Gray) and outer.matrices[1].shape[1] != y.shape[2]:
        # Gray() composes with any resolution.
        outer_ = Gray(tuple(outer.matrices[0][0].tolist()), y.shape[2])
    else:
        outer_ = outer
    close((outer @ inner_)(x), outer_(y))


def test_wrong_compositions_are_named():
    pool = AveragePool(4)
    for outer, inner_, words in (
        (Inpaint(hard(64)), pool, r"\(1, 1, 64, 64\)"),
        (Inpaint(hard(64, 3)), Gray(), r"\(1, 3, 64, 64\)"),
        (pool, pool, r"\(3, 16, 16\)"),
    ):
        with pytest.raises(ValueError, match=words):
            outer @ inner_


WITHOUT_CLOSED_FORM = {
    "pool of inpaint": lambda: (AveragePool(4, 16), Inpaint(hard(16))),
    "gray of blur": lambda: (Gray(size=16), Blur.gaussian(1.0, 16)),
    "blur of gray": lambda: (Blur.gaussian(1.0, 16), Gray(size=16)),
    "hadamard of pool": lambda: (WalshHadamard(0.5, 4), AveragePool(4, 16)),
    "pool of masked": lambda: (AveragePool(2, 4), Inpaint(hard(4)) @ AveragePool(4, 16)),
    "inpaint of bicubic": lambda: (Inpaint(hard(4)), Bicubic(4, 16)),
    "inpaint of blur": lambda: (Inpaint(hard(16)), Blur.gaussian(1.0, 16)),
    "hadamard of blur": lambda: (WalshHadamard(0.5, 16), Blur.gaussian(1.0, 16)),
    "inpaint of inpaint": lambda: (Inpaint(hard(16)), Inpaint(hard(16, seed=1))),
    "inpaint of masked": lambda: (Inpaint(hard(4)), Inpaint(hard(4)) @ AveragePool(4, 16)),
}


@pytest.mark.parametrize("name", WITHOUT_CLOSED_FORM)
def test_what_has_no_singular_values_in_closed_form_is_known_by_what_it_does(name):
    outer, inner_ = WITHOUT_CLOSED_FORM[name]()
    A, x = outer @ inner_, pictures(16)
    assert isinstance(A, Functions) and not hasattr(A, "singular_values")
    close(A(x), outer(inner_(x)))
    y = randn(*A(x).shape, seed=3)
    close((A(x) * y).sum(), (x * A.adjoint(y)).sum())


def test_what_does_not_fit_what_it_follows_fits_no_pictures():
    pool, prior = AveragePool(4), GaussianPrior(torch.zeros(3, 64, 64))
    for A in (WalshHadamard(0.5) @ pool, (Inpaint(hard(16)) @ pool) @ pool):
        with pytest.raises(ValueError, match="Functions does not fit pictures"):
            run(ddnm(prior, torch.zeros(1, 3, 16, 16), A, walk=2))


def test_a_mask_after_what_measures_nothing_measures_nothing():
    A, x = Inpaint(torch.ones(1, 1, 8, 8)) @ Blur(torch.zeros(3, 3), 8), pictures(8)
    for y in (A(x), x):
        assert torch.equal(A.pinv(y), 0 * x)
    assert torch.equal(A.prox(x, x, 0.0), x) and torch.equal(A.prox(x, x, 0.5), x)


EYE = torch.eye(4)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: Inpaint(torch.full((1, 1, 4, 4), 1.5)), r"\[0, 1\]"),
        (lambda: Inpaint(torch.full((1, 1, 4, 4), -0.1)), r"\[0, 1\]"),
        (lambda: Inpaint(torch.full((1, 1, 4, 4), float("nan"))), "NaN"),
        (lambda: Inpaint(torch.ones(4, 4)), r"got \(4, 4\)"),
        (lambda: AveragePool(3), "divides 64, got 3"),
        (lambda: AveragePool(0), "divides 64, got 0"),
        (lambda: AveragePool(2.0), "divides 64, got 2.0"),
        (lambda: Bicubic(5, 64), "divides 64, got 5"),
        (lambda: Separable(EYE, EYE, torch.ones(5, 4)), r"\(5, 4\)"),
        (lambda: Separable(EYE, EYE, torch.ones(4)), r"\(4,\)"),
        (lambda: Separable(EYE, EYE, EYE * float("nan")), "NaN"),
        (lambda: Gray((0.5, float("inf"), 0.5)), "NaN"),
        (lambda: Blur(torch.ones(2, 2)), r"odd.*got \(2, 2\)"),
        (lambda: Blur(torch.ones(3, 5)), r"square.*got \(3, 5\)"),
        (lambda: Blur(torch.ones(3)), r"square.*got \(3,\)"),
        (lambda: Blur(torch.ones(9, 9), 8), "at most 8"),
        (lambda: Blur(torch.full((3, 3), float("inf"))), "finite"),
        (lambda: Blur.gaussian(0.0), "got 0.0"),
        (lambda: Blur.gaussian(float("nan")), "got nan"),
        (lambda: Blur.gaussian(float("inf")), "got inf"),
        (lambda: Blur.uniform(4), "odd"),
        (lambda: Blur.uniform(0), "odd"),
        (lambda: Blur.uniform(65), "at most 64"),
        (lambda: Blur.motion(0.0), "got 0.0"),
        (lambda: Blur.motion(63), "at most 62"),
        (lambda: Blur.motion(5, float("nan")), "finite"),
        (lambda: WalshHadamard(0.0), r"\(0, 1\]"),
        (lambda: WalshHadamard(1.1), r"\(0, 1\]"),
        (lambda: WalshHadamard(0.5, 48), "power of two"),
        (lambda: WalshHadamard(0.5, 0), "power of two"),
    ],
)
def test_bad_settings_are_named(build, words):
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize("method", ["V", "V_adjoint", "U", "U_adjoint"])
def test_an_operator_must_say_how(method):
    with pytest.raises(NotImplementedError):
        getattr(Operator(), method)(torch.zeros(1))


# Measurement noise


@pytest.mark.parametrize(
    "A", [Denoise(), Gray(), AveragePool(4), Blur.gaussian(2.0), WalshHadamard(0.25)]
)
def test_measure_adds_noise_of_the_deviation_asked_for(A):
    x = pictures(64, 16)
    assert torch.equal(measure(A, x), A(x)) and torch.equal(measure(A, x, 0.0, Noise(1)), A(x))
    n = measure(A, x, 0.25, Noise(1)) - A(x)
    assert abs(n.std() / 0.25 - 1) < 0.02 and abs(n.mean()) < 0.005
    assert torch.equal(measure(A, x, 0.25, Noise(1)), measure(A, x, 0.25, Noise(1)))
    assert not torch.equal(measure(A, x, 0.25, Noise(1)), measure(A, x, 0.25, Noise(2)))
    close(measure(A, x[3:4], 0.25, Noise(1, first=3)), measure(A, x, 0.25, Noise(1))[3:4])


def test_measurement_noise_is_not_what_anything_else_of_the_seed_draws():
    """The noise of a sampler's start, steps and measurement, a mask and shuffled pixels."""
    flat = torch.zeros(1, 1, 64, 64)
    prior = GaussianPrior(flat[0], rest=1.0)
    seen = []

    class Spy(Noise):
        def branch(self, number):
            spy = Spy(self.seed, self.first)
            spy._branch = super().branch(number)._branch
            return spy

        def __call__(self, shape, device="cpu", dtype=torch.float32):
            z = super().__call__(shape, device, dtype)
            seen.append(z.flatten()[:4096].double())
            return z

    measure(Denoise(), flat, 1.0, Spy(0))
    run(ddpm(prior, 1, walk=2, noise=Spy(0)))
    run(replacement(prior, flat, flat, walk=1, noise=Spy(0)))
    masks.random_pixels(noise=Spy(0))
    WalshHadamard(0.5, noise=Spy(0))
    assert len(seen) == 1 + 3 + 3 + 1 + 1
    for z in seen[1:]:
        assert abs(torch.corrcoef(torch.stack([seen[0], z]))[0, 1]) < 0.08


def test_measure_refuses_other_deviations():
    for sigma in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="sigma"):
            measure(Denoise(), torch.zeros(1, 3, 4, 4), sigma)
