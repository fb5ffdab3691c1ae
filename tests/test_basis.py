"""Orthonormal bases of pictures, and fusion in them."""

import pytest
import torch
from scipy.fft import dctn
from torch.testing import assert_close

from fuzzydiff_lite import GaussianPrior, Noise, Walk, masks, run
from fuzzydiff_lite.basis import Basis, Pixels
from fuzzydiff_lite.operators import AveragePool, Denoise
from fuzzydiff_lite.samplers import ddpm, fuzzy, ilvr

BASES = {"dct": Basis.dct, "haar": Basis.haar}
SIZE = 8


@pytest.fixture
def pictures():
    return Noise(0)((3, 3, SIZE, SIZE), dtype=torch.float64).clamp(-1, 1)


@pytest.fixture
def prior():
    i = torch.arange(SIZE)
    rows = 0.5 * 0.9 ** (i[:, None] - i).abs().double()
    channels = torch.tensor([[1, 0.6, 0.3], [0.6, 1, 0.6], [0.3, 0.6, 1]], dtype=torch.float64)
    mean = torch.linspace(-0.3, 0.3, 3 * SIZE**2, dtype=torch.float64).reshape(3, SIZE, SIZE)
    return GaussianPrior.from_covariance(mean, torch.kron(channels, torch.kron(rows, rows)))


@pytest.mark.parametrize("make", BASES.values(), ids=BASES)
@pytest.mark.parametrize("size", [2, 4, 8, 64])
def test_orthonormal(make, size):
    basis = make(size)
    assert_close(basis.matrix @ basis.matrix.T, torch.eye(size).double(), rtol=0, atol=1e-12)
    x = Noise(1)((2, 3, size, size), dtype=torch.float64)
    c = basis.V_adjoint(x)
    assert_close(basis.V(c), x, rtol=0, atol=1e-12)
    assert_close(c.square().sum((1, 2, 3)), x.square().sum((1, 2, 3)), rtol=1e-12, atol=0)
    # The first wave is constant.
    assert_close(c[..., 0, 0], size * x.mean((2, 3)), rtol=0, atol=1e-12)


def test_dct_is_that_of_scipy(pictures):
    expected = torch.as_tensor(dctn(pictures.numpy(), axes=(2, 3), norm="ortho"))
    assert_close(Basis.dct(SIZE).V_adjoint(pictures), expected)


def test_haar_is_written_out():
    half = 2**-0.5
    rows = [
        [0.5, 0.5, 0.5, 0.5],
        [0.5, 0.5, -0.5, -0.5],
        [half, -half, 0, 0],
        [0, 0, half, -half],
    ]
    assert_close(Basis.haar(4).matrix, torch.tensor(rows, dtype=torch.float64))


def test_bands_are_octaves():
    bands = Basis.dct(8).bands
    assert bands[0].tolist() == [0, 1, 2, 2, 3, 3, 3, 3]
    assert torch.equal(bands, bands.T)
    assert bands[1, 1] == 1 and bands[3, 4] == 3 and bands[5, 2] == 3
    assert bands.flatten().bincount().tolist() == [1, 3, 12, 48]


