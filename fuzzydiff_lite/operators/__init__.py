"""What was done to a picture, with all that a restorer needs to undo it.

A linear operator is given by its singular value decomposition A = U S V^T, in the form of four
fast orthogonal maps. Applying it, its adjoint, its pseudo-inverse and its proximal map then are
one line each, the same for all.
"""

from . import masks
from .blur import Blur
from .functions import Functions, from_functions
from .hadamard import WalshHadamard
from .jpeg import Jpeg, Quantize
from .linear import Denoise, Inpaint, Masked, Operator, measure, whiten
from .separable import AveragePool, Bicubic, Gray, Separable

__all__ = [
    "AveragePool",
    "Bicubic",
    "Blur",
    "Denoise",
    "Functions",
    "Gray",
    "Inpaint",
    "Jpeg",
    "Masked",
    "Operator",
    "Quantize",
    "Separable",
    "WalshHadamard",
    "from_functions",
    "masks",
    "measure",
    "whiten",
]
