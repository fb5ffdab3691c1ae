"""`show/js/samplers.js` makes in a browser the pictures that `fuzzydiff_lite.samplers` makes."""

import inspect
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, samplers, steps
from fuzzydiff_lite.operators import AveragePool, Inpaint
from fuzzydiff_lite.schedule import Schedule
from fuzzydiff_lite.walk import Walk, travel

SIZE = 16
SHAPE = 3, SIZE, SIZE
MEAN = 0.8 * torch.tanh(Noise(11)(SHAPE))
VARIANCES = 0.02 + Noise(12)((1, 3 * SIZE**2))[0].square()
# Every number of a picture by itself, and so wide that much of what is predicted is clipped.
PRIOR = GaussianPrior(MEAN, 0.0, torch.eye(len(VARIANCES)), VARIANCES)
PICTURE = torch.tanh(Noise(13)((1, *SHAPE)))
SLOPE = torch.linspace(0, 1, SIZE**2).reshape(1, 1, SIZE, SIZE)
HALF = SLOPE.round().transpose(2, 3).contiguous()
NOTHING = 0 * SLOPE


def given():
    """Method, map, seed and settings of each run."""
    for repeats in 1, 3:
        walk = {"steps": 6, "repeats": repeats}
        for rescale, share in itertools.product([True, False], repeat=2):
            yield "fuzzy", SLOPE, 0, {**walk, "rescale": rescale, "share": share}
        yield "repaint", HALF, 0, walk
        for eta in 0, 0.5, 1:
            yield "ddnm", HALF, 0, {**walk, "eta": eta}
            yield "ddim", NOTHING, 0, {**walk, "eta": eta}
        for scale, until in (2, 0), (4, 0), (4, 400):
            yield "ilvr", NOTHING, 0, {**walk, "scale": scale, "until": until}
    walk = {"steps": 7, "repeats": 2, "jump": 2}
    yield "fuzzy", 0.3 * HALF, 1, {**walk, "rescale": True, "share": True}
    yield "repaint", HALF, 0, walk
    yield "ddnm", HALF, 2**32 - 1, {**walk, "jump": 3, "eta": 0.85}
    yield "ddim", NOTHING, 5, {**walk, "eta": 0.2}
    yield "ilvr", NOTHING, 3, {**walk, "scale": 8, "until": 143}
    walk = {"steps": 40, "repeats": 1}
    yield "fuzzy", NOTHING, 0, {**walk, "rescale": True, "share": False}
    yield "repaint", HALF, 1, {**walk, "steps": 6}  # only the seed is another


CASES = list(given())
RUN = """async ({ METHODS, Noise, alphaBar }, [shape, mean, variances, variance, cases]) => {
  const predict = async (x, t) => {
    const root = Math.sqrt(alphaBar[t]);
    const gain = (v) => (root * v) / (alphaBar[t] * v + (1 - alphaBar[t]));
    return x.map((value, i) => mean[i] + gain(variances[i]) * (value - root * mean[i]));
  };
  const run = async (method, picture, map, seed, settings) => {
    const [prior, y] = [{ shape, variance, predict }, Float32Array.from(picture)];
    const steps = [];
    try {
      for await (const step of METHODS[method](prior, y, map, settings, new Noise(seed))) {
        const { number, of, level, x, x0 } = step;
        steps.push([number, of, level, Array.from(x), Array.from(x0)]);
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return error.message;
    }
    return steps;
  };
  const runs = [];
  for (const given of cases) runs.push(await run(...given));
  return runs;
}"""


def in_python(method, picture, m, seed, settings):
    """The steps of Python, each as (number, of, level, x, x0)."""
    walk = Walk(
        **{name: settings[name] for name in ("steps", "repeats", "jump") if name in settings}
    )
    others = {name: settings[name] for name in ("rescale", "eta", "until") if name in settings}
    if settings.get("share"):
        others["variance"] = PRIOR.variance
    given = {"fuzzy": (picture, m), "repaint": (picture, m), "ddim": ()}
    if method == "ddnm":
        given["ddnm"] = Inpaint(m)(picture), Inpaint(m)
    if method == "ilvr":
        given["ilvr"] = picture, AveragePool(settings["scale"], SIZE).project
    sampler = getattr(samplers, method)
    made = list(sampler(PRIOR, *given[method], walk=walk, noise=Noise(seed), **others))
    of = made[0].left + 1
    return [(of - s.left, of, s.level, s.x.numpy(), s.x0_hat.numpy()) for s in made]


@pytest.fixture(scope="module")
def answer(in_javascript):
    """`answer(cases)`: of each case (method, picture, map, seed, settings) the steps, or what
    is said to refuse it.
    """

    def answer(cases, variance=PRIOR.variance):
        prior = SHAPE, MEAN.flatten().tolist(), VARIANCES.tolist(), variance
        flat = [
            (method, picture.flatten().tolist(), m.flatten().tolist(), *rest)
            for method, picture, m, *rest in cases
        ]
        return in_javascript("samplers.js", RUN, [*prior, flat])

    return answer


@pytest.fixture(scope="module")
def made(answer):
    return answer([(method, PICTURE, *rest) for method, *rest in CASES])


