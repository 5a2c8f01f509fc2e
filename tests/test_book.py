"""The course's site in a real browser: every page, and the derainer that runs in it."""

from __future__ import annotations

import functools
import html
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE = 180_000  # ms
HEAVIEST = 1.5e6  # bytes of a page without its pictures

# What is wrong with a page as it lies there.
FAULTS = """async () => {
    await window.MathJax?.startup?.promise;
    const images = [...document.images].filter(image => image.getAttribute('src'));
    images.forEach(image => { image.loading = 'eager'; });
    await Promise.all(images.map(image => image.decode().catch(() => {})));
    const broken = images.filter(image => !image.naturalWidth || !image.hasAttribute('alt'));
    return [
        ...broken.map(image => 'image ' + image.src.slice(0, 80)),
        ...[...document.querySelectorAll('mjx-merror, .math-error')].map(e => 'math ' + e.title),
    ];
}"""
OVERFLOW = """() => {
    const page = document.scrollingElement;
    if (page.scrollWidth <= page.clientWidth) return [];
    return [...document.querySelectorAll('.bd-article *')]
        .filter(e => e.getBoundingClientRect().right > page.clientWidth)
        .map(e => e.outerHTML.slice(0, 120)).slice(0, 3)
        .concat(`${page.scrollWidth} of ${page.clientWidth}`);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the built site; processes that test side by side build it once."""
    for needed in ("sphinx", "myst_nb", "sphinx_book_theme", "onnxscript"):
        pytest.importorskip(needed, reason="pip install 'cclgan_lite[book]'")
    if shutil.which("npm") is None:
        pytest.skip("no npm here: install Node.js")
    base = tmp_path_factory.getbasetemp()
    run = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "book-built"
    with FileLock(f"{run}.lock"):
        if not run.exists():
            build = subprocess.run(
                [sys.executable, ROOT / "docs" / "book" / "build.py"],
                capture_output=True,
                text=True,
            )
            assert build.returncode == 0, build.stdout + build.stderr
            run.touch()
    return ROOT / "build" / "book" / "html"


@pytest.fixture
def page(site):
    """A tab on the served site; the test fails on console errors and on requests elsewhere."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium (or set one up as `chromium`)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    wrong = []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1366, "height": 900}, base_url=address)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        context.on(
            "request",
            lambda r: (
                None
                if r.url.startswith((address, "data:", "blob:", "file:"))
                else wrong.append(r.url)
            ),
        )
        yield page
        browser.close()
    server.shutdown()
    server.server_close()
    assert not wrong


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.mark.slow
def test_links_lead_somewhere(site):
    pages = {
        path: path.read_text() for path in site.rglob("*.html") if "_static" not in path.parts
    }
    ids = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    lost = []
    for path, text in pages.items():
        markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
        assert len(re.sub(r'src="data:[^"]*"', "", text)) < HEAVIEST, path
        for link in re.findall(r'<(?:a|link)\b[^>]*? href="([^"]*)"', markup):
            name, _, anchor = unquote(html.unescape(link)).partition("#")
            if re.match(r"[a-z]+:|//", name):
                continue
            target = (path.parent / name.partition("?")[0]).resolve() if name else path
            if not target.is_file() or anchor and anchor not in ids.get(target, {anchor}):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert len(pages) > 15 and not lost, lost


@pytest.mark.slow
def test_every_page_is_whole(site, page):
    faults = {}
    for path in sorted(site.rglob("*.html")):
        name = str(path.relative_to(site))
        if name.startswith("_"):
            continue
        page.set_viewport_size({"width": 1366, "height": 900})
        page.goto(name)
        found = page.evaluate(FAULTS) + page.evaluate(OVERFLOW)
        page.set_viewport_size({"width": 360, "height": 740})
        if found := found + page.evaluate(OVERFLOW):
            faults[name] = found
    assert not faults


@pytest.mark.slow
def test_derains_as_the_command_line_does(page, tmp_path):
    import cclgan_lite as ccl
    from cclgan_lite.data.rain import add_rain, demo_rain
    from cclgan_lite.data.scenes import render_scene

    rng = np.random.default_rng(0)
    clean, depth = render_scene((0, 0), 701, 1022)  # in two tiles, with odd sides
    rainy = add_rain(clean, depth, demo_rain(rng), rng)
    rainy = (255 * rainy).round().astype(np.uint8)
    Image.fromarray(rainy).save(tmp_path / "street.png")

    page.goto("derain.html")
    page.set_input_files("#derain-file", tmp_path / "street.png")
    page.locator("#derain-status", has_text="derained in").wait_for()
    print(page.inner_text("#derain-status"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "street-derained.png"
    download.value.save_as(tmp_path / "derained.png")
    derained = np.array(Image.open(tmp_path / "derained.png").convert("RGB")).astype(int)
    expected = ccl.derain(rainy, precision="float32").astype(int)
    assert np.abs(expected - rainy).mean() > 1
    assert np.abs(derained - expected).max() <= 1
    # By keyboard: the line, and the removed layer.
    page.get_by_label("Line between").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.getElementById('derain-stage').style.cssText") == "--line: 51%;"
    page.get_by_label("Show what was removed").focus()
    page.keyboard.press("Space")
    assert page.get_by_role("img", name="What was removed").is_visible()


@pytest.mark.slow
def test_what_is_no_picture_is_told(page, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more than a beginning")
    page.goto("derain.html")
    page.set_input_files("#derain-file", tmp_path / "broken.jpg")
    alert = page.get_by_role("alert")
    alert.get_by_text("broken.jpg cannot be read as a picture").wait_for()
    assert not page.locator("#derain-result").is_visible()
    # The next picture is taken, and the message is gone.
    Image.fromarray(np.full((5, 30, 3), 90, np.uint8)).save(tmp_path / "tiny.png")
    page.set_input_files("#derain-file", tmp_path / "tiny.png")
    page.locator("#derain-status", has_text="30 × 5 pixels derained").wait_for()
    assert not alert.is_visible()


@pytest.mark.slow
def test_a_folder_is_no_server(site, page):
    page.goto((site / "derain.html").as_uri())
    page.get_by_role("alert").get_by_text("python -m http.server").wait_for()
    assert page.get_by_role("button", name="Take the example").is_disabled()
