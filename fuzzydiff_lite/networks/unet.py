"""The network: a small U-Net that learns what a Gaussian fitted to the faces misses."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..priors.gaussian import GaussianPrior
from ..schedule import Schedule
from ..steps import gaussian_denoiser

TONES = ("colour", "mono", "none")


class Block(nn.Module):
    """Two 3x3 convolutions with a residual, scaled and shifted between by level and tone."""

    def __init__(self, width_in: int, width: int, embedding: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(16, width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.scale_shift = nn.Linear(embedding, 2 * width)
        self.norm2 = nn.GroupNorm(16, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.scale_shift(embedding)[:, :, None, None].chunk(2, 1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class Attention(nn.Module):
    """Every pixel of the grid looks at every other: 4-head self-attention with a residual."""

    heads = 4

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(16, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.proj = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, height, across = x.shape
        shape = batch, 3, self.heads, width // self.heads, height * across
        parts = self.qkv(self.norm(x)).reshape(shape)
        q, k, v = parts.transpose(-1, -2).unbind(1)
        out = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj(out.transpose(-1, -2).reshape(batch, width, height, across))


class Upsample(nn.Conv2d):
    """Twice the size by repeating pixels, then a 3x3 convolution."""

    def __init__(self, width: int):
        super().__init__(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


class Stage(nn.Sequential):
    """Layers in a row; the blocks among them get the embedding too."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for layer in self:
            x = layer(x, embedding) if isinstance(layer, Block) else layer(x)
        return x


class FaceNet(nn.Module):
    """Predicts v from a noisy face, its level and its tone: `net(x, t, tone)`.

    x (B, 3, size, size); t (B,) levels 1..T; tone (B,) indices into `TONES`; returns v, shape
    of x. v is what a Gaussian of faces predicts, plus what the U-Net adds to it; a new network
    adds nothing. The U-Net has three `widths`, its channels on grids of size/2, size/4 and
    size/8, with attention on the last two. Eq. (v-prediction), book/prior/denoiser.
    """

    def __init__(
        self,
        size: int = 64,
        widths=(64, 128, 128),
        directions: int = 256,
        schedule: Schedule | None = None,
    ):
        super().__init__()
        schedule = schedule or Schedule.linear()
        d = 3 * size**2
        self.size, self.widths = size, tuple(widths)
        self.register_buffer("alpha_bar", schedule.alpha_bar.float(), persistent=False)
        self.register_buffer("gauss_mean", torch.zeros(d))
        self.register_buffer("gauss_directions", torch.zeros(d, directions))
        self.register_buffer("gauss_variances", torch.ones(directions))
        self.register_buffer("gauss_rest", torch.ones(()))
        first, *_, last = widths
        e = 4 * first
        self.time = nn.Sequential(nn.Linear(first, e), nn.SiLU(), nn.Linear(e, e))
        self.tone = nn.Embedding(len(TONES), e)
        self.input = nn.Conv2d(24, first, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, first, size // 2, size // 2))
        skips, down, width = [first], [], first
        for i, wide in enumerate(widths):
            down.append(Stage(Block(width, wide, e), *([Attention(wide)] if i else [])))
            skips.append(wide)
            if i + 1 < len(widths):
                down.append(Stage(nn.Conv2d(wide, wide, 3, stride=2, padding=1)))
                skips.append(wide)
            width = wide
        self.down = nn.ModuleList(down)
        self.mid = Stage(Block(last, last, e), Attention(last), Block(last, last, e))
        up = []
        for i, wide in reversed(list(enumerate(widths))):
            for _ in range(2):
                block = Block(width + skips.pop(), wide, e)
                up.append(Stage(block, *([Attention(wide)] if i else [])))
                width = wide
            if i:
                up.append(Stage(Upsample(width)))
        self.up = nn.ModuleList(up)
        self.output = nn.Module()
        self.output.norm = nn.GroupNorm(16, width)
        self.output.conv = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.output.conv.weight)
        nn.init.zeros_(self.output.conv.bias)

    def set_gaussian(
        self, mean: Tensor, directions: Tensor, variances: Tensor, rest: float
    ) -> None:
        """The Gaussian to start from, e.g. `prior.fit_gaussian(faces, K)`."""
        values = {"mean": mean, "directions": directions, "variances": variances, "rest": rest}
        for name, value in values.items():
            getattr(self, f"gauss_{name}").copy_(torch.as_tensor(value))

    def gaussian(self) -> GaussianPrior:
        """That Gaussian as a prior of its own, whose denoiser is exact."""
        mean = self.gauss_mean.reshape(3, self.size, self.size)
        return GaussianPrior(mean, self.gauss_rest, self.gauss_directions, self.gauss_variances)

    def gaussian_x0(self, x: Tensor, t: Tensor) -> Tensor:
        """The clean picture that the Gaussian predicts of x at level t, shape of x.

        Eq. (gaussian-denoiser), book/prior/denoiser.
        """
        gaussian = self.gauss_mean, self.gauss_directions, self.gauss_variances, self.gauss_rest
        a = self.alpha_bar[t][:, None]
        return gaussian_denoiser(x.flatten(1), a, *gaussian).reshape(x.shape)

    def forward(self, x: Tensor, t: Tensor, tone: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            a = self.alpha_bar[t][:, None, None, None]
            x0 = self.gaussian_x0(x.float(), t)
            v = (a.sqrt() * x.float() - x0) / (1 - a).sqrt()
        dtype = self.input.weight.dtype
        embedding = F.silu(self.time(self._waves(t).to(dtype)) + self.tone(tone))
        h = F.pixel_unshuffle(torch.cat([x, x0.to(x)], 1), 2)
        h = self.input(h.to(dtype, memory_format=torch.channels_last)) + self.position
        skips = [h]
        for stage in self.down:
            h = stage(h, embedding)
            skips.append(h)
        h = self.mid(h, embedding)
        for stage in self.up:
            if isinstance(stage[0], Block):
                h = torch.cat([h, skips.pop()], 1)
            h = stage(h, embedding)
        h = self.output.conv(F.silu(self.output.norm(h)))
        return (v + F.pixel_shuffle(h, 2).float()).to(x)

    def _waves(self, t: Tensor) -> Tensor:
        """Cosines and sines of the level at `widths[0] / 2` frequencies.

        Eq. (time-embedding), book/prior/denoiser.
        """
        half = self.widths[0] // 2
        rates = torch.exp(-math.log(10000) / half * torch.arange(half, device=t.device))
        angles = (t - 1)[:, None] * rates
        return torch.cat([angles.cos(), angles.sin()], 1)
