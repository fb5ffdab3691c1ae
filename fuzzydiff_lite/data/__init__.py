"""Pictures: in and out of tensors, training faces, those that ship, damage done to them.

`ASTRONAUT_BOX` is the square of the face in scikit-image's astronaut: left, top, right, bottom.
"""

from .faces64 import faces64_folder, load_faces64
from .pictures import (
    crop_square,
    from_uint8,
    open_picture,
    sheet,
    to_image,
    to_tensor,
    to_uint8,
)
from .shipped import ASTRONAUT_BOX, astronaut, london, people, portrait

__all__ = [
    "ASTRONAUT_BOX",
    "astronaut",
    "crop_square",
    "faces64_folder",
    "from_uint8",
    "load_faces64",
    "london",
    "open_picture",
    "people",
    "portrait",
    "sheet",
    "to_image",
    "to_tensor",
    "to_uint8",
]
