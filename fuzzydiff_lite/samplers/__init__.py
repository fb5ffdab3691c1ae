"""Samplers, one file a paper. Each is a generator of `Step`s; `run` takes it to the end."""

from .ddim import ddim
from .ddnm import ddnm
from .ddpm import ddpm
from .ddrm import ddrm, ddrm_jpeg
from .diffpir import diffpir
from .dps import dps, mcg
from .fuzzy import fuzzy
from .ilvr import ilvr, sdedit
from .loop import Step, from_measurement, run
from .pigdm import pigdm
from .repaint import repaint, replacement
from .unified import unified

__all__ = [
    "Step",
    "ddim",
    "ddnm",
    "ddpm",
    "ddrm",
    "ddrm_jpeg",
    "diffpir",
    "dps",
    "from_measurement",
    "fuzzy",
    "ilvr",
    "mcg",
    "pigdm",
    "repaint",
    "replacement",
    "run",
    "sdedit",
    "unified",
]
