"""Lesson 11: its method is CUT, its lines and passes the package's, its checks name mistakes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from cclgan_lite.course import siblings
from cclgan_lite.course.checks.lesson_11 import (
    check_counted,
    check_dual_roles,
    check_negatives_loss,
    check_one_way,
)
from cclgan_lite.course.exercises import NOT_DONE
from cclgan_lite.course.siblings import (
    GENERATOR,
    JUDGE,
    changes,
    crops,
    lines_of_code,
    passes,
    short_run,
    show_changes,
    small,
    weights,
)
from cclgan_lite.losses import HardNegatives
from cclgan_lite.losses.lcl import TEXT_ROLES
from cclgan_lite.losses.pixel import identity
from cclgan_lite.methods import CCLGAN, CDDGAN, CUT, DCLGAN, NLCL, CycleGAN, Supervised
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import Trainer
from lessons.lesson import answer, built

CHECKS = {
    "dual_roles": check_dual_roles,
    "negatives_loss": check_negatives_loss,
    "counted": check_counted,
    "OneWay": check_one_way,
}
BATCH = {name: torch.rand(2, 3, 32, 32) * 2 - 1 for name in ("rainy", "clean")}


def test_one_sided_is_cut_without_identity():
    mine = built("11")["OneSided"]()
    theirs = CUT(
        GENERATOR,
        JUDGE,
        projection=64,
        discriminator_speed=4.0,
        lcl=replace(CUT().lcl, patches=64, roles=CUT().lcl.roles[:1]),
    )
    trainers = [
        Trainer(Config(method=m, lr=1e-3), 10, torch.device("cpu")) for m in (mine, theirs)
    ]
    for _ in range(2):
        losses = [trainer.train_step(BATCH)[0] for trainer in trainers]
        assert losses[0] == losses[1]
    for (name, p), (other, q) in zip(
        *(trainer.networks.named_parameters() for trainer in trainers), strict=True
    ):
        assert name == other and torch.equal(p, q)


def test_negatives_loss_is_the_package_s():
    """What `HardNegatives` hands to its player, from its own contrast and negatives."""
    method = small(CDDGAN(contrast=HardNegatives(diversity=1.7, roles=TEXT_ROLES[:1])))
    trainer = Trainer(Config(method=method), 10, torch.device("cpu"))
    kept = []
    network = trainer.networks["derainer_negatives"]
    network.register_forward_hook(lambda *call: kept.append(call[-1]))
    losses, _ = trainer.train_step(BATCH)
    mine = answer("11", "negatives_loss")
    (made,) = kept
    no = torch.zeros(())
    spread = sum(mine(no, n, 1.7) for n in made.values()) / len(made)
    want = spread - losses["contrast/generators"]
    assert losses["contrast/negatives"].item() == pytest.approx(want.item(), abs=1e-5)


def test_changes_are_lines_of_the_classes(capsys):
    lines = changes(CycleGAN, DCLGAN)
    assert "-     cycle: PixelL1 = cycle(10.0)" in lines
    assert "+     lcl: LCL = LCL(weight=2.0)" in lines
    assert not any("adversarial" in line for line in lines)  # both have it
    assert changes(CUT, CUT) == []
    show_changes(CUT, NLCL, "+")
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 84 and not any(line[0] == "-" for line in shown)
    told = "".join("".join(shown).split())
    assert all("".join(x.split()) in told for x in changes(CUT, NLCL) if x[0] == "+")
    assert lines_of_code(CycleGAN) == 5  # decorator, head, three losses
    assert weights(CycleGAN()) == "adversarial 1, cycle 10, identity 5"


def test_passes_by_hand():
    assert passes(small(Supervised())) == (1, 0)
    assert passes(small(CycleGAN())) == (6, 0)  # there, back, identity; of both
    assert passes(small(CycleGAN(identity=identity(0.0)))) == (4, 0)
    assert passes(small(CCLGAN())) == (4, 0)
    assert passes(small(CUT())) == (2, 2)


def test_small_changes_sizes_alone():
    method = small(DCLGAN())
    assert weights(method) == weights(DCLGAN())
    assert method.wiring == DCLGAN.wiring
    assert (method.generator, method.discriminator) == (GENERATOR, JUDGE)
    assert method.lcl.patches == 64 and method.lcl.roles == DCLGAN().lcl.roles
    assert small(CycleGAN()).projection == 0  # no contrast, no MLPs


def test_short_runs_see_the_same_crops_and_start():
    pictures = {name: torch.rand(3, 3, 40, 40) * 2 - 1 for name in ("rainy", "clean")}
    one, again = (crops(pictures, (0, 7), 32, 2) for _ in range(2))
    assert one["rainy"].shape == (2, 3, 32, 32)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["rainy"], crops(pictures, (0, 8), 32, 2)["rainy"])
    twins = crops({"rainy": pictures["rainy"], "clean": pictures["rainy"]}, (0, 7), 32, 2)
    assert torch.equal(twins["rainy"], twins["clean"])  # cut alike, for who is told the truth

    torch.manual_seed(5)
    start = GENERATOR.build().state_dict()
    still = short_run(small(Supervised()), pictures, 1, start=start, lr=1e-12, crop=32)
    for name, p in still.networks["derainer"].state_dict().items():
        torch.testing.assert_close(p, start[name])
    runs = [short_run(small(Supervised()), pictures, 2, 3, start, crop=32) for _ in range(2)]
    assert torch.equal(*(run(pictures["rainy"]) for run in runs))
    assert not torch.equal(runs[0](pictures["rainy"]), still(pictures["rainy"]))


def test_stored_gains_are_over_the_input(tmp_path, monkeypatch):
    def seeds(*values):
        return {str(seed): {"psnr_y": value} for seed, value in enumerate(values)}

    rows = {"input": seeds(20.0), "filter": seeds(23.0), "CUT": seeds(20.5, 21.5)}
    rows |= {"NLCL": seeds(13.0, 14.0), "DDN": seeds(24.0)}
    file = tmp_path / "family.json"
    about = {"steps": 80, "batch": 1, "crop": 64}
    file.write_text(json.dumps(about | {"tests": {"rain": rows, "haze": {"input": seeds(9.0)}}}))
    monkeypatch.setattr(siblings, "FAIR", file)
    gains = siblings.fair_gains("rain")
    assert gains["filter"] == [3.0] and gains["CUT"] == [0.5, 1.5]
    left, right = siblings.fair_figure("rain", "haze", without=["DDN"]).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["filter", "CUT", "NLCL"]
    assert [line.get_xdata().tolist() for line in left.lines[3:5]] == [[0.5, 1.5], [0.5, 1.5]]
    assert left.lines[-1].get_marker() == "<" and left.texts[0].get_text() == "-6.5"
    assert {text.get_text() for text in right.texts} == {"not run"}
    with pytest.raises(ValueError, match="no test 'snow'; there are rain, haze"):
        siblings.fair_gains("snow")


ROLE = '("derainer", "rainy", "rainer", "derained")'
JUDGES = 'roles=(("discriminator_clean", "clean", "derained"),)'


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("dual_roles", ROLE, '("derainer", "rainy", "derainer", "derained")', "that is CUT"),
        ("dual_roles", ROLE, '("rainer", "rainy", "derainer", "derained")', "translates it"),
        ("dual_roles", ROLE, '("rainer", "derained", "derainer", "rainy")', "input comes first"),
        ("dual_roles", ROLE, '("derainer", "rainy", "rainer", "rained")', "is not what"),
        ("dual_roles", ROLE, '("derainer", "rainy", "rainer", "clean")', "is not what"),
        ("dual_roles", ROLE, '("judge", "rainy", "rainer", "derained")', "no generator judge"),
        ("dual_roles", ROLE, '("derainer", "wet", "rainer", "derained")', "no image wet"),
        ("dual_roles", f"({ROLE},", "(", "tuple of roles"),
        ("dual_roles", ROLE, '("rainer", "clean", "derainer", "rained")', "direction is missing"),
        ("dual_roles", ROLE, '("derainer", "rainy", "rainer")', "a role is"),
        ("negatives_loss", "-contrast", "contrast", "sign of the contrast"),
        ("negatives_loss", "- diversity", "+ diversity", "sign of the spread"),
        ("negatives_loss", "diversity * (", "(", "weight of the spread"),
        ("negatives_loss", " - diversity * (one - two).abs().mean()", "", "spread is missing"),
        ("negatives_loss", ".abs()", "", "cancel"),
        ("negatives_loss", ".mean()", ".sum()", "take the mean"),
        ("negatives_loss", ".abs()", ".square()", "squares"),
        ("negatives_loss", "dim=1", "dim=0", "wrong dimension"),
        ("negatives_loss", "negatives.chunk", "negatives.detach().chunk", "detached"),
        ("counted", '"CUT": (2, 2)', '"CUT": (2, 0)', "each output is encoded"),
        ("counted", '"CycleGAN": (6, 0)', '"CycleGAN": (4, 0)', "two for identity"),
        ("counted", '"CycleGAN": (6, 0)', '"CycleGAN": (0, 6)', "other way round"),
        ("counted", '"DCLGAN": (4, 2)', '"DCLGAN": (4, 0)', "nobody goes back"),
        ("counted", '"CCLGAN": (4, 0)', '"CCLGAN": (4, 2)', "ways back begin"),
        ("counted", '"CCLGAN": (4, 0)', '"CCLGAN": 4', "two numbers"),
        ("counted", '"CUT": (2, 2), ', "", "for each of"),
        ("OneWay", "class OneWay(Method)", "class OneWay", "inherits from Method"),
        ("OneWay", 'Pass("derainer", "rainy")', 'Pass("rainy", "derainer")', "network first"),
        ("OneWay", 'Pass("rainer", "derained")', 'Pass("derainer", "derained")', "rainer makes"),
        (
            "OneWay",
            '"rerained": Pass',
            '"rained": Pass("rainer", "clean"), "rerained": Pass',
            "nobody needs rained",
        ),
        ("OneWay", '"generators": Player(both)', '"generators": Player(both | judge)', "judges"),
        ("OneWay", '"discriminators": Player(judge', '"judges": Player(judge', "not generators"),
        ("OneWay", "adds_rain=True", "adds_rain=False", "adds_rain=True"),
        (
            "OneWay",
            '                "rainer": self',
            '                "back": self',
            "are `derainer`",
        ),
        (
            "OneWay",
            "judge = {",
            'judge = {"discriminator_rainy": PatchDiscriminator(self.discriminator), ',
            "one judge is enough",
        ),
        ("OneWay", JUDGES, "", "other roles"),
        ("OneWay", "PixelL1(10.0", "PixelL1(0.0", "weight is 0"),
        ("OneWay", '("rerained", "rainy")', '("derained", "rainy")', "that came back"),
        (
            "OneWay",
            '(("rerained", "rainy"),)',
            '(("rerained", "rainy"), ("derained", "rainy"))',
            "must go",
        ),
        ("OneWay", "adversarial: Adversarial = Adversarial(", "game = Adversarial(", "as a field"),
        ("OneWay", "    wiring = {", "    pictures = {", "lacks `wiring`"),
        ("OneWay", "def players(", "def networks_of(", "lacks `players`"),
    ],
)
def test_wrong_answers_get_a_hint(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("11", name, (old, new)))


def test_a_network_that_nobody_trains_is_named():
    idle = answer(
        "11",
        "OneWay",
        (
            'PixelL1(10.0, (("rerained", "rainy"),))',
            'PixelL1(10.0, (("rerained", "rainy"),), trains="derainer")',
        ),
    )
    assert "rainer has not moved" in check_one_way.verdict(idle)


@pytest.mark.parametrize(
    "name, right",
    [
        ("dual_roles", [list(role) for role in reversed(TEXT_ROLES)]),
        (
            "negatives_loss",
            lambda contrast, n, diversity=1.0: (
                -(contrast + diversity * (n[:, 3:] - n[:, :3]).abs().mean())
            ),
        ),
        ("counted", {"CCLGAN": [4, 0], "DCLGAN": [4, 2], "CycleGAN": [6, 0], "CUT": [2, 2]}),
    ],
)
def test_other_right_answers_pass(name, right):
    assert CHECKS[name].verdict(right) == ""


def test_an_empty_class_is_not_done():
    assert check_one_way.verdict(type("OneWay", (built("11")["Method"],), {})) == NOT_DONE
