"""One formula: with the right rule `unified` is each of the samplers, number for number."""

import math

import pytest
import torch

from fuzzydiff_lite import (
    GaussianPrior,
    Noise,
    Schedule,
    Walk,
    data,
    load_prior,
    masks,
    run,
    samplers,
)
from fuzzydiff_lite.basis import Basis, Pixels
from fuzzydiff_lite.operators import (
    AveragePool,
    Blur,
    Denoise,
    Functions,
    Gray,
    Inpaint,
    Jpeg,
    WalshHadamard,
    measure,
    whiten,
)
from fuzzydiff_lite.samplers.rules import (
    flat_rule,
    fuzzy_rule,
    null_space_rule,
    proximal_rule,
    share_kept,
    spectral_rule,
)
from fuzzydiff_lite.samplers.unified import unified

TOY = GaussianPrior(torch.linspace(-0.5, 0.5, 192).double().reshape(3, 8, 8), rest=0.2)
WHITE = GaussianPrior(torch.zeros(3, 8, 8).double())
X = torch.linspace(-1, 1, 2 * 192).double().reshape(2, 3, 8, 8)
M = torch.linspace(0, 1, 64).double().reshape(1, 1, 8, 8)
HOLE = masks.box(8, 4).double()
OPERATORS = {
    "pool": AveragePool(4, 8),
    "gray": Gray(size=8),
    "hole": Inpaint(masks.box(8, 4)),
    "faint": Inpaint(M),
    "blur": Blur.gaussian(1, 8),
    "sensing": WalshHadamard(0.25, 8),
    "pool, masked": Inpaint(masks.box(2, 1)) @ AveragePool(4, 8),
}
ALL = pytest.mark.parametrize("A", OPERATORS.values(), ids=OPERATORS)


def same(sampler, formula, close=1e-12):
    torch.testing.assert_close(run(formula), run(sampler), rtol=0, atol=close)


def of(A, sigma=0.0):
    """What A measures, and what the formula wants of it: A† y, singular values, the std."""
    y = measure(A, X, sigma, Noise(5))
    given = A.pinv(y)
    c = A.V_adjoint(given)
    return y, given, A.S(c), A.std(sigma, c)


@pytest.mark.parametrize("m", [M, HOLE, 0.0, 1.0], ids=["map", "mask", "0", "1"])
@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("repeats, jump", [(1, 1), (3, 1), (2, 4)])
def test_fuzzy(m, rescale, repeats, jump):
    old = samplers.fuzzy(
        TOY, X, m, walk=Walk(12, repeats=repeats, jump=jump), noise=Noise(0), rescale=rescale
    )
    rule = fuzzy_rule(m, rescale)
    new = unified(TOY, X, rule, walk=Walk(12, repeats=repeats, jump=jump), noise=Noise(0))
    same(old, new)


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("basis", [Pixels, Basis.haar(8), Basis.dct(8), WalshHadamard(0.5, 8)])
def test_fuzzy_by_share_in_a_basis(rescale, basis):
    shape = basis.V_adjoint(X).shape[1:]
    share = M.reshape(-1)[: shape[-1]]
    m = share.expand(1, *shape)
    old = samplers.fuzzy(
        TOY,
        X,
        m,
        walk=Walk(12, repeats=2),
        noise=Noise(0),
        rescale=rescale,
        clip=True,
        variance=TOY.variance,
        basis=basis,
    )
    same(
        old,
        unified(
            TOY,
            X,
            fuzzy_rule(share, rescale, TOY.variance),
            walk=Walk(12, repeats=2),
            basis=basis,
            noise=Noise(0),
        ),
    )


def test_replacement_and_repaint():
    old = samplers.replacement(TOY, X, HOLE, walk=12, noise=Noise(0))
    same(old, unified(TOY, X, fuzzy_rule(HOLE), walk=12, noise=Noise(0)))
    old = samplers.repaint(TOY, X, HOLE, walk=Walk(12, repeats=3, jump=2), noise=Noise(0))
    same(
        old, unified(TOY, X, fuzzy_rule(HOLE), walk=Walk(12, repeats=3, jump=2), noise=Noise(0))
    )


