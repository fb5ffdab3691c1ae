"""Public libraries beside ours: the same network, damage and number of calls, `make bench`.

Neither is a dependency. Where one is missing, a line says so and the rest is timed anyway:

    pip install diffusers deepinv

RePaint is diffusers' scheduler in the loop of its pipeline; DDRM, DiffPIR and DPS are
deepinv's. Ours have the settings of `fuzzydiff restore`. Theirs have the library's defaults,
but where another value did better on London validation faces, which are not the ones here:
RePaint's `eta` 1 and not 0, DiffPIR's `zeta` 1 and not 0.1, DPS's `weight` 100 and not 1. Both
get the same four real faces, as one batch, and take turns. Seconds are medians; PSNR is the
mean over faces and seeds, on all pixels and on the missing ones.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import torch
from torch import Tensor

from benchmarks.speed import show
from fuzzydiff_lite import Noise, Prior, load_prior, masks, metrics, restore, run
from fuzzydiff_lite.data import london
from fuzzydiff_lite.operators import Inpaint, measure

STEPS, ROUNDS = 50, 3
HOLE = masks.box()
SIGMA = 0.05  # of the noise in deepinv's tasks, in [-1, 1]: half as much in deepinv's [0, 1]


def repaint_of_diffusers(prior: Prior, given: restore.Measurement, seed: int) -> Tensor:
    """RePaint without jumps: every step but the last is walked twice.

    `eta` 1 is DDPM, as in the paper and in ours.
    """
    from diffusers import RePaintScheduler

    scheduler = RePaintScheduler(eta=1.0)  # betas from 1e-4 to 0.02, as those of our prior
    scheduler.set_timesteps(STEPS // 2, jump_length=1, jump_n_sample=2)
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(given.y.shape, generator=random)
    before = scheduler.timesteps[0] + 1
    for t in scheduler.timesteps:
        if t < before:
            eps = prior.eps(x, int(t) + 1)  # its first index, 0, is the level 1
            x = scheduler.step(eps, t, x, given.y, given.m, random).prev_sample
        else:
            x = scheduler.undo_step(x, before, random)
        before = t
    return x


def with_deepinv(make: Callable) -> Callable:
    """deepinv's reconstructor `make(deepinv, denoiser)` as one like `repaint_of_diffusers`."""

    def restored(prior: Prior, given: restore.Measurement, seed: int) -> Tensor:
        import deepinv

        noise_model = deepinv.physics.GaussianNoise(given.sigma / 2)
        mask = given.m.expand(1, 3, -1, -1)
        physics = deepinv.physics.Inpainting((3, 64, 64), mask, noise_model=noise_model)
        torch.manual_seed(seed)
        y = (given.y + given.m) / 2  # its measurement of pictures in [0, 1], zero where ours is
        return 2 * make(deepinv, as_denoiser(prior)).forward(y, physics).float() - 1

    return restored


def as_denoiser(prior: Prior) -> torch.nn.Module:
    """Our prior as a denoiser of deepinv, which takes x0 + sigma * noise with x0 in [0, 1].

    Its level is the nearest to sigma: at sigma 0 level 0, where the picture is clean and the
    network is not asked.
    """
    a = prior.schedule.alpha_bar
    noisiness = ((1 - a) / a).sqrt()  # on the scale [-1, 1], where sigma is twice as large

    class Denoiser(torch.nn.Module):
        def forward(self, x: Tensor, sigma, **_) -> Tensor:
            level = int((noisiness - 2 * float(sigma)).abs().argmin())
            return (prior.x0(a[level].sqrt() * (2 * x - 1), level) + 1) / 2 if level else x

    return Denoiser()


def ddrm(deepinv, denoiser):
    sigmas = torch.linspace(1, 0, STEPS + 1).numpy()
    return deepinv.sampling.DDRM(denoiser, sigmas=sigmas)


def diffpir(deepinv, denoiser):
    fidelity = deepinv.optim.data_fidelity.L2()
    return deepinv.sampling.DiffPIR(denoiser, fidelity, SIGMA / 2, STEPS, zeta=1.0)


def dps(deepinv, denoiser):
    return deepinv.sampling.DPS(denoiser, num_steps=STEPS + 1, weight=100.0)


PEERS = {  # method -> library, the method in it, noise of the measurement, our settings
    "repaint": (
        "diffusers",
        repaint_of_diffusers,
        0.0,
        {"steps": STEPS // 2, "repeats": 2, "jump": 1},
    ),
    "ddrm": ("deepinv", with_deepinv(ddrm), SIGMA, {"steps": STEPS}),
    "diffpir": ("deepinv", with_deepinv(diffpir), SIGMA, {"steps": STEPS}),
    "dps": ("deepinv", with_deepinv(dps), SIGMA, {"steps": STEPS}),
}


def why_missing(library: str) -> str | None:
    """Why `library` cannot be used here, or None.

    PyTorch raises RuntimeError for a torchvision built for another.
    """
    try:
        importlib.import_module(library)
    except (ImportError, RuntimeError) as error:
        why = f"{library} cannot be imported ({error})"
        return f"{why}; to compare with it: pip install {library}"
    return None


def compared(method: str, prior: Prior, faces: Tensor) -> dict:
    """A method of a library and ours in turn: seconds a picture, network calls, PSNR."""
    library, theirs, sigma, settings = PEERS[method]
    A = Inpaint(HOLE)
    # deepinv's inpainting puts no noise where nothing is measured.
    y = HOLE * measure(A, faces, sigma, Noise(1))
    given = restore.Measurement(y, A, sigma, y.clamp(-1, 1), HOLE)
    chosen = restore.settings("inpaint", method, **settings)

    def ours(prior, given, seed):
        return run(restore.restorer(prior, given, method, Noise(seed), **chosen))

    row = {"what": f"{method}, {library} {version(library)} and ours"}
    sides, calls = {"theirs": theirs, "ours": ours}, []
    took, pictures = {side: [] for side in sides}, {side: [] for side in sides}
    hook = prior.net.register_forward_pre_hook(lambda *_: calls.append(1))
    for seed in range(ROUNDS):
        for side, restored in sides.items():
            calls.clear()
            began = time.perf_counter()
            pictures[side].append(restored(prior, given, seed))
            took[side].append((time.perf_counter() - began) / len(faces))
            row[f"calls_{side}"] = len(calls)
    hook.remove()
    for side in sides:
        x, truth = torch.cat(pictures[side]).clamp(-1, 1), faces.repeat(ROUNDS, 1, 1, 1)
        row[f"s_{side}"] = statistics.median(took[side])
        row[f"psnr_{side}"] = metrics.psnr(x, truth).mean().item()
        row[f"psnr_missing_{side}"] = metrics.psnr(x, truth, 1 - HOLE).mean().item()
    ratios = [t / o for t, o in zip(took["theirs"], took["ours"])]
    return row | {"ratio": statistics.median(ratios)}


def main() -> None:
    prior, faces = load_prior(device="cpu"), london(20)[[0, 5, 10, 15]]
    missing = {library: why_missing(library) for library in ("diffusers", "deepinv")}
    for why in filter(None, missing.values()):
        print(why)
    for method, (library, *_) in PEERS.items():
        if not missing[library]:
            show(compared(method, prior, faces))


if __name__ == "__main__":
    main()
