import pytest
import torch

from benchmarks import machine, network, speed
from fuzzydiff_lite import GaussianPrior
from fuzzydiff_lite.networks import FaceNet
from fuzzydiff_lite.networks.unet import Attention


class Counting(GaussianPrior):
    """A prior that counts how often it is asked, and how often with a gradient."""

    asked = with_gradient = 0

    def _answer(self, x, t):
        self.asked += 1
        self.with_gradient += x.requires_grad
        return super()._answer(x, t)


@pytest.mark.parametrize("name", [*speed.PLAIN, *speed.GRADIENT])
def test_overhead_is_over_as_many_network_calls_of_the_same_kind(name):
    prior = Counting(torch.zeros(3, 64, 64))
    make = (speed.PLAIN | speed.GRADIENT)[name]
    yielded = sum(1 for _ in make(prior, torch.zeros(1, 3, 64, 64), 4))
    assert prior.asked == yielded >= 4
    assert prior.with_gradient == (yielded if name in speed.GRADIENT else 0)


@pytest.mark.parametrize("gradient", [False, True])
def test_bare_loop_calls_the_network_and_takes_its_gradient(gradient):
    seen = []

    class Net(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.append("forward")
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            seen.append("backward")
            return 2 * g

    prior = GaussianPrior(torch.zeros(3, 64, 64))
    prior.net = lambda x, levels, labels: Net.apply(x)
    speed.bare_loop(prior, torch.zeros(1, 3, 64, 64), 3, gradient)
    assert seen == (["forward", "backward"] * 3 if gradient else ["forward"] * 3)


def small_net(dtype=torch.float32):
    torch.manual_seed(0)
    net = FaceNet(64, (16, 32, 32), 4).eval().requires_grad_(False)
    net = net.to(memory_format=torch.channels_last)
    for parameter in net.parameters():  # new networks end in zeros; fill them
        torch.nn.init.normal_(parameter, std=0.05)
        parameter.data = parameter.data.to(dtype)
    return net


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_pictures_lie_in_memory_as_the_table_says(memory):
    net, seen = small_net(), []
    if memory == torch.contiguous_format:
        net = network.contiguous(net)
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda layer, given, out: seen.extend([given[0], out]))
    net(*network.question(2, "cpu"))
    assert len(seen) > 40 and all(x.is_contiguous(memory_format=memory) for x in seen)


def test_operations_are_counted_with_those_of_the_attention():
    net, count = small_net(), 4 * 3 * 64**2 * 4  # the Gaussian: 4 directions, twice

    def counted(layer, given, out):
        nonlocal count
        if isinstance(layer, Attention):
            places = out[0, 0].numel()
            count += 4 * places**2 * out.shape[1]  # queries and keys, weights and values
        else:
            count += 2 * out.numel() * layer.weight[0].numel()

    for layer in net.modules():
        if isinstance(layer, (Attention, torch.nn.Conv2d, torch.nn.Linear)):
            layer.register_forward_hook(counted)
    asked = network.question(1, "cpu")
    net(*asked)
    whole, count = count, 0
    assert network.flops(net, asked) == whole


def test_a_way_that_gives_something_else_is_not_timed():
    way = network.Way(torch.bfloat16)
    asked = (torch.zeros(1, 3, 4, 4),)
    expected = torch.zeros(1, 3, 4, 4)
    assert network.difference(way, lambda x: x + 0.01, asked, expected) == pytest.approx(0.01)
    for wrong in (0.1, float("nan")):
        with pytest.raises(RuntimeError, match="does not give"):
            network.difference(way, lambda x, wrong=wrong: x + wrong, asked, expected)


def test_the_table_has_a_line_for_each_way_but_those_that_cannot_be_compiled(
    monkeypatch, capsys
):
    monkeypatch.setattr(network, "PICTURES", {"cpu": 2})
    monkeypatch.setattr(machine, "SIDE", {"cpu": 16})
    monkeypatch.setattr(machine, "WIDE", {"cpu": (1, 4)})

    def no_compiler(graph, examples):
        raise RuntimeError("no C++ compiler")

    runs = {way: small_net(way.dtype) for way in network.ways("cpu")}
    for way, net in runs.items():
        if way.run == "compiled":
            runs[way] = torch.compile(net, backend=no_compiler)
    measured = {batch: network.measure(runs, batch, "cpu") for batch in (1, 2)}
    assert capsys.readouterr().out.count("no C++ compiler") == 2
    lines = network.table(measured).splitlines()
    assert len(lines) == 2 + 4 and "1 at once | 2 at once" in lines[0]
    assert len({line.count("|") for line in lines}) == 1
    for rows in measured.values():
        exact, rounded = rows[network.Way(torch.float32)], rows[network.Way(torch.bfloat16)]
        assert exact["difference"] == 0 < rounded["difference"]
        assert all(network.share(row) > 0 and row["took"] > 0 for row in rows.values())
