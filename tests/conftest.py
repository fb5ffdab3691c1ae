import shutil

import pytest

NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"]
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@pytest.fixture(scope="session")
def browser():
    """Chromium, one for all pages, which finds no other machine than this one."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright's Python client is not installed"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium or Chrome on this machine's PATH")
    with playwright.sync_playwright() as engine:
        yield engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