@pytest.mark.parametrize("number", range(len(CASES)))
def test_every_step_is_pythons(made, number):
    method, *rest = CASES[number]
    expected = in_python(method, PICTURE, *rest)
    assert [step[:3] for step in made[number]] == [list(step[:3]) for step in expected]
    apart, clipped = 0, 0
    for (*_, x, x0), (*_, expected_x, expected_x0) in zip(made[number], expected):
        apart = max(apart, np.abs(x - expected_x.ravel()).max())
        apart = max(apart, np.abs(x0 - expected_x0.ravel()).max())
        clipped = max(clipped, np.isin(x0, [-1, 1]).mean())
    print(f"apart {apart:.1e}, clipped {clipped:.2f}")
    assert apart <= 1e-5
    assert clipped > 0.05


@pytest.mark.parametrize("method", ["fuzzy", "repaint", "ddnm", "ilvr", "ddim"])
def test_another_seed_or_setting_makes_another_picture(made, method):
    ends = [steps[-1][3] for steps, case in zip(made, CASES) if case[0] == method]
    for one, other in itertools.combinations(ends, 2):
        assert np.abs(np.subtract(one, other)).max() > 0.01


def test_the_schedule_is_pythons(in_javascript):
    alpha_bar = in_javascript("samplers.js", "({ alphaBar }) => Array.from(alphaBar)", None)
    np.testing.assert_allclose(alpha_bar, Schedule.linear().alpha_bar, rtol=1e-13)


def test_levels_and_travel_are_pythons(in_javascript):
    cases = [(1, 1, 1), (1, 5, 1), (7, 3, 1), (12, 4, 5), (16, 2, 1), (48, 10, 7), (50, 1, 50)]
    cases += [(250, 10, 10), (333, 2, 3), (1000, 1, 1), (1000, 2, 1)]
    script = """({ levels, travel }, cases) => cases.map(([steps, repeats, jump]) =>
      [levels(steps), travel(levels(steps), repeats, jump).map(({ t, s, left }) => [t, s, left])])"""
    for (n, repeats, jump), (levels, moves) in zip(
        cases, in_javascript("samplers.js", script, cases), strict=True
    ):
        assert levels == Schedule.linear().levels(n)
        assert moves == [list(move) for move in travel(levels, repeats, jump)]


def test_what_python_refuses_is_refused_in_its_words(answer):
    plain = {"steps": 5, "repeats": 1}
    fuzzy, ilvr = {**plain, "rescale": True, "share": False}, {**plain, "scale": 4, "until": 0}
    nan = float("nan")
    cases = [
        ("fuzzy", PICTURE, SLOPE + 0.1, 0, fuzzy),
        ("fuzzy", PICTURE, SLOPE * nan, 0, fuzzy),
        ("fuzzy", 2 * PICTURE, SLOPE, 0, fuzzy),
        ("ilvr", PICTURE * nan, SLOPE, 0, ilvr),
        ("repaint", PICTURE, SLOPE, 0, plain),
        ("repaint", PICTURE, HALF, 0, {**plain, "steps": 0}),
        ("repaint", PICTURE, HALF, 0, {**plain, "steps": 1001}),
        ("repaint", PICTURE, HALF, 0, {**plain, "repeats": 0}),
        ("repaint", PICTURE, HALF, 0, {**plain, "repeats": 2, "jump": 1.5}),
        ("repaint", PICTURE, HALF, 0, {**plain, "repeats": 2, "jump": 5}),
        ("ddnm", PICTURE, HALF, 0, {**plain, "eta": 1.5}),
        ("ddim", PICTURE, HALF, 0, {**plain, "eta": -0.5}),
        ("ilvr", PICTURE, HALF, 0, {**ilvr, "scale": 3}),
        ("ilvr", PICTURE, HALF, 0, {**ilvr, "until": 1001}),
    ]
    for case, said in zip(cases, answer(cases), strict=True):
        with pytest.raises(ValueError) as refusal:
            in_python(*case)
        assert said == str(refusal.value)
    unknown = answer([("fuzzy", PICTURE, SLOPE, 0, {**fuzzy, "share": True})], variance=0)
    assert unknown == ["the variance must be above 0 everywhere and have no NaN"]
    short = [("fuzzy", PICTURE, HALF[..., 1:], 0, fuzzy), ("ilvr", HALF, HALF, 0, ilvr)]
    assert answer(short) == [
        "m must hold 256 numbers, got 240",
        "y must hold 768 numbers, got 256",
    ]


def labels(comments):
    return {label for comment in comments for label in re.findall(r"\(([a-z0-9-]+)\)", comment)}


def test_the_labels_in_comments_are_pythons():
    """Each sampler points to the equations of its twin, each helper to equations of steps.py."""
    source = (Path(steps.__file__).parent / "show/js/samplers.js").read_text(encoding="utf-8")
    helpers, *parts = re.split(r"(?m)^export async function\* ", source)
    absent = {"fusion-in-a-basis", "ddnm-plus"}  # without a basis, without noise
    assert len(parts) == 5
    for part in parts:
        method = part.split("(", 1)[0]
        sampler = inspect.getsource(getattr(samplers, method))
        pythons = labels(re.findall(r"  # (.*)", sampler))
        assert labels(re.findall(r"; // (.*)", part)) == pythons - absent != set()
    named = labels(re.findall(r"(?:Eq\.|//) (.*)", helpers))
    assert len(named) > 10
    assert named <= labels([inspect.getsource(steps), inspect.getdoc(travel)])
