"""What tests of more than one folder use."""

import functools
import json
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import fuzzydiff_lite

JS = Path(fuzzydiff_lite.__file__).parent / "show" / "js"
NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"]
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@contextmanager
def served(folder, seconds=0):
    """The address of a server of `folder`; a browser may keep what it gets for some `seconds`."""

    class Quiet(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # many files a connection

        def log_message(self, *args):
            """Say nothing."""

        def end_headers(self):
            if seconds:
                self.send_header("Cache-Control", f"max-age={seconds}")
            super().end_headers()

    handler = functools.partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


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


@pytest.fixture(scope="session")
def opened(browser):
    """`with opened(url) as (page, faults)`: a page, and what went wrong as it loaded and was used.

    Only the site of `url` is reached.
    """

    @functools.cache
    def context(width, **options):
        """Pages of a width share what they load."""
        made = browser.new_context(viewport={"width": width, "height": 900}, **options)
        made.set_default_timeout(60_000)
        return made

    @contextmanager
    def opened(url, width=1280, **options):
        inside = re.match(r"file://|http://127\.0\.0\.1:\d+/", url)[0], "data:", "blob:"
        page, faults = context(width, **options).new_page(), []
        page.on(
            "request",
            lambda request: (
                request.url.startswith(inside) or faults.append(f"request: {request.url[:100]}")
            ),
        )
        page.on(
            "console",
            lambda message: (
                message.type == "error" and faults.append(f"console: {message.text}")
            ),
        )
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.goto(url, wait_until="load")
        yield page, faults
        page.close()

    return opened


@pytest.fixture(scope="session")
def in_javascript(request):
    """`in_javascript(name, script, cases)`: what the function `script` returns, or promises, for
    the module `name` of `show/js` and `cases`, in Node or, without it, in a browser.
    """

    def in_node(name, script, cases):
        module = json.dumps((JS / name).as_uri())
        code = f"""import * as twin from {module};
        console.log(JSON.stringify(await ({script})(twin, {json.dumps(cases)})));"""
        command = subprocess.run(
            ["node", "--input-type=module", "-"],
            input=code,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        return json.loads(command.stdout)

    def in_chromium(name, script, cases):
        page, site = request.getfixturevalue("browser").new_page(), "http://127.0.0.1/"
        page.route(site, lambda route: route.fulfill(content_type="text/html", body=""))
        page.route(
            site + "**/*.js",
            lambda route: route.fulfill(path=JS / route.request.url.removeprefix(site)),
        )
        page.goto(site)
        return page.evaluate(
            f"async (cases) => ({script})(await import('./{name}'), cases)", cases
        )

    return in_node if shutil.which("node") else in_chromium
