"""Losses that wait: silent at no cost, heard by discriminators first, by generators later."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from cclgan_lite.losses.pixel import rehearsal
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.config import Config
from cclgan_lite.training.onset import Onset
from cclgan_lite.training.step import gradient_shares
from cclgan_lite.training.trainer import Trainer

WAITING = ("adversarial", "lcl", "intra", "inter")


def test_share_is_silent_then_for_discriminators_then_rises():
    onset = Onset(("lcl",), begin=0.5, full=0.9)
    shares = [onset.share("lcl", p) for p in (0, 0.49, 0.5, 0.7, 0.8, 0.9, 0.99)]
    assert shares == [None, None, 0, 0, pytest.approx(0.5), 1, 1]
    assert [onset.share("rehearsal", p) for p in (0, 0.6, 1)] == [1, 1, 1]
    assert Onset(("lcl",)).share("lcl", 0) == 1


@pytest.mark.parametrize("marks", [(0.6, 0.5), (-0.1, 0.5), (0.5, 1.1)])
def test_marks_out_of_order_are_refused(marks):
    with pytest.raises(ValueError, match="begin"):
        Onset(WAITING, *marks)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="rehersal"):
        Config(onset=Onset(("rehersal",), 0, 1))


def small() -> Config:
    method = replace(
        CCLGAN(),
        generator=GeneratorConfig(filters=4, blocks=1, taps=("down1", "block1")),
        discriminator=DiscriminatorConfig(filters=4),
        projection=8,
        rehearsal=rehearsal(100.0),
    )
    rest = replace(RECIPES["rehearsal"], method=method, batch=1)
    return replace(rest, onset=Onset(WAITING, 0.25, 0.75), shares_every=1)


def batch() -> dict[str, torch.Tensor]:
    names = ("rainy", "clean", "rendered")
    return {name: torch.rand(1, 3, 48, 48) * 2 - 1 for name in names}


def moved(trainer: Trainer, images: dict[str, torch.Tensor]) -> tuple[set[str], dict, Counter]:
    """The networks that a step changes, its losses, and the forward passes it makes."""
    before = {n: [p.clone() for p in net.parameters()] for n, net in trainer.networks.items()}
    calls: Counter = Counter()
    hooks = [
        network.register_forward_hook(lambda *_, name=name: calls.update([name]))
        for name, network in trainer.networks.items()
    ]
    losses, _ = trainer.train_step(images)
    for hook in hooks:
        hook.remove()
    changed = {
        name
        for name, network in trainer.networks.items()
        if any(
            not torch.equal(*pair) for pair in zip(before[name], network.parameters(), strict=True)
        )
    }
    return changed, losses, calls


def test_silence_costs_nothing_and_discriminators_hear_first():
    trainer = Trainer(small(), 8, torch.device("cpu"))
    images = batch()
    changed, losses, calls = moved(trainer, images)
    assert changed == {"derainer"} and calls == {"derainer": 1}  # the pass of the shower
    assert {n.split("/")[0] for n in losses} == {"rehearsal", "share"}

    trainer.step = 2  # a quarter: discriminators alone
    changed, losses, _ = moved(trainer, images)
    discriminators = {n for n in trainer.networks if n.startswith(("judge", "discriminator"))}
    assert changed == {"derainer", *discriminators}
    assert losses["share/adversarial"] == 0 and losses["share/rehearsal"] == 1

    trainer.step = 6  # three quarters: all
    changed, losses, _ = moved(trainer, images)
    assert changed == {n for n in trainer.networks if n != "embedder"}
    shares = {n: float(v) for n, v in losses.items() if n.startswith("share/")}
    assert set(shares) == {f"share/{n}" for n in (*WAITING, "rehearsal")}
    assert sum(shares.values()) == pytest.approx(1) and all(v > 0 for v in shares.values())


def test_shares_are_ratios_of_gradient_norms():
    """Against one backward pass per term on a copy of the same networks."""
    config = replace(small(), onset=Onset(), shares_every=1)
    only = {"adversarial": 0, "lcl": 0, "intra": 0, "inter": 0}
    weights = {n: replace(getattr(config.method, n), weight=0.0) for n in only}
    two = replace(
        config, method=replace(config.method, **weights, rederain=rehearsal(3.0))
    )  # two terms of one known loss: norms 100 g and 3 g
    _, losses, _ = moved(Trainer(two, 8, torch.device("cpu")), batch())
    assert float(losses["share/rehearsal"]) == pytest.approx(100 / 103, rel=1e-4)
    assert float(losses["share/rederain"]) == pytest.approx(3 / 103, rel=1e-4)


def test_shares_of_losses_that_nobody_hears_are_zero():
    g = torch.nn.Parameter(torch.ones(2))
    losses = {"adversarial": {"generators": g.sum()}}
    assert gradient_shares(losses, {"adversarial": 0.0}, [g]) == {"share/adversarial": 0}


def test_what_discriminators_hear_has_no_share():
    g = torch.nn.Parameter(torch.ones(2))
    losses = {"lcl": {"generators": g.sum()}, "inter": {"discriminators": g.sum()}}
    assert gradient_shares(losses, {"lcl": 1.0, "inter": 1.0}, [g]) == {"share/lcl": 1}