def test_ilvr_in_two_bases():
    A, haar = AveragePool(4, 8), Basis.haar(8)
    lows = {haar: haar.weights([1, 1, 0, 0]).double(), A: (A.singular_values > 0).double()}
    for basis, low in lows.items():
        old = samplers.ilvr(TOY, X, A.project, walk=12, noise=Noise(0))
        same(old, unified(TOY, X, fuzzy_rule(low), walk=12, basis=basis, noise=Noise(0)))


def test_ilvr_that_lets_go():
    A = AveragePool(4, 8)
    follow = fuzzy_rule((A.singular_values > 0).double())
    free = fuzzy_rule(0.0)
    last = TOY.schedule.alpha_bar[400]

    def rule(t, s):
        return (follow if s <= last else free)(t, s)

    old = samplers.ilvr(TOY, X, A.project, walk=12, until=400, noise=Noise(0))
    same(old, unified(TOY, X, rule, walk=12, basis=A, noise=Noise(0)))


def test_sdedit():
    old = samplers.sdedit(TOY, X, walk=Walk(12, start=330), noise=Noise(0))
    same(old, unified(TOY, X, fuzzy_rule(0.0), walk=Walk(12, start=330), noise=Noise(0)))


@ALL
@pytest.mark.parametrize("eta", [0.0, 0.85, 1.0])
def test_ddnm_and_the_linear_case_of_ddrm_jpeg(A, eta):
    y, given, s, _ = of(A)
    old = samplers.ddnm(
        TOY, y, A, 0.0, walk=Walk(12, repeats=2, jump=2), noise=Noise(0), eta=eta
    )
    seen = (s > 0).double()
    same(
        old,
        unified(
            TOY,
            given,
            null_space_rule(seen, eta),
            walk=Walk(12, repeats=2, jump=2),
            basis=A,
            noise=Noise(0),
        ),
    )
    old = samplers.ddrm_jpeg(
        TOY, y, A, walk=Walk(12, start=400), eta=eta, eta_b=0.4, noise=Noise(0)
    )
    rule = null_space_rule(seen, eta, 0.4)
    same(old, unified(TOY, given, rule, walk=Walk(12, start=400), basis=A, noise=Noise(0)))


@ALL
@pytest.mark.parametrize("sigma", [0.0, 0.1])
@pytest.mark.parametrize("eta, eta_b", [(0.0, 1.0), (0.85, 0.6), (1.0, 1.0)])
def test_ddrm_and_ddnm_plus(A, sigma, eta, eta_b):
    y, given, _, std = of(A, sigma)
    old = samplers.ddrm(TOY, y, A, sigma, walk=12, eta=eta, eta_b=eta_b, noise=Noise(0))
    same(
        old,
        unified(TOY, given, spectral_rule(std, eta, eta_b), walk=12, basis=A, noise=Noise(0)),
    )
    if sigma and eta_b == 1:
        old = samplers.ddnm(TOY, y, A, sigma, walk=Walk(12, repeats=2), noise=Noise(0), eta=eta)
        same(
            old,
            unified(
                TOY,
                given,
                spectral_rule(std, eta),
                walk=Walk(12, repeats=2),
                basis=A,
                noise=Noise(0),
            ),
        )


@ALL
@pytest.mark.parametrize("sigma", [0.0, 0.1])
@pytest.mark.parametrize("eta, lam", [(0.3, 1.0), (1.0, 7.0)])
def test_diffpir(A, sigma, eta, lam):
    y, given, s, _ = of(A, sigma)
    old = samplers.diffpir(
        TOY, y, A, sigma, walk=Walk(12, "quadratic"), lam=lam, zeta=eta**2, noise=Noise(0)
    )
    rule = proximal_rule(s, sigma, lam, zeta=eta**2)
    same(old, unified(TOY, given, rule, walk=Walk(12, "quadratic"), basis=A, noise=Noise(0)))


@ALL
@pytest.mark.parametrize("sigma, eta", [(0.0, 1.0), (0.1, 1.0), (0.1, 0.5)])
def test_pigdm_of_white_noise(A, sigma, eta):
    y, given, s, _ = of(A, sigma)
    old = samplers.pigdm(WHITE, y, A, sigma, walk=12, eta=eta, noise=Noise(0), clip=False)
    rule = flat_rule(s, sigma, eta)
    same(old, unified(WHITE, given, rule, walk=12, basis=A, noise=Noise(0), clip=False))


