"""`fuzzydiff correct` and `fuzzydiff attention fit`."""

import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image

from fuzzydiff_lite import Noise, Walk
from fuzzydiff_lite.cli import commands as cli
from fuzzydiff_lite.data import damage, london, open_picture, to_image, to_tensor, to_uint8
from fuzzydiff_lite.networks import load_prior
from fuzzydiff_lite.restore import blind, statistics


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder: three faces in boxes in `faces`, a picture of no face and one of no pixels."""
    from skimage.data import coffee

    folder = tmp_path_factory.mktemp("correct")
    (folder / "faces").mkdir()
    for i, face in enumerate(damage.named("boxes", london(3), Noise(2))[0]):
        to_image(face).save(folder / "faces" / f"{i}.png")
    Image.fromarray(coffee()).save(folder / "coffee.png")
    (folder / "text.png").write_text("not pixels")
    return folder


@pytest.fixture
def correct(files, monkeypatch, capsys):
    """Run `fuzzydiff correct` in that folder with 2 steps; gives (exit code, stdout, stderr)."""

    def run(*words, source="faces/0.png", out="out.png"):
        monkeypatch.chdir(files)
        code = cli.main(["correct", source, "--steps", "2", "-o", out, *map(str, words)])
        return code, *capsys.readouterr()

    return run


def check_error(result, words):
    code, out, err = result
    assert code == 2 and "wrote" not in out
    assert err.startswith("fuzzydiff: error: ") and err.count("\n") == 1
    assert words in err


def test_correct_writes_the_picture_and_its_map_and_says_how_much_is_hallucinated(
    correct, files
):
    code, out, err = correct("--preview")
    assert (code, err) == (0, "")
    names = "faces/0.png", "out.png", "out-map.png"
    y, x, m = (to_tensor(open_picture(files / name)) for name in names)
    m = (m + 1) / 2
    assert x.shape == m.shape == (1, 3, 64, 64) and 0.3 < m.mean() < 1
    said = float(out.split("out-map.png: ")[1].split("%")[0])
    assert f"{1 - m.mean():.0%}"[:-1] == str(round(said))
    change = (x - y).abs()
    assert change[m < 0.5].mean() > 2 * change[m > 0.95].mean()  # where m is low
    strip = to_tensor(open_picture(files / "out-preview.png"))[..., 1::4, 1::4]
    for part, whole in zip(strip.split(64, 3), (y, 2 * m - 1, x), strict=True):
        assert torch.equal(to_uint8(part), to_uint8(whole))


def test_the_file_is_what_the_package_makes(correct, files):
    assert correct("--seed", 3, "--repeats", 2, "--quiet") == (0, "", "")
    y = to_tensor(open_picture(files / "faces" / "0.png"))
    walk = Walk(2, repeats=2)
    made = blind.correct(load_prior(device="cpu"), y, walk=walk, noise=Noise(3))
    written = to_tensor(open_picture(files / "out.png"))
    assert (written - made.picture).abs().max() < 0.01  # half a step of 8 bits is 0.004


def test_a_folder_is_corrected_without_what_is_no_face(correct, files, tmp_path):
    source = tmp_path / "in"
    shutil.copytree(files / "faces", source)
    shutil.copy(files / "coffee.png", source)
    for done in ("", "3 of 4 pictures are done already"):
        code, out, err = correct(source=str(source), out=str(tmp_path / "out"))
        assert code == 2 and done in out
        assert "skipped" in err and "coffee.png is no aligned face" in err
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(f"{i}{end}.png" for i in range(3) for end in ("", "-map"))
    assert correct("--quiet")[0] == 0  # the first of them alone
    paths = files / "out.png", tmp_path / "out" / "0.png"
    alone, together = (to_uint8(to_tensor(open_picture(path))).int() for path in paths)
    assert (alone - together).abs().max() <= 1


def test_what_is_no_aligned_face_is_an_error_and_the_box_mends_it(correct, files, monkeypatch):
    check_error(correct(source="coffee.png"), "coffee.png is no aligned face: its likeness is")
    wide = Image.new("RGB", (200, 100))
    wide.paste(open_picture(files / "faces" / "0.png"), (136, 36))
    wide.save(files / "wide.png")
    check_error(correct(source="wide.png"), "see --box")
    assert correct("--box", 136, 36, 200, 100, source="wide.png")[0] == 0
    with pytest.warns(UserWarning, match="no aligned face"):
        assert correct("--anyway", source="wide.png")[0] == 0


@pytest.mark.parametrize(
    "words, error",
    [
        (
            ["--tone", "none"],
            "no statistics ship for the tone none: fit them with `fuzzydiff attention fit`",
        ),
        (
            ["--statistics", "missing.safetensors"],
            "does not hold the statistics of projections",
        ),
        (["--statistics", "text.png"], "does not hold the statistics of projections"),
        (
            ["--statistics", "other.safetensors"],
            "the statistics belong to the weights abcdef01, the prior has",
        ),
        (
            ["--statistics", "other.safetensors", "-o", "other.safetensors"],
            "a name that ends in .png",
        ),
        (["--mask", "box"], "unrecognized arguments: --mask box"),
        (["-o", "nowhere/out.png"], "no such folder: nowhere"),
        (["-o", "faces/0.png"], "0.png is an input"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(correct, files, words, error):
    shipped = statistics.load_statistics(load_prior(device="cpu"))
    replace(shipped, weights="abcdef01" * 8).save(files / "other.safetensors")
    check_error(correct(*words), error)


@pytest.mark.parametrize(
    "name, error", [("missing.png", "no such file"), ("text.png", "not a picture")]
)
def test_a_bad_picture_is_one_line_and_exit_code_2(correct, name, error):
    check_error(correct(source=name), error)


def test_a_map_is_not_written_over_an_input(correct, files):
    shutil.copy(files / "faces" / "0.png", files / "face-map.png")
    check_error(correct(source="face-map.png", out="face.png"), "face-map.png is an input")


def test_fit_makes_statistics_that_correct_takes(correct, files, capsys):
    out = files / "own.safetensors"
    assert cli.main(["attention", "fit", "--folder", str(files / "faces"), "-o", str(out)]) == 0
    assert "3 faces" in capsys.readouterr().out
    prior, own = load_prior(device="cpu"), statistics.Statistics.load(out)
    faces = torch.cat([to_tensor(open_picture(files / "faces" / f"{i}.png")) for i in range(3)])
    made = statistics.fit(prior, [faces])
    assert own.pictures == 3 and own.weights == prior.weights and own.settings == made.settings
    torch.testing.assert_close(own.mean, made.mean, rtol=2e-2, atol=1e-3)  # half precision
    assert correct("--statistics", "own.safetensors")[0] == 0
    result = correct("--statistics", "own.safetensors", "--tone", "mono")
    check_error(result, "the statistics are of tone colour")


@pytest.mark.parametrize(
    "words, error",
    [
        (["-o", "stats.png"], "a name that ends in .safetensors"),
        (["-o", "nowhere/stats.safetensors"], "no such folder: nowhere"),
        (["--folder", "nowhere", "-o", "stats.safetensors"], "no such folder: nowhere"),
        (["--folder", "empty", "-o", "stats.safetensors"], "has no pictures"),
        (["-o", "stats.safetensors"], "FUZZYDIFF_FACES64"),
    ],
)
def test_fit_refuses_bad_input(words, error, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUZZYDIFF_FACES64", raising=False)
    (tmp_path / "empty").mkdir()
    code = cli.main(["attention", "fit", *words])
    check_error((code, *capsys.readouterr()), error)


@pytest.mark.parametrize("command", ["correct", "attention fit"])
def test_the_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([*command.split(), "--help"])
    assert end.value.code == 0 and f"\n  fuzzydiff {command} " in capsys.readouterr().out
