"""`show/js/noise.js` draws in a browser what `fuzzydiff_lite.noise` draws in NumPy and torch."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from fuzzydiff_lite.noise import Noise, standard_normal
from fuzzydiff_lite.show.painter import JS

FILE = JS / "noise.js"
CASES = [  # seed, stream, draw, count, number of the branch or None
    (0, 0, 0, 12288, None),
    (0, 3, 2, 12288, 1),
    (7, 1, 5, 101, 2),
    (2**31 + 5, 2, 0, 64, None),
    (2**32 - 1, 2**31, 1, 1, 4),
    (2**33 + 9, 0, 0, 33, None),
]
SCRIPT = """(cases) => cases.map(([seed, stream, draw, count, branch]) => {
  const key = branch === null ? 0 : fuzzydiff.branchKey(0, branch);
  return Array.from(fuzzydiff.standardNormal(seed, stream, draw, count, key));
})"""


def in_node(source, script, cases):
    code = f"{source}\nconsole.log(JSON.stringify(({script})({json.dumps(cases)})))"
    command = subprocess.run(
        ["node", "-"], input=code, check=True, capture_output=True, text=True, timeout=60
    )
    return json.loads(command.stdout)


def in_chromium(source, script, cases):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="neither node nor Playwright here to run JavaScript"
    )
    names = "chromium", "chromium-browser", "google-chrome"
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("neither node nor chromium here to run JavaScript")
    with playwright.sync_playwright() as engine:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = engine.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page()
        page.add_script_tag(content=source)
        return page.evaluate(script, cases)


def run(source, script=SCRIPT, cases=CASES):
    """What the function `script` returns for `cases` after the classic script `source` has run."""
    return (in_node if shutil.which("node") else in_chromium)(source, script, cases)


@pytest.fixture(scope="module")
def drawn():
    return run(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", range(len(CASES)))
def test_javascript_numpy_and_torch_draw_the_same(drawn, number):
    seed, stream, draw, count, branch = CASES[number]
    noise = Noise(seed, first=stream)
    if branch is not None:
        noise = noise.branch(branch)
    in_numpy = standard_normal(seed, stream, draw, count, noise._branch)
    for _ in range(draw + 1):
        in_torch = noise((1, count))[0].numpy()
    in_javascript = np.array(drawn[number], dtype=np.float32)
    assert in_javascript.shape == (count,)
    np.testing.assert_array_max_ulp(in_javascript, in_numpy, maxulp=1)
    np.testing.assert_array_max_ulp(in_javascript, in_torch, maxulp=1)
    # The logarithms and cosines of two libraries differ in their last bit of 53; rounding to 24
    # hides nearly all of it.
    as_numpy, as_torch = in_javascript == in_numpy, in_javascript == in_torch
    assert as_numpy.mean() > 0.999
    print(f"{as_numpy.sum()} and {as_torch.sum()} of {count} identical")


def test_the_comparison_notices_another_generator():
    (wrong, *_) = run(FILE.read_text(encoding="utf-8").replace("0x846ca68b", "0x846ca68d"))
    assert np.abs(np.array(wrong) - standard_normal(*CASES[0][:4])).max() > 1
