"""What Windows and macOS do otherwise, simulated: each fault of theirs where it would be met."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import re
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from noise import noise_folders
from PIL import Image
from test_run import TINY

from cclgan_lite import cli, derain, evaluate, files, make_rain
from cclgan_lite.data import images
from cclgan_lite.data.folders import Augment, PairedCrops, UnpairedFolders
from cclgan_lite.data.images import ImageError
from cclgan_lite.data.leaves import Leaves
from cclgan_lite.data.shower import Shower
from cclgan_lite.training.trainer import train

ROOT = Path(__file__).parents[1]
SHORT = replace(TINY, steps=2, augment=Augment(resize=None, crop=32))


def test_loading_in_processes_that_are_not_forked(tmp_path, request):
    """Windows and macOS start a worker anew and send it the data set."""
    request.addfinalizer(lambda: multiprocessing.set_start_method(None, force=True))
    multiprocessing.set_start_method("spawn", force=True)
    folders = noise_folders(tmp_path)
    runs = [train(replace(SHORT, workers=n), *folders, tmp_path / f"{n}", "cpu") for n in (0, 1)]
    assert runs[0].history() == runs[1].history()


@pytest.mark.parametrize("kind", [UnpairedFolders, PairedCrops])
def test_data_sets_can_be_sent(kind, tmp_path):
    rain = {"shower": Shower(share=0.5), "leaves": Leaves(share=0.5)}
    data = kind(*noise_folders(tmp_path), Augment(resize=None, crop=32), **rain)
    item, other = (d[1] for d in (data, pickle.loads(pickle.dumps(data))))
    assert all(torch.equal(item[name], other[name]) for name in item)


@pytest.fixture
def caseless(monkeypatch):
    """A file system on which a.png and A.png are one file."""
    monkeypatch.setattr(images, "ignores_case", lambda folder: True)


def picture(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(path)
    return path


def test_names_that_differ_in_case_alone_are_not_lost(tmp_path, caseless):
    one, two = picture(tmp_path / "a" / "rain.png"), picture(tmp_path / "b" / "RAIN.PNG")
    with pytest.raises(ImageError, match="rain.png and .*RAIN.PNG would both become"):
        derain([one, two], tmp_path / "out", "demo", device="cpu", progress=False)
    picture(one.with_name("Rain.png"))
    with pytest.raises(ImageError, match="would both become"):
        make_rain(one.parent, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_names_that_differ_in_case_are_two_files_where_they_are(tmp_path):
    for name in ("rain.png", "RAIN.png"):
        picture(tmp_path / "a" / name)
    if files.ignores_case(tmp_path):
        pytest.skip("they are one file here")
    assert len(make_rain(tmp_path / "a", tmp_path / "out", progress=False)) == 2


def test_whether_case_matters_is_asked_of_the_file_system(tmp_path):
    assert not files.ignores_case(tmp_path / "new") or os.name != "posix"
    (tmp_path / "folder").mkdir()
    (tmp_path / "FOLDER").symlink_to(tmp_path / "folder")  # the same by both names
    assert files.ignores_case(tmp_path / "folder" / "new" / "one")


def test_an_input_is_not_overwritten_by_another_spelling(tmp_path, monkeypatch):
    """macOS takes photos for Photos, and `resolve` does not tell."""
    path = picture(tmp_path / "Photos" / "a.png")
    before = path.read_bytes()
    (tmp_path / "photos").symlink_to(path.parent)
    monkeypatch.setattr(Path, "resolve", lambda self, strict=False: self.absolute())
    for inputs in ([path.parent], [path]):
        with pytest.raises(ImageError, match="is an input"):
            derain(inputs, tmp_path / "photos", "demo", device="cpu", progress=False)
    assert path.read_bytes() == before


def test_a_run_adds_little_to_the_length_of_a_path(tmp_path, monkeypatch):
    """Windows ends at 260 characters: 200 of them are the user's."""
    longest, move = [], os.replace

    def watched(source, target):
        longest.append(max(len(os.path.relpath(p, tmp_path / "run")) for p in (source, target)))
        move(source, target)

    monkeypatch.setattr(os, "replace", watched)
    train(SHORT, *noise_folders(tmp_path), tmp_path / "run", "cpu")
    assert len(longest) > 5 and max(longest) < 60


def test_a_file_that_somebody_looks_at_is_waited_for(tmp_path, monkeypatch):
    """Windows refuses to replace it meanwhile."""
    refusals, move = [PermissionError("in use")] * 2, os.replace
    waited = []

    def refusing(source, target):
        if refusals:
            raise refusals.pop()
        move(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    monkeypatch.setattr(files.time, "sleep", waited.append)
    files.write_json(tmp_path / "a.json", 1)
    assert (tmp_path / "a.json").read_text() == "1\n" and len(waited) == 2
    refusals += [PermissionError("in use")] * 9
    with pytest.raises(PermissionError):
        files.write_json(tmp_path / "a.json", 2)
    assert (tmp_path / "a.json").read_text() == "1\n" and len(list(tmp_path.iterdir())) == 1


def test_files_do_not_depend_on_the_encoding_of_the_system(tmp_path, monkeypatch):
    """Windows takes its own where none is named; no text of ours may need it."""
    monkeypatch.setattr(io, "text_encoding", lambda given, stacklevel=2: given or "ascii")
    (tmp_path / "雨").mkdir()
    rainy, clean = noise_folders(tmp_path / "雨", 1)
    train(SHORT, rainy, clean, tmp_path / "雨" / "run", "cpu")
    for folder in (rainy, clean):
        (folder / "0.png").rename(folder / "é雨.png")
    options = {"rainy": rainy, "clean": clean, "device": "cpu"}
    evaluate("demo", **options, report=tmp_path / "雨" / "report.html")
    named = [f"--{name}={value}" for name, value in options.items()]
    outputs = [f"--{kind}={tmp_path / 'a'}.{kind}" for kind in ("json", "csv")]
    cli.main(["evaluate", *named, *outputs, "--identity"])


def test_what_is_printed_can_be_shown_by_any_terminal():
    for command in (["table"], ["table", "--ablations"]):
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="cp1252")):
            cli.main(command)


def test_nothing_needs_symbolic_links_or_forks():
    needs = re.compile(r"symlink_to\(|os\.(symlink|fork)\(")
    for folder in ("cclgan_lite", "data_scripts", "notebooks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not needs.search(path.read_text(encoding="utf-8")), path
