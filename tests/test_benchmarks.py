"""What the benchmarks compute by themselves."""

import torch

from fuzzydiff_lite.networks import load_net, save_net
from studies import elbo, restoration


def test_the_chain_is_exact_for_terms_that_fall_like_a_power():
    every = torch.arange(1, 1001, dtype=torch.float64)
    terms = torch.stack([0.5 * every**-1.3, 2 * every**-0.7], 1)
    some = terms[torch.tensor(elbo.LEVELS) - 1]
    chained = elbo.chain(elbo.LEVELS, some)
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