@pytest.mark.parametrize("band", range(4))
def test_low_bands_of_haar_are_means_of_blocks(pictures, band):
    basis = Basis.haar(SIZE)
    low = basis.V((basis.bands <= band) * basis.V_adjoint(pictures))
    assert_close(low, AveragePool(SIZE >> band, SIZE).project(pictures), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", BASES.values(), ids=BASES)
def test_weights_average_the_map(make):
    basis, share = make(SIZE), Noise(2)((2, 3, SIZE, SIZE), dtype=torch.float64).sigmoid()
    power = basis.matrix.square()
    assert_close(power.sum(0), torch.ones(SIZE).double())  # doubly stochastic
    assert_close(power.sum(1), torch.ones(SIZE).double())
    m = basis.weights([1] * 4, share)
    assert m.shape == share.shape and m.dtype == share.dtype
    assert (m >= share.amin((2, 3), True)).all() and (m <= share.amax((2, 3), True)).all()
    assert_close(m.sum((2, 3)), share.sum((2, 3)))  # no weight is lost
    # Every wave as a picture.
    wave = basis.V(torch.eye(SIZE**2).double().reshape(-1, 1, SIZE, SIZE))
    assert_close(m, torch.einsum("kij,bcij->bck", wave[:, 0].square(), share).reshape(m.shape))


def test_weights_of_bands():
    basis = Basis.haar(SIZE)
    m = basis.weights([1, 0.5, 0.25, 0])
    assert m.shape == (1, 1, SIZE, SIZE)
    assert [m[0, 0, i, i].item() for i in (0, 1, 2, 4)] == [1, 0.5, 0.25, 0]
    everywhere = torch.full((1, 1, SIZE, SIZE), 0.5)
    assert_close(basis.weights([1, 0.5, 0.25, 0], everywhere), m / 2)


def test_haar_knows_where_it_is():
    left = torch.zeros(1, 1, SIZE, SIZE)
    left[..., :4] = 1
    fine = Basis.haar(SIZE).bands == 3
    weights = Basis.haar(SIZE).weights([1] * 4, left)[0, 0, 4:, 4:]
    assert set(weights.flatten().tolist()) == {0.0, 1.0}
    assert_close(Basis.dct(SIZE).weights([1] * 4, left)[0, 0][fine], torch.full((48,), 0.5))


def test_variances_are_those_of_the_coefficients(prior):
    for basis in (Basis.dct(SIZE), Basis.haar(SIZE)):
        # One wave a row.
        V = basis.V(torch.eye(3 * SIZE**2).double().reshape(-1, 3, SIZE, SIZE)).flatten(1)
        covariance = prior.directions @ prior.variances.diag() @ prior.directions.T
        assert_close(prior.variances_in(basis).flatten(), (V @ covariance @ V.T).diag())
    rest = GaussianPrior(torch.zeros(3, SIZE, SIZE), 0.2)
    assert_close(rest.variances_in(Basis.dct(SIZE)), torch.full((3, SIZE, SIZE), 0.2))


@pytest.mark.parametrize(
    "basis", [Basis.dct(SIZE), Basis.haar(SIZE), AveragePool(2, SIZE), Pixels]
)
@pytest.mark.parametrize("of_the_run", [False, True])
def test_a_constant_weight_does_not_ask_for_the_basis(prior, pictures, basis, of_the_run):
    settings = {"walk": Walk(6, repeats=2)}
    if of_the_run:
        settings["variance"] = prior.variance
    for m in (0.0, 0.3, 1.0):
        x = run(fuzzy(prior, pictures, m, noise=Noise(3), basis=basis, **settings))
        by_pixels = run(fuzzy(prior, pictures, m, noise=Noise(3), **settings))
        assert_close(x, by_pixels, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", BASES.values(), ids=BASES)
def test_the_ends(prior, pictures, make):
    basis = make(SIZE)
    free, tied = (basis.weights([m] * 4) for m in (0.0, 1.0))
    everything = run(fuzzy(prior, pictures, tied, walk=5, noise=Noise(4), basis=basis))
    assert_close(everything, pictures, rtol=0, atol=1e-12)
    nothing = run(fuzzy(prior, pictures, free, walk=5, noise=Noise(4), basis=basis))
    assert_close(nothing, run(ddpm(prior, 3, walk=5, noise=Noise(4))), rtol=0, atol=1e-12)


def test_coefficients_of_weight_1_are_exact(prior, pictures):
    basis = Basis.dct(SIZE)
    x = run(
        fuzzy(
            prior,
            pictures,
            basis.weights([1, 1, 0.4, 0]),
            walk=Walk(5, repeats=2),
            noise=Noise(5),
            basis=basis,
        )
    )
    off = (basis.V_adjoint(x) - basis.V_adjoint(pictures)).abs().amax((0, 1))
    assert off[basis.bands <= 1].max() < 1e-12 and off[basis.bands > 1].min() > 1e-6


@pytest.mark.parametrize("band", [0, 1, 2, 3])
def test_ilvr_is_a_binary_weight_in_haars_basis(prior, pictures, band):
    basis, low_pass = Basis.haar(SIZE), AveragePool(SIZE >> band, SIZE).project
    m = basis.weights([float(k <= band) for k in range(4)])
    expected = run(ilvr(prior, pictures, low_pass, walk=8, noise=Noise(6)))
    for rescale in (True, False):
        x = run(fuzzy(prior, pictures, m, walk=8, noise=Noise(6), rescale=rescale, basis=basis))
        assert_close(x, expected, rtol=0, atol=1e-12)


def test_an_operator_is_a_basis(prior, pictures):
    A = AveragePool(2, SIZE)
    m = (A.singular_values > 0).double()[None]
    x = run(fuzzy(prior, pictures, m, walk=8, noise=Noise(6), basis=A))
    by_ilvr = run(ilvr(prior, pictures, A.project, walk=8, noise=Noise(6)))
    assert_close(x, by_ilvr, rtol=0, atol=1e-12)
    hole = masks.box(SIZE, 4).double()
    x = run(fuzzy(prior, pictures, hole, walk=8, noise=Noise(6), basis=Denoise()))
    assert_close(x, run(fuzzy(prior, pictures, hole, walk=8, noise=Noise(6))))


@pytest.mark.parametrize("steps, repeats", [(2, 1), (10, 1), (10, 3)])
def test_a_run_keeps_the_share_in_every_direction_of_the_prior(prior, pictures, steps, repeats):
    """In the principal directions and their variances, a run's mean is mean + m (y - mean)."""

    class Principal:
        V = staticmethod(lambda c: (c.flatten(1) @ prior.directions.T).reshape(c.shape))
        V_adjoint = staticmethod(lambda x: (x.flatten(1) @ prior.directions).reshape(x.shape))

    class Silence(Noise):
        def __call__(self, shape, device="cpu", dtype=torch.float32):
            return torch.zeros(*shape, device=device, dtype=dtype)

        def branch(self, number):
            return self

    own = {"variance": prior.variances.reshape(prior.shape), "basis": Principal}
    m = torch.linspace(0.1, 1, 3 * SIZE**2, dtype=torch.float64).reshape(1, 3, SIZE, SIZE)
    x = run(
        fuzzy(
            prior,
            pictures,
            m,
            walk=Walk(steps, repeats=repeats),
            noise=Silence(),
            clip=False,
            **own,
        )
    )
    off = Principal.V_adjoint(x - prior.mean) - m * Principal.V_adjoint(pictures - prior.mean)
    assert off.abs().max() < 1e-3  # what is left of the start, which has no share yet


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_precision_follows_the_pictures(pictures, dtype):
    basis, x = Basis.haar(SIZE), pictures.to(dtype)
    assert basis.V_adjoint(x).dtype == basis.V(x).dtype == dtype
    assert basis.weights([1] * 4, x.abs()).dtype == dtype
    atol = 0.05 if dtype == torch.bfloat16 else 1e-5
    assert_close(basis.V(basis.V_adjoint(x)), x, rtol=0, atol=atol)


def test_a_run_in_single_precision():
    prior, y = GaussianPrior(torch.zeros(3, SIZE, SIZE), 0.3), torch.zeros(1, 3, SIZE, SIZE)
    basis = Basis.dct(SIZE)
    m = basis.weights([1, 0.5, 0.2, 0])
    x = run(fuzzy(prior, y, m, walk=4, noise=Noise(0), variance=prior.variance, basis=basis))
    assert x.dtype == torch.float32 and x.isfinite().all()


def test_gradients_flow(pictures):
    x = pictures.requires_grad_()
    Basis.dct(SIZE).V_adjoint(x).square().sum().backward()
    assert_close(x.grad, 2 * x.detach())


def test_meta_device_follows_the_pictures():
    """The tables follow the pictures to any device: meta stands in for one that is not here."""
    x = torch.zeros(1, 3, SIZE, SIZE, device="meta")
    basis = Basis.haar(SIZE)
    assert basis.V(basis.V_adjoint(x)).device == x.device


@pytest.mark.parametrize("matrix", [torch.eye(3), torch.eye(1), torch.zeros(0, 0)])
def test_another_size_is_refused(matrix):
    with pytest.raises(ValueError, match="power of two"):
        Basis(matrix)


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="square"):
        Basis(torch.eye(8)[:4])


@pytest.mark.parametrize(
    "matrix",
    [2 * torch.eye(4), torch.tensor([[1, 1], [0, 1.0]]), torch.full((4, 4), torch.nan)],
)
def test_a_matrix_that_is_not_orthonormal_is_refused(matrix):
    with pytest.raises(ValueError, match="orthonormal"):
        Basis(matrix)


@pytest.mark.parametrize("make", BASES.values(), ids=BASES)
@pytest.mark.parametrize("size", [3, 0, 1, 48])
def test_another_size_of_a_named_basis_is_refused(make, size):
    with pytest.raises(ValueError, match="power of two"):
        make(size)


@pytest.mark.parametrize(
    "bands, pixels, match",
    [
        ([1, 1, 1], None, "4 bands"),
        ([1] * 5, None, "4 bands"),
        ([1, 1, 1, 1.1], None, r"\[0, 1\]"),
        ([-0.1, 1, 1, 1], None, r"\[0, 1\]"),
        ([1, 1, 1, float("nan")], None, r"\[0, 1\]"),
        ([1] * 4, torch.ones(1, 1, 4, 4), "map"),
        ([1] * 4, torch.ones(SIZE, SIZE), "map"),
        ([1] * 4, torch.full((1, 1, SIZE, SIZE), torch.nan), r"\[0, 1\]"),
        ([1] * 4, torch.full((1, 1, SIZE, SIZE), 2.0), r"\[0, 1\]"),
    ],
)
def test_bad_weights_are_refused(bands, pixels, match):
    with pytest.raises(ValueError, match=match):
        Basis.dct(SIZE).weights(bands, pixels)


def test_a_map_of_another_basis_is_refused(prior, pictures):
    with pytest.raises(ValueError, match="does not fit"):
        run(
            fuzzy(prior, pictures, Basis.dct(4).weights([1] * 3), walk=2, basis=Basis.dct(SIZE))
        )
