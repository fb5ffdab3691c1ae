"""Weights on disk: checksummed safetensors in, a prior out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..assets import FOLDER
from ..priors.prior import Prior
from ..schedule import Schedule
from .unet import TONES, FaceNet

SHA256 = {"faces64": "96e1ce1c8a4877402b99eecef3a102d592e7e752d4620f606e0f37696332b478"}


def load_prior(
    name: str | Path = "faces64", tone: str = "colour", device=None, dtype=torch.float32
) -> Prior:
    """The prior that ships under a name, or that of a `.safetensors` file made by training.

    `tone` is "colour", "mono" or "none" (no label); `device` is CUDA where there is one, else
    the CPU; the U-Net computes in `dtype`, float32 or, faster, bfloat16; pictures stay float32.

    Raises ValueError for an unknown name or tone, a missing or broken file, a wrong checksum.
    """
    if tone not in TONES:
        raise ValueError(f"tone must be one of {', '.join(TONES)}, got {tone!r}")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    net = load_net(name).to(device)
    for parameter in net.parameters():  # the Gaussian's buffers stay in float32
        parameter.data = parameter.data.to(dtype)
    shape, label = (3, net.size, net.size), TONES.index(tone)
    prior = Prior(net, Schedule.linear(), shape, "v", label, device, TONES)
    prior.variance, prior.weights = net.gaussian().variance, SHA256.get(name) or sha256(name)
    return prior


def load_net(name: str | Path = "faces64") -> FaceNet:
    """The network itself, in float32 on the CPU, ready for inference.

    Raises ValueError like `load_prior`.
    """
    path = FOLDER / f"{name}.safetensors" if name in SHA256 else Path(name)
    if not path.is_file():
        raise ValueError(
            f"no weights called {name}: neither one of {', '.join(SHA256)} nor a file"
        )
    if name in SHA256 and sha256(path) != SHA256[name]:
        raise ValueError(f"{path} is damaged: its SHA-256 is not the published one")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
        widths = [int(w) for w in metadata["widths"].split(",")]
        net = FaceNet(int(metadata["size"]), widths, len(tensors["gauss_variances"]))
        net.load_state_dict(tensors)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold the weights of a FaceNet: {error}") from error
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def save_net(net: FaceNet, path: Path, **metadata) -> None:
    """Write `net` in half precision, single numbers in full, with its sizes and `metadata`."""
    state = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    tensors = {key: value.half() if value.ndim else value for key, value in state.items()}
    shape = {"size": str(net.size), "widths": ",".join(map(str, net.widths))}
    save_file(tensors, path, {**shape, **{key: str(value) for key, value in metadata.items()}})


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
