"""Restoring by name: every method gets what it asks for."""

import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, restore, run, samplers
from fuzzydiff_lite.operators import AveragePool, Inpaint
from fuzzydiff_lite.restore.files import parse_blur
from studies import tasks

PAIRS = [(task, method) for task, methods in restore.TASKS.items() for method in methods]


def test_presets_are_settings_of_methods_that_fit():
    for task, methods in restore.TASKS.items():
        for method, preset in methods.items():
            used = restore.settings(task, method)
            assert preset.items() <= used.items()
            assert restore.settings(task, method, **preset) == used


@pytest.mark.parametrize("task, method", PAIRS)
def test_the_number_of_calls_is_known_before(task, method):
    prior = GaussianPrior(torch.zeros(3, 8, 8), 0.2)
    x = Noise(0)((2, 3, 8, 8)).clamp(-1, 1)
    m = torch.ones(1, 1, 8, 8)
    m[..., 2:5, 2:5] = 0
    A = Inpaint(m) if task == "inpaint" else AveragePool(2, 8)
    sigma = 0.1 if task in ("denoise", "deblur") else 0.0
    given = restore.Measurement(A(x), A, sigma, m * x, m if task == "inpaint" else None)
    values = restore.settings(task, method, steps=12)
    steps = list(restore.restorer(prior, given, method, Noise(0), **values))
    assert len(steps) == restore.calls(prior.schedule, **values)
    again = run(restore.restorer(prior, given, method, Noise(0), **values))
    assert torch.equal(steps[-1].x, again)


def test_every_sampler_that_restores_is_a_method():
    # Unified is none, but its rules are methods.
    others = {"Step", "run", "from_measurement", "ddim", "ddpm", "unified"}
    restoring = set(samplers.__all__) - others
    assert restoring == {method for methods in restore.TASKS.values() for method in methods}


@pytest.mark.parametrize(
    "task, method, chosen, error",
    [
        ("sharpen", "ddnm", {}, "task must be one of inpaint"),
        ("jpeg", "ddrm", {}, "method must be one of ddrm_jpeg"),
        ("x4", "ddnm", {"step_size": 1.0}, "no setting step_size"),
        ("x4", "ddnm", {"sigma": 1.0}, "no setting sigma"),
        ("x4", "ddnm", {"eta": "all"}, "must be a number"),
        ("x4", "ddnm", {"clip": 0}, "must be a truth value"),
        ("x4", "diffpir", {"spacing": 2}, "must be a word"),
    ],
)
def test_what_does_not_fit_is_refused(task, method, chosen, error):
    with pytest.raises(ValueError, match=error):
        restore.settings(task, method, **chosen)


@pytest.mark.parametrize("title", tasks.TASKS)
def test_classical_methods_give_pictures(title):
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    x = torch.nn.functional.avg_pool2d(x, 9, 1, 4)
    name, restored = tasks.classical(title, tasks.damage(title, x))
    assert name and restored.shape == x.shape and restored.abs().max() <= 1
    assert (restored - x).square().mean().sqrt() < 0.2


def test_blurs_are_read_from_words():
    ninths = torch.full((3, 3), 1 / 9, dtype=torch.float64)
    torch.testing.assert_close(parse_blur("uniform:3", 16).kernel, ninths)
    assert parse_blur("motion:5:90", 16).kernel.sum(0).max() > 0.99
    for words in (None, "", "gaussian", "gaussian:x", "uniform:3.5", "motion:5", "box:2"):
        with pytest.raises(ValueError, match="a blur is written"):
            parse_blur(words, 16)
