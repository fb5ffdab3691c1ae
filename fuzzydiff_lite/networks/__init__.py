"""Networks and their weights on disk.

`TONES` are the labels that `FaceNet` takes, by their numbers; `SHA256` has the checksum of each
file of weights that ships.
"""

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
