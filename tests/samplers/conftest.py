"""Exact moments of samplers, without chance."""

import pytest
import torch


class Impulses:
    """Noise for a batch of 1 + all numbers drawn: picture 0 gets none, each other a single 1."""

    def __init__(self):
        self.drawn = 0

    def branch(self, number):
        return self

    def __call__(self, shape, device="cpu", dtype=torch.float32):
        batch, *rest = shape
        z = torch.zeros(batch, torch.Size(rest).numel(), dtype=dtype)
        mine = z[1 + self.drawn :][: z.shape[1]]
        mine.copy_(torch.eye(z.shape[1])[: len(mine)])
        self.drawn += z.shape[1]
        return z.reshape(shape)

    def like(self, x):
        return self(x.shape, x.device, x.dtype)


@pytest.fixture(scope="session")
def moments():
    """Mean (d,) and covariance (d, d) of what `draw(n, noise)` returns, n pictures of d numbers.

    For what is affine in its noise, as a sampler of a Gaussian prior with a linear operator is
    without clipping (but dps and mcg, whose steps have a fixed length). Then the mean is what
    comes of no noise, and the covariance follows from what each single number drawn does: all
    of them in one batch, and nothing is left to chance.
    """

    def moments(draw):
        counter = Impulses()
        draw(1, counter)
        x = draw(1 + counter.drawn, Impulses()).flatten(1)
        moved = x[1:] - x[0]
        return x[0], moved.T @ moved

    return moments
