"""What `studies.attention` looks at: faces, damage done to them, and pictures that are no faces."""

import skimage.data
import torch
from PIL import Image
from torch import Tensor

from fuzzydiff_lite import Noise
from fuzzydiff_lite.data import crop_square, damage, from_uint8, load_faces64, to_tensor

KINDS = list(damage.KINDS)
CHEEKS = (slice(38, 43), [20, 21, 22, 23, 24, 39, 40, 41, 42, 43])
OTHERS = ["coffee", "chelsea", "hubble_deep_field", "retina"]
OTHERS += ["grass", "brick", "camera", "moon"]

# What people who look at the pictures see, by the number of the face in its part of faces64.
CONGRESS = {  # validation, colour
    "glasses": [6, 10, 14, 16, 19, 21, 23, 24, 25, 27, 28, 29, 32, 37, 39, 42, 57],
    "beard or moustache": [1, 3, 4, 14, 27, 36, 39, 45, 62],
    "painting or print": [0, 1, 2, 3, 4, 5, 7, 8, 51, 52, 53, 54, 55, 56],
}
LONDON = {"beard or moustache": [1, 7, 12, 13, 26, 32, 37, 38]}  # test


def spread(x: Tensor, count: int) -> Tensor:
    """`count` of the pictures x, spread over them evenly."""
    return x[torch.linspace(0, len(x) - 1, count).round().long()]


def faces(**wanted: str) -> Tensor:
    """All faces of a part of faces64, (n, 3, 64, 64)."""
    return from_uint8(load_faces64(**wanted)[0])


def good(tone: str, count: int) -> Tensor:
    """What the statistics are made of: training faces of Congress and, in colour, of London.

    The prior has seen them, but learned next to nothing by heart: `seen` in the result compares
    them with faces that it has not seen. So all validation and test faces are left to judge by.
    """
    if tone == "mono":
        return spread(faces(source="congress", split="train", tone="mono"), count)
    london = spread(faces(source="london", split="train"), 80 * count // 256)
    congress = faces(source="congress", split="train", tone="colour")
    return torch.cat([london, spread(congress, count - len(london))])


def unseen() -> dict[str, Tensor]:
    """Faces that the prior has not seen."""
    return {
        "london": faces(source="london", split="test"),
        "congress": faces(source="congress", split="val", tone="colour"),
        "mono": spread(faces(source="congress", split="val", tone="mono"), 24),
    }


def damaged(x: Tensor) -> tuple[Tensor, Tensor]:
    """All damage to faces (n, 3, H, W): pictures (7, n, 3, H, W) and truth (7, n, 1, H, W)."""
    y, truth = zip(*(damage.named(kind, x, Noise(2)) for kind in KINDS))
    return torch.stack(y), torch.stack(truth)


def skin(x: Tensor) -> Tensor:
    """How light the cheeks of faces (n, 3, 64, 64) are, (n,)."""
    return x[:, :, CHEEKS[0]][..., CHEEKS[1]].mean((1, 2, 3))


def groups(london: Tensor) -> dict[str, dict[str, list[int]]]:
    """The numbers of faces alike, of London by their skin; the groups of people overlap."""
    order = skin(london).argsort().tolist()
    third = len(order) // 3
    by_skin = {
        "darkest third": order[:third],
        "middle third": order[third:-third],
        "lightest third": order[-third:],
    }
    rest = set(range(72)).difference(*CONGRESS.values())
    congress = {"all": list(range(72))} | CONGRESS | {"none of these": sorted(rest)}
    return {"london": {"all": list(range(50))} | by_skin | LONDON, "congress": congress}


def strange(x: Tensor) -> dict[str, Tensor]:
    """No aligned faces: other pictures, noise, and some of the faces x turned or shifted."""
    images = [Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in OTHERS]
    return {
        "pictures": torch.cat([to_tensor(crop_square(image)) for image in images]),
        "upside down": x[::4].flip(2),
        "turned left": x[::4].rot90(1, (2, 3)),
        "shifted by a third": x[::4].roll(21, 3),
        "noise": Noise(3)((4, 3, 64, 64)).clamp(-1, 1),
    }
