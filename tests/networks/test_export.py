"""The network as ONNX answers what PyTorch answers."""

import numpy as np
import onnxruntime
import pytest
import torch

from fuzzydiff_lite import Noise, load_prior
from fuzzydiff_lite.networks import TONES, FaceNet, save_net
from fuzzydiff_lite.networks.export import export

LEVELS = 1, 7, 50, 200, 400, 600, 850, 1000


def started(path):
    """`predict(x, t, tone)` of an ONNX file, in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def predict(x, t, tone):
        given = {"x": x.numpy(), "t": np.array([t]), "tone": np.array([TONES.index(tone)])}
        return torch.from_numpy(session.run(["x0_hat"], given)[0])

    return predict


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = tmp_path_factory.mktemp("onnx") / "prior.onnx"
    export(made)
    return made


@pytest.fixture(scope="module")
def predict(path):
    return started(path)


@pytest.mark.parametrize("tone", TONES)
def test_onnx_predicts_what_pytorch_predicts(predict, tone):
    prior, noise = load_prior(tone=tone, device="cpu"), Noise(TONES.index(tone))
    for t in LEVELS:
        x = noise((1, 3, 64, 64))
        expected = prior.x0(x, t)
        assert (predict(x, t, tone) - expected).abs().max() <= 1e-5, t
        assert expected.abs().max() > 0.3


def test_the_comparison_notices_another_level_and_another_tone(predict):
    x = Noise(0)((1, 3, 64, 64))
    for other in (401, "colour"), (400, "mono"):
        assert (predict(x, *other) - predict(x, 400, "colour")).abs().max() > 1e-3


def test_the_file_is_small_and_always_the_same(path, tmp_path):
    assert path.stat().st_size <= 17e6
    export(tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()


def test_a_network_of_another_size_is_exported_too(tmp_path):
    torch.manual_seed(0)
    net = FaceNet(size=16, widths=(16, 32, 32), directions=4)
    for parameter in net.parameters():  # new networks end in zeros; fill them
        torch.nn.init.normal_(parameter, std=0.1)
    directions = torch.linalg.qr(torch.randn(768, 4)).Q
    net.set_gaussian(torch.randn(768), directions, torch.rand(4) + 1, 0.1)
    save_net(net, tmp_path / "net.safetensors")
    export(tmp_path / "net.onnx", tmp_path / "net.safetensors")
    prior, x = load_prior(tmp_path / "net.safetensors", device="cpu"), torch.randn(1, 3, 16, 16)
    apart = started(tmp_path / "net.onnx")(x, 321, "colour") - prior.x0(x, 321)
    assert apart.abs().max() <= 1e-5


def test_unknown_weights_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no weights called nothing"):
        export(tmp_path / "prior.onnx", "nothing")
    assert not list(tmp_path.iterdir())
