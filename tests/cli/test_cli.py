import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from fuzzydiff_lite import Noise, masks
from fuzzydiff_lite.cli import commands as cli
from fuzzydiff_lite.data import (
    ASTRONAUT_BOX,
    astronaut,
    london,
    open_picture,
    to_image,
    to_tensor,
    to_uint8,
)
from fuzzydiff_lite.metrics import psnr
from fuzzydiff_lite.operators import AveragePool, Blur, measure
from fuzzydiff_lite.restore import METHODS, TASKS
from fuzzydiff_lite.restore.files import square

BOX = ["--box", *map(str, ASTRONAUT_BOX)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of the portrait `photo.png` and masks of its size, the square's and another."""
    from skimage.data import astronaut as portrait

    folder = tmp_path_factory.mktemp("files")
    photo = Image.fromarray(portrait())
    photo.save(folder / "photo.png")
    mask = Image.new("L", photo.size, 255)
    mask.paste(0, (150, 60, 312, 90))
    mask.save(folder / "mask.png")
    grey = Image.new("L", (64, 64), 128)
    grey.save(folder / "grey.png")
    Image.new("L", (100, 100)).save(folder / "small.png")
    (folder / "text.png").write_text("not pixels")
    (folder / "broken.safetensors").write_bytes(b"not weights")
    return folder


@pytest.fixture
def restore(files, monkeypatch, capsys):
    """Run `fuzzydiff restore` there, 2 steps walked once; gives (exit code, stdout, stderr)."""

    def run(*words, source="photo.png"):
        monkeypatch.chdir(files)
        quick = ["restore", source, "--steps", "2", "--repeats", "1", "-o", "out.png"]
        code = cli.main([*quick, *map(str, words)])
        return code, *capsys.readouterr()

    return run


def test_restore_keeps_the_picture_where_m_is_1_and_changes_the_rest(restore, files):
    code, out, err = restore("--mask", "mask.png", *BOX)
    assert code == 0 and "2 network calls" in out and "wrote out.png" in out
    assert "2/2" in err  # the progress bar
    image, mask = open_picture("photo.png"), open_picture("mask.png", "L")
    y, m = square(image, mask, ASTRONAUT_BOX, 64)
    restored = to_tensor(open_picture("out.png"))
    kept = (m == 1).expand_as(y)
    assert restored.shape == (1, 3, 64, 64)
    assert 0.7 < kept.float().mean() < 0.9
    assert torch.equal(restored[kept], y[kept])
    assert (restored - y)[~kept].abs().mean() > 0.02


def test_the_same_seed_gives_the_same_file_and_another_seed_another(restore, files):
    written = []
    for seed in (0, 0, 1):
        assert restore("--m", "0.5", "--seed", seed, *BOX)[0] == 0
        written.append((files / "out.png").read_bytes())
    assert written[0] == written[1] != written[2]


def test_every_option_reaches_the_sampler(restore, files):
    def pixels(*words):
        assert restore("--m", "0.5", *BOX, *words)[0] == 0
        return (files / "out.png").read_bytes()

    plain = pixels()
    for words in ("--set rescale=false", "--repeats 2", "--steps 3", "--tone mono", "--m 0.6"):
        assert pixels(*words.split()) != plain, words


def test_the_map_is_m_times_the_mask(restore, files):
    code, out, _ = restore("--mask", "grey.png", "--m", "0.5", *BOX)
    assert code == 0 and f"mean of m {0.5 * 128 / 255:.2f}" in out


def test_preview_shows_before_map_and_after(restore, files):
    code, out, _ = restore("--mask", "box", "--preview", *BOX)
    assert code == 0 and "out-preview.png" in out
    strip = to_tensor(Image.open("out-preview.png"))[..., 1::4, 1::4]
    assert strip.shape == (1, 3, 64, 192)
    before, shown, after = strip.split(64, 3)
    assert torch.equal(to_uint8(before), to_uint8(astronaut()))
    assert torch.equal(shown, masks.box().expand(1, 3, 64, 64) * 2 - 1)
    assert torch.equal(after, to_tensor(Image.open("out.png")))


def test_quiet_prints_nothing(restore):
    assert restore("--m", "0.5", "--quiet") == (0, "", "")


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1"])
def test_pictures_of_any_size_and_mode_go_in(restore, files, mode):
    odd = Image.open(files / "photo.png").crop((100, 0, 400, 200)).convert(mode)
    odd.save(files / "odd.png")
    assert restore("--m", "0.5", "--steps", 1, source="odd.png")[0] == 0
    assert Image.open(files / "out.png").size == (64, 64)


def test_photos_are_turned_upright_with_their_masks(restore, files):
    photo = Image.open(files / "photo.png").crop((100, 0, 400, 200))
    exif = photo.getexif()
    exif[0x0112] = 6  # orientation: the camera was turned by a quarter
    photo.save(files / "turned.jpg", exif=exif)
    Image.new("L", (200, 300)).save(files / "upright.png")
    assert restore("--mask", "upright.png", "--steps", 1, source="turned.jpg")[0] == 0


def test_paint_in_the_hole_does_not_bleed_into_what_is_kept():
    true = to_image(astronaut()).resize((200, 200), Image.Resampling.BICUBIC)
    mask = Image.new("L", true.size, 255)
    mask.paste(0, (50, 71, 150, 102))
    painted = true.copy()
    painted.paste((0, 255, 0), (50, 71, 150, 102))
    y, m = square(painted, mask, None, 64)
    clean, _ = square(true, mask, None, 64)
    assert ((m > 0) & (m < 1)).any()  # the edge of the hole falls inside pixels
    torch.testing.assert_close(m * y, m * clean, atol=0.02, rtol=0)


def test_a_mask_picture_is_white_where_the_picture_is_kept():
    image, mask = Image.new("RGB", (64, 64), (9, 9, 9)), Image.new("L", (64, 64), 255)
    mask.paste(0, (0, 0, 64, 32))
    _, m = square(image, mask, None, 64)
    assert m[..., :32, :].max() == 0 and m[..., 32:, :].min() == 1


DAMAGED = {
    "inpaint": ["--mask", "box"],
    "deblur": ["--blur", "gaussian:1.5"],
    "denoise": ["--sigma", "0.1"],
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder for each task with three damaged faces, and the faces themselves in `true`."""
    folder = tmp_path_factory.mktemp("faces")
    x = london(3)
    pictures = dict.fromkeys(TASKS, x) | {f"x{n}": AveragePool(n)(x) for n in (2, 4, 8)}
    pictures["colour"] = x.mean(1, keepdim=True).expand_as(x)
    pictures["deblur"] = measure(Blur.gaussian(1.5), x, 0.02, Noise(0))
    pictures["denoise"] = x + 0.1 * Noise(0).like(x)
    for task, batch in pictures.items():
        (folder / task).mkdir()
        for i, picture in enumerate(batch):
            to_image(picture.clamp(-1, 1)).save(
                folder / task / (f"{i}.jpg" if task == "jpeg" else f"{i}.png"), quality=20
            )
    return folder


# Every task with its first method, and every method with the first task that it fits;
# tests/restore/ has every pair, on a small prior.
FIRST = {(task, next(iter(methods))) for task, methods in TASKS.items()}
FIRST |= {
    (next(task for task, methods in TASKS.items() if method in methods), method)
    for method in METHODS
}


@pytest.mark.parametrize("task, method", sorted(FIRST))
def test_every_task_and_every_method_restores_a_file(faces, task, method, tmp_path, capsys):
    source = next((faces / task).glob("0.*"))
    steps = "8" if method in ("dps", "pigdm") else "4"  # gradients need a few to take hold
    words = ["restore", str(source), "--task", task, "--method", method, "--steps", steps]
    words += [*DAMAGED.get(task, []), "-o", str(tmp_path / "out.png")]
    assert cli.main(words) == 0
    assert f"{method}: " in capsys.readouterr().out
    restored = to_tensor(Image.open(tmp_path / "out.png"))
    assert psnr(restored, london(1)) > 12  # a face, not noise


def test_a_folder_is_restored_and_goes_on_where_it_stopped(faces, tmp_path, capsys):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for path in (faces / "x4").iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    (source / "broken.png").write_text("not pixels")
    (source / "notes.txt").write_text("not for restoring")
    words = ["restore", str(source), "--task", "x4", "--steps", "2", "-o", str(out)]
    for done in ("", "3 of 4 pictures are done already"):
        assert cli.main(words) == 2
        printed = capsys.readouterr()
        assert "skipped" in printed.err and "not a picture" in printed.err
        assert "1 of 4 files" in printed.err and done in printed.out
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png", "2.png"]
    one = ["restore", str(source / "1.png"), "--task", "x4", "--steps", "2", "--quiet"]
    assert cli.main([*one, "-o", str(tmp_path / "one.png")]) == 0
    paths = tmp_path / "one.png", out / "1.png"
    alone, together = (np.asarray(Image.open(path)).astype(int) for path in paths)
    assert abs(alone - together).max() <= 1


def test_a_folder_of_masks_belongs_to_a_folder_of_pictures(faces, tmp_path, capsys):
    (tmp_path / "masks").mkdir()
    for i, name in enumerate(("box", "half", "stripes")):
        mask = masks.named(name).expand(-1, 3, -1, -1)
        to_image(mask * 2 - 1).save(tmp_path / "masks" / f"{i}.png")
    words = ["restore", str(faces / "inpaint"), "--mask", str(tmp_path / "masks")]
    words += ["--steps", "2", "--repeats", "1"]
    assert cli.main([*words, "-o", str(tmp_path / "out")]) == 0
    folders = faces / "inpaint", tmp_path / "out"
    for i, name in enumerate(("box", "half", "stripes")):
        before, after = (to_tensor(Image.open(folder / f"{i}.png")) for folder in folders)
        same = (before == after).all(1, keepdim=True)
        assert same[masks.named(name) == 1].all() and not same[masks.named(name) == 0].all()
    (tmp_path / "masks" / "1.png").unlink()
    assert cli.main([*words, "-o", str(tmp_path / "again")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_folder_without_pictures_is_an_error(tmp_path, capsys):
    code = cli.main(["restore", str(tmp_path), "--m", "0.5", "-o", str(tmp_path / "out")])
    check_error((code, *capsys.readouterr()), "has no pictures")


@pytest.mark.parametrize(
    "task, words, error",
    [
        ("x4", ["--mask", "box"], "a mask belongs to the task inpaint"),
        ("x4", ["--blur", "gaussian:2"], "a blur belongs to the task deblur"),
        ("deblur", [], "a blur is written gaussian:SIGMA"),
        ("deblur", ["--blur", "gaussian"], "a blur is written"),
        ("deblur", ["--blur", "gaussian:2:3"], "a blur is written"),
        ("deblur", ["--blur", "uniform:4"], "odd"),
        ("deblur", ["--blur", "motion:99:0"], "at most 62 pixels"),
        ("deblur", ["--blur", "box:3"], "a blur is written"),
        ("denoise", [], "needs the standard deviation of the noise"),
        ("denoise", ["--sigma", "-1"], "--sigma: must be between 0 and 2"),
        ("denoise", ["--sigma", "0.1", "--method", "fuzzy"], "method must be one of ddrm, "),
        ("x4", ["--set", "eta=2"], "eta must be in [0, 1], got 2"),
        ("x4", ["--set", "eta=much"], "eta of ddnm must be a number, like 0.85, got 'much'"),
        ("x4", ["--set", "eta=nan"], "eta of ddnm must be a number, like 0.85, got nan"),
        ("x4", ["--set", "repeats=1.5"], "repeats of ddnm must be a whole number, like 1, got"),
        ("x4", ["--set", "repeats=0"], "repeats and jump must be whole numbers of at least 1"),
        ("x4", ["--set", "steps=1001"], "steps must be a whole number between 1 and 1000"),
        ("x4", ["--set", "spacing=2"], "spacing of ddnm must be a word, like 'uniform', got 2"),
        ("x4", ["--set", "spacing=wide"], "spacing must be one of uniform, quadratic, leading"),
        ("denoise", ["--sigma", "0.1", "--method", "sdedit", "--set", "start=0"], "a level"),
        ("x4", ["--set", "clip=1"], "clip of ddnm must be a truth value, like True, got 1"),
        ("x4", ["--set", "eta"], "must be written NAME=VALUE"),
        ("x4", ["--set", "speed=1"], "ddnm has no setting speed; it has steps"),
        *(
            (
                "inpaint",
                ["--m", "0.5", "--set", f"{name}=1"],
                f"fuzzy has no setting {name}; it",
            )
            # what a sampler takes and no command line can give, and names of the command's own
            for name in ("x", "draw", "basis", "variance", "walk", "noise", "prior", "task")
        ),
        ("inpaint", ["--m", "0.5", "--method", "ddrm"], "keeps the pixels where m is 1"),
    ],
)
def test_what_does_not_fit_a_task_is_one_line_and_exit_code_2(
    faces, task, words, error, tmp_path, capsys
):
    source = next((faces / task).glob("0.*"))
    words = ["--task", task, *words, "--steps", "1", "-o", str(tmp_path / "out.png")]
    code = cli.main(["restore", str(source), *words])
    printed = capsys.readouterr()
    check_error((code, "", printed.err), error)


def test_a_jpeg_must_be_as_it_was_written(faces, tmp_path, capsys):
    big = tmp_path / "big.jpg"
    Image.open(faces / "jpeg" / "0.jpg").resize((128, 128)).save(big)
    for source in (big, faces / "x2" / "0.png"):
        words = ["--task", "jpeg", "-o", str(tmp_path / "out.png")]
        code = cli.main(["restore", str(source), *words])
        check_error((code, *capsys.readouterr()), "a whole JPEG file of 64x64 pixels")


@pytest.mark.parametrize(
    "words, error",
    [
        (["--mask", "missing.png"], "no such file: missing.png"),
        (["--mask", "text.png"], "not a picture: text.png"),
        (
            ["--mask", "small.png"],
            "the mask has 100x100 pixels, but the picture has 512x512 and its square 64x64",
        ),
        (["--m", "1.5"], "--m: must be between 0 and 1, got 1.5"),
        (["--m", "nan"], "--m: must be between 0 and 1, got nan"),
        (["--m", "half"], "--m: invalid float value: 'half'"),
        ([], "m is 1 everywhere"),
        (["--m", "0.5", "--repeats", "0"], "--repeats: must be at least 1, got 0"),
        (["--m", "0.5", "--steps", "0"], "--steps: must be between 1 and 1000, got 0"),
        (["--m", "0.5", "--steps", "1001"], "--steps: must be between 1 and 1000, got 1001"),
        (["--m", "0.5", "--seed", "-1"], "--seed: must be at least 0, got -1"),
        (["--m", "0.5", "--method", "magic"], "--method: invalid choice: 'magic'"),
        (["--m", "0.5", "--tone", "loud"], "--tone: invalid choice: 'loud'"),
        (
            ["--m", "0.5", "--box", "0", "0", "9", "8"],
            "not a square inside a picture of 512x512",
        ),
        (
            ["--m", "0.5", "--weights", "broken.safetensors"],
            "broken.safetensors does not hold the weights",
        ),
        (["--m", "0.5", "--weights", "photos"], "no weights called photos"),
        (["--m", "0.5", "-o", "nowhere/out.png"], "no such folder: nowhere"),
        (["--m", "0.5", "-o", "out.xyz"], "a name that ends in .png"),
        (["--m", "0.5", "-o", "out"], "a name that ends in .png"),
        (["--m", "0.5", "-o", "photo.png"], "photo.png is an input"),
        (["--m", "0.5", "--colour", "red"], "unrecognized arguments: --colour red"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(restore, words, error):
    check_error(restore(*words), error)


@pytest.mark.parametrize(
    "name, error",
    [("missing.png", "no such file"), ("text.png", "not a picture")],
)
def test_a_bad_picture_is_one_line_and_exit_code_2(restore, name, error):
    check_error(restore("--m", "0.5", source=name), error)


def test_a_folder_is_not_restored_into_a_file(restore, files):
    (files / "out.png").touch()
    check_error(restore("--m", "0.5", source="."), "not a folder: out.png")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_named(restore):
    check_error(restore("--m", "0.5", "--device", "cuda"), "there is no CUDA device here")


def test_damaged_weights_that_ship_are_noticed(restore, monkeypatch):
    monkeypatch.setitem(
        sys.modules["fuzzydiff_lite.networks.weights"].SHA256, "faces64", "0" * 64
    )
    check_error(restore("--m", "0.5"), "is damaged")


def check_error(result, words):
    code, out, err = result
    assert code == 2 and out == ""
    assert err.startswith("fuzzydiff: error: ") and err.count("\n") == 1 and err.endswith("\n")
    assert words in err


def test_sample_writes_a_sheet(tmp_path, capsys):
    path, written = tmp_path / "sheet.png", []
    for words in ("", "", "--seed 1", "--eta 0.5", "--method ddpm", "--guidance 2 --steps 1"):
        quick = ["sample", "--n", "3", "--steps", "2", "-o", str(path)]
        assert cli.main([*quick, *words.split()]) == 0
        assert "2 network calls" in capsys.readouterr().out
        assert Image.open(path).size == (128, 128)
        written.append(path.read_bytes())
    assert written[0] == written[1] and len(set(written)) == len(written) - 1


def test_a_sample_does_not_depend_on_how_many_are_drawn(tmp_path):
    for n in (1, 4):
        words = ["sample", "--n", str(n), "--steps", "1", "--quiet"]
        assert cli.main([*words, "-o", str(tmp_path / f"{n}.png")]) == 0
    one, four = (np.asarray(Image.open(tmp_path / f"{n}.png")).astype(int) for n in (1, 4))
    assert abs(one - four[:64, :64]).max() <= 1  # a batch of another size may round otherwise


@pytest.mark.parametrize(
    "words, error",
    [
        (["--n", "0"], "--n: must be at least 1, got 0"),
        (["--eta", "2"], "--eta: must be between 0 and 1, got 2"),
        (["--method", "ddpm", "--eta", "0.5"], "--eta belongs to --method ddim"),
    ],
)
def test_sample_refuses_bad_options(words, error, tmp_path, capsys):
    code = cli.main(["sample", "-o", str(tmp_path / "sheet.png"), *words])
    check_error((code, *capsys.readouterr()), error)


def test_train_says_where_it_looked_for_its_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUZZYDIFF_FACES64", raising=False)
    code = cli.main(["train", "--folder", "run"])
    check_error((code, *capsys.readouterr()), "FUZZYDIFF_FACES64")
    assert not (tmp_path / "run").exists()


def test_train_hands_its_options_on(tmp_path, monkeypatch, capsys):
    calls = []
    (tmp_path / "faces64.zip").touch()
    monkeypatch.setenv("FUZZYDIFF_FACES64", str(tmp_path))
    monkeypatch.setattr(cli, "train", lambda *given: calls.append(given))
    words = "--images 100 --batch 4 --rate 1e-3 --minutes 2 --from faces64 --seed 5"
    assert cli.main(["train", "--folder", "run", *words.split()]) == 0
    [(folder, recipe, start, minutes)] = calls
    assert (str(folder), start, minutes) == ("run", "faces64", 2)
    assert (recipe.images, recipe.batch, recipe.rate, recipe.seed) == (100, 4, 1e-3, 5)
    assert str(tmp_path) in capsys.readouterr().out


@pytest.mark.parametrize("command", ["sample", "restore", "train"])
def test_the_help_of_each_command_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0 and f"\n  fuzzydiff {command} " in out


def test_the_help_of_restore_names_every_method_and_setting(capsys):
    with pytest.raises(SystemExit):
        cli.main(["restore", "--help"])
    out = capsys.readouterr().out
    rows = {line[2:14].strip(): line[15:] for line in out.splitlines() if line[:2] == "  "}
    shared = rows["each of them"].split(", ")
    for task, methods in TASKS.items():
        assert f"\n  {task:8} {', '.join(methods)}\n" in out
    for name, method in METHODS.items():
        written = [f"{key}={value}" for key, value in method.defaults.items()]
        written = [word.replace("True", "true").replace("False", "false") for word in written]
        assert sorted(rows[name].split(", ") + shared) == sorted(written)


def test_the_module_runs():
    command = [sys.executable, "-m", "fuzzydiff_lite.cli"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    check_error((done.returncode, done.stdout, done.stderr), "COMMAND")


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("sample", "restore", "train"))
