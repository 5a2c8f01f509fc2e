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
import torch
from filelock import FileLock
from PIL import Image

import cclgan_lite as ccl
from cclgan_lite.course.explore import RUN
from cclgan_lite.data.images import ORIENTATION, read_photo
from cclgan_lite.data.rain import add_rain, demo_rain
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.inference.weights import DEFAULT_WEIGHTS

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE = 180_000  # ms
EMULATED = [  # a camera and a graphics card
    "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader",
]  # fmt: skip
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
        browser = p.chromium.launch(executable_path=CHROMIUM, args=EMULATED)
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
def test_widgets_show_their_first_picture(site):
    widget = re.compile(r'^ *"(explore|loss_explorer|ablation_atlas)\(', re.MULTILINE)
    for path in ROOT.glob("notebooks/*.ipynb"):
        page = (site / "notebooks" / f"{path.stem}.html").read_text()
        *before, _ = page.split(f"<p><em>{RUN}</em></p>")
        assert len(before) == len(widget.findall(path.read_text())), path
        for text in before:
            assert "<img alt=" in text.rpartition('<div class="output text_html">')[2], path


@pytest.mark.slow
def test_the_network_is_the_derainers(site):
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    session = onnxruntime.InferenceSession(site / "_static" / "derain" / "light.onnx")
    derainer = ccl.load_derainer(DEFAULT_WEIGHTS)
    for height, width in ((16, 64), (20, 36)):  # whole tiles of Winograd's, and cut ones
        rainy = torch.rand(1, 3, height, width, generator=torch.manual_seed(0)) * 2 - 1
        (derained,) = session.run(None, {"rainy": rainy.numpy()})
        with torch.inference_mode():
            expected = derainer(rainy).numpy()
        assert np.abs(derained - expected).max() * 127.5 < 0.01  # grey levels


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


def done(page, name: str) -> None:
    """Wait until `name` is derained; fails with the page's message if it is not."""
    page.wait_for_function(
        "name => document.getElementById('derain-error').textContent ||"
        " document.getElementById('derain-status').textContent.includes(`${name} derained in`)",
        arg=name,
    )
    assert not page.inner_text("#derain-error")
    print(page.inner_text("#derain-status"))


def downloaded(page, path: Path) -> np.ndarray:
    """The derained picture, uint8 [H, W, 3], by the page's download."""
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == path.name
    download.value.save_as(path)
    return np.array(Image.open(path).convert("RGB"))


