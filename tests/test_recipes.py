"""Recipes: `paper` is the published set-up, each ablation differs from it as its name says."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from cclgan_lite.recipes import PAPERS, RECIPES
from cclgan_lite.serialization import from_plain, to_plain
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import Trainer


def test_paper_is_the_published_set_up():
    paper, method = RECIPES["paper"], RECIPES["paper"].method
    assert (method.generator.filters, method.generator.blocks) == (64, 9)
    assert (method.generator.head, method.generator.antialias) == ("tanh", False)
    assert (method.discriminator.norm, method.discriminator.high_pass) == ("instance", False)
    assert (paper.lr, paper.betas, paper.batch, paper.epochs) == (2e-4, (0.5, 0.999), 1, 400)
    assert (paper.decay_from, paper.ema, paper.steps) == (0.5, 0.0, None)
    assert (paper.augment.resize, paper.augment.crop, paper.augment.flip) == (286, 256, True)
    weights = {name: term.weight for name, term in method.terms().items()}
    assert weights == {"adversarial": 1, "lcl": 2, "intra": 1, "inter": 0.005}
    assert (method.lcl.temperature, method.lcl.patches) == (0.07, 256)
    assert (method.intra.fake_weight, method.inter.fake_weight) == (0.1, 0.2)
    assert method.embedder == "ViT-B-32/openai"
    assert method.adversarial.form == "lsgan" and method.intra.form == method.inter.form == "ratio"


# CycleGAN's lambda and lambda_idt: our terms, the adversarial one too, are means of two directions
# where it adds them: the same ratios. UDGNet's follow from its code by its table.
WEIGHTS = {
    "cyclegan": {"adversarial": 1, "cycle": 10, "identity": 5},
    "cut": {"adversarial": 1, "lcl": 1},
    "fastcut": {"adversarial": 1, "lcl": 10},
    "dclgan": {"adversarial": 1, "lcl": 2, "identity": 1},
    "dcd-gan": {"adversarial": 1, "cycle": 1, "identity": 1, "exemplars": 2},
    "derain-cyclegan": {"adversarial": 1, "cycle": 10, "attention": 5},
    "cdd-gan": {"adversarial": 1, "cycle": 10, "identity": 5, "contrast": 1},
    "nlcl": {"adversarial": 1, "location": 1, "layers": 1, "reconstruction": 1, "closeness": 0.1},
    "udgnet": {
        **{"adversarial": 0.04, "reconstruction": 1, "streaks": 1},
        **{"closeness": 0.01, "isotropic": 0.02},
    },
    "supervised": {"l1": 1},
    "ddn": {"mse": 1},
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_neighbours_have_the_published_weights(name):
    terms = RECIPES[name].method.terms()
    assert {key: term.weight for key, term in terms.items()} == WEIGHTS[name]
    for term in terms.values():
        assert getattr(term, "temperature", 0.07) == 0.07


def test_numbers_within_the_losses_of_neighbours_are_the_published_ones():
    streaks = RECIPES["udgnet"].method.streaks
    assert (streaks.along, streaks.across, streaks.sparse) == (2 * 1.5, 2 * 1, 2 * 0.1)
    contrast = RECIPES["cdd-gan"].method.contrast
    assert (contrast.patches, contrast.diversity, contrast.decay) == (256, 1, 0.9)
    nlcl = RECIPES["nlcl"].method
    assert (nlcl.layers.patches, nlcl.location.patches) == ((8, 128), 256)


@pytest.mark.parametrize(
    "name, terms",
    [
        ("ablation-c-no-intra", {"adversarial", "lcl", "inter"}),
        ("ablation-d-no-inter", {"adversarial", "lcl", "intra"}),
        ("ablation-e-lcl-alone", {"adversarial", "lcl"}),
        ("ablation-f-ccl-alone", {"adversarial", "intra", "inter"}),
    ],
)
def test_ablations_of_table_2(name, terms):
    assert set(RECIPES[name].method.terms()) == terms


def test_four_losses_are_the_papers_and_nothing_else():
    config = RECIPES["four-losses"]
    assert tuple(config.method.terms()) == PAPERS == config.onset.terms
    assert not config.shower.share and config.method.rain == "invented"  # nothing is rendered


def test_ablations_of_tables_3_and_4():
    intra = {n: RECIPES[f"ablation-intra-{n}"].method for n in ("fake", "real")}
    assert intra["fake"].intra.real_weight == 0 and intra["fake"].intra.fake_weight == 0.1
    assert intra["real"].intra.fake_weight == 0 and intra["real"].intra.real_weight == 1
    assert all("inter" not in m.terms() for m in intra.values())
    inter = {n: RECIPES[f"ablation-inter-{n}"].method for n in ("fake", "real")}
    assert inter["fake"].inter.real_weight == 0 and inter["fake"].inter.fake_weight == 0.2
    assert inter["real"].inter.fake_weight == 0 and inter["real"].inter.real_weight == 1
    assert all("intra" not in m.terms() for m in inter.values())


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_json_and_takes_a_step(name):
    config = RECIPES[name]
    method = config.method
    assert from_plain(json.loads(json.dumps(to_plain(config, Config))), Config) == config
    fields = {"generator": dataclasses.replace(method.generator, filters=4, blocks=12)}
    if hasattr(method, "discriminator"):
        fields["discriminator"] = dataclasses.replace(method.discriminator, filters=4)
    if hasattr(method, "embedder"):
        fields["embedder"] = "random"  # CLIP is a download
    small = dataclasses.replace(config, method=dataclasses.replace(method, **fields))
    trainer = Trainer(small, 1000, torch.device("cpu"))
    trainer.step = 999  # by then every loss has joined
    names = ("rainy", "clean", "rendered")
    batch = {name: torch.rand(config.batch, 3, 48, 48) * 2 - 1 for name in names}
    losses, _ = trainer.train_step(batch)
    assert all(torch.isfinite(value) for value in losses.values())
    assert {key.split("/")[0] for key in losses} == set(method.terms())
