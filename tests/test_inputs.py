"""Whatever lies in a file: a result or an error that names it, and little memory.

Valid files are damaged byte by byte and value by value. `--hypothesis-profile campaign` tries many
(docs/reliability.md), `tests/fuzz.py` lets coverage guide the damage.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tarfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from prepare.archives import ArchiveError, Source
from test_run import TINY

from cclgan_lite.data import images
from cclgan_lite.data.images import ImageError, read_photo, read_size
from cclgan_lite.data.unpaired import read_manifest, recorded_kind
from cclgan_lite.evaluation.published import markdown, read_results, sections
from cclgan_lite.inference.weights import derainer_bytes, load_derainer
from cclgan_lite.networks import GeneratorConfig
from cclgan_lite.training.run import Run, RunError

HIGHEST = 2**30  # bytes that all cases of one kind may add to the process
_FOLDER = TemporaryDirectory()  # one for all cases: hypothesis makes thousands
HERE = Path(_FOLDER.name)


def pictures() -> list[bytes]:
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    grey16 = Image.fromarray(rng.integers(0, 65535, (12, 16), dtype=np.uint16))
    kinds = [
        (rgb, "JPEG", {"exif": exif, "dpi": (72, 72)}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("RGBA"), "PNG", {"exif": exif}),
        (rgb.quantize(8), "PNG", {}),
        (grey16, "PNG", {}),
        (rgb, "WEBP", {"lossless": True}),
        (rgb, "WEBP", {"exif": exif}),
        (rgb, "BMP", {}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (grey16, "TIFF", {}),
    ]
    files = []
    for image, format, options in kinds:
        out = BytesIO()
        image.save(out, format, **options)
        files.append(out.getvalue())
    return files


def archives() -> list[bytes]:
    files, picture = [], pictures()[3]
    for mode in ("w", "w:gz"):
        with tarfile.open(fileobj=(out := BytesIO()), mode=mode) as tar:
            for name in ("rain/1.png", "norain/1.png"):
                info = tarfile.TarInfo(name)
                info.size = len(picture)
                tar.addfile(info, BytesIO(picture))
        files.append(out.getvalue())
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(out := BytesIO(), "w", kind) as zipped:
            for name in ("rain/1.png", "norain/1.png"):
                zipped.writestr(name, picture)
        files.append(out.getvalue())
    return files


def damaged(files: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the files with bytes changed, a piece put in or left out, or its end cut off."""
    edit = st.tuples(st.integers(0, 2**16), st.binary(max_size=8), st.integers(0, 8))

    def apply(file: bytes, edits: list, end: int) -> bytes:
        for place, put, drop in edits:
            place %= len(file) + 1
            file = file[:place] + put + file[place + drop :]
        return file[: len(file) - end % (len(file) + 1)]

    ends = st.just(0) | st.integers(0, 2**16)
    return st.builds(apply, st.sampled_from(files), st.lists(edit, max_size=4), ends)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)


@st.composite
def altered(draw, plain: dict) -> str:
    """`plain` as JSON, some of its values replaced or gone."""
    plain = json.loads(json.dumps(plain))
    for _ in range(draw(st.integers(1, 3))):
        inner = plain
        while inner:
            key = draw(st.sampled_from(sorted(inner)))
            if isinstance(inner[key], dict) and draw(st.integers(0, 3)):
                inner = inner[key]
            else:
                break
        if inner and draw(st.booleans()):
            inner[key] = draw(JSON)
        elif inner:
            del inner[key]
    return json.dumps(plain)


def outcome(*errors: type[Exception], of: Callable, naming: Path | None = None) -> None:
    """Call `of`; one of these errors is an outcome too if its message names the file."""
    try:
        of()
    except errors as error:
        assert naming is None or naming.name in str(error), error


