"""The audit of gradients on losses whose answer is known."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from cclgan_lite.losses.pixel import PixelL1
from cclgan_lite.methods import CCLGAN
from cclgan_lite.networks import RestorationConfig
from cclgan_lite.recipes import recipe

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from gradient_audit import audit, batches, without  # noqa: E402


@dataclass(frozen=True)
class Off:
    """The supervised loss itself, times `sign`, on images that carry the truth as `clean`."""

    sign: float
    weight: float = 1.0

    def looks(self):
        return []

    def __call__(self, step):
        loss = F.smooth_l1_loss(step.image("derained"), step.image("clean"), beta=0.1)
        return {"generators": self.sign * loss}


def test_the_truth_agrees_with_itself_and_its_opposite_does_not():
    method = CCLGAN(generator=RestorationConfig(filters=4, blocks=1))
    networks = nn.ModuleDict(method.networks())
    nn.init.normal_(networks["derainer"].last.weight, std=0.01)
    found = []
    for _ in range(4):
        truth = torch.rand(1, 3, 32, 32) - 0.5
        found.append({"rainy": truth + 0.3, "clean": truth, "truth": truth})
    darker = PixelL1(3.0, (("derained", "black"),))
    for batch in found:
        batch["black"] = torch.full_like(batch["clean"], -1)
    terms = {"same": Off(1.0), "opposite": Off(-1.0, weight=2.0), "amount": darker}
    figures = audit(networks, terms, method.wiring, found)
    assert figures["same"]["cosine"] == pytest.approx(1, abs=1e-5)
    assert figures["opposite"]["of_means"] == pytest.approx(-1, abs=1e-5)
    assert figures["opposite"]["beside"] == pytest.approx(-1, abs=1e-4)
    assert figures["opposite"]["share"] == pytest.approx(2 * figures["same"]["share"], rel=1e-4)
    assert sum(f["share"] for f in figures.values()) == pytest.approx(1)
    # L1 to black is the mean brightness: nothing is left of it beside "more or less".
    assert figures["amount"]["cosine"] > 0.5 and abs(figures["amount"]["beside"]) < 0.05


def test_signal_is_high_where_batches_agree():
    method = CCLGAN(generator=RestorationConfig(filters=4, blocks=1))
    networks = nn.ModuleDict(method.networks())
    image = torch.rand(1, 3, 32, 32) - 0.5
    equal = [{"rainy": image + 0.2, "clean": image, "truth": image}] * 3
    other = [{"rainy": x, "clean": x.flip(3), "truth": x} for x in torch.randn(6, 1, 3, 32, 32)]
    signal = [
        audit(networks, {"a": Off(1.0)}, method.wiring, b)["a"]["signal"] for b in (equal, other)
    ]
    assert signal[0] > 1e6 > signal[1]


def test_without_takes_one_direction_out():
    g = torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(without(g, torch.tensor([[10.0, 0.0]])), torch.tensor([[0.0, 4.0]]))


def test_batches_pair_rainy_with_its_truth_only(tmp_path):
    pairs = []
    for k in range(3):
        for kind, grey in (("rainy", 60 * k + 40), ("clean", 60 * k)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.new("RGB", (64, 64), (grey,) * 3).save(tmp_path / kind / f"{k}.png")
        pairs.append((str(k), tmp_path / "rainy" / f"{k}.png", tmp_path / "clean" / f"{k}.png"))
    config = recipe("demo", {"augment.crop": 32, "augment.zoom": 1.0})
    for batch in batches(pairs, config, 3):
        torch.testing.assert_close(
            batch["rainy"] - batch["truth"], torch.full((4, 3, 32, 32), 80 / 255)
        )
        assert (batch["clean"].mean((1, 2, 3)) - batch["truth"].mean((1, 2, 3))).abs().min() > 0.1
        assert (batch["rendered"] >= batch["clean"]).all()
