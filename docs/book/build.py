"""Build the course's site from the stored lessons: `make book`, or `python docs/book/build.py`.

Nothing is executed: the pages show the outputs that the lessons were saved with. What the site
needs from npm is fetched once, in the versions below, and checked; `npm` has to be installed.
Everything lies under build/book/, which git ignores; the site is build/book/html/.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import numpy as np
from network import export_for_browsers
from PIL import Image
from sphinx.cmd.build import build_main

from cclgan_lite.data.rain import add_rain, demo_rain
from cclgan_lite.data.scenes import render_scene

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "book"
PAGES = ("notebooks/*.ipynb", "notebooks/*.md", "notebooks/assignments/README.md", "docs/*.md",
         "docs/*.png", "CONTRIBUTING.md")  # fmt: skip
# Name and version on npm, npm's checksum (SHA-512), the files that the site takes along.
NPM = {
    "mathjax@3.2.2": (
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        ("es5/tex-chtml.js", "es5/input/tex/extensions/", "es5/output/chtml/fonts/woff-v2/"),
    ),
    "onnxruntime-web@1.30.0": (
        "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        (
            "dist/ort.wasm.min.mjs",
            "dist/ort-wasm-simd-threaded.mjs",
            "dist/ort-wasm-simd-threaded.wasm",
            "dist/ort.jspi.min.mjs",  # the same with WebGPU
            "dist/ort-wasm-simd-threaded.jspi.mjs",
            "dist/ort-wasm-simd-threaded.jspi.wasm",
        ),
    ),
}
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
HOW_TO_RUN = (
    "\n\n*Outputs are shown as they were stored. To run the lesson, move its controls and have "
    "your answers checked, open it in Colab, or on your computer with `make lab`.*"
)


def fetch(package: str, checksum: str, wanted: tuple[str, ...], target: Path) -> None:
    """Unpack `wanted` files and folders of an npm package into `target`."""
    name, version = package.split("@")
    archive = OUT / "npm" / f"{name}-{version}.tgz"
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit(f"npm is needed once, to fetch {package}: install Node.js")
        subprocess.run([npm, "pack", "--silent", package], cwd=archive.parent, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != checksum:
        raise SystemExit(f"{archive} is not what was tested (sha512-{found}): delete it")
    with tarfile.open(archive) as tar:
        for member in tar:
            path = member.name.removeprefix("package/")
            if path.startswith(wanted) and not path.endswith((".map", ".ts")):
                place = target / re.sub("^(es5|dist)/", "", path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(tar.extractfile(member).read())


def paint_example(path: Path) -> None:
    """A generated rainy scene, for readers without rain."""
    rng = np.random.default_rng(7)
    clean, depth = render_scene((7, 7), 480, 720)
    rainy = add_rain(clean, depth, demo_rain(rng), rng)
    Image.fromarray((255 * rainy).round().astype(np.uint8)).save(path)


def point(text: str, source: Path, pages: set[Path], repository: str) -> str:
    """Links of `source` to files that are no pages of the site, turned to the repository."""

    def turned(match: re.Match) -> str:
        target = (source.parent / match[1]).resolve()
        if not target.exists() or target in pages:
            return match[0]
        return f"]({repository}/blob/main/{target.relative_to(ROOT)}{match[2] or ''})"

    return re.sub(r"\]\(([^)\s:#]+)(#[^)\s]*)?\)", turned, text)


def assemble(source: Path, repository: str) -> None:
    """Copy the pages in the repository's own layout, so that their links hold."""
    pages = {path for pattern in PAGES for path in ROOT.glob(pattern)}
    for path in sorted(pages):
        place = source / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ipynb":
            lesson = json.loads(path.read_text())
            for cell in lesson["cells"]:
                text = "".join(cell["source"])
                if cell["cell_type"] == "markdown":
                    text = point(text, path, pages, repository)
                    badge = re.escape(BADGE) + r"(\(.*?\))"  # a picture from elsewhere
                    text = re.sub(badge, rf"[Open in Colab]\1{HOW_TO_RUN}", text)
                elif "setup" in (tags := cell["metadata"].get("tags", [])):
                    tags.append("hide-input")
                cell["source"] = text
            place.write_text(json.dumps(lesson))
        elif path.suffix == ".md":
            place.write_text(point(path.read_text(), path, pages, repository))
        else:
            shutil.copy(path, place)
    shutil.copytree(ROOT / "docs" / "book", source, dirs_exist_ok=True)


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    source, html = OUT / "source", OUT / "html"
    for folder in (source, html):  # no page outlives its lesson
        shutil.rmtree(folder, ignore_errors=True)
    assemble(source, project["urls"]["Repository"])
    for package, (checksum, wanted) in NPM.items():
        fetch(package, checksum, wanted, source / "static" / package.split("@")[0])
    export_for_browsers(source / "static" / "derain" / "light.onnx")
    paint_example(source / "static" / "derain" / "example.png")
    # -W: a link to nowhere, or a page that cannot be reached, fails the build.
    code = build_main(["-q", "-W", "--keep-going", "-b", "html", "-d", str(OUT / "doctrees"),
                       str(source), str(html)])  # fmt: skip
    if code == 0:
        print(f"{html / 'index.html'}; all of it: python -m http.server -d {html}")
    return code


if __name__ == "__main__":
    sys.exit(main())
