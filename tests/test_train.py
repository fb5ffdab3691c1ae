"""The training loop on a tiny network and made-up pictures."""

import csv
import json
import math
import zipfile

import pytest
import torch

from fuzzydiff_lite.prior import fit_gaussian
from fuzzydiff_lite.train import Recipe, Trainer, eps_mse, train, v_loss
from fuzzydiff_lite.unet import FaceNet
from fuzzydiff_lite.weights import load_net

RECIPE = Recipe(images=32 * 40, batch=32, rate=2e-3, warm_up=5, seed=3)


def pictures(n=64):
    """Discs of random place and colour: far from Gaussian."""
    random = torch.Generator().manual_seed(0)
    across, grid = 4 + 8 * torch.rand(n, 1, 1, generator=random), torch.arange(16.0)
    disc = ((grid - across) ** 2 + (grid[:, None] - 8) ** 2 < 9)[:, None]
    colour = torch.randint(0, 256, (n, 3, 1, 1), generator=random)
    return torch.where(disc, colour, 255 - colour).byte()


def trainer(recipe=RECIPE):
    torch.manual_seed(0)
    net = FaceNet(16, (16, 16, 16), 4)
    net.set_gaussian(*fit_gaussian(pictures().float() / 127.5 - 1, 4))
    return Trainer(net, pictures(), torch.arange(64) % 2, recipe)


def test_learning_beats_the_gaussian():
    t = trainer()
    args = pictures(), torch.arange(64) % 2, 200
    before = eps_mse(t.average, *args)
    for _ in range(40):
        t.step()
    assert t.seen == 1280 and eps_mse(t.average, *args) < 0.9 * before


def test_a_resumed_run_goes_on_as_if_nothing_had_happened():
    whole, first, second = trainer(), trainer(), trainer()
    losses = [whole.step() for _ in range(6)]
    assert [first.step() for _ in range(3)] == pytest.approx(losses[:3], rel=1e-3)
    second.restore(first.state())
    assert [second.step() for _ in range(3)] == pytest.approx(losses[3:], rel=1e-3)
    for a, b in zip(whole.average.parameters(), second.average.parameters()):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_rate_warms_up_and_decays():
    t = trainer()
    rates = []
    for seen in range(0, RECIPE.images + 1, RECIPE.batch):
        t.seen = seen
        rates.append(t.rate())
    assert rates[0] < rates[4] and max(rates) <= RECIPE.rate
    assert rates[-1] == pytest.approx(RECIPE.final_rate * RECIPE.rate)


def test_average_follows_the_network_slowly():
    t = trainer()
    before = [p.clone() for p in t.average.parameters()]
    t.step()
    for average, old, new in zip(t.average.parameters(), before, t.net.parameters()):
        torch.testing.assert_close(average, old + (new - old) * 9 / 11)  # the ramp keeps 2/11 at the first step


@pytest.mark.parametrize("colour, tones", [(1.0, {0}), (0.0, {1})])
def test_batches_have_the_tones_asked_for(colour, tones):
    t = trainer(Recipe(batch=64, colour=colour, drop_tone=0.0))
    assert set(t._draw()[2].tolist()) == tones


def test_hidden_tones_and_levels():
    t = trainer(Recipe(batch=4096, drop_tone=0.25, low_levels=0.5))
    _, level, tone, _ = t._draw()
    assert abs((tone == 2).float().mean() - 0.25) < 0.03
    assert level.min() >= 1 and level.max() <= 1000
    assert abs((level <= 650).float().mean() - (0.5 + 0.5 * 0.65)) < 0.03


@pytest.mark.parametrize("gamma", [5.0, math.inf])
def test_v_loss_is_the_weighted_eps_error(gamma):
    """|v error|^2 = |eps error|^2 / alpha_bar: the same error in another unit."""
    net = trainer().net.eval()
    x0, eps, t = torch.rand(2, 3, 16, 16), torch.randn(2, 3, 16, 16), torch.tensor([50, 800])
    a = net.alpha_bar[t][:, None, None, None]
    x, tone = a.sqrt() * x0 + (1 - a).sqrt() * eps, torch.zeros(2, dtype=torch.long)
    predicted = a.sqrt() * net(x, t, tone) + (1 - a).sqrt() * x
    snr = (a / (1 - a)).flatten()
    weight = 1.0 if math.isinf(gamma) else snr.clamp(max=gamma) / (snr + 1)
    expected = weight * (predicted - eps).square().mean((1, 2, 3)) / a.flatten()
    torch.testing.assert_close(v_loss(net, x0, t, tone, eps, gamma), expected, rtol=1e-3, atol=1e-6)


def test_train_writes_resumes_and_ends(tmp_path, monkeypatch):
    from PIL import Image

    folder = tmp_path / "faces"
    folder.mkdir()
    with zipfile.ZipFile(folder / "faces64.zip", "w") as archive, open(folder / "faces64.csv", "w", newline="") as file:
        table = csv.DictWriter(file, ["name", "split", "tone"])
        table.writeheader()
        for i, picture in enumerate(pictures(24)):
            image = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((64, 64))
            with archive.open(f"{i}.webp", "w") as entry:
                image.save(entry, "WEBP", lossless=True)
            table.writerow({"name": i, "split": "val" if i % 3 == 0 else "train", "tone": ["colour", "mono"][i % 2]})
    monkeypatch.setenv("FUZZYDIFF_FACES64", str(folder))
    monkeypatch.setattr("fuzzydiff_lite.train.FaceNet", lambda: FaceNet(64, (16, 16, 16), 4))
    out = tmp_path / "run"
    train(out, Recipe(images=8, batch=4))
    train(out, Recipe(images=16, batch=4))
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["seen"] for row in rows] == [8, 16]
    assert load_net(out / "average.safetensors").widths == (16, 16, 16)
    assert {"checkpoint.pt", "sheet_0000008.png", "sheet_0000016.png"} <= {path.name for path in out.iterdir()}
