import pytest
import torch

from fuzzydiff_lite import GaussianPrior, Noise, run
from fuzzydiff_lite.data import from_uint8, to_uint8
from fuzzydiff_lite.samplers import ddpm
from studies import common, samples_distances, samples_drawn


@pytest.fixture(scope="module")
def faces():
    """Smooth coloured noise, uint8 (80, 3, 64, 64), every face with a left and a right side."""
    coarse = Noise(5)((80, 3, 8, 8)).clamp(-1, 1)
    return to_uint8(torch.nn.functional.interpolate(coarse, size=64, mode="bicubic"))


def test_a_seed_for_each_picture():
    prior = GaussianPrior(torch.zeros(3, 8, 8, dtype=torch.float64))
    together = run(
        ddpm(prior, 3, walk=4, noise=samples_drawn.Seeds([Noise(k) for k in (4, 5, 6)]))
    )
    for k, x in zip((4, 5, 6), together):
        torch.testing.assert_close(x, run(ddpm(prior, 1, walk=4, noise=Noise(k)))[0])
    branch = samples_drawn.Seeds([Noise(4), Noise(5)]).branch(1)
    torch.testing.assert_close(branch((2, 3))[1], Noise(5).branch(1)((1, 3))[0])


def test_samples_do_not_depend_on_how_they_are_divided(tmp_path, monkeypatch):
    prior = GaussianPrior(torch.zeros(3, 8, 8), 0.1)
    prior.weights = "0" * 64
    monkeypatch.setattr(common, "RUNS", tmp_path / "one")
    whole = (
        samples_drawn.drawn(prior, "mono", 3, 5),
        samples_drawn.shown(prior, "mono", "ddpm", 3, 5),
    )
    monkeypatch.setattr(common, "RUNS", tmp_path / "two")
    for name, size in {"PART": 3, "BATCH": 2, "SHEET_PART": 2}.items():
        monkeypatch.setattr(samples_drawn, name, size)
    parts = (
        samples_drawn.drawn(prior, "mono", 3, 5),
        samples_drawn.shown(prior, "mono", "ddpm", 3, 5),
    )
    torch.testing.assert_close(parts[0], whole[0], atol=1, rtol=0)  # rounding to 8 bits
    torch.testing.assert_close(parts[1], whole[1], atol=1, rtol=0)


def test_draws_of_the_gaussian_have_its_moments():
    directions = torch.linalg.qr(Noise(1)((48, 2)))[0]
    mean, variances = 0.1 * torch.ones(3, 4, 4), torch.tensor([0.1, 0.05])
    prior = GaussianPrior(mean, 0.002, directions, variances)
    x = from_uint8(samples_drawn.gaussian_draws(prior, 3000)).flatten(1)
    assert (x.mean(0) - 0.1).abs().max() < 0.02
    inside = (x - 0.1) @ directions
    torch.testing.assert_close(inside.var(0), prior.variances, rtol=0.1, atol=0)
    rest = (x - 0.1 - inside @ directions.T).square().sum(1).mean() / 46
    assert rest.item() == pytest.approx(0.002, rel=0.05)


def test_share_of_colour_in_a_mean(faces):
    tones = torch.arange(80) % 4 // 3  # three of four in colour
    x = from_uint8(faces)
    assert samples_drawn.colour_share(x.mean(0), faces, tones) == pytest.approx(0.75, abs=1e-3)
    half = (x[tones == 0].mean(0) + x[tones == 1].mean(0)) / 2
    assert samples_drawn.colour_share(half, faces, tones) == pytest.approx(0.5, abs=1e-3)


def test_subsets_are_disjoint_and_have_the_tones_asked_for():
    tones, like = torch.tensor([0, 1, 1, 0, 1, 1, 1, 0, 1]), torch.tensor([1, 0, 1])
    parts = samples_distances.subsets(tones, like)
    assert len(parts) == 3
    assert len(torch.cat(parts).unique()) == 9
    assert all(tones[part].tolist() == [0, 1, 1] for part in parts)
    assert samples_distances.subsets(torch.tensor([1, 1, 1]), like) == []


def test_spoiled_faces(faces):
    tones = torch.arange(80) % 2
    rows, x = samples_drawn.spoiled(faces, tones), from_uint8(faces)
    errors = {name: from_uint8(row) - x for name, row in rows.items()}
    changed = {name: error.square().mean().sqrt().item() for name, error in errors.items()}
    assert changed["noise 0.05"] < changed["noise 0.1"]
    assert 0 < changed["blur 0.5"] < changed["blur 1.0"]
    for share in (0.25, 0.5, 1.0):
        replaced = (rows[f"ghosts {share}"] != faces).flatten(1).any(1)
        assert replaced.double().mean().item() == share
    ghost = from_uint8(rows["ghosts 1.0"])[2]
    torch.testing.assert_close(ghost, (x[2] + x[0]) / 2, atol=0.01, rtol=0)  # of one tone


@pytest.mark.parametrize("name", list(samples_distances.SPACES))
def test_a_copy_is_found_mirrored_or_not_and_london_is_not_shown(name, faces, monkeypatch):
    monkeypatch.setattr(samples_distances, "SHOWN", 2)
    space = samples_distances.Space(name, faces)
    copied = torch.stack([faces[7], faces[9].flip(2), faces[11]])
    distance, index, mirrored = space.near(copied)
    assert index.tolist() == [7, 9, 11] and mirrored.tolist() == [0, 1, 0]
    others = to_uint8(Noise(6)((3, 3, 64, 64)))
    assert distance.max() < 0.05 * space.near(others)[0].min()
    names = [f"london_{i}" if i == 7 else f"wiki_{i}" for i in range(80)]
    tiles, pairs = samples_distances.closest(space, copied, faces, names)
    assert sorted(pairs["names"]) == ["wiki_11", "wiki_9"] and pairs["london"] == 1
    assert (tiles[:2] == tiles[2:]).all()  # the face is mirrored as its copy is


def test_coordinates_keep_mirror_images_apart(faces):
    space = samples_distances.Space("pixels", faces)
    of = space(faces[:3])
    assert of.shape == (3, 2, samples_distances.DIRECTIONS)
    torch.testing.assert_close(of, space.train[:3], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(space(faces[:3].flip(3)), of.flip(1))


def test_shares_against_validation_faces():
    val = torch.arange(1.0, 101)
    same, copies = (
        samples_distances.close(val, val),
        samples_distances.close(torch.zeros(10), val),
    )
    assert same["nearer_than_0.05"] == pytest.approx(0.05)
    assert same["nearer_than_0.5"] == pytest.approx(0.5)
    assert copies["nearer_than_0.05"] == copies["nearer_than_0.5"] == 1
    assert same["quantiles"]["0.5"] == pytest.approx(50.5)
