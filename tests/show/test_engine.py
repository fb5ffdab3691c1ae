"""The workbench's engine in Jupyter: what it answers, and that a run can be cancelled."""

import threading

import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, Walk, run, samplers
from fuzzydiff_lite.operators import AveragePool, Inpaint
from fuzzydiff_lite.priors import EmpiricalPrior
from fuzzydiff_lite.show.engine import Engine, sampler

SIDE = 16
Y = Noise(5)((1, 3, SIDE, SIDE)).clamp(-1, 1)
M = (Noise(6)((1, 1, SIDE, SIDE)) > 0).float()
SLOPE = torch.linspace(0, 1, SIDE).expand(1, 1, SIDE, SIDE).contiguous()
WALK = {"steps": 5, "repeats": 2}


@pytest.fixture(scope="module")
def prior():
    directions = torch.linalg.qr(Noise(0)((3 * SIDE**2, 2)))[0]
    mean = torch.zeros(3, SIDE, SIDE)
    return GaussianPrior(mean, torch.tensor(0.1), directions, torch.tensor([9.0, 4.0]))


class Heard:
    """An engine and what it has said."""

    def __init__(self, prior):
        self.said = []
        self.engine = Engine(lambda *message: self.said.append(message), prior)

    def ask(self, method, settings, seeds=(0,), m=M, number=1):
        content = {"kind": "run", "id": number, "method": method, "seeds": list(seeds)}
        buffers = [memoryview(value.numpy().astype("<f4").tobytes()) for value in (Y, m)]
        settings = {"walk": WALK, "tone": "colour", **settings}
        self.engine.receive({**content, "settings": settings}, buffers)

    def kinds(self):
        return [content["kind"] for content, _ in self.said]


def picture(buffer):
    return torch.frombuffer(bytearray(buffer), dtype=torch.float32).reshape(1, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    "method, settings, m, made",
    [
        ("fuzzy", {"rescale": True, "share": False}, SLOPE, lambda p, how: (p, Y, SLOPE, how)),
        ("repaint", {}, M, lambda p, how: (p, Y, M, how)),
        ("ddnm", {"eta": 0.5}, M, lambda p, how: (p, M * Y, Inpaint(M), how | {"eta": 0.5})),
        (
            "ilvr",
            {"scale": 4, "until": 300},
            M,
            lambda p, how: (p, Y, AveragePool(4, SIDE).project, how | {"until": 300}),
        ),
        ("ddim", {"eta": 0.25}, M, lambda p, how: (p, how | {"eta": 0.25})),
    ],
)
def test_a_run_tells_of_each_step_of_the_sampler(prior, method, settings, m, made):
    heard = Heard(prior)
    heard.ask(method, settings, seeds=[3, 4], m=m)
    heard.engine.join()
    calls = 5 * 2 - 1
    assert heard.kinds() == 2 * (calls * ["step"] + ["done"])
    for seed, said in zip((3, 4), (heard.said[: calls + 1], heard.said[calls + 1 :])):
        *inputs, how = made(prior, {"walk": Walk(5, repeats=2), "noise": Noise(seed)})
        steps = list(getattr(samplers, method)(*inputs, **how))
        for number, (step, (content, buffers)) in enumerate(zip(steps, said), 1):
            assert content["ms"] > 0
            del content["ms"]
            facts = {"seed": seed, "number": number, "of": calls, "level": step.level}
            assert content == {"kind": "step", "id": 1, **facts}
            assert torch.equal(picture(buffers[0]), step.x)
            assert torch.equal(picture(buffers[1]), step.x0_hat)
        assert said[-1][0] == {"kind": "done", "id": 1, "seed": seed}
        assert torch.equal(picture(said[-1][1][0]), steps[-1].x)


def test_a_share_is_that_of_the_whole_run(prior):
    heard = Heard(prior)
    heard.ask("fuzzy", {"rescale": False, "share": True}, m=SLOPE)
    heard.engine.join()
    how = {"walk": Walk(5, repeats=2), "noise": Noise(0), "rescale": False}
    x = run(samplers.fuzzy(prior, Y, SLOPE, variance=prior.variance, **how))
    assert torch.equal(picture(heard.said[-1][1][0]), x)


def test_loading_says_what_runs_and_how_fast(prior):
    heard = Heard(prior)
    heard.engine.receive({"kind": "load"})
    heard.engine.join()
    ((content, _),) = heard.said
    assert content.pop("call_ms") > 0
    assert content == {"kind": "ready", "engine": "PyTorch on cpu"}


class Slow:
    """A prior that waits before each call until it is let."""

    def __init__(self, prior):
        self.prior, self.calls, self.let = prior, threading.Semaphore(0), threading.Semaphore(0)

    def __getattr__(self, name):
        return getattr(self.prior, name)

    def predict(self, x, t):
        self.calls.release()
        assert self.let.acquire(timeout=10)
        return self.prior.predict(x, t)


@pytest.mark.parametrize("second", ["cancel", "run"])
def test_cancelling_and_another_run_end_a_run_between_steps(prior, second):
    slow = Slow(prior)
    heard = Heard(slow)
    heard.ask("repaint", {}, number=1)
    slow.let.release(2)
    for _ in range(3):  # two steps are made, the third call waits
        assert slow.calls.acquire(timeout=10)
    stop = heard.engine._stop  # the third call ends when the engine was told to stop
    threading.Thread(target=lambda: stop.wait(10) and slow.let.release(100)).start()
    if second == "cancel":
        heard.engine.receive({"kind": "cancel", "id": 1})
        assert heard.kinds()[-1] == "cancelled"
    heard.ask("repaint", {}, number=2)
    heard.engine.join()
    kinds = heard.kinds()
    ended = kinds.index("cancelled")
    assert ended == 2 and heard.said[ended][0]["id"] == 1
    assert kinds[ended + 1 :] == 9 * ["step"] + ["done"]
    assert {content["id"] for content, _ in heard.said[ended + 1 :]} == {2}


@pytest.mark.parametrize(
    "method, settings, message",
    [
        ("palette", {}, "no method 'palette'"),
        ("ddnm", {}, "a setting of ddnm is missing or unknown: 'eta'"),
        ("repaint", {"eta": 1}, "repaint has no setting eta"),
        ("repaint", {"walk": {"steps": 0}}, "steps"),
        ("ilvr", {"scale": 5, "until": 0}, "5"),
    ],
)
def test_what_is_wrong_is_said(prior, method, settings, message):
    heard = Heard(prior)
    heard.ask(method, settings)
    heard.engine.join()
    ((content, _),) = heard.said
    assert content["kind"] == "error" and content["id"] == 1
    assert message in content["message"]


def test_a_share_needs_the_variance_of_the_prior():
    prior = EmpiricalPrior(Noise(0)((2, 3, SIDE, SIDE)))
    with pytest.raises(ValueError, match="a prior whose variance is known"):
        sampler(prior, Y, SLOPE, "fuzzy", {"walk": {}, "share": True, "rescale": True}, None)


def test_a_fault_of_the_program_is_said_and_raised(prior, monkeypatch):
    raised = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_value))

    def broken(x, t):
        raise RuntimeError("no memory")

    slow = Slow(prior)
    slow.predict = broken
    heard = Heard(slow)
    heard.ask("repaint", {})
    heard.engine.join()
    assert heard.said == [({"kind": "error", "id": 1, "message": "no memory"}, [])]
    assert [str(error) for error in raised] == ["no memory"]
