"""How good pictures are: against the truth, as a set, and in bits."""

from .features import frechet, hog
from .pixels import auroc, average_precision, psnr, ssim

__all__ = ["auroc", "average_precision", "frechet", "hog", "psnr", "ssim"]
