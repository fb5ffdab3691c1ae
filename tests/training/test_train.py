"""The training loop on a tiny network and made-up pictures."""

import csv
import json
import math
import zipfile

import pytest
import torch

from fuzzydiff_lite.networks import FaceNet, load_net
from fuzzydiff_lite.priors import fit_gaussian
from fuzzydiff_lite.training import Recipe, Trainer, eps_mse, train, v_loss
from fuzzydiff_lite.training.prior import _as_drawn

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
    assert rates[0] < rates[4] and 0.9 < max(rates) <= 1
    assert rates[-1] == pytest.approx(RECIPE.final_rate)


def test_average_follows_the_network_slowly():
    t = trainer()
    before = [p.clone() for p in t.average.parameters()]
    t.step()  # the first, at which the ramp keeps 2/11
    for average, old, new in zip(t.average.parameters(), before, t.net.parameters()):
        torch.testing.assert_close(average, old + (new - old) * 9 / 11)


@pytest.mark.parametrize("colour, tones", [(1.0, {0}), (0.0, {1})])
def test_batches_have_the_tones_asked_for(colour, tones):
    t = trainer(Recipe(batch=64, colour=colour, drop_tone=0.0))
    assert set(t._draw()[2].tolist()) == tones


@pytest.mark.parametrize("colour", [0.0, 0.5, 1.0])
def test_the_gaussian_is_of_pictures_drawn_as_batches_are(colour):
    faces = torch.arange(10, 210, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    tones = torch.tensor([0] * 20 + [1] * 180)
    drawn = _as_drawn(faces, tones, Recipe(colour=colour))[:, 0, 0, 0]
    drawn = ((drawn + 1) * 127.5).round() - 10
    assert len(drawn) == 200 and abs((drawn < 20).float().mean() - colour) < 0.1
    assert drawn[drawn < 20].unique().numel() > 10 or not colour


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
    loss = v_loss(net, x0, t, tone, eps, gamma)
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-6)


def test_train_writes_resumes_and_ends(tmp_path, monkeypatch):
    from PIL import Image

    folder = tmp_path / "faces"
    folder.mkdir()
    with (
        zipfile.ZipFile(folder / "faces64.zip", "w") as archive,
        open(folder / "faces64.csv", "w", newline="") as file,
    ):
        table = csv.DictWriter(file, ["name", "split", "tone"])
        table.writeheader()
        for i, picture in enumerate(pictures(24)):
            image = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((64, 64))
            with archive.open(f"{i}.webp", "w") as entry:
                image.save(entry, "WEBP", lossless=True)
            split, tone = "val" if i % 3 == 0 else "train", ["colour", "mono"][i % 2]
            table.writerow({"name": i, "split": split, "tone": tone})
    monkeypatch.setenv("FUZZYDIFF_FACES64", str(folder))
    monkeypatch.setattr(
        "fuzzydiff_lite.training.prior.FaceNet", lambda: FaceNet(64, (16, 16, 16), 4)
    )
    out = tmp_path / "run"
    train(out, Recipe(images=8, batch=4))
    train(out, Recipe(images=16, batch=4))
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["seen"] for row in rows] == [8, 16]
    assert load_net(out / "average.safetensors").widths == (16, 16, 16)
    written = {path.name for path in out.iterdir()}
    assert {"checkpoint.pt", "sheet_0000008.png", "sheet_0000016.png"} <= written


def in_process(rank, world, address, steps, queue):
    import torch.distributed as dist

    torch.set_num_threads(1)
    meeting = f"file://{address}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
    t = trainer()
    losses = [t.step() for _ in range(steps)]
    state = None
    if rank == 0:
        state = {name: p.detach().clone().numpy() for name, p in t.average.named_parameters()}
    queue.put((rank, losses, state))
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_learn_as_one_with_the_whole_batch(tmp_path):
    context = torch.multiprocessing.get_context("spawn")
    queue, one = context.Queue(), trainer()
    given = [(r, 2, tmp_path / "meet", 4, queue) for r in range(2)]
    workers = [context.Process(target=in_process, args=args) for args in given]
    for worker in workers:
        worker.start()
    answers = sorted((queue.get(timeout=100) for _ in workers), key=lambda answer: answer[0])
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    shared = [(a + b) / 2 for a, b in zip(answers[0][1], answers[1][1])]
    assert [one.step() for _ in range(4)] == pytest.approx(shared, rel=5e-3)
    apart, way = 0.0, 0.0
    for (name, p), begin in zip(one.average.named_parameters(), trainer().average.parameters()):
        apart += (torch.from_numpy(answers[0][2][name]) - p).square().sum().item()
        way += (p - begin).square().sum().item()
    # Rounding differs: bfloat16, and another order of sums.
    assert apart < 0.1**2 * way, (apart / way) ** 0.5


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 3)
    with pytest.raises(ValueError, match="batch of 32 cannot be shared by 3"):
        trainer()


def test_matrices_go_to_muon_and_the_rest_to_adamw():
    t = trainer()
    inside = {id(p) for p in t.optimiser.weights}
    assert id(t.net.mid[0].conv1.weight) in inside and id(t.net.mid[1].qkv.weight) in inside
    outside = {id(t.net.input.weight), id(t.net.output.conv.weight), id(t.net.tone.weight)}
    assert not outside & inside
    count = sum(len(part.param_groups[0]["params"]) for part in t.optimiser.parts.values())
    assert count == len(list(t.net.parameters()))
    before = {name: p.clone() for name, p in t.net.named_parameters()}
    for _ in range(4):  # each update reaches what begins behind the next weights of zero
        t.step()
    assert all((p != before[name]).any() for name, p in t.net.named_parameters())
