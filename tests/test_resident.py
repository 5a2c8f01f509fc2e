"""Pictures on the device give the batches that loading gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from cclgan_lite.data import resident
from cclgan_lite.data.folders import Augment, UnpairedFolders
from cclgan_lite.data.resident import Resident
from cclgan_lite.data.shower import Shower
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import train


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("rainy", 3), ("clean", 5)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 256, (30 + 7 * i, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    return tmp_path / "rainy", tmp_path / "clean"


@pytest.mark.parametrize("load", [None, 40])
def test_same_batches_as_the_loader(folders, load):
    """Bit by bit, over epochs and with pictures that are smaller than a crop."""
    data = UnpairedFolders(*folders, Augment(resize=load, crop=32), seed=3)
    groups = [range(start, start + 4) for start in range(5, 29, 4)]
    loaded = list(DataLoader(data, batch_sampler=groups))
    held = list(Resident(data, torch.device("cpu")).batches(groups))
    assert len(held) == len(loaded) == 6
    for mine, theirs in zip(held, loaded, strict=True):
        assert mine.keys() == theirs.keys() == {"rainy", "clean"}
        for name in mine:
            assert mine[name].dtype == torch.float32
            assert torch.equal(mine[name], theirs[name])


def test_pictures_that_do_not_fit(folders, monkeypatch):
    data = UnpairedFolders(*folders, Augment(resize=None, crop=32))
    monkeypatch.setattr(resident, "free_memory", lambda device: 10_000)
    with pytest.raises(ValueError, match="do not fit.*leave out --resident"):
        Resident(data, torch.device("cpu"))
    assert resident.SHARE < 1


def test_rendered_rain_needs_the_loader():
    config = Config(shower=Shower(share=0.5))
    with pytest.raises(ValueError, match="leave out --resident"):
        replace(config, resident=True)


def test_a_run_learns_the_same(folders, tmp_path):
    tiny = CCLGAN(
        generator=GeneratorConfig(filters=4, blocks=1),
        discriminator=DiscriminatorConfig(filters=4),
        projection=8,
    )
    config = Config(method=tiny, augment=Augment(resize=None, crop=32), steps=4, log_every=2)
    runs = [
        train(replace(config, resident=held), *folders, tmp_path / str(held), device="cpu")
        for held in (False, True)
    ]
    assert runs[0].history() == runs[1].history() and len(runs[0].history()) == 2
