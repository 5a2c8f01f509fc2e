"""The front door: `import cclgan_lite as ccl`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from noise import noise_folders
from PIL import Image

import cclgan_lite as ccl
from cclgan_lite.data.images import to_tensor
from cclgan_lite.inference.derain import derain_image

README = Path(__file__).parents[1] / "README.md"


def test_everything_on_offer_is_there_and_documented():
    for name in ccl.__all__[1:]:
        thing = getattr(ccl, name)
        assert callable(thing) and thing.__doc__ and name in ccl.__doc__ + dir(ccl).__repr__()
    with pytest.raises(AttributeError, match="derian.*it offers.*derain"):
        ccl.derian  # noqa: B018


def test_the_door_is_light():
    code = "import sys, cclgan_lite; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_readme_from_python(tmp_path, monkeypatch):
    """The lines of the README, as they stand."""
    section = README.read_text().split("### From Python")[1]
    lines = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    assert len(lines.strip().splitlines()) <= 12
    for name in ("my", "test"):
        (tmp_path / name).mkdir()
        noise_folders(tmp_path / name)
    (tmp_path / "test/rainy").rename(tmp_path / "holiday")
    shutil.copytree(tmp_path / "holiday", tmp_path / "test/rainy")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(lines, names)
    assert names["config"].method.lcl.temperature == 0.1
    assert (tmp_path / "runs/mine/derainer.safetensors").exists()
    assert len(list((tmp_path / "derained").iterdir())) == len(list(Path("holiday").iterdir()))
    assert names["scores"]["psnr_y"] > 0


def test_recipe_changes_fields_and_refuses_unknown_ones():
    config = ccl.recipe("demo", {"method.generator.filters": 8, "augment.crop": 48}, steps=3)
    plain = ccl.recipe("demo")
    assert config == replace(
        plain,
        method=replace(plain.method, generator=replace(plain.method.generator, filters=8)),
        augment=replace(plain.augment, crop=48),
        steps=3,
    )
    assert ccl.recipe("paper", {"method.generator.taps": ["stem"]}).method.generator.taps == (
        "stem",
    )
    with pytest.raises(ValueError, match="no field 'method.lcl.temprature'.*'method.lcl.temperat"):
        ccl.recipe("demo", {"method.lcl.temprature": 0.1})
    with pytest.raises(ValueError, match="no recipe 'dmeo'.*'demo'"):
        ccl.recipe("dmeo")
    with pytest.raises(ValueError, match="steps must be at least 1"):
        ccl.recipe("demo", steps=0)


def test_derain_returns_what_it_was_given(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)
    want = derain_image(ccl.load_derainer("light"), rgb)
    assert (want != rgb).any()
    assert np.array_equal(ccl.derain(rgb), want)
    picture = ccl.derain(Image.fromarray(rgb).convert("RGBA"))
    assert isinstance(picture, Image.Image) and np.array_equal(np.asarray(picture), want)
    tensor = ccl.derain(to_tensor(rgb).double())
    assert tensor.dtype == torch.float64
    assert torch.equal(tensor, to_tensor(want).double())
    batch = ccl.derain(torch.stack([to_tensor(rgb), to_tensor(rgb[::-1])]))
    assert torch.equal(batch[0], to_tensor(want)) and batch.shape == (2, 3, 40, 52)

    (tmp_path / "in").mkdir()
    Image.fromarray(rgb).save(tmp_path / "in/a.png")
    file = ccl.derain(tmp_path / "in/a.png", tmp_path / "out", progress=False)
    assert file == tmp_path / "out/a.png"
    assert np.array_equal(np.asarray(Image.open(file)), want)
    assert ccl.derain(str(tmp_path / "in"), tmp_path / "two", progress=False) == [
        tmp_path / "two/a.png"
    ]
    with pytest.raises(ValueError, match="out"):
        ccl.derain(tmp_path / "in")
    with pytest.raises(TypeError, match="array"):
        ccl.derain(3.5)


def test_a_run_is_not_scored_on_its_own_pictures(tmp_path):
    rainy, clean = noise_folders(tmp_path)
    config = ccl.recipe(
        "laptop", {"method.generator.filters": 4, "method.discriminator.filters": 4,
                   "augment.crop": 48}, steps=1,
    )  # fmt: skip
    run = ccl.train(config, rainy, clean, tmp_path / "run", "cpu")
    with pytest.raises(ValueError, match="trained on the pictures of"):
        ccl.evaluate(run, rainy=rainy, clean=clean)
