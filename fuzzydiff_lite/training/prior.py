"""Training the prior: one loop for CPU and CUDA, one process or many, that can be resumed."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from ..data.faces64 import load_faces64
from ..data.pictures import from_uint8, sheet
from ..networks.unet import TONES, FaceNet
from ..networks.weights import load_net, load_prior, save_net
from ..noise import Noise
from ..priors.gaussian import fit_gaussian
from ..samplers import ddim, run
from .optimiser import Optimiser


@dataclass
class Recipe:
    """What a training run is: everything that changes its result."""

    images: int = 1_000_000  # pictures to see in all
    batch: int = 64  # of all processes together
    rate: float = 3e-4  # of AdamW, betas 0.9 and 0.99
    matrix_rate: float = 3e-3  # of Muon
    warm_up: int = 300  # steps
    final_rate: float = 0.02  # share of the rates left at the end of the cosine decay
    gamma: float = 5.0  # min-SNR weighting; infinity is the plain v loss
    low_levels: float = 0.5  # share of pictures trained at levels up to 650, the rest at any
    ema: float = 0.9995
    colour: float = 0.5  # share of colour pictures in a batch
    drop_tone: float = 0.15  # share of pictures whose tone is hidden
    seed: int = 0


def v_loss(net, x0: Tensor, t: Tensor, tone: Tensor, eps: Tensor, gamma: float) -> Tensor:
    """Squared errors of v, (B,), times min(SNR, gamma) / (SNR + 1) where `gamma` is finite.

    Eq. (v-loss) and (min-snr), book/prior/denoiser.
    """
    a = net.alpha_bar[t][:, None, None, None]
    x, v = a.sqrt() * x0 + (1 - a).sqrt() * eps, a.sqrt() * eps - (1 - a).sqrt() * x0
    error = F.mse_loss(net(x, t, tone).float(), v, reduction="none").mean((1, 2, 3))
    if math.isinf(gamma):
        return error
    snr = (a / (1 - a)).flatten()
    return snr.clamp(max=gamma) / (snr + 1) * error


class Trainer:
    """A network, its running average and optimiser; `step` learns from a batch of pictures.

    `pictures` uint8 (n, 3, size, size); `tones` (n,) 0 or 1. `net` is trained in place;
    `average` is what to use. Where `torch.distributed` runs, each process takes its share of
    every batch.
    """

    def __init__(
        self, net: FaceNet, pictures: Tensor, tones: Tensor, recipe: Recipe, device="cpu"
    ):
        self.recipe, self.device, self.seen = recipe, torch.device(device), 0
        self.rank, self.world = 0, 1
        if dist.is_initialized():
            self.rank, self.world = dist.get_rank(), dist.get_world_size()
        if recipe.batch % self.world:
            raise ValueError(
                f"a batch of {recipe.batch} cannot be shared by {self.world} processes"
            )
        net = net.to(device, memory_format=torch.channels_last)
        self.net = net.train().requires_grad_(True)
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.model = self.net
        if self.world > 1:
            self.model = DistributedDataParallel(self.net)
            self.model.alpha_bar = self.net.alpha_bar
        self.pictures = pictures.to(device)
        self.by_tone = [torch.nonzero(tones == k).flatten() for k in (0, 1)]
        self.tones = tones.to(device)
        self.optimiser = Optimiser(self.net, recipe.rate, recipe.matrix_rate)
        self.random = torch.Generator().manual_seed(recipe.seed)

    def step(self) -> float:
        """One batch: forward, backward, clip, update, average.

        Returns the loss of this process's share.
        """
        x0, t, tone, eps = self._draw()
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = v_loss(self.model, x0, t, tone, eps, self.recipe.gamma).mean()
        loss.backward()
        clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step(self.rate())
        self.seen += self.recipe.batch
        with torch.no_grad():
            steps = self.seen / self.recipe.batch
            keep = min(self.recipe.ema, (1 + steps) / (10 + steps))
            weights = list(self.net.parameters())
            torch._foreach_lerp_(list(self.average.parameters()), weights, 1 - keep)
        return loss.item()

    def rate(self) -> float:
        """Share of the learning rates now: linear warm-up, then a cosine to `final_rate`."""
        r = self.recipe
        cosine = (1 + math.cos(math.pi * min(1, self.seen / r.images))) / 2
        decay = r.final_rate + (1 - r.final_rate) * cosine
        return decay * min(1, (self.seen / r.batch + 1) / r.warm_up)

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
        """A batch or a process's share: pictures, levels, tones, noise; the same everywhere."""
        r, n = self.recipe, self.recipe.batch
        pick = [(torch.rand(n, generator=self.random) * len(of)).long() for of in self.by_tone]
        colour = torch.rand(n, generator=self.random) < r.colour
        if not all(len(of) for of in self.by_tone):
            colour[:] = len(self.by_tone[0]) > 0
        either = [of[i] if len(of) else i for of, i in zip(self.by_tone, pick)]
        index = torch.where(colour, *either)
        top = len(self.net.alpha_bar) - 1
        low = torch.rand(n, generator=self.random) < r.low_levels
        highest = torch.where(low, 0.65 * top, float(top))
        t = 1 + (torch.rand(n, generator=self.random) * highest).long()
        mirror = torch.rand(n, generator=self.random) < 0.5
        hide = torch.rand(n, generator=self.random) < r.drop_tone
        eps = torch.randn(n, *self.pictures.shape[1:], generator=self.random)
        share = slice(self.rank, None, self.world)
        drawn = (index, t, mirror, hide, eps)
        index, t, mirror, hide, eps = (value[share].to(self.device) for value in drawn)
        x0 = from_uint8(self.pictures[index])
        x0 = torch.where(mirror[:, None, None, None], x0.flip(3), x0)
        return x0, t, torch.where(hide, TONES.index("none"), self.tones[index]), eps


