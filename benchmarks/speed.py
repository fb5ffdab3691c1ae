"""How fast the network is here, and what the samplers add to it: `make bench`.

Ratios are taken in one run, sampler and bare loop in turn, so that a busy machine slows both alike.
"""

import json
import statistics
import time

import torch

from fuzzydiff_lite import Noise, load_prior, run
from fuzzydiff_lite.samplers import ddim, ddpm, fuzzy


def seconds(work, device: str) -> float:
    """Wall time of `work()`, the device's queue emptied before and after."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.no_grad()
def bare_loop(prior, x: torch.Tensor, calls: int) -> None:
    """The network alone, `calls` times: what no sampler can be faster than."""
    levels = torch.full((len(x),), 500, device=x.device)
    labels = torch.zeros_like(levels)
    for _ in range(calls):
        prior.net(x, levels, labels)


def network(device: str, dtype: torch.dtype, batch: int, calls: int = 10) -> dict:
    """Milliseconds a call and pictures a second of the bare network, the median of five runs."""
    prior, x = load_prior(device=device, dtype=dtype), torch.zeros(batch, 3, 64, 64, device=device)
    bare_loop(prior, x, 3)
    took = statistics.median(seconds(lambda: bare_loop(prior, x, calls), device) for _ in range(5)) / calls
    return {"what": f"network {str(dtype)[6:]}", "batch": batch, "ms": 1e3 * took, "images_per_s": batch / took}


def overhead(name: str, sampler, calls: int, device: str, batch: int, rounds: int = 7) -> dict:
    """Sampler time over bare network time for the same number of calls, the median of `rounds` pairs."""
    prior, x = load_prior(device=device), torch.zeros(batch, 3, 64, 64, device=device)
    run(sampler(prior, x))
    ratios = []
    for _ in range(rounds):
        bare = seconds(lambda: bare_loop(prior, x, calls), device)
        ratios.append(seconds(lambda: run(sampler(prior, x)), device) / bare)
    return {"what": f"{name} over bare network", "batch": batch, "ratio": statistics.median(ratios)}


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{device}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    rows = [network(device, dtype, batch) for dtype in (torch.float32, torch.bfloat16) for batch in (1, 8, 64)]
    samplers = {
        "ddpm": (lambda prior, x: ddpm(prior, len(x), 10, Noise(0)), 10),
        "ddim": (lambda prior, x: ddim(prior, len(x), 10, noise=Noise(0)), 10),
        "fuzzy, J = 2": (lambda prior, x: fuzzy(prior, x, 0.5, 6, 2, Noise(0)), 11),
    }
    for batch in (1, 16):
        rows += [overhead(name, sampler, calls, device, batch) for name, (sampler, calls) in samplers.items()]
    for row in rows:
        print(json.dumps({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}))


if __name__ == "__main__":
    main()
