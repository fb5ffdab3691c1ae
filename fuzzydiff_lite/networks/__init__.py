"""Networks and their weights on disk."""

from .classifier import ToneClassifier
from .unet import TONES, FaceNet
from .weights import SHA256, load_net, load_prior, save_net, sha256

__all__ = [
    "SHA256",
    "TONES",
    "FaceNet",
    "ToneClassifier",
    "load_net",
    "load_prior",
    "save_net",
    "sha256",
]