@torch.no_grad()
def eps_mse(net: FaceNet, pictures: Tensor, tones: Tensor, level: int, seed: int = 0) -> float:
    """Mean squared error of the predicted noise at a level, for pictures uint8 (n, 3, H, W)."""
    random, total = torch.Generator().manual_seed(seed), 0.0
    a = net.alpha_bar[level].double()
    for part, tone in zip(pictures.split(64), tones.split(64)):
        x0 = from_uint8(part)
        eps = torch.randn(x0.shape, generator=random)
        x = (a.sqrt() * x0 + (1 - a).sqrt() * eps).float()
        v = net(x, torch.full((len(part),), level), tone)
        total += (a.sqrt() * v + (1 - a).sqrt() * x - eps).square().mean((1, 2, 3)).sum().item()
    return total / len(pictures)


def train(
    folder: Path,
    recipe: Recipe,
    start: str | None = None,
    minutes: float = math.inf,
    save_every: float = 5.0,
):
    """Train on faces64 in `folder`, going on from its `checkpoint.pt` where there is one.

    Writes `checkpoint.pt` (to resume), `average.safetensors` (to use), `log.jsonl` and sample
    sheets `sheet_NNNNNNN.png` every `save_every` minutes; stops after `recipe.images` pictures
    or `minutes`. A new run begins with the weights `start` (a name or file), or with nothing
    but the Gaussian. Under `torchrun` every process takes its share of each batch, and the
    first one writes. A run may go on with another number of processes.
    """
    device = _join()
    folder.mkdir(parents=True, exist_ok=True)
    pictures, tones, _ = load_faces64(split="train")
    validation = [part[::8] for part in load_faces64(split="val")[:2]]
    if start:
        net = load_net(start)
    else:
        torch.manual_seed(recipe.seed)  # every process begins with the same weights
        net = FaceNet()
        directions = net.gauss_directions.shape[1]
        net.set_gaussian(*fit_gaussian(_as_drawn(pictures, tones, recipe), directions))
    trainer = Trainer(net, pictures, tones, recipe, device)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, map_location="cpu", weights_only=True))
    began, saved, losses, first = time.monotonic(), time.monotonic(), [], trainer.rank == 0
    look = {"unit": " images", "smoothing": 0.05, "disable": not first}
    with tqdm(total=recipe.images, initial=trainer.seen, **look) as bar:
        while trainer.seen < recipe.images:
            if _agree(time.monotonic() - began > 60 * minutes, device):
                break
            losses.append(trainer.step())
            bar.update(recipe.batch)
            latest = losses[-100:]
            bar.set_postfix(loss=f"{sum(latest) / len(latest):.4f}", refresh=False)
            if first and time.monotonic() - saved > 60 * save_every:
                _save(folder, trainer, losses, validation)
                saved, losses = time.monotonic(), []
    if first and losses:
        _save(folder, trainer, losses, validation)
    if trainer.world > 1:
        dist.destroy_process_group()


def _as_drawn(pictures: Tensor, tones: Tensor, recipe: Recipe) -> Tensor:
    """As many pictures, in [-1, 1], with the share of colour in batches: what training sees."""
    colour, mono = tones == 0, tones == 1
    odds = torch.where(colour, recipe.colour / colour.sum(), (1 - recipe.colour) / mono.sum())
    random = torch.Generator().manual_seed(recipe.seed)
    pick = torch.multinomial(odds, len(odds), replacement=True, generator=random)
    return from_uint8(pictures[pick])


def _join() -> str:
    """The device of this process, which joins the others where `torchrun` started it."""
    cuda = torch.cuda.is_available()
    if dist.is_torchelastic_launched():
        dist.init_process_group("nccl" if cuda else "gloo")
    if not cuda:
        return "cpu"
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    return f"cuda:{torch.cuda.current_device()}"


def _agree(stop: bool, device: str) -> bool:
    """Whether the first process wants to stop: all must do so after the same step."""
    if not dist.is_initialized():
        return stop
    word = torch.tensor(float(stop), device=device)
    dist.broadcast(word, 0)
    return bool(word)


def _save(
    folder: Path, trainer: Trainer, losses: list[float], validation: list[Tensor]
) -> None:
    partial = folder / "checkpoint.partial"
    torch.save(trainer.state(), partial)
    partial.replace(folder / "checkpoint.pt")  # never half a checkpoint
    weights = folder / "average.safetensors"
    save_net(trainer.average, weights, images_seen=trainer.seen)
    levels = (50, 150, 300, 500)
    errors = {level: eps_mse(load_net(weights), *validation, level) for level in levels}
    loss = sum(losses) / len(losses)
    row = {"seen": trainer.seen, "loss": loss, "rate": trainer.rate(), "eps_mse": errors}
    with open(folder / "log.jsonl", "a") as log:
        print(json.dumps(row), file=log)
    faces = run(ddim(load_prior(weights), 16, walk=25, noise=Noise(0)))
    sheet(faces.cpu()).save(folder / f"sheet_{trainer.seen:07d}.png")
