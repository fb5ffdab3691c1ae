"""How fast the network is here, and its share of the machine's own rate: `make bench`.

Prints a Markdown table. The machine's rate is that of a square matrix product or of one wide
convolution, whichever is higher: on some CPUs the library of the former is the slower one. Both
take turns with all ways to run the network, in two rounds, so that a busy machine slows all
alike. Each way must first give what the network gives as it ships, in float32. Compiled ones
are compiled for each batch size by itself. There the compiler chooses how pictures lie in
memory, so that only eager ones are timed in both orders. PyTorch keeps what it compiled in a
folder for temporary files: the first calls of a second run are quicker.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._dynamo.exc import BackendCompilerFailed
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import yardsticks
from benchmarks.speed import in_turns, seconds
from fuzzydiff_lite import Noise, load_prior

BATCHES = (1, 8, 64)
PICTURES = {"cpu": 64, "cuda": 2048}  # in one timing
TOLERANCE = {torch.float32: 0.005, torch.bfloat16: 0.05}  # of v, whose values are about 1
# Of torch.compile, by what the table calls them.
MODES = {"compiled": "default", "CUDA graph": "reduce-overhead"}


class Way(NamedTuple):
    """How to run the network: type, pictures' order in memory, and "eager" or one of MODES."""

    dtype: torch.dtype
    memory: str = "channels_last"
    run: str = "eager"


def ways(device: str) -> list[Way]:
    """All ways there are on a device; first the one that ships."""
    rests = (), ("contiguous",), ("channels_last", "compiled")
    both = [Way(dtype, *rest) for dtype in TOLERANCE for rest in rests]
    return both + [Way(torch.bfloat16, run="CUDA graph")] if device == "cuda" else both


def contiguous(net: nn.Module) -> nn.Module:
    """`net` with weights and pictures in planes, one a channel.

    It ships with the channels of a pixel together.
    """
    # Copied, for a change of format leaves 1x1 kernels as they are.
    for parameter in net.parameters():
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    net.input.register_forward_pre_hook(lambda layer, given: (given[0].contiguous(),))
    return net


def built(net: nn.Module, way: Way) -> Callable:
    """`net`, which computes in `way.dtype` already, to be run that way.

    A graph break is an error.
    """
    net = contiguous(net) if way.memory == "contiguous" else net
    if way.run == "eager":
        return net
    return torch.compile(net, fullgraph=True, mode=MODES[way.run])


def question(batch: int, device: str, size: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """What the network is asked: pictures of noise, at level 500, in colour."""
    levels = torch.full((batch,), 500, device=device)
    return Noise(0)((batch, 3, size, size)).to(device), levels, torch.zeros_like(levels)


def flops(net: nn.Module, asked: tuple) -> int:
    """Operations of a call, attention's included; an addition and a multiplication are two."""
    # On CPUs the fused attention is not counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net(*asked)
    return counter.get_total_flops()


def difference(way: Way, run: Callable, asked: tuple, expected: Tensor) -> float:
    """The largest difference from what is expected.

    Raises RuntimeError where it is too large.
    """
    largest = (run(*asked) - expected).abs().max().item()
    if not largest <= TOLERANCE[way.dtype]:
        raise RuntimeError(
            f"{way} does not give what the network gives as it ships: "
            f"it differs by {largest:.3g}"
        )
    return largest


@torch.no_grad()
def measure(runs: dict[Way, Callable], batch: int, device: str) -> dict[Way, dict[str, float]]:
    """One batch size: each way's first call's seconds and difference, seconds a call, rates.

    A way that cannot be compiled here, for want of a compiler, is taken out of `runs`, and a
    line says why.
    """
    asked, rows = question(batch, device), {}
    shipped = next(iter(runs.values()))
    expected, work = shipped(*asked), flops(shipped, asked)
    for way in list(runs):
        try:
            first = seconds(partial(runs[way], *asked), device)
        except BackendCompilerFailed as error:
            why = f"cannot be compiled here ({error.inner_exception})"
            print(f"{way.run}, {name(way.dtype)}: {why}")
            del runs[way]
        else:
            largest = difference(way, runs[way], asked, expected)
            rows[way] = {"first": first, "difference": largest}
    calls = max(1, PICTURES[device] // batch)
    works = {way: (partial(run, *asked), calls) for way, run in runs.items()}
    sticks = {
        (dtype, kind): stick
        for dtype in TOLERANCE
        for kind, stick in yardsticks(dtype, device).items()
    }
    took = in_turns(works | {key: (run, 1) for key, (run, _) in sticks.items()}, device)
    for way, row in rows.items():
        row |= {
            kind: count / took[dtype, kind]
            for (dtype, kind), (_, count) in sticks.items()
            if dtype == way.dtype
        }
        row |= {"took": took[way], "rate": work / took[way]}
    return rows


def share(row: dict[str, float]) -> float:
    """The network's rate over the machine's."""
    return row["rate"] / max(row["product"], row["convolution"])


def table(measured: dict[int, dict[Way, dict[str, float]]]) -> str:
    """Markdown, a line for each way, from the rows of each batch size."""
    sizes = [f"{batch} at once" for batch in measured]
    head = ["type", "in memory", "run", *sizes, "first calls", "differs by"]
    lines = [head, ["---"] * len(head)]
    for way in next(reversed(measured.values())):
        rows = [by_way[way] for by_way in measured.values()]
        cells = [name(way.dtype), way.memory if way.run == "eager" else "as compiled", way.run]
        cells += [f"{1e3 * row['took']:.3g} ms, {share(row):.0%}" for row in rows]
        first = sum(row["first"] for row in rows)
        largest = max(row["difference"] for row in rows)
        lines.append([*cells, f"{first:.1f} s", f"{largest:.1g}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def main() -> None:
    """All ways and batch sizes."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    runs, measured = {}, {}
    for way in ways(device):
        runs[way] = built(load_prior(device=device, dtype=way.dtype).net, way)
    for batch in BATCHES:
        torch._dynamo.reset()  # else it would compile for any size, which takes longer
        measured[batch] = measure(runs, batch, device)
    machine = f"CPU, {torch.get_num_threads()} threads"
    if device == "cuda":
        machine = torch.cuda.get_device_name()
    what = "milliseconds a call, and the share of the machine's rate"
    print(f"{machine}, PyTorch {torch.__version__}: {what}.\n")
    print(table(measured), "\n")
    for way, row in measured[BATCHES[-1]].items():
        if way in (Way(dtype) for dtype in TOLERANCE):
            rates = [f"{kind} {row[kind] / 1e9:.0f}" for kind in ("product", "convolution")]
            print(f"The machine's rates in {name(way.dtype)}, GFLOP/s: {', '.join(rates)}.")


if __name__ == "__main__":
    main()
