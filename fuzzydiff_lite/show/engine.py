"""The engine of a workbench in Jupyter: runs samplers as it is asked, and tells of every step."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .. import samplers
from ..noise import Noise
from ..operators import AveragePool, Inpaint
from ..priors.prior import Prior
from ..samplers import Step
from ..walk import Walk


def sampler(
    prior: Prior, y: Tensor, m: Tensor, method: str, settings: dict, noise: Noise
) -> Iterator[Step]:
    """The sampler of a run that was asked for, see `Engine.receive`.

    Raises ValueError for a method or a setting that is not there, and what the sampler raises.
    """
    own = dict(settings)
    try:
        walk = Walk(**own.pop("walk"))
        if prior.labels and (label := own.pop("tone")) != prior.tone:
            prior = copy.copy(prior)  # which shares the network
            prior.label = prior.labels.index(label)
        own.pop("tone", None)
        how = {"walk": walk, "noise": noise}
        if method == "fuzzy":
            share, how["rescale"] = own.pop("share"), own.pop("rescale")
            if share and prior.variance is None:
                raise ValueError("a share of the run needs a prior whose variance is known")
            made = samplers.fuzzy(
                prior, y, m, variance=prior.variance if share else None, **how
            )
        elif method == "repaint":
            made = samplers.repaint(prior, y, m, **how)
        elif method == "ddnm":
            A = Inpaint(m)
            made = samplers.ddnm(prior, A(y), A, eta=own.pop("eta"), **how)
        elif method == "ilvr":
            low_pass = AveragePool(own.pop("scale"), prior.shape[-1]).project
            made = samplers.ilvr(prior, y, low_pass, until=own.pop("until"), **how)
        elif method == "ddim":
            made = samplers.ddim(prior, eta=own.pop("eta"), **how)
        else:
            raise ValueError(f"no method {method!r}")
    except (KeyError, TypeError) as error:
        raise ValueError(f"a setting of {method} is missing or unknown: {error}") from error
    if own:
        raise ValueError(f"{method} has no setting {', '.join(own)}")
    return made


class Engine:
    """Answers a workbench in a thread of its own, so that a run can be cancelled between steps.

    `send(content, buffers)` takes the answers, which come from that thread.
    """

    def __init__(self, send: Callable[[dict, list[bytes]], None], prior: Prior):
        self._send, self._prior = send, prior
        self._thread, self._stop = None, threading.Event()

    def receive(self, content: dict, buffers: Sequence = ()) -> None:
        """Do what a message asks: "load", "run" or "cancel".

        A run has an `id`, a `method`, its `settings` and `seeds`; its buffers are the picture
        (3, 64, 64) in [-1, 1] and the map (64, 64), float32. It ends a run that still goes on.
        What goes wrong is sent as a message of the kind "error".
        """
        self._stop.set()
        self.join()
        if content["kind"] == "cancel":
            return
        self._stop = threading.Event()
        act = {"load": self._ready, "run": self._run}[content["kind"]]
        arguments = act, self._stop, content, [bytes(buffer) for buffer in buffers]
        self._thread = threading.Thread(target=self._guarded, args=arguments, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until nothing runs."""
        if self._thread is not None:
            self._thread.join()

    def _guarded(self, act, stop, content, buffers):
        try:
            act(stop, content, buffers)
        except Exception as error:
            named = {"id": content["id"]} if "id" in content else {}
            self._send({"kind": "error", **named, "message": str(error)}, [])
            if not isinstance(error, ValueError):  # one that the reader cannot mend
                raise

    def _ready(self, stop, content, buffers):
        prior = self._prior
        x = torch.zeros(1, *prior.shape, device=prior.device)
        prior.x0(x, 500).cpu()  # the first call is slower
        begin = time.perf_counter()
        prior.x0(x, 500).cpu()
        ms = 1000 * (time.perf_counter() - begin)
        engine = f"PyTorch on {prior.device.type}"
        self._send({"kind": "ready", "engine": engine, "call_ms": ms}, [])

    def _run(self, stop, content, buffers):
        prior, named = self._prior, {"id": content["id"]}
        shapes = (1, *prior.shape), (1, 1, *prior.shape[1:])
        values = (np.frombuffer(buffer, "<f4").copy() for buffer in buffers)
        pairs = zip(values, shapes, strict=True)
        y, m = (torch.from_numpy(value).reshape(shape) for value, shape in pairs)
        for seed in content["seeds"]:
            steps = sampler(prior, y, m, content["method"], content["settings"], Noise(seed))
            begin, of = time.perf_counter(), None
            for number, step in enumerate(steps, 1):
                if stop.is_set():
                    self._send({"kind": "cancelled", **named}, [])
                    return
                of = of or number + step.left
                now = time.perf_counter()
                facts = {"seed": seed, "number": number, "of": of, "level": step.level}
                facts["ms"], begin = 1000 * (now - begin), now
                pictures = [_floats(step.x), _floats(step.x0_hat)]
                self._send({"kind": "step", **named, **facts}, pictures)
            self._send({"kind": "done", **named, "seed": seed}, pictures[:1])


def _floats(picture: Tensor) -> bytes:
    return picture.cpu().numpy().astype("<f4").tobytes()
