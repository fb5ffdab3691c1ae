"""`show/js/noise.js` draws in a browser what `fuzzydiff_lite.noise` draws in NumPy and torch."""

import numpy as np
import pytest

from fuzzydiff_lite.noise import Noise, standard_normal

CASES = [  # seed, stream, draw, count, number of the branch or None
    (0, 0, 0, 12288, None),
    (0, 3, 2, 12288, 1),
    (7, 1, 5, 101, 2),
    (2**31 + 5, 2, 0, 64, None),
    (2**32 - 1, 2**31, 1, 1, 4),
    (2**33 + 9, 0, 0, 33, None),
]
SCRIPT = """({ Noise }, cases) => cases.map(([seed, stream, draw, count, branch]) => {
  const source = new Noise(seed, stream);
  const noise = branch === null ? source : source.branch(branch);
  for (let i = 0; i < draw; i++) noise.draw(1);
  return Array.from(noise.like(new Float32Array(count)));
})"""


@pytest.fixture(scope="module")
def drawn(in_javascript):
    return in_javascript("noise.js", SCRIPT, CASES)


def test_javascript_refuses_the_seeds_that_python_refuses(in_javascript):
    script = """({ Noise }, seeds) => seeds.map((seed) => {
      try { new Noise(seed); } catch (error) { return error.message; }
    })"""
    seeds = [-1, 0.5, "1", None, 0]
    *refused, allowed = in_javascript("noise.js", script, seeds)
    assert all("seed must be a whole number of at least 0" in message for message in refused)
    assert allowed is None


@pytest.mark.parametrize("number", range(len(CASES)))
def test_javascript_numpy_and_torch_draw_the_same(drawn, number):
    seed, stream, draw, count, branch = CASES[number]
    noise = Noise(seed, first=stream)
    if branch is not None:
        noise = noise.branch(branch)
    in_numpy = standard_normal(seed, stream, draw, count, noise._branch)
    for _ in range(draw + 1):
        in_torch = noise((1, count))[0].numpy()
    in_javascript = np.array(drawn[number], dtype=np.float32)
    assert in_javascript.shape == (count,)
    np.testing.assert_array_max_ulp(in_javascript, in_numpy, maxulp=1)
    np.testing.assert_array_max_ulp(in_javascript, in_torch, maxulp=1)
    # The logarithms and cosines of two libraries differ in their last bit of 53; rounding to 24
    # hides nearly all of it.
    as_numpy, as_torch = in_javascript == in_numpy, in_javascript == in_torch
    assert as_numpy.mean() > 0.999
    print(f"{as_numpy.sum()} and {as_torch.sum()} of {count} identical")


@pytest.mark.parametrize(
    "other",
    [
        (1, 0, 0, 12288),
        (0, 1, 0, 12288),
        (0, 0, 1, 12288),
        (0, 0, 0, 12288, Noise(0).branch(1)._branch),
    ],
    ids=["seed", "stream", "draw", "branch"],
)
def test_the_comparison_notices_another_counter(drawn, other):
    assert np.abs(np.array(drawn[0]) - standard_normal(*other)).max() > 1
