"""Fusion in another basis, measured: `book/data/frequency.json`, `bands.json`, `bands.webp`.

Ten real faces are damaged in six ways and restored with trust in pixels, over a grid of
weights, and with trust in coefficients, by a formula; then the frames of the chapter's
explorer. About 28 000 network calls on single faces. Each part is kept in `runs/frequency` when
it is done, so that an interrupted run goes on where it stopped.
"""

from itertools import product

import torch
from torch import Tensor

from fuzzydiff_lite import Noise, Prior, load_prior, masks, run
from fuzzydiff_lite.basis import Basis, Pixels
from fuzzydiff_lite.data import london
from fuzzydiff_lite.metrics import psnr, ssim
from fuzzydiff_lite.noise import Shared
from fuzzydiff_lite.operators import Blur, Denoise, Inpaint
from fuzzydiff_lite.samplers import ddrm, fuzzy
from fuzzydiff_lite.show.widgets import save_grid
from studies import common

FILE, FRAMES = common.DATA / "frequency.json", common.DATA / "bands.json"
STEPS = 30
GRIDS = {
    "m": [0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1],
    "sigma": [0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 4],
}
SIGMA, TEXTURE, BAND, CAST, BLUR = 0.25, 0.5, 5, 0.3, 1.5  # the last in pixels
SETTINGS = {"steps": STEPS, "sigma": SIGMA, "texture": TEXTURE}
SETTINGS |= {"band": BAND, "cast": CAST, "blur": BLUR}
HOLE = masks.box()
BASES = {"dct": Basis.dct(), "haar": Basis.haar()}
# The bands of each slider.
GROUPS = {"light": (0, 1), "features": (2, 3), "edges": (4,), "grain": (5, 6)}
AXES = {"damage": ["noise", "texture", "blur"]} | {name: [0, 0.5, 1] for name in GROUPS}


def damages(x: Tensor) -> dict[str, tuple[Tensor, dict[str, Tensor | float]]]:
    """What is given of faces x, and in each basis the squared damage of each coefficient."""
    z, dct = Noise(9)(x.shape), BASES["dct"]
    texture = TEXTURE * (dct.bands == BAND)
    cast = torch.tensor([CAST, 0, -CAST])[:, None, None].expand(3, 64, 64)
    of_cast = {name: basis.V_adjoint(cast).square() for name, basis in BASES.items()}
    # Of the texture, which is white in a band of the DCT.
    spread = (BASES["haar"].matrix @ dct.matrix.T).square().float()
    of_texture = {"dct": texture**2, "haar": spread @ texture**2 @ spread.T}
    return {
        "noise": (x + SIGMA * z, dict.fromkeys(BASES, SIGMA**2)),
        "texture": (x + dct.V(texture * z), of_texture),
        "cast": (x + cast, of_cast),
    }


def shares(variances: Tensor, damage) -> Tensor:
    """Share of each coefficient to keep, (1, 3, 64, 64): Eq. (wiener-share) of the chapter."""
    return (variances / (variances + damage))[None]


def restored(
    prior: Prior, variance, y: Tensor, m, basis=Pixels, steps: int = STEPS, noise=None
) -> Tensor:
    """One run of fuzzy conditioning, with the default settings of this benchmark."""
    how = {"noise": noise or Noise(0), "variance": variance, "basis": basis}
    return run(fuzzy(prior, y.clamp(-1, 1), m, walk=steps, **how)).cpu()


def kept(prior: Prior, name: str, make, *args) -> Tensor:
    """`make(prior, *args)`, or what an earlier run has left of this part."""
    return common.kept("frequency", name, make, prior, *args, **SETTINGS)


def rival(prior: Prior, y: Tensor, A, sigma: float) -> Tensor:
    """DDRM, which is told the operator and the noise."""
    return run(ddrm(prior, y, A, sigma, walk=STEPS, noise=Noise(0))).cpu()


def scores(x: Tensor, true: Tensor) -> dict[str, float]:
    """PSNR, SSIM, detail: the energy of the DCT's two finest bands as a share of the true."""
    fine = BASES["dct"].bands >= 5
    energy = [BASES["dct"].V_adjoint(z)[..., fine].square().sum() for z in (x, true)]
    named = {"psnr": psnr(x, true), "ssim": ssim(x, true), "detail": energy[0] / energy[1]}
    return {name: value.mean().item() for name, value in named.items()}


