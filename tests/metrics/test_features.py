import pytest
import torch
from skimage.feature import hog as of_scikit_image

from fuzzydiff_lite import Noise
from fuzzydiff_lite.metrics import frechet, hog


def gaussian(mean, covariance, n: int = 200, seed: int = 0):
    """Rows whose sample mean and covariance are exactly these."""
    d = len(mean)
    z = Noise(seed)((n, d), dtype=torch.float64)
    z = z - z.mean(0)
    z = z @ torch.linalg.inv(torch.linalg.cholesky(torch.atleast_2d(z.T.cov()))).T
    root = torch.linalg.cholesky(torch.as_tensor(covariance).double())
    return z @ root.T + torch.as_tensor(mean).double()


def test_frechet_of_covariances_that_commute():
    a = gaussian([0.0, 1.0, 2.0], torch.diag(torch.tensor([1.0, 4.0, 9.0])), seed=1)
    b = gaussian([1.0, 1.0, 0.0], torch.diag(torch.tensor([4.0, 4.0, 1.0])), n=90, seed=2)
    means, deviations = 1 + 4, (1 - 2) ** 2 + (3 - 1) ** 2
    assert frechet(a, b) == pytest.approx(means + deviations)


def test_frechet_of_covariances_that_do_not_commute():
    A = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    B = torch.tensor([[1.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    # the trace of the root of a 2x2 matrix M is sqrt(tr M + 2 sqrt(det M))
    overlap = ((A @ B).trace() + 2 * (A @ B).det().sqrt()).sqrt()
    expected = (A.trace() + B.trace() - 2 * overlap).item()
    a, b = gaussian([0.0, 0.0], A, seed=1), gaussian([0.0, 0.0], B, seed=2)
    assert frechet(a, b) == pytest.approx(expected)


def test_frechet_of_one_feature():
    a, b = gaussian([1.0], [[4.0]]), gaussian([3.0], [[9.0]], seed=1)
    assert frechet(a, b) == pytest.approx(4 + 1)


@pytest.mark.parametrize("rows", [60, 5])  # 5 rows: a covariance of rank 4 in 8 dimensions
def test_frechet_is_a_distance_that_rotation_leaves(rows):
    a = Noise(1)((rows, 8), dtype=torch.float64)
    b = 2 * Noise(2)((rows, 8), dtype=torch.float64) + 1
    turn, _ = torch.linalg.qr(Noise(3)((8, 8), dtype=torch.float64))
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet(a, b) > 1
    assert frechet(a, b) == pytest.approx(frechet(b, a), abs=1e-6)
    assert frechet(a @ turn, b @ turn) == pytest.approx(frechet(a, b), abs=1e-6)


@pytest.mark.parametrize(
    "a, b, words",
    [
        (torch.zeros(5), torch.zeros(5, 3), r"\(5,\)"),
        (torch.zeros(5, 3), torch.zeros(5, 4), r"\(5, 4\)"),
        (torch.zeros(1, 3), torch.zeros(5, 3), "at least 2"),
        (torch.zeros(5, 0), torch.zeros(5, 0), r"\(5, 0\)"),
        (torch.zeros(5, 3), torch.full((5, 3), torch.nan), "finite"),
    ],
)
def test_frechet_refuses_what_is_no_pair_of_feature_sets(a, b, words):
    with pytest.raises(ValueError, match=words):
        frechet(a, b)


def test_hog_is_that_of_scikit_image_one_picture_at_a_time():
    x = Noise(0)((2, 3, 64, 64)).clamp(-1, 1)
    settings = {"orientations": 8, "pixels_per_cell": (8, 8), "cells_per_block": (2, 2)}
    pictures = x.permute(0, 2, 3, 1).numpy()
    expected = [of_scikit_image(p, channel_axis=2, **settings) for p in pictures]
    assert hog(x).shape == (2, 1568)
    for features, one in zip(hog(x), expected):
        torch.testing.assert_close(features, torch.from_numpy(one).float())


def test_hog_sees_neither_brightness_nor_contrast_but_texture():
    x = 0.2 * Noise(0)((1, 3, 64, 64))
    torch.testing.assert_close(hog(0.5 * x + 0.3), hog(x), atol=1e-3, rtol=0)
    assert (hog(x.flip(3)) - hog(x)).abs().max() > 0.05


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (0, 3, 64, 64), (1, 3, 8, 64)])
def test_hog_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="at least 16x16"):
        hog(torch.zeros(shape))
