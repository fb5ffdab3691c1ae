"""The built book as axe-core sees it: nothing serious on any page, light or dark.

`make test` runs this last.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build/html"
PAGES = [path.relative_to(HTML).as_posix() for path in sorted(HTML.glob("book/**/*.html"))]
NOTHING = [pytest.param(None, marks=pytest.mark.skip(reason="no pages: run `make html`"))]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
pytestmark = [
    pytest.mark.pages,
    pytest.mark.skipif(not AXE.exists(), reason="no axe-core in node_modules: run `npm ci`"),
]

# One word of a kind stands for all of its colour, or axe-core would look at 10 000 of them.
READY = """() => {
  const seen = new Set();
  for (const word of document.querySelectorAll(":is(pre, dt) span[class]")) {
    if (seen.has(word.className)) word.replaceWith(word.textContent);
    else seen.add(word.className);
  }
  const still = new CSSStyleSheet();
  still.replaceSync("* { transition: none !important; animation: none !important; }");
  document.adoptedStyleSheets.push(still);
}"""

LOOK = """async ([theme, rules]) => {
  document.documentElement.dataset.theme = theme;
  const options = { resultTypes: ["violations"], elementRef: false, ...(rules && { runOnly: rules }) };
  const { violations } = await axe.run(document, options);
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return serious.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${theme}: ${id}: ${target.join(" ")}`));
}"""


@pytest.fixture(scope="module")
def serious(browser):
    """`serious(path)`: what axe-core finds serious or critical on a page. All rules in light,
    colours in dark. MathJax stays out: of its 10 000 elements a page, axe-core sees none.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.route("**/mathjax/**", lambda route: route.abort())

    def serious(path):
        page = context.new_page()
        page.goto(path.as_uri(), wait_until="load")
        page.evaluate(READY)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate(LOOK, ["light", None])
        found += page.evaluate(LOOK, ["dark", ["color-contrast"]])
        page.close()
        return found

    yield serious
    context.close()


@pytest.mark.parametrize("name", [*PAGES, "search.html"] if PAGES else NOTHING)
def test_axe_finds_nothing_serious(serious, name):
    assert serious(HTML / name) == []


def test_axe_notices_a_bad_page(serious, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        """<!doctype html><html lang="en"><title>Bad</title>
        <style>[data-theme=dark] { color: #222; background: #111 }</style>
        <p>dark words</p><p style="color: #999; background: #fff">pale words</p>
        <pre><span class="k">one</span> <span class="k">more</span></pre>
        <button aria-label="Open">Close</button>"""
    )
    found = {line.rsplit(": ", 1)[0] for line in serious(bad)}
    assert {"light: color-contrast", "dark: color-contrast"} <= found
    assert "light: label-content-name-mismatch" in found
