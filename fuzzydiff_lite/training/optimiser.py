"""The optimiser of the prior: Muon for the matrices inside the U-Net, AdamW for all else."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..networks.unet import FaceNet


class Optimiser:
    """Muon for the matrices inside the U-Net, AdamW for all else.

    That is biases, embeddings, the first and the last layer. A convolution counts as the matrix
    that takes a neighbourhood to an output pixel. Source: Jordan et al. 2024.
    """

    OUTSIDE = ("input", "output", "position", "tone")

    def __init__(self, net: FaceNet, rate: float, matrix_rate: float):
        named = dict(net.named_parameters())
        inside = [name for name, p in named.items() if p.ndim > 1]
        inside = [name for name in inside if not name.startswith(self.OUTSIDE)]
        self.weights = [named[name] for name in inside]
        # the same memory in another shape
        self.matrices = [nn.Parameter(_matrix(p.data)) for p in self.weights]
        if any(m.data_ptr() != p.data_ptr() for m, p in zip(self.matrices, self.weights)):
            raise ValueError("the network must be in channels_last")
        rest = [p for name, p in named.items() if name not in inside]
        self.parts = {
            "muon": torch.optim.Muon(self.matrices, lr=matrix_rate, weight_decay=0.0),
            "adamw": torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.99), weight_decay=1e-4),
        }
        self.rates = {"muon": matrix_rate, "adamw": rate}

    def step(self, share: float) -> None:
        """Update all weights at this `share` of the rates, and forget their gradients."""
        for matrix, p in zip(self.matrices, self.weights):
            matrix.grad = _matrix(p.grad)
            p.grad = None
        for name, part in self.parts.items():
            part.param_groups[0]["lr"] = share * self.rates[name]
            part.step()
            part.zero_grad()

    def state_dict(self) -> dict:
        """The state of both."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict) -> None:
        """What `state_dict` gave."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def _matrix(weight: Tensor) -> Tensor:
    """A weight as a matrix, a row for each output; a view where it is in channels_last."""
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.ndim == 4 else weight
