"""Bake what the RePaint chapter shows: `book/data/resampling.json` and `resampling.webp`.

The frames of its explorer, four faces under three masks, and a table of measures over all 20
London faces with the box as the hole. About 108 000 network calls on one picture, 48 000 of
them for the paper's own setting. Each setting is kept in `runs/resampling` when it is done, so
that an interrupted run goes on where it stopped.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from fuzzydiff_lite import Noise, Prior, Walk, load_prior, masks, run
from fuzzydiff_lite.data import london
from fuzzydiff_lite.metrics import psnr
from fuzzydiff_lite.samplers import repaint
from fuzzydiff_lite.show.widgets import save_grid
from fuzzydiff_lite.walk import calls
from studies.common import DATA, SHIPPED, kept

FILE = DATA / "resampling.json"
SHOWN = [0, 5, 10, 15]  # the faces of the explorer, by their numbers in the London set
FACES = SHOWN + [i for i in range(20) if i not in SHOWN]
AXES = {
    "picture": [f"face {i}" for i in SHOWN],
    "mask": ["box", "half", "strokes"],
    "n": [1, 2, 3, 4, 5, 10, 20],
}
STEPS = 25
BY_REPEATS = [(STEPS, n, 1) for n in AXES["n"]]
EQUAL_CALLS = [(250, 1, 1), (125, 2, 1), (50, 5, 1), (12, 22, 1)]
EQUAL_CALLS += [(STEPS, 10, 2), (STEPS, 12, 5)]
PAPER = [(250, 10, 10)]


def restored(prior: Prior, mask: str, steps: int, n: int, jump: int) -> Tensor:
    """A setting's faces restored, (20 or 4, 3, 64, 64); face i of FACES has noise stream i."""
    keep = masks.named(mask)
    ys = masks.apply(london()[FACES if mask == "box" else SHOWN], keep).to(prior.device)
    walk = Walk(steps, repeats=n, jump=jump)
    x = run(repaint(prior, ys, keep.to(prior.device), walk=walk, noise=Noise(0)))
    return x.float().cpu()


def edge(x: Tensor, keep: Tensor) -> Tensor:
    """The mean difference of neighbouring pixels, one kept and one not, by picture, (B,)."""
    total, count = 0, 0
    for dim in (2, 3):
        border = keep.diff(dim=dim).abs()
        total = total + (x.diff(dim=dim).abs() * border).sum((1, 2, 3))
        count = count + 3 * border.sum()
    return total / count


def inside(x: Tensor) -> Tensor:
    """What lies in the box, (B, 3, 24, 24)."""
    return x[..., 20:44, 20:44]


def row(x: Tensor, steps: int, n: int, jump: int) -> dict:
    """One line of the table: a setting, its calls, and the measures of each face."""
    true, part = london()[FACES], inside(x)
    blocks = avg_pool2d(part, 8) - avg_pool2d(inside(true), 8)
    across, down = (part.diff(dim=dim).abs().mean((1, 2, 3)) for dim in (3, 2))
    measures = {
        "psnr": psnr(x, true, 1 - masks.box()),
        "edge": edge(x, masks.box()),
        "content": blocks.square().mean((1, 2, 3)).sqrt(),
        "detail": (across + down) / 2,
    }
    setting = {"steps": steps, "n": n, "jump": jump, "calls": calls(steps, n, jump)}
    rounded = {key: [round(v, 4) for v in x.tolist()] for key, x in measures.items()}
    return setting | rounded


def main() -> None:
    """All settings, with the shipped weights in bfloat16."""
    prior = load_prior(dtype=torch.bfloat16)

    def done(mask, steps, n, jump):
        part, setting = f"{mask}, {steps} steps, n = {n}, jump {jump}", (mask, steps, n, jump)
        return kept("resampling", part, restored, prior, *setting, faces=FACES, shown=SHOWN)

    def frame(picture, mask, n):
        which, keep = AXES["picture"].index(picture), masks.named(mask)
        true, x = london()[SHOWN[which], None], done(mask, STEPS, n, 1)[which, None]
        seam = (edge(x, keep) / edge(true, keep)).item()
        text = f"PSNR in the hole {psnr(x, true, 1 - keep).item():.1f} dB, seam {seam:.2f}"
        text += f"; {calls(STEPS, n)} network calls"
        return torch.cat([masks.apply(true, keep), x], 3), text

    settings = BY_REPEATS + EQUAL_CALLS + PAPER
    table = [row(done("box", *setting), *setting) for setting in settings]
    save_grid(FILE, frame, AXES, weights_sha256=SHIPPED, table=table)
    size = FILE.stat().st_size + FILE.with_suffix(".webp").stat().st_size
    print(f"{FILE.name} and its sprite: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
