import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from fuzzydiff_lite import Noise, masks
from fuzzydiff_lite.metrics import auroc, average_precision, psnr, ssim


@pytest.fixture
def pair():
    a = Noise(1)((3, 3, 32, 32)).clamp(-1, 1)
    return a, (a + 0.2 * Noise(2)((3, 3, 32, 32))).clamp(-1, 1)


def test_psnr_is_that_of_scikit_image(pair):
    a, b = pair
    expected = [
        peak_signal_noise_ratio(p.numpy(), q.numpy(), data_range=2) for p, q in zip(a, b)
    ]
    torch.testing.assert_close(psnr(a, b), torch.tensor(expected, dtype=torch.float32))


def test_ssim_is_that_of_scikit_image(pair):
    a, b = pair
    expected = [
        structural_similarity(p.numpy(), q.numpy(), data_range=2, channel_axis=0)
        for p, q in zip(a.double(), b.double())
    ]
    torch.testing.assert_close(ssim(a, b), torch.tensor(expected, dtype=torch.float32))


def test_psnr_of_a_known_error():
    a = torch.zeros(1, 3, 8, 8)
    torch.testing.assert_close(psnr(a, a + 0.2), torch.tensor([20.0]))  # 10 log10(4 / 0.04)


def test_identical_pictures(pair):
    a, _ = pair
    assert (psnr(a, a) == torch.inf).all()
    torch.testing.assert_close(ssim(a, a), torch.ones(3))


@pytest.mark.parametrize("score", [psnr, ssim])
def test_a_mask_of_ones_changes_nothing(score, pair):
    for shape in ((1, 1), (3, 1), (1, 3), (3, 3)):
        torch.testing.assert_close(score(*pair, torch.ones(*shape, 32, 32)), score(*pair))


def test_only_what_the_mask_selects_counts():
    a = torch.zeros(1, 3, 32, 32)
    m = masks.box(size=32, side=8)
    b = masks.apply(a, m, fill=0.2)  # wrong by 0.2 in the hole, right outside
    torch.testing.assert_close(psnr(a, b, 1 - m), torch.tensor([20.0]))
    assert psnr(a, b, m) == torch.inf
    assert ssim(a, b, 1 - m) < ssim(a, b) < 1
    # This keeps what no 7x7 window with a part of the hole can reach.
    far = masks.box(size=32, side=16)
    torch.testing.assert_close(ssim(a, b, far), torch.ones(1))


def test_each_picture_of_a_batch_has_its_own_mask(pair):
    a, b = pair
    mask = torch.cat([masks.box(32, 8), masks.half(32), masks.stripes(32)])
    for score in (psnr, ssim):
        triples = zip(a.split(1), b.split(1), mask.split(1))
        single = torch.cat([score(*triple) for triple in triples])
        torch.testing.assert_close(score(a, b, mask), single)


@pytest.mark.parametrize("score", [psnr, ssim])
@pytest.mark.parametrize(
    "b, mask, words",
    [
        (torch.zeros(1, 3, 32, 32), None, "one shape"),
        (torch.zeros(2, 3, 32, 31), None, "one shape"),
        (torch.zeros(2, 3, 32, 32), torch.ones(1, 1, 16, 16), r"\(16, 16\)"),
        (torch.zeros(2, 3, 32, 32), torch.ones(3, 1, 32, 32), "does not fit"),
        (torch.zeros(2, 3, 32, 32), torch.ones(32, 32), "does not fit"),
        (torch.zeros(2, 3, 32, 32), torch.zeros(1, 1, 32, 32), "above 0"),
        (torch.zeros(2, 3, 32, 32), torch.full((1, 1, 32, 32), -1.0), "at least 0"),
    ],
)
def test_what_does_not_fit_is_an_error(score, b, mask, words):
    with pytest.raises(ValueError, match=words):
        score(torch.zeros(2, 3, 32, 32), b, mask)


def test_auroc_and_average_precision_by_hand():
    score, truth = torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0, 0, 1, 1])
    assert auroc(score, truth) == pytest.approx(0.75)  # three of four pairs are in order
    assert average_precision(score, truth) == pytest.approx((1 + 2 / 3) / 2)
    same = torch.zeros(4)
    assert auroc(same, truth) == pytest.approx(0.5)
    # All at once: the share of the damaged.
    assert average_precision(same, truth) == pytest.approx(0.5)
    assert auroc(truth, truth) == average_precision(truth, truth) == 1
