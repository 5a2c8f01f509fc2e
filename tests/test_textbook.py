"""The benchmark's yardstick computes the same step: equal losses and equal updates."""

from __future__ import annotations

import copy
import importlib.util
from dataclasses import replace
from pathlib import Path

import torch

from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.recipes import PAPER
from cclgan_lite.training.trainer import Trainer

spec = importlib.util.spec_from_file_location(
    "textbook", Path(__file__).parents[1] / "benchmarks/textbook.py"
)
textbook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(textbook)


def test_same_losses_and_gradients():
    method = replace(
        PAPER.method,
        generator=GeneratorConfig(filters=8, blocks=2),
        discriminator=DiscriminatorConfig(filters=8),
        embedder="random",
    )
    config = replace(PAPER, method=method)
    trainer = Trainer(config, 100, torch.device("cpu"))
    other = textbook.TextbookTrainer(config, copy.deepcopy(dict(trainer.networks.items())))
    batch = {name: torch.rand(1, 3, 32, 32) * 2 - 1 for name in ("rainy", "clean")}
    losses, _ = trainer.train_step(batch)
    torch.manual_seed(config.seed + 1_000_003)  # the same places
    expected = other.train_step(**batch)
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name].item(), value, rtol=1e-5, atol=1e-6)
    for name, network in trainer.networks.items():
        if name != "embedder":
            mine = torch.cat([p.grad.flatten() for p in network.parameters()])
            theirs = torch.cat([p.grad.flatten() for p in other.networks[name].parameters()])
            assert (mine - theirs).norm() < 1e-4 * theirs.norm(), name