def test_pigdm_of_other_pictures_is_another():
    A = OPERATORS["pool"]
    y, given, s, _ = of(A, 0.1)
    old = run(samplers.pigdm(TOY, y, A, 0.1, walk=12, noise=Noise(0)))
    new = run(unified(TOY, given, flat_rule(s, 0.1), walk=12, basis=A, noise=Noise(0)))
    assert (new - old).abs().max() > 1e-3


def test_on_faces():
    prior, x = load_prior(device="cpu"), data.astronaut()
    m = masks.soften(masks.box(), 3)
    formula = unified(prior, x, fuzzy_rule(m), walk=Walk(4, repeats=2))
    same(samplers.fuzzy(prior, x, m, walk=Walk(4, repeats=2), noise=Noise(0)), formula, 1e-5)
    A = Blur.gaussian(2)
    y = measure(A, x, 0.05, Noise(1))
    given, s = A.pinv(y), A.S(A.V_adjoint(x))
    std = A.std(0.05, A.V_adjoint(x))
    formula = unified(prior, given, spectral_rule(std), walk=4, basis=A)
    same(samplers.ddrm(prior, y, A, 0.05, walk=4), formula, 1e-5)
    formula = unified(prior, given, proximal_rule(s, 0.05), walk=Walk(4, "quadratic"), basis=A)
    same(samplers.diffpir(prior, y, A, 0.05, walk=Walk(4, "quadratic")), formula, 1e-5)
    A = AveragePool(4)
    y, seen = A(x), (A.singular_values > 0).float()
    formula = unified(prior, A.pinv(y), null_space_rule(seen), walk=4, basis=A)
    same(samplers.ddnm(prior, y, A, walk=4), formula, 1e-5)
    same(
        samplers.ilvr(prior, x, A.project, walk=4),
        unified(prior, x, fuzzy_rule(seen), walk=4, basis=A),
        1e-5,
    )


# The noise of a step.

LEVELS = [(1000, 700), (500, 480), (300, 20), (40, 39), (20, 0)]


