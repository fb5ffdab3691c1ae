"""Whether the page that runs the network keeps its budgets: `python -m benchmarks.page [FOLDER]`.

Opens a page with a workbench, of a built book in FOLDER or else `_build/html`, in headless
Chromium; presses Run twice with 20 steps and J = 1, the first time with nothing loaded; and
prints a Markdown table. Times are those of this machine, as busy as it is. Ends with 1 where a
budget is not kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

import psutil
from playwright.sync_api import Page, sync_playwright

from tests.conftest import CHROMIUM, FLAGS, served

LINK = "#workbench?method=fuzzy&steps=20&J=1"
# What the engine says, how long keys take to show, and how long anything blocks the page.
LISTEN = """() => {
  window.heard = [], window.keys = [], window.blocked = [];
  const watch = (type, list, more) => {
    const add = (entries) => list.push(...entries.getEntries().map((entry) => entry.duration));
    new PerformanceObserver(add).observe({ type, ...more });
  };
  watch("event", keys, { durationThreshold: 16 });
  watch("longtask", blocked, {});
  window.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data: { content } }) => heard.push({ ...content, at: performance.now() }));
    }
  };
}"""


def page_of(folder: Path) -> str:
    """The first page with a workbench. Raises ValueError where there is none."""
    for path in sorted(folder.rglob("*.html")):
        if "<fuzzy-workbench" in path.read_text(encoding="utf-8"):
            return path.relative_to(folder).as_posix()
    raise ValueError(f"no page in {folder} has a workbench: run `make html` first")


def memory() -> float:
    """Megabytes that the largest page of this program's browser has for itself alone."""
    children = psutil.Process().children(recursive=True)
    pages = [child for child in children if "--type=renderer" in child.cmdline()]
    return max(page.memory_full_info().uss for page in pages) / 1e6


def run(page: Page) -> tuple[float, list[dict]]:
    """Press Run and wait; returns when it was pressed and what the engine then said."""
    page.evaluate("() => { heard.length = 0; blocked.length = 0 }")
    pressed = page.evaluate(
        """() => {
          const button = document.querySelector("fuzzy-workbench button.primary");
          const now = performance.now();
          button.click();
          return now;
        }"""
    )
    ended = "() => heard.some(({ kind }) => kind === 'done' || kind === 'error')"
    page.wait_for_function(ended, timeout=300_000)
    heard = page.evaluate("() => heard")
    if heard[-1]["kind"] == "error":
        raise RuntimeError(heard[-1]["message"])
    return pressed, heard


def measure(page: Page, address: str) -> list[tuple[str, float, float, str]]:
    """What, the most it may be, what it is, and the unit of both."""
    responses, asked = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(f"({LISTEN})()")
    page.goto(address)
    page.wait_for_selector("fuzzy-workbench[data-ready]")
    before = memory()

    slider = page.locator("fuzzy-workbench input[type=range]:visible").first
    slider.focus()
    for key in ["ArrowLeft", "ArrowRight"] * 4:
        page.keyboard.press(key)
        page.wait_for_timeout(100)
    keys = max(page.evaluate("() => keys"), default=16)  # faster ones are not counted

    page.on("response", lambda response: responses.append(response))
    pressed, heard = run(page)
    came = sum(int(response.headers.get("content-length", 0)) for response in responses)
    ready = next(said for said in heard if said["kind"] == "ready")
    blocked_first = max(page.evaluate("() => blocked"), default=0)
    loading = ready["at"] - pressed

    pressed, heard = run(page)
    steps = [said for said in heard if said["kind"] == "step"]
    blocked = max(page.evaluate("() => blocked"), default=0)
    own = address.split("/", 3)
    others = [url for url in asked if url.split("/", 3)[:3] != own[:3] and "://" in url]
    others = [url for url in others if not url.startswith("blob:")]
    return [
        ("a key on a slider, until it shows", 100, keys, "ms"),
        ("fetched on demand", 25, came / 1e6, "MB"),
        ("until the network is ready", 10, loading / 1000, "s"),
        ("a call", 160, median(said["ms"] for said in steps), "ms"),
        ("first frame", 400, steps[0]["at"] - pressed, "ms"),
        (f"{steps[0]['of']} steps, J = 1", 3.5, (heard[-1]["at"] - pressed) / 1000, "s"),
        ("memory before", 500, before, "MB"),
        ("memory after", 500, memory(), "MB"),
        # The browser tells of what blocks for 50 ms or more; else this is 0.
        ("longest blocked, while loading", 50, blocked_first, "ms"),
        ("longest blocked, while running", 50, blocked, "ms"),
        ("requests to other hosts", 0, len(others), ""),
    ]


def main(folder: str = "_build/html") -> int:
    """Open the page, measure, print; returns 1 where a budget is not kept, else 0."""
    name = page_of(Path(folder))
    with (
        served(Path(folder)) as address,
        sync_playwright() as engine,
        engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        rows = measure(page, address + name + LINK)
        print(f"{name} in Chromium {browser.version}\n")
    print("| what | at most | measured | kept |\n|---|---|---|---|")
    for what, most, value, unit in rows:
        kept = "yes" if value <= most else "**no**"
        print(f"| {what} | {most:g} {unit} | {value:.3g} {unit} | {kept} |")
    return int(any(value > most for _, most, value, _ in rows))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
