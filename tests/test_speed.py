import pytest
import torch

from benchmarks import speed
from fuzzydiff_lite import GaussianPrior


class Counting(GaussianPrior):
    """A prior that counts how often it is asked, and how often with a gradient."""

    asked = with_gradient = 0

    def _x0(self, x, t):
        self.asked += 1
        self.with_gradient += x.requires_grad
        return super()._x0(x, t)


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