@pytest.mark.parametrize("t, s", LEVELS)
def test_the_rules_that_correct_keep_the_variance(t, s):
    a_t, a_s = Schedule.linear().alpha_bar[[t, s]]
    kept = (1 - a_s).expand(5)
    std = torch.tensor([0, 0.05, 0.5, 3, torch.inf]).double()
    finite = torch.where(std.isinf(), 0, std)
    for rule in (spectral_rule(std, 0.5), spectral_rule(std, 0.85, 0.4)):
        w, p, q, r = rule(a_t, a_s)
        if s > 0:  # at level 0 nothing can be added to what a measurement brings
            brought = a_s * (w * finite) ** 2
            torch.testing.assert_close(p**2 + q**2 + r**2 + brought, kept, rtol=1e-9, atol=0)
    share = torch.linspace(0, 1, 5).double()
    for rule in (fuzzy_rule(share), fuzzy_rule(share, variance=0.3)):
        w, p, q, r = rule(a_t, a_s)
        torch.testing.assert_close(p**2 + q**2 + r**2, kept, rtol=1e-9, atol=1e-15)
    w, p, q, r = fuzzy_rule(share, rescale=False)(a_t, a_s)
    lessened = (share**2 + (1 - share) ** 2) * (1 - a_s)
    torch.testing.assert_close(p**2 + q**2 + r**2, lessened, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("t, s", LEVELS)
def test_run_weights_are_proximal_weights_of_a_step(t, s):
    """(run-is-proximal): both take the same little of a noisy y, and part where y is clean."""
    a_t, a_s = Schedule.linear().alpha_bar[[t, s]]
    d, share = torch.tensor([0.0, 0.3, 100.0]).double(), (1 - a_t / a_s) / (1 - a_t)
    run_weight = fuzzy_rule(share_kept(d, 1.0), variance=1.0)(a_t, a_s).w
    flat = flat_rule(torch.ones(3).double(), d)(a_t, a_s).w
    r2 = 1 - a_t
    torch.testing.assert_close(run_weight, share * r2 / (share * r2 + d**2))
    torch.testing.assert_close(flat, share * r2 / (r2 + d**2))
    assert run_weight[0] == 1 and abs(run_weight[2] / flat[2] - 1) < 2e-4


# A map of noise.


@pytest.mark.parametrize("name", ["pool", "gray", "hole"])
def test_whitening_with_one_deviation_changes_nothing(name):
    A = OPERATORS[name]
    y = measure(A, X, 0.1, Noise(5))
    B, z, sigma = whiten(A, y, torch.full((1, 1, 1, 1), 0.1).double().expand(1, *y.shape[1:]))
    assert sigma == pytest.approx(0.1)
    torch.testing.assert_close(z, y)
    torch.testing.assert_close(B(X), A(X))
    old = samplers.ddrm(TOY, y, A, 0.1, walk=12, noise=Noise(0))
    same(old, samplers.ddrm(TOY, z, B, sigma, walk=12, noise=Noise(0)), 1e-6)


def test_whitening_with_a_mask_is_the_masked_operator():
    A, known = AveragePool(4, 8), masks.box(2, 1)
    y = measure(A, X, 0.1, Noise(5))
    B, z, sigma = whiten(A, y, torch.where(known > 0, 0.1, torch.inf))
    assert sigma == pytest.approx(0.1)
    masked = Inpaint(known) @ A
    same(
        samplers.ddrm(TOY, known * y, masked, 0.1, walk=12, noise=Noise(0)),
        samplers.ddrm(TOY, z, B, sigma, walk=12, noise=Noise(0)),
        1e-6,
    )


def test_whitening_gives_each_place_its_std():
    deviation = torch.tensor([[0.1, 0.2], [0.4, torch.inf]]).double()[None, None]
    B, _, sigma = whiten(AveragePool(4, 8), torch.ones(1, 3, 2, 2).double(), deviation)
    std = B.std(sigma, B.V_adjoint(X))[0, :12].reshape(3, 2, 2)
    torch.testing.assert_close(std, 4 * deviation[0].expand(3, -1, -1))  # s is 1/4
    B, _, sigma = whiten(Inpaint(HOLE), X, 0.1 + M)
    torch.testing.assert_close(B.std(sigma, X), torch.where(HOLE > 0, 0.1 + M, torch.inf))


@pytest.mark.parametrize("wrong", [0.0, -0.1, math.nan, math.inf])
def test_whitening_refuses(wrong):
    with pytest.raises(ValueError, match="std"):
        whiten(Denoise(), X, torch.full((1, 1, 8, 8), wrong))


def test_whitening_where_singular_values_differ_gives_functions():
    blur, std = OPERATORS["blur"], M + 0.1
    B, z, sigma = whiten(blur, X, std)
    assert isinstance(B, Functions) and sigma == pytest.approx(std.min().item())
    torch.testing.assert_close(B(X), sigma / std * blur(X))
    torch.testing.assert_close(z, sigma / std * X)
    with pytest.raises(ValueError, match="an operator with singular values is wanted"):
        next(samplers.ddrm(TOY, z, B, sigma))
    run(samplers.diffpir(TOY, z, B, sigma, walk=2))


def test_share_kept():
    assert share_kept(torch.tensor([0.0, 0.5, torch.inf]), 0.25).tolist() == [1, 0.5, 0]


def test_unified_refuses():
    with pytest.raises(ValueError, match="y must have shape"):
        next(unified(TOY, X[0], fuzzy_rule(0.0)))
    for start in (0, TOY.schedule.T + 1, -3, 2.5, 400.0):
        with pytest.raises(ValueError, match="start must be a level"):
            next(unified(TOY, X, fuzzy_rule(0.0), walk=Walk(50, start=start)))


def test_jpeg_is_not_in_the_formula():
    """Its basis may be cosines; what it keeps depends on the guess: rounding is not linear."""
    A = Jpeg(10)
    x = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
    assert (A.project(0.5 * x) - 0.5 * A.project(x)).abs().max() > 0.01
