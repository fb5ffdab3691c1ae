"""Training the prior: one loop, the same on CPU and CUDA, that can be stopped at any moment and goes on."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from .data import from_uint8, load_faces64
from .noise import Noise
from .plots import sheet
from .prior import fit_gaussian
from .samplers import ddim, run
from .unet import TONES, FaceNet
from .weights import load_net, load_prior, save_net


@dataclass
class Recipe:
    """What a training run is: everything that changes its result."""

    images: int = 1_000_000  # pictures to see in all
    batch: int = 64
    rate: float = 4e-4  # AdamW, betas 0.9 and 0.99
    warm_up: int = 300  # steps
    final_rate: float = 0.02  # share of `rate` left at the end of the cosine decay
    gamma: float = 5.0  # min-SNR weighting; infinity is the plain v loss
    low_levels: float = 0.5  # share of the pictures trained at levels up to 650, the rest at any level
    ema: float = 0.9995
    colour: float = 0.5  # share of colour pictures in a batch
    drop_tone: float = 0.15  # share of pictures whose tone is hidden
    seed: int = 0


def v_loss(net, x0: Tensor, t: Tensor, tone: Tensor, eps: Tensor, gamma: float) -> Tensor:
    """Squared error of v for each picture, (B,), weighted by min(SNR, gamma) / (SNR + 1) for finite `gamma`.

    Eq. (v-loss) and (min-snr), book/04_network.
    """
    a = net.alpha_bar[t][:, None, None, None]
    x, v = a.sqrt() * x0 + (1 - a).sqrt() * eps, a.sqrt() * eps - (1 - a).sqrt() * x0
    error = F.mse_loss(net(x, t, tone).float(), v, reduction="none").mean((1, 2, 3))
    if math.isinf(gamma):
        return error
    snr = (a / (1 - a)).flatten()
    return snr.clamp(max=gamma) / (snr + 1) * error


class Trainer:
    """A network, its running average and optimiser, on a set of pictures. `step` learns from one batch.

    `pictures` uint8 (n, 3, size, size); `tones` (n,) 0 or 1. `net` is trained in place; `average` is what to use.
    """

    def __init__(self, net: FaceNet, pictures: Tensor, tones: Tensor, recipe: Recipe, device="cpu"):
        self.recipe, self.device, self.seen = recipe, torch.device(device), 0
        self.net = net.to(device, memory_format=torch.channels_last).train().requires_grad_(True)
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.pictures = pictures.to(device)
        self.by_tone = [torch.nonzero(tones == k).flatten() for k in (0, 1)]
        self.tones = tones.to(device)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=recipe.rate, betas=(0.9, 0.99), weight_decay=1e-4)
        self.random = torch.Generator().manual_seed(recipe.seed)

    def step(self) -> float:
        """One batch: forward, backward, clip, update, average. Returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        x0, t, tone, eps = self._draw()
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = v_loss(self.net, x0, t, tone, eps, self.recipe.gamma).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.seen += self.recipe.batch
        with torch.no_grad():
            steps = self.seen / self.recipe.batch
            keep = min(self.recipe.ema, (1 + steps) / (10 + steps))
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - keep)
        return loss.item()

    def rate(self) -> float:
        """Learning rate now: linear warm-up, then a cosine down to `final_rate` of the peak."""
        r = self.recipe
        decay = r.final_rate + (1 - r.final_rate) * (1 + math.cos(math.pi * min(1, self.seen / r.images))) / 2
        return r.rate * decay * min(1, (self.seen / r.batch + 1) / r.warm_up)

    def state(self) -> dict:
        """Everything `restore` needs to go on as if nothing had happened."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": self.random.get_state(),
            "seen": self.seen,
            "recipe": asdict(self.recipe),
        }

    def restore(self, state: dict) -> None:
        """Go on from `state`, with the recipe this trainer was made with."""
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.random.set_state(state["random"])
        self.seen = state["seen"]

    def _draw(self):
        """A batch of clean pictures with levels, tones and noise; the same on every device."""
        r, n = self.recipe, self.recipe.batch
        pick = [(torch.rand(n, generator=self.random) * len(of)).long() for of in self.by_tone]
        colour = torch.rand(n, generator=self.random) < r.colour
        if not all(len(of) for of in self.by_tone):
            colour[:] = len(self.by_tone[0]) > 0
        index = torch.where(colour, *[of[i] if len(of) else i for of, i in zip(self.by_tone, pick)])
        top = len(self.net.alpha_bar) - 1
        low = torch.rand(n, generator=self.random) < r.low_levels
        t = 1 + (torch.rand(n, generator=self.random) * torch.where(low, 0.65 * top, float(top))).long()
        mirror = torch.rand(n, generator=self.random) < 0.5
        hide = torch.rand(n, generator=self.random) < r.drop_tone
        eps = torch.randn(n, *self.pictures.shape[1:], generator=self.random)
        index, t, mirror, hide, eps = (value.to(self.device) for value in (index, t, mirror, hide, eps))
        x0 = from_uint8(self.pictures[index])
        x0 = torch.where(mirror[:, None, None, None], x0.flip(3), x0)
        return x0, t, torch.where(hide, TONES.index("none"), self.tones[index]), eps


@torch.no_grad()
def eps_mse(net: FaceNet, pictures: Tensor, tones: Tensor, level: int, seed: int = 0) -> float:
    """Mean squared error of the predicted noise at one level, for pictures uint8 (n, 3, H, W)."""
    random, total = torch.Generator().manual_seed(seed), 0.0
    a = net.alpha_bar[level].double()
    for part, tone in zip(pictures.split(64), tones.split(64)):
        x0 = from_uint8(part)
        eps = torch.randn(x0.shape, generator=random)
        x = (a.sqrt() * x0 + (1 - a).sqrt() * eps).float()
        v = net(x, torch.full((len(part),), level), tone)
        total += (a.sqrt() * v + (1 - a).sqrt() * x - eps).square().mean((1, 2, 3)).sum().item()
    return total / len(pictures)


def train(folder: Path, recipe: Recipe, start: str | None = None, minutes: float = math.inf, save_every: float = 5.0):
    """Train on faces64 in `folder`, going on from its `checkpoint.pt` where there is one.

    Writes `checkpoint.pt` (to resume), `average.safetensors` (to use), `log.jsonl` and sample sheets
    `sheet_NNNNNNN.png` every `save_every` minutes; stops after `recipe.images` pictures or `minutes`.
    A new run begins with the weights `start` (a name or file), or with nothing but the Gaussian.
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pictures, tones, _ = load_faces64(split="train")
    validation = [part[::8] for part in load_faces64(split="val")[:2]]
    if start:
        net = load_net(start)
    else:
        net = FaceNet()
        net.set_gaussian(*fit_gaussian(from_uint8(pictures), net.gauss_directions.shape[1]))
    trainer = Trainer(net, pictures, tones, recipe, device)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, map_location="cpu", weights_only=True))
    began, saved, losses = time.monotonic(), time.monotonic(), []
    with tqdm(total=recipe.images, initial=trainer.seen, unit=" images", smoothing=0.05) as bar:
        while trainer.seen < recipe.images and time.monotonic() - began < 60 * minutes:
            losses.append(trainer.step())
            bar.update(recipe.batch)
            bar.set_postfix(loss=f"{sum(losses[-100:]) / len(losses[-100:]):.4f}", refresh=False)
            if time.monotonic() - saved > 60 * save_every:
                _save(folder, trainer, losses, validation)
                saved, losses = time.monotonic(), []
    if losses:
        _save(folder, trainer, losses, validation)


def _save(folder: Path, trainer: Trainer, losses: list[float], validation: list[Tensor]) -> None:
    partial = folder / "checkpoint.partial"
    torch.save(trainer.state(), partial)
    partial.replace(folder / "checkpoint.pt")  # never half a checkpoint
    weights = folder / "average.safetensors"
    save_net(trainer.average, weights, images_seen=trainer.seen)
    errors = {level: eps_mse(load_net(weights), *validation, level) for level in (50, 150, 300, 500)}
    row = {"seen": trainer.seen, "loss": sum(losses) / len(losses), "rate": trainer.rate(), "eps_mse": errors}
    with open(folder / "log.jsonl", "a") as log:
        print(json.dumps(row), file=log)
    faces = run(ddim(load_prior(weights), n=16, steps=25, noise=Noise(0)))
    sheet(faces.cpu()).save(folder / f"sheet_{trainer.seen:07d}.png")
