"""Optional metrics: what pyiqa is given, and clear errors where it or its weights are missing."""

import sys
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch

from cclgan_lite.evaluation.extras import ExtraError, load_extras

RNG = np.random.default_rng(0)


class FakeMetric:
    def __init__(self, mode: str):
        self.metric_mode = mode

    def __call__(self, *pictures):
        for picture in pictures:
            assert picture.shape == (1, 3, 20, 30) and picture.dtype == torch.float32
            assert 0 <= picture.min() and 0.9 < picture.max() <= 1
        if self.metric_mode == "FR":
            return (pictures[0] - pictures[1]).mean()
        (picture,) = pictures
        return picture[0, 2].mean()


def test_pictures_reach_the_metric(monkeypatch):
    modes = {"niqe": "NR", "brisque": "NR", "lpips": "FR"}
    fake = SimpleNamespace(create_metric=lambda name, device: FakeMetric(modes[name]))
    monkeypatch.setitem(sys.modules, "pyiqa", fake)
    metrics = load_extras(["niqe", "lpips"])
    assert list(metrics) == ["niqe", "lpips"]
    derained, clean = RNG.integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    assert metrics["niqe"](derained, clean) == pytest.approx(derained[..., 2].mean() / 255)
    gap = (derained.astype(float) - clean).mean() / 255
    assert metrics["lpips"](derained, clean) == pytest.approx(gap, abs=1e-6)


@pytest.mark.parametrize("name", ["niqe", "brisque", "lpips"])
def test_missing_package_and_weights_are_named(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ExtraError, match=r"needs the package pyiqa .*pip install .*\[extras\]"):
        load_extras([name])

    def offline(name, device):
        raise URLError("no route")

    monkeypatch.setitem(sys.modules, "pyiqa", SimpleNamespace(create_metric=offline))
    with pytest.raises(ExtraError) as caught:
        load_extras([name])
    file = {"niqe": "niqe_modelparameters.mat", "brisque": "brisque_svm_weights.pth",
            "lpips": "LPIPS_v0.1_alex-df73285e.pth"}[name]  # fmt: skip
    message = str(caught.value)
    assert file in message and torch.hub.get_dir() in message and "no route" in message
    assert "\n" not in message


def test_rain_is_what_clip_sees_of_the_output(monkeypatch):
    """The named model's embedder and axis score the derained picture, not the truth."""
    monkeypatch.setattr(
        "cclgan_lite.networks.embedder.load_clip", lambda name: (name, "tokenizer", "encode")
    )
    probe = "cclgan_lite.evaluation.clip_probe."
    monkeypatch.setattr(probe + "rain_axis", lambda tokenizer, encode: (tokenizer, encode))
    monkeypatch.setattr(
        probe + "rain_score",
        lambda embedder, axis, rgb: (
            rgb if (embedder, axis) == ("mine", ("tokenizer", "encode")) else None
        ),
    )
    assert load_extras(["rain"], clip="mine")["rain"]("derained", "clean") == "derained"


def test_unknown_metric():
    with pytest.raises(ValueError, match="no extra metric {'nix'}"):
        load_extras(["nix"])
