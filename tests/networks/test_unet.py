import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fuzzydiff_lite import Schedule, load_prior
from fuzzydiff_lite.networks import SHA256, TONES, FaceNet, load_net, save_net
from fuzzydiff_lite.priors import GaussianPrior

SMALL = {"size": 16, "widths": (16, 32, 32), "directions": 4}


@pytest.fixture(scope="module")
def net():
    return load_net("faces64")


def random_net(seed=0):
    torch.manual_seed(seed)
    net = FaceNet(**SMALL)
    for parameter in net.parameters():  # new networks end in zeros; fill them
        torch.nn.init.normal_(parameter, std=0.1)
    directions = torch.linalg.qr(torch.randn(768, 4)).Q
    net.set_gaussian(torch.randn(768), directions, torch.rand(4) + 1, 0.1)
    return net.eval().requires_grad_(False)


def test_shipped_network_keeps_its_budget(net):
    with FlopCounterMode(display=False) as flops:
        net(torch.zeros(1, 3, 64, 64), torch.tensor([500]), torch.tensor([0]))
    assert flops.get_total_flops() <= 3e9
    assert sum(p.numel() for p in net.parameters()) <= 8e6


def test_a_new_network_is_its_gaussian():
    net, x, t = FaceNet(**SMALL), torch.randn(2, 3, 16, 16), 321
    directions = torch.linalg.qr(torch.randn(768, 4)).Q
    net.set_gaussian(torch.randn(768), directions, torch.rand(4) + 1, 0.1)
    mean = net.gauss_mean.reshape(3, 16, 16)
    prior = GaussianPrior(mean, net.gauss_rest, directions, net.gauss_variances)
    a = Schedule.linear().alpha_bar[t].float()
    v = net(x, torch.full((2,), t), torch.zeros(2, dtype=torch.long))
    x0 = a.sqrt() * x - (1 - a).sqrt() * v
    torch.testing.assert_close(x0, prior.x0(x, t), atol=1e-4, rtol=0)


def test_pictures_of_a_batch_do_not_mix():
    net, x = random_net(), torch.randn(4, 3, 16, 16)
    t, tone = torch.tensor([10, 300, 600, 990]), torch.tensor([0, 1, 2, 0])
    singles = torch.cat([net(x[i : i + 1], t[i : i + 1], tone[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(net(x, t, tone), singles, atol=1e-4, rtol=1e-4)


def test_level_and_tone_matter():
    net, x = random_net(), torch.randn(1, 3, 16, 16).expand(3, -1, -1, -1)
    by_tone = net(x, torch.full((3,), 500), torch.arange(3))
    by_level = net(x, torch.tensor([400, 500, 600]), torch.zeros(3, dtype=torch.long))
    for out in (by_tone, by_level):
        assert len({round(v.item(), 4) for v in out.abs().sum((1, 2, 3))}) == 3


def test_save_and_load_round_trip(tmp_path):
    net = random_net()
    save_net(net, tmp_path / "net.safetensors", images_seen=5)
    loaded, x = load_net(tmp_path / "net.safetensors"), torch.randn(2, 3, 16, 16)
    assert loaded.size == 16 and loaded.widths == (16, 32, 32)
    args = x, torch.tensor([50, 700]), torch.tensor([0, 1])
    # The loaded weights are in half precision.
    torch.testing.assert_close(loaded(*args), net(*args), atol=0.02, rtol=0.02)


def test_prior_denoises_a_face():
    """Whatever the weights, a guess is far closer than the noisy picture; the network helps."""
    from fuzzydiff_lite import Noise
    from fuzzydiff_lite.data import astronaut
    from fuzzydiff_lite.steps import noise_to

    prior, face, t = load_prior(device="cpu"), astronaut(), 200
    x = noise_to(face, Noise(0).like(face), prior.schedule.alpha_bar[t])
    error = (prior.x0(x, t) - face).square().mean()
    gaussian = (prior.net.gaussian_x0(x, torch.tensor([t])) - face).square().mean()
    assert error < gaussian < (x - face).square().mean() and error < 0.05


CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=CUDA)])
def test_bfloat16_guesses_within_half_an_8_bit_step(device):
    """Of the same faces at any level; the rounding is real, so that it is not float32 twice."""
    from fuzzydiff_lite import Noise
    from fuzzydiff_lite.data import london
    from fuzzydiff_lite.steps import noise_to

    full, half = load_prior(device="cpu"), load_prior(device=device, dtype=torch.bfloat16)
    for t in (1, 20, 200, 500, 1000):
        x = noise_to(london(2), Noise(t).like(london(2)), full.schedule.alpha_bar[t])
        guess = half.x0(x.to(device), t)
        difference = guess.cpu() - full.x0(x, t)
        assert guess.dtype == torch.float32 and 0 < difference.square().mean().sqrt() < 1 / 255
        assert difference.abs().max() < 8 / 255


def test_the_network_is_captured_whole_and_gives_the_same():
    """What `torch.compile` needs.

    The code that it then makes takes minutes: `make bench` compares its answers.
    """
    net = random_net()
    for parameter in net.parameters():  # not the buffers, as in load_prior
        parameter.data = parameter.data.bfloat16()
    args = torch.randn(2, 3, 16, 16), torch.tensor([50, 700]), torch.tensor([0, 1])
    captured = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(captured(*args), net(*args))


@CUDA
def test_cuda_equals_cpu_after_twenty_steps():
    from fuzzydiff_lite import Noise, run
    from fuzzydiff_lite.samplers import ddpm

    priors = (load_prior(device=device) for device in ("cpu", "cuda"))
    a, b = (run(ddpm(prior, 2, walk=20, noise=Noise(0))).cpu() for prior in priors)
    torch.testing.assert_close(a, b, atol=5e-3, rtol=0)


def test_bad_names_and_files(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="tone"):
        load_prior(tone="sepia")
    with pytest.raises(ValueError, match="no weights called cats64"):
        load_prior("cats64")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match="does not hold"):
        load_prior(broken)
    monkeypatch.setitem(SHA256, "faces64", "0" * 64)
    with pytest.raises(ValueError, match="damaged"):
        load_prior("faces64")


def test_tones_are_in_the_order_of_the_weights():
    assert TONES == ("colour", "mono", "none")
