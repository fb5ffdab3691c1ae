"""What the studies compute by themselves, and what they keep."""

import pytest
import torch

from fuzzydiff_lite.networks import load_net, save_net
from studies import common, elbo, elbo_terms, restoration


def test_a_part_is_made_once_unless_something_decisive_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RUNS", tmp_path)
    made = []

    def kept(part="×4, ddnm", **how):
        return common.kept("compare", part, lambda: made.append(1) or len(made), **how)

    assert [kept(), kept(), kept(weights="other"), kept("×8, ddnm"), kept(steps=5)] == [
        1, 1, 2, 3, 4,
    ]  # fmt: skip
    assert kept(steps=5) == 4 and kept(steps=5, anew=True) == kept(steps=5) == 5
    assert len(list((tmp_path / "compare").iterdir())) == 4


def test_an_interrupted_part_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RUNS", tmp_path)

    def half(value, file):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(KeyboardInterrupt):
            common.kept("sweep", "hole", int)
    assert common.kept("sweep", "hole", int) == 0
    assert [file.suffix for file in (tmp_path / "sweep").iterdir()] == [".pt"]


def test_stretches_of_pictures_are_kept_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RUNS", tmp_path)
    x = common.kept_in_parts("samples", "mono", torch.arange, 5, 2)
    assert x.tolist() == [0, 1, 2, 3, 4] and len(list((tmp_path / "samples").iterdir())) == 3


def test_the_chain_is_exact_for_terms_that_fall_like_a_power():
    every = torch.arange(1, 1001, dtype=torch.float64)
    terms = torch.stack([0.5 * every**-1.3, 2 * every**-0.7], 1)
    some = terms[torch.tensor(elbo_terms.LEVELS) - 1]
    chained = elbo_terms.chain(elbo_terms.LEVELS, some)
    torch.testing.assert_close(chained, terms[1:].sum(0), rtol=1e-10, atol=0)


def test_weights_measured_before_stay_in_the_table_and_the_shipped_ones_come_last():
    def rows(names):
        return [{"weights_sha256": name} for name in names]

    (new,) = rows("n")
    assert elbo.merged([], [], new) == rows("n")
    assert elbo.merged(rows("bc"), rows("a"), new) == rows("abcn")
    assert elbo.merged(rows("abn"), [], new) == rows("abn")
    fresh = [{"weights_sha256": "b", "name": "fresh"}]
    assert elbo.merged(rows("bc"), fresh, new) == fresh + rows("cn")


def test_errors_are_compared_with_those_of_the_first_weights():
    start, other, new = (
        {"name": n, "eps_mse": {"all": [k] * len(elbo.TABLE)}}
        for n, k in zip("son", (4.0, 3.0, 1.0))
    )
    assert elbo.against_start([start, other, new]) == {}
    start["name"] = "start"
    ratios = {"150": 0.25, "300": 0.25, "500": 0.25}
    assert elbo.against_start([start, other, new]) == {"all": ratios}


def test_the_pictures_seen_are_read_from_the_file(tmp_path):
    save_net(load_net(), tmp_path / "older.safetensors", images_seen=7)
    save_net(load_net(), tmp_path / "unknown.safetensors")
    net, seen = elbo.open_net(tmp_path / "older.safetensors")
    assert seen == 7 and torch.equal(net.tone.weight, load_net().tone.weight)
    assert elbo.open_net(tmp_path / "unknown.safetensors")[1] is None


def test_gains_are_taken_face_by_face():
    ours, theirs = torch.tensor([11.0, 21.0, 31.0]), torch.tensor([10.0, 20.0, 30.0])
    won = restoration.row({"psnr": ours}, {"psnr": theirs})
    assert won["psnr"][0] == 21 and won["psnr"][1] > 5 and won["psnr_gain"] == [1, 0]