@pytest.fixture(scope="module", autouse=True)
def bounded():
    # Bytes that a picture's head claims are granted up to this; the bound of users is larger.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "MAX_PIXELS", 2**20)
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 2**20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown * (1 if sys.platform == "darwin" else 1024) < HIGHEST


@given(damaged(pictures()))
def test_pictures(content):
    path = HERE / "picture.png"
    path.write_bytes(content)
    outcome(ImageError, of=lambda: read_size(path), naming=path)
    outcome(ImageError, of=lambda: read_photo(path), naming=path)


RUN = Run.create(HERE / "run", TINY, HERE / "rainy", HERE / "clean")
CONFIG = (RUN.folder / "config.json").read_text()


@given(altered(json.loads(CONFIG)).map(str.encode) | damaged([CONFIG.encode()]))
def test_configurations(content):
    path = RUN.folder / "config.json"
    path.write_bytes(content)
    outcome(RunError, of=lambda: Run.read(RUN.folder), naming=path)


ROWS = "".join(json.dumps({"step": n, "lcl/generators": 1.5}) + "\n" for n in (2, 4, 6))


@given(damaged([ROWS.encode()]))
def test_histories(content):
    (RUN.folder / "metrics.jsonl").write_bytes(content)
    RUN.forget_after(4)
    assert all(row["step"] <= 4 for row in RUN.history())


RUN.save(2, {"x": torch.ones(3)}, {"step": 2, "optimizers": {"G": {"state": {}}}})
PARTS = {path.name: path.read_bytes() for path in RUN.checkpoints()[-1].iterdir()}


@given(st.sampled_from(sorted(PARTS)), st.data())
def test_checkpoints(name, data):
    """Any change is noticed, also one that would load."""
    path = RUN.checkpoints()[-1] / name
    content = data.draw(damaged([PARTS[name]]))
    path.write_bytes(content)
    try:
        if content == PARTS[name]:
            RUN.load()
        elif name != "sha256.json" or json.loads(PARTS[name]) != _json(content):
            with pytest.raises(RunError, match="000002 cannot be read"):
                RUN.load()
    finally:
        path.write_bytes(PARTS[name])


def _json(content: bytes):
    try:
        return json.loads(content)
    except ValueError:
        return None


@given(damaged([derainer_bytes(GeneratorConfig(filters=1, blocks=1).build())]))
def test_weights(content):
    path = HERE / "weights.safetensors"
    path.write_bytes(content)
    outcome(ValueError, of=lambda: load_derainer(path), naming=path)


MANIFEST = {"dataset": "own", "unpaired": "strict", "settings": {"seed": 0}}


@given(altered(MANIFEST).map(str.encode) | damaged([json.dumps(MANIFEST).encode()]))
def test_manifests(content):
    (HERE / "manifest.json").write_bytes(content)
    assert isinstance(read_manifest(HERE), dict)
    recorded_kind(HERE / "train/rainy", HERE / "train/clean")


RESULT = {
    **dict.fromkeys(("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"), 1.0),
    **{"n": 1, "dataset": "rain100l", "split": "test", "protocol": "full-size", "intervals": {}},
}


@given(altered(RESULT).map(str.encode) | damaged([json.dumps(RESULT).encode()]))
def test_results(content):
    path, results = HERE / "mine.json", []
    path.write_bytes(content)
    outcome(ValueError, of=lambda: results.extend(read_results([path])), naming=path)
    outcome(ValueError, of=lambda: [markdown(section) for section in sections(results)])


@given(st.sampled_from(["a.zip", "a.tar", "a.tar.gz"]), damaged(archives()))
def test_archives(name, content):
    """Nothing is written outside of the working folder either."""
    (folder := HERE / "archives").mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / name).write_bytes(content)
    before = set(os.listdir(HERE))

    def unpack() -> None:
        source = Source(folder, HERE / "run/unpacked")
        source.unpack(source.files)

    outcome(ArchiveError, ImageError, of=unpack)
    assert set(os.listdir(HERE)) == before