def by_sigma(prior: Prior, damage: str, y: Tensor) -> dict[str, Tensor]:
    """One weight for all pixels, as for noise sigma: Eq. (share-as-noise) of chapter 12."""
    ways = {}
    for sigma in GRIDS["sigma"]:
        w, name = prior.variance / (prior.variance + sigma**2), f"sigma {sigma:g}"
        ways[name] = kept(prior, f"{damage} {name}", restored, prior.variance, y, w)
    return ways


def table(prior: Prior, true: Tensor) -> dict[str, dict]:
    """All damages but the hole by all ways: {damage: {way: scores}}."""
    variances = {
        name: prior.net.gaussian().variances_in(basis) for name, basis in BASES.items()
    }
    rows = {}
    for damage, (y, sizes) in damages(true).items():
        ways = {"given": y.clamp(-1, 1)}
        for m in GRIDS["m"]:
            way = f"m {m:g}"
            ways[way] = kept(prior, f"{damage} {way}", restored, None, y, m)
        ways |= by_sigma(prior, damage, y)
        for name, basis in BASES.items():
            v = variances[name]
            m = shares(v, sizes[name])
            ways[name] = kept(prior, f"{damage} {name}", restored, v, y, m, basis)
        if damage == "noise":
            ways["ddrm"] = kept(prior, "noise ddrm", rival, y, Denoise(), SIGMA)
        rows[damage] = {way: scores(x, true) for way, x in ways.items()}

    y, v, dct = Blur.gaussian(BLUR)(true), variances["dct"], BASES["dct"]
    ways = {"given": y.clamp(-1, 1)}
    ways |= by_sigma(prior, "blur", y)
    for last in range(2, 7):  # the bands up to this one are trusted
        m, way = dct.weights([float(k <= last) for k in range(7)]), f"bands {last}"
        ways[way] = kept(prior, f"blur {way}", restored, v, y, m, dct)
    rows["blur"] = {way: scores(x, true) for way, x in ways.items()}
    return rows


def holes(prior: Prior, true: Tensor) -> dict[str, dict]:
    """A hole, without and with noise: {damage: {way: PSNR in the hole and outside}}."""
    rows = {}
    for damage, sigma in [("hole", 0.0), ("hole and noise", SIGMA)]:
        y = HOLE * (true + sigma * Noise(9)(true.shape))
        plan = {"pixels": (prior.variance, HOLE, Pixels)}
        for name, basis in BASES.items():
            v = prior.net.gaussian().variances_in(basis)
            plan[name] = v, shares(v, sigma**2) * basis.weights([1] * 7, HOLE), basis
        ways = {
            name: kept(prior, f"{damage} {name}", restored, v, y, m, basis)
            for name, (v, m, basis) in plan.items()
        }
        ways["ddrm"] = kept(prior, f"{damage} ddrm", rival, y, Inpaint(HOLE), sigma)
        rows[damage] = {
            way: {
                "hole": psnr(x, true, 1 - HOLE).mean().item(),
                "outside": min(99.0, psnr(x, true, HOLE).mean().item()),
            }
            for way, x in ways.items()
        }
    return rows


def frames(prior: Prior, true: Tensor) -> None:
    """The explorer: one face, three damages, a weight for each group of bands, 20 steps."""
    given = {name: y.clamp(-1, 1) for name, (y, _) in damages(true).items()}
    given["blur"] = Blur.gaussian(BLUR)(true)
    settings = list(product(*[AXES[name] for name in GROUPS]))
    sliders = [[k in g for g in GROUPS.values()].index(True) for k in range(7)]  # of the bands
    dct = BASES["dct"]
    m = torch.cat([dct.weights([w[i] for i in sliders]) for w in settings])
    v = prior.net.gaussian().variances_in(dct)
    done = {}
    for name in AXES["damage"]:
        y = given[name].expand(len(settings), -1, -1, -1)
        x = kept(prior, f"frames {name}", restored, v, y, m, dct, 20, Shared(0))
        done |= {(name, *w): x for w, x in zip(settings, x.split(1))}

    def compute(damage, **weights):
        x = done[damage, *weights.values()]
        before, after = (psnr(z, true).item() for z in (given[damage], x))
        both = torch.cat([given[damage], x], 3)
        return both, f"PSNR of the given picture {before:.1f} dB, restored {after:.1f} dB"

    save_grid(FRAMES, compute, AXES, weights_sha256=prior.weights)


def main() -> None:
    """Everything, with the shipped weights in bfloat16."""
    prior, faces = load_prior(dtype=torch.bfloat16), london(20)[::2]
    found = {"table": table(prior, faces), "holes": holes(prior, faces)}
    common.write(FILE, "frequency", {"faces": len(faces)} | SETTINGS | found)
    frames(prior, faces[:1])


if __name__ == "__main__":
    main()
