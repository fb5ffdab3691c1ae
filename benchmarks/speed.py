"""What the samplers add to the network's time, and what batches save: `make bench`.

Ratios are taken in one run, sampler and network in turn: a busy machine slows both alike.
"""

import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Walk, load_prior, masks, run, samplers
from fuzzydiff_lite.operators import AveragePool, Blur, Jpeg

POOL, BLUR, JPEG, HOLE = AveragePool(4), Blur.gaussian(2), Jpeg(10), masks.box()


def undo(sampler: Callable, A, *sigma: float, start: int | None = None) -> Callable:
    """How to make `sampler` for what A measures of x, which is done before the clock starts."""

    def make(prior, x: Tensor, steps: int):
        walk = Walk(steps, start=start)
        return sampler(prior, A(x), A, *sigma, walk=walk, noise=Noise(0))

    return make


PLAIN = {  # of prior, pictures, number of steps; J = 2 walks each step but the last twice
    "ddpm": lambda p, x, n: samplers.ddpm(p, len(x), walk=n, noise=Noise(0)),
    "ddim": lambda p, x, n: samplers.ddim(p, len(x), walk=n, noise=Noise(0)),
    "fuzzy, J = 2": lambda p, x, n: samplers.fuzzy(
        p, x, 0.5, walk=Walk(n // 2 + 1, repeats=2), noise=Noise(0)
    ),
    "repaint, J = 2": lambda p, x, n: samplers.repaint(
        p, x, HOLE, walk=Walk(n // 2 + 1, repeats=2), noise=Noise(0)
    ),
    "ilvr": lambda p, x, n: samplers.ilvr(p, x, POOL.project, walk=n, noise=Noise(0)),
    "ddrm, ×4": undo(samplers.ddrm, POOL),
    "ddrm, blur and noise": undo(samplers.ddrm, BLUR, 0.02),
    "ddrm_jpeg": undo(samplers.ddrm_jpeg, JPEG, start=1000),
    "ddnm, ×4": undo(samplers.ddnm, POOL),
    "ddnm, blur and noise": undo(samplers.ddnm, BLUR, 0.02),
    "diffpir, ×4": undo(samplers.diffpir, POOL),
    "diffpir, blur and noise": undo(samplers.diffpir, BLUR, 0.02),
}
GRADIENT = {
    "dps, ×4": undo(samplers.dps, POOL),
    "dps, blur and noise": undo(samplers.dps, BLUR, 0.02),
    "mcg, ×4": undo(samplers.mcg, POOL),
    "pigdm, ×4": undo(samplers.pigdm, POOL),
    "pigdm, blur and noise": undo(samplers.pigdm, BLUR, 0.02),
}


def seconds(work: Callable, device: str) -> float:
    """Wall time of `work()`, the device's queue emptied before and after."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def in_turns(
    works: dict[object, tuple[Callable, int]], device: str, rounds: int = 2, repeats: int = 3
) -> dict[object, float]:
    """Median seconds a call of `works`, {name: (function, calls a timing)}, over all rounds."""

    def repeated(work: Callable, calls: int) -> None:
        for _ in range(calls):
            work()

    took = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, calls) in works.items():
            timed = partial(repeated, work, calls)
            took[name] += [seconds(timed, device) / calls for _ in range(repeats)]
    return {name: statistics.median(values) for name, values in took.items()}


def bare_loop(prior, x: Tensor, calls: int, gradient: bool = False) -> None:
    """The network `calls` times, each with one number's gradient: no sampler can be faster."""
    levels = torch.full((len(x),), 500, device=x.device)
    labels = torch.zeros_like(levels)
    with torch.set_grad_enabled(gradient):
        x = x.detach().requires_grad_(gradient)
        for _ in range(calls):
            out = prior.net(x, levels, labels)
            if gradient:
                torch.autograd.grad(out.sum(), x)


def overhead(
    name: str, make: Callable, device: str, batch: int, gradient: bool, steps: int, rounds: int
) -> dict:
    """Sampler time over bare network time for as many calls, the median of `rounds` pairs.

    The two take turns call by call, for other programs slow a machine for moments.
    """
    prior, x = load_prior(device=device), torch.zeros(batch, 3, 64, 64, device=device)
    calls, ratios = sum(1 for _ in make(prior, x, steps)), []
    for _ in range(rounds):
        sampler, bare, whole = make(prior, x, steps), 0.0, 0.0
        for _ in range(calls):
            bare += seconds(lambda: bare_loop(prior, x, 1, gradient), device)
            whole += seconds(partial(next, sampler), device)
        ratios.append(whole / bare)
    base = "network and its gradient" if gradient else "bare network"
    return {"what": f"{name} over {base}", "batch": batch, "ratio": statistics.median(ratios)}


def batching(
    device: str, dtype: torch.dtype, batch: int = 16, steps: int = 3, rounds: int = 3
) -> dict:
    """DDNM's time for `batch` faces one by one over all at once, median of `rounds` pairs."""
    prior = load_prior(device=device, dtype=dtype)
    x = torch.zeros(batch, 3, 64, 64, device=device)

    def restore(x: Tensor) -> None:
        run(samplers.ddnm(prior, POOL(x), POOL, walk=steps, noise=Noise(0)))

    def one_by_one() -> None:
        for face in x.split(1):
            restore(face)

    restore(x)
    what = f"one by one over one batch, ddnm {str(dtype)[6:]}"
    at_once = partial(restore, x)
    ratios = [seconds(one_by_one, device) / seconds(at_once, device) for _ in range(rounds)]
    return {"what": what, "batch": batch, "ratio": statistics.median(ratios)}


def show(row: dict) -> None:
    """A row as one line, as soon as it is measured."""
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
    print(json.dumps(rounded, ensure_ascii=False), flush=True)


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{device}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    for dtype in (torch.float32, torch.bfloat16):
        show(batching(device, dtype))
    for batch, steps, rounds in ((1, 10, 7), (16, 4, 3)):
        for samplers_of_a_kind, gradient in ((PLAIN, False), (GRADIENT, True)):
            for name, make in samplers_of_a_kind.items():
                show(overhead(name, make, device, batch, gradient, steps, rounds))


if __name__ == "__main__":
    main()