def rainy_scene(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    clean, depth = render_scene((0, 0), height, width)
    rainy = add_rain(clean, depth, demo_rain(rng), rng)
    return (255 * rainy).round().astype(np.uint8)


def grey_levels(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(int) - other)


@pytest.mark.slow
def test_derains_as_the_command_line_does(page, tmp_path):
    rainy = rainy_scene(349, 510)  # odd sides; the command line cuts no tiles
    Image.fromarray(rainy).save(tmp_path / "street.png")
    page.add_init_script("Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 })")
    page.goto("derain.html")
    page.set_input_files("#derain-file", tmp_path / "street.png")
    done(page, "street.png: 510 × 349 pixels")
    assert "(2 tiles on 2 processor cores)" in page.inner_text("#derain-status")
    derained = downloaded(page, tmp_path / "street-derained.png")
    expected = ccl.derain(rainy, precision="float32")
    assert grey_levels(expected, rainy).mean() > 1
    assert grey_levels(expected, derained).max() <= 1


@pytest.mark.slow
def test_a_photograph_is_turned_upright(page, tmp_path):
    rainy = Image.fromarray(rainy_scene(120, 180))
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # stored on its side
    rainy.save(tmp_path / "street.jpg", exif=exif, quality=90)
    page.goto("derain.html")
    page.set_input_files("#derain-file", tmp_path / "street.jpg")
    done(page, "street.jpg: 120 × 180 pixels")
    derained = downloaded(page, tmp_path / "street-derained.png")
    upright = read_photo(tmp_path / "street.jpg").rgb  # as the command line reads it
    expected = ccl.derain(upright, precision="float32")
    assert grey_levels(expected, derained).max() <= 1


@pytest.mark.slow
def test_webgpu_agrees(page, tmp_path):
    page.goto("derain.html?on=webgpu")
    if not page.evaluate("navigator.gpu && navigator.gpu.requestAdapter().then(Boolean)"):
        pytest.skip("this Chromium emulates no WebGPU")
    rainy = rainy_scene(48, 64)  # an emulated card is slow
    Image.fromarray(rainy).save(tmp_path / "small.png")
    page.set_input_files("#derain-file", tmp_path / "small.png")
    done(page, "small.png: 64 × 48 pixels")
    assert "the graphics card" in page.inner_text("#derain-status")
    derained = downloaded(page, tmp_path / "small-derained.png")
    assert grey_levels(ccl.derain(rainy, precision="float32"), derained).max() <= 1


@pytest.mark.slow
def test_webgpu_that_fails_is_done_without(page, tmp_path):
    card = "GPU.prototype.requestAdapter = async () => ({ info: { isFallbackAdapter: false } });"
    page.add_init_script(card)
    lost = "onmessage = () => postMessage({ error: 'device lost' });"
    page.route(
        "**/worker.js?webgpu",
        lambda route: route.fulfill(body=lost, content_type="text/javascript"),
    )
    warned = []
    page.on("console", lambda message: warned.append(message.text))
    Image.fromarray(rainy_scene(48, 64)).save(tmp_path / "small.png")
    page.goto("derain.html")
    page.set_input_files("#derain-file", tmp_path / "small.png")
    done(page, "small.png: 64 × 48 pixels")
    assert "on 1 processor core" in page.inner_text("#derain-status")
    assert "WebGPU failed, WebAssembly takes over: device lost" in warned


@pytest.mark.slow
def test_by_keyboard_on_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("derain.html")
    page.get_by_label("Choose a picture").focus()
    for _ in range(2):  # past the camera
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop").wait_for()
    assert page.evaluate("document.activeElement.id") == "derain-stop"
    page.keyboard.press("Escape")
    status = page.get_by_role("status")
    status.get_by_text("Stopped: example.png was not derained").wait_for()
    assert page.evaluate("document.activeElement.id") == "derain-example"
    page.keyboard.press("Enter")
    page.get_by_role("progressbar", name="Tiles derained").wait_for()
    done(page, "example.png: 720 × 480 pixels")
    assert page.evaluate("document.activeElement.id") == "derain-example"
    assert not page.evaluate(OVERFLOW)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.getElementById('derain-stage').style.cssText") == "--line: 51%;"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.get_by_role("img", name="What was removed").is_visible()


# How a picture comes in, besides by the button: name and what the page does then.
HAND_OVER = """(kind) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
    canvas.getContext('2d').fillRect(0, 0, 9, 9);
    canvas.toBlob(blob => {
        const data = new DataTransfer();
        data.items.add(new File([blob], 'handed.png', { type: 'image/png' }));
        const event = kind === 'drop'
            ? new DragEvent('drop', { dataTransfer: data })
            : new ClipboardEvent('paste', { clipboardData: data, bubbles: true });
        document.getElementById('derain-drop').dispatchEvent(event);
    });
}"""


@pytest.mark.slow
def test_dropped_pasted_and_seen_by_the_camera(page):
    page.goto("derain.html")
    for kind in ("drop", "paste"):
        page.evaluate(HAND_OVER, kind)
        done(page, "handed.png: 64 × 48 pixels")
        page.reload()
    page.get_by_role("button", name="Use the camera").click()  # Chromium's green one
    page.get_by_role("button", name="Take this picture").click()
    done(page, "camera.png: 640 × 480 pixels")
    assert not page.get_by_label("What the camera sees").is_visible()


@pytest.mark.slow
def test_what_is_no_picture_is_told(page, tmp_path):
    rng = np.random.default_rng(0)
    whole = tmp_path / "whole.jpg"
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(whole)
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "text.png").write_text("no picture at all")
    Image.new("L", (7000, 6000)).save(tmp_path / "large.jpg")
    page.goto("derain.html")
    alert = page.get_by_role("alert")
    for name, told in [
        ("cut.jpg", "cut.jpg cannot be read as a picture"),
        ("text.png", "text.png cannot be read as a picture"),
        ("large.jpg", "large.jpg has 42 megapixels, more than a page can hold"),
    ]:
        page.set_input_files("#derain-file", tmp_path / name)
        alert.get_by_text(told).wait_for()
        assert not page.locator("#derain-result").is_visible()
    # The next picture is taken, and the message is gone.
    Image.fromarray(np.full((5, 30, 3), 90, np.uint8)).save(tmp_path / "tiny.png")
    page.set_input_files("#derain-file", tmp_path / "tiny.png")
    done(page, "tiny.png: 30 × 5 pixels")
    assert not alert.is_visible()


@pytest.mark.slow
def test_a_folder_is_no_server(site, page):
    page.goto((site / "derain.html").as_uri())
    page.get_by_role("alert").get_by_text("python -m http.server").wait_for()
    assert page.get_by_role("button", name="Take the example").is_disabled()
