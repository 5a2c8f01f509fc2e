"""The explorer in a real browser: JupyterLab, run all cells, hands on the keyboard only."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import nbformat
import pytest

CHROMIUM = next(
    filter(
        None,
        map(
            shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        ),
    ),
    None,
)
PATIENCE = 180_000  # ms; a busy machine takes half a minute to start a kernel

CELLS = [
    "from cclgan_lite.course.explorer import loss_explorer, opened",
    'loss_explorer("one")',
    'loss_explorer("two")',
    'for name in ("one", "two"):\n'
    "    explorer = opened(name)\n"
    "    labs = {key: lab.steps for key, lab in explorer.training.labs.items()}\n"
    "    print(name, explorer.setting.lcl, explorer.setting.form, labs)",
]
# The kernel has answered everything that it was asked.
IDLE = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.sessionContext?.session?.kernel?.status === 'idle';
}"""
RAN = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = panel.content.widgets.filter(cell => cell.model.type === 'code');
    return cells.every(cell => cell.model.executionCount !== null)
        && panel.sessionContext.session.kernel.status === 'idle';
}"""
# Milliseconds from a key to the new picture, the next frame included.
LATENCY = """async ([handle, key]) => {
    const panel = [...document.querySelectorAll('.widget-html-content')]
        .find(panel => panel.textContent.includes('weighted sum'));
    handle.focus();
    const start = performance.now();
    const changed = new Promise(done => new MutationObserver((_, observer) => {
        observer.disconnect();
        Promise.all([...panel.querySelectorAll('img')].map(image => image.decode()))
            .then(() => requestAnimationFrame(() => done(performance.now() - start)));
    }).observe(panel, {childList: true, subtree: true}));
    handle.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    return await changed;
}"""


@contextmanager
def jupyter_lab(folder, settings):
    """A server on `folder`; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(settings / "settings"),
        "OMP_NUM_THREADS": "1",
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
        "CCLGAN_PROFILE": "ci",
        "JUPYTER_CONFIG_DIR": str(settings / "config"),
        "IPYTHONDIR": str(settings / "ipython"),
    }
    with open(settings / "log", "w") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyter",
                "lab",
                "--no-browser",
                "--allow-root",
                "--ip=127.0.0.1",
                f"--port={port}",
                "--IdentityProvider.token=",
                "--LabApp.expose_app_in_browser=True",
                f"--ServerApp.root_dir={folder}",
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api")
                break
            except OSError:
                assert server.poll() is None, (settings / "log").read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def page(tmp_path):
    """The notebook of `CELLS`, all cells run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium (or set one up as `chromium`)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "explorer.ipynb")
    with jupyter_lab(folder, tmp_path) as address, playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}/lab/tree/explorer.ipynb?reset")
        page.wait_for_function(IDLE, timeout=PATIENCE)
        page.evaluate("window.jupyterapp.shell.collapseLeft()")
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_function(RAN, timeout=PATIENCE)
        yield page
        browser.close()


def run_cell(page, number: int) -> str:
    """Run a cell again; the text that it printed."""
    page.evaluate(
        """async number => {
            const panel = window.jupyterapp.shell.currentWidget;
            panel.content.activeCellIndex = number;
            panel.content.deselectAll();
            await window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
        number,
    )
    page.wait_for_function(RAN, timeout=PATIENCE)
    output = page.evaluate(
        """number => window.jupyterapp.shell.currentWidget.content.widgets[number].model.outputs
            .toJSON().map(output => output.text ?? '').join('')""",
        number,
    )
    return output if isinstance(output, str) else "".join(output)


@pytest.mark.slow
def test_explorer_by_keyboard(page, record_property):
    def row(label: str, which: int):
        """The number box called `label` and its slider, of explorer `which`."""
        return page.locator(".cclgan-control", has=page.get_by_label(label, exact=True)).nth(which)

    def part(text: str, which: int):
        return page.locator(".jp-OutputArea-output .widget-html-content", has_text=text).nth(which)

    def share(which: int) -> str:
        """LCL's share of the pull on the derained picture, as the table says it."""
        return part("with the sum", which).locator("tr", has_text="LCL").nth(0).inner_text()

    def picture(alt: str, which: int):
        return page.get_by_alt_text(alt, exact=True).nth(which).get_attribute("src")

    def until(now, before) -> None:
        end = time.monotonic() + PATIENCE / 1000
        while now() == before and time.monotonic() < end:
            page.wait_for_timeout(50)
        changed = now() != before
        assert changed, "nothing follows the controls"

    # A slider, by its handle: numbers and pictures follow, the other explorer does not.
    total = "heat map of the weighted sum"
    before, other = picture(total, 0), part("weighted sum", 1).inner_html()
    said, untouched = share(0), share(1)
    row("LCL", 0).locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    until(lambda: picture(total, 0), before)
    until(lambda: share(0), said)
    assert row("LCL", 0).get_by_label("LCL").input_value() == "0.3"
    assert part("weighted sum", 1).inner_html() == other and share(1) == untouched
    # The number box, and a choice that computes anew.
    said = share(0)
    row("LCL", 0).get_by_label("LCL").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    until(lambda: share(0), said)
    intra = "heat map of what intra-CCL wants"
    before = picture(intra, 0)
    page.get_by_role("button", name="InfoNCE").nth(0).focus()
    page.keyboard.press("Enter")
    until(lambda: picture(intra, 0), before)
    times = []
    for key in ("ArrowRight", "ArrowLeft") * 5:
        handle = row("adversarial", 0).locator(".noUi-handle").element_handle()
        times.append(page.evaluate(LATENCY, [handle, key]))
    record_property("slider_to_picture_ms", [round(ms) for ms in sorted(times)])
    print("slider to picture in ms:", *(round(ms) for ms in sorted(times)))

    # Train, and stop.
    tab = page.get_by_role("tab", name="Train a little").nth(0)
    tab.focus()
    page.keyboard.press("Enter")
    train = page.get_by_role("button", name="Train A with these weights").nth(0)
    train.wait_for()
    steps = page.get_by_label("steps", exact=True).nth(0)
    steps.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("300")
    page.keyboard.press("Tab")
    train.focus()
    page.keyboard.press("Enter")
    status = page.locator("[role=status]").nth(0)
    status.get_by_text(re.compile("A: step [2-9]")).wait_for()
    assert train.is_disabled()
    stop = page.get_by_role("button", name="Stop").nth(0)
    stop.focus()
    page.keyboard.press("Enter")
    status.get_by_text("stopped after").wait_for()
    trained = int(re.search(r"stopped after (\d+) steps", status.inner_text())[1])
    assert 2 <= trained < 300
    page.get_by_role("img", name=re.compile("^LCL: A .* from ")).nth(0).wait_for()

    # The kernel knows it all, also after the cell was run again.
    said = f"one 2.0 infonce {{'A': {trained}}}\ntwo 0.2 ratio {{}}\n"
    assert run_cell(page, 3) == said
    run_cell(page, 1)
    assert row("LCL", 0).get_by_label("LCL").input_value() == "2"
    assert f"stopped after {trained} steps" in page.locator("[role=status]").nth(0).inner_text()
    assert run_cell(page, 3) == said
