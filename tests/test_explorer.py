"""The loss-weight explorer: its arithmetic against autograd, its training, its atlas."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cclgan_lite.course.explorer import atlas as atlas_module
from cclgan_lite.course.explorer import checkpoint, lab, overview, views, widgets
from cclgan_lite.course.explorer.atlas import Atlas
from cclgan_lite.course.explorer.gradients import loss_gradients
from cclgan_lite.course.explorer.lab import Lab
from cclgan_lite.course.explorer.setting import LOSSES, Setting
from cclgan_lite.course.scenes import scene_pairs, unpaired_scenes
from cclgan_lite.training.step import Step

ODD = Setting(adversarial=0.7, lcl=1.3, intra=0.4, inter=0.03, identity=0.0, rederain=2.5)


@pytest.fixture(scope="module")
def small():
    """Method, networks and two pictures of 48 pixels."""
    method, networks = checkpoint.load_networks()
    return method, networks, scene_pairs(1, 48, seed=5)[0][0], scene_pairs(2, 48, seed=6)[1][1]


@pytest.fixture(scope="module")
def gradients(small):
    method, networks, rainy, clean = small
    return loss_gradients(networks, method, Setting().terms(method), rainy, clean)


def weighted_loss(small, setting, listener):
    """Eq. 11 as `listener` hears it, by plain addition, and the step that it was taken on."""
    method, networks, rainy, clean = small
    terms = setting.terms(method)
    looks = [look for term in terms.values() for look in term.looks()]
    step = Step(networks, method.wiring, looks, {"rainy": rainy[None], "clean": clean[None]})
    torch.manual_seed(0)
    total = 0.0
    for term in terms.values():
        by_audience = term(step)
        for audience in ("generators", listener):
            if audience in by_audience:
                total = total + term.weight * by_audience[audience]
    return total, step


@pytest.mark.parametrize("setting", [Setting(), ODD], ids=["recipe", "odd"])
def test_the_sum_is_autograds_gradient_of_the_weighted_loss(small, gradients, setting):
    total, step = weighted_loss(small, setting, "derainer")
    (expected,) = torch.autograd.grad(total, step.image("derained"))
    got = gradients.total(setting.weights())
    torch.testing.assert_close(got, expected[0], rtol=1e-4, atol=1e-8)
    assert got.abs().max() > 1e-6


@pytest.mark.parametrize("network", ["derainer", "rainer"])
def test_shares_and_cosines_are_those_of_the_gradients_themselves(small, gradients, network):
    weights = ODD.weights()
    alone = []  # one backward pass for each loss, as one would do it by hand
    for name in LOSSES:
        only = replace(ODD, **dict.fromkeys(LOSSES, 0.0) | {name: 1.0})
        loss, step = weighted_loss(small, only, network)
        parameters = list(step.networks[network].parameters())
        found = torch.autograd.grad(loss, parameters, materialize_grads=True)
        alone.append(torch.cat([g.flatten() for g in found]).double())
    norms = torch.stack([weights[n] * g.norm() for n, g in zip(LOSSES, alone, strict=True)])
    torch.testing.assert_close(
        gradients.shares(weights, network), norms / norms.sum(), rtol=1e-3, atol=1e-6
    )
    total = sum(weights[n] * g for n, g in zip(LOSSES, alone, strict=True))
    for i, one in enumerate(alone):
        expected = F.cosine_similarity(one, total, dim=0) if one.any() else torch.tensor(math.nan)
        torch.testing.assert_close(
            gradients.agreement(weights, network)[i],
            expected.double(),
            rtol=1e-3,
            atol=1e-4,
            equal_nan=True,
        )
        for j, other in enumerate(alone):
            cosine = gradients.cosines(network)[i, j]
            if one.any() and other.any():
                assert cosine == pytest.approx(
                    float(one @ other / one.norm() / other.norm()), abs=1e-3
                )
            else:
                assert cosine.isnan()


def test_who_hears_and_sees_what(gradients):
    """Identity and re-derain L1 never see the derained picture; the rainer is deaf to one."""
    seen = dict(zip(gradients.names, gradients.derained.flatten(1).any(1).tolist(), strict=True))
    assert [name for name in LOSSES if not seen[name]] == ["identity", "rederain"]
    deaf = LOSSES.index("rederain")
    assert gradients.products["rainer"][deaf].abs().max() == 0
    assert gradients.products["derainer"][deaf, deaf] > 0


def test_the_step_has_the_length_asked_for(gradients):
    weights = Setting().weights()
    gradients = replace(gradients, images=gradients.images | {"derained": torch.zeros(3, 48, 48)})
    moved = gradients.step(weights, 4.0)
    assert (moved * 127.5).square().mean().sqrt() == pytest.approx(4.0, rel=1e-4)
    assert (moved * gradients.total(weights)).sum() < 0  # downhill
    nothing = dict.fromkeys(LOSSES, 0.0)
    assert gradients.step(nothing, 4.0).abs().max() == 0
    assert gradients.shares(nothing).tolist() == [0.0] * len(LOSSES)


def test_forms_change_the_losses_and_places_stay(small):
    method, networks, rainy, clean = small

    def values(**changes):
        terms = Setting(**changes).terms(method)
        return loss_gradients(networks, method, terms, rainy, clean).values

    before = values()
    assert values() == before  # same seed, same places; looking moves no network
    assert values(temperature=0.2)["lcl"] != before["lcl"]
    assert values(temperature=0.2)["adversarial"] == before["adversarial"]
    assert values(fake_weight=1.0)["intra"] < before["intra"]  # more in the denominator
    other = values(form="infonce")
    assert other["intra"] != before["intra"] and other["inter"] != before["inter"]


def test_gradients_leave_the_random_numbers_alone(small):
    method, networks, rainy, clean = small
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    loss_gradients(networks, method, Setting().terms(method), rainy, clean)
    torch.testing.assert_close(torch.rand(2), expected, rtol=0, atol=0)


# ---- training a little ----


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lab, "CROP", 32)
    monkeypatch.setattr(lab, "SIZE", 48)
    monkeypatch.setattr(widgets, "SIZE", 48)
    monkeypatch.setattr(widgets, "SCENES", 2)
    widgets.gradients_of.cache_clear()
    yield lambda setting=ODD, **options: Lab(setting, scenes=2, **options)
    widgets.gradients_of.cache_clear()


def state(one: Lab) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in one.trainer.networks.state_dict().items()}


def test_reset_is_exact_and_stopping_loses_nothing(quick):
    one = quick()
    start = state(one)
    shipped = checkpoint.read_checkpoint()[1]
    assert all(torch.equal(start[key], value) for key, value in shipped.items())
    rows = list(one.train(4))
    after = state(one)
    assert any((after[key] != start[key]).any() for key in start)
    one.reset()
    assert one.steps == 0 and not one.history
    assert all(torch.equal(value, start[key]) for key, value in state(one).items())
    for _ in one.train(4):
        if one.steps == 3:
            break  # somebody pressed stop
    assert one.steps == 3
    assert rows[:3] + list(one.train(1)) == rows == one.history
    assert all(torch.equal(value, after[key]) for key, value in state(one).items())


def test_the_learning_rate_of_a_lab_does_not_fall(quick):
    one = quick()
    list(one.train(3))
    rates = [group["lr"] for o in one.trainer.optimizers.values() for group in o.param_groups]
    assert rates == [1e-4, 4e-4]  # the judges learn four times as fast


def test_labs_see_the_same_crops_and_obey_their_weights(quick):
    one, two = quick(), quick(replace(ODD, rederain=20.0))
    first, other = list(one.train(2)), list(two.train(2))
    assert first[0] == other[0]  # losses are unweighted, and nothing has moved yet
    assert first[1] != other[1]
    still = quick(Setting(**dict.fromkeys(LOSSES, 0.0)))
    before = state(still)
    assert set(next(still.train(1))) == set(first[0])  # weightless losses are measured too
    for name in ("derainer.stem.weight", "discriminator_clean_mlp.mlps.conv2.0.weight"):
        assert torch.equal(still.trainer.networks.state_dict()[name], before[name])
    crops = one._batch(7)
    assert crops["rainy"].shape == (2, 3, 32, 32)
    assert all(
        any(
            (crop == picture[:, y : y + 32, x : x + 32]).all()
            for picture in (*unpaired_scenes(2, 48)[0], *unpaired_scenes(2, 48)[0].flip(-1))
            for y in range(17)
            for x in range(17)
        )
        for crop in crops["rainy"]
    )


def test_a_run_from_nothing_leaves_out_what_has_no_weight(quick):
    one = quick(Setting(intra=0.0), checkpoint=None, total_steps=2, idle=False)
    assert "intra/generators" not in next(one.train(1))
    assert set(one.score(2)) == {"psnr_y", "ssim_y"}


def test_training_tab_trains_stops_and_resets(quick, monkeypatch):
    monkeypatch.setattr(widgets, "Lab", lambda setting: quick(setting))
    explorer = widgets.LossExplorer()
    tab = explorer.training
    tab.steps.value = 30

    async def press():
        tab.start("A")
        tab.start("B")  # ignored: one at a time
        while tab.bar.value < 2:
            await asyncio.sleep(0)
        assert tab.buttons["A"].disabled and not tab.stop_button.disabled
        tab.stop()
        await tab.task

    asyncio.run(press())
    assert tab.labs.keys() == {"A"} and 2 <= tab.labs["A"].steps < 30
    assert f"stopped after {tab.labs['A'].steps} steps" in tab.status.value
    assert not tab.buttons["A"].disabled and tab.stop_button.disabled
    explorer.boxes["lcl"].value = 3.0
    tab.steps.value = 1
    asyncio.run(tab.train("A"))
    assert tab.labs["A"].steps == 1 and tab.labs["A"].setting.lcl == 3.0  # anew
    asyncio.run(tab.train("B"))
    assert "A (" in tab.picture.value and "B (" in tab.picture.value
    tab.reset()
    assert not tab.labs and not tab.picture.value


def test_explorers_keep_their_state_and_do_not_interfere(quick, monkeypatch):
    shown, stored = [], []
    monkeypatch.setattr(
        widgets, "show_widget", lambda *args: (shown.append(args[0]), stored.append(args[1]))
    )
    widgets.opened.cache_clear()
    widgets.loss_explorer("one")
    widgets.loss_explorer("two")
    assert stored[0].count("<img ") == 10 and "<table" not in stored[0]
    one, two = widgets.opened("one"), widgets.opened("two")
    before, other = ({part: html.value for part, html in e.look.items()} for e in (one, two))
    one.boxes["lcl"].value = 1.0
    changed = [part for part, html in one.look.items() if html.value != before[part]]
    assert changed == ["moved", "numbers"]  # the rest stays, and does not travel
    one.boxes["adversarial"].value = 0.0
    assert "adversarial (off)" in one.look["maps"].value
    assert {part: html.value for part, html in two.look.items()} == other
    widgets.loss_explorer("one")  # the cell again
    assert shown[2] is shown[0] is not shown[1]
    assert widgets.opened("one").setting.adversarial == 0.0
    one.set(widgets.PAPERS)
    assert one.setting == widgets.PAPERS


def test_paper_and_recipe_lie_on_the_sliders():
    for setting in (Setting(), widgets.PAPERS):
        for name, (low, high, step) in widgets.RANGES.items():
            steps = (getattr(setting, name) - low) / step
            assert steps == pytest.approx(round(steps), abs=1e-6), name
            assert low <= getattr(setting, name) <= high


# ---- pictures ----


def test_heat_has_the_colours_it_says():
    low, zero, high = views.heat(np.array([[-2.0, 0.0, 5.0]]), 2.0)[0].astype(int)
    assert high[0] > high[2] and low[2] > low[0]  # red above, blue below
    assert zero.min() > 240
    assert (views.heat(np.zeros((1, 1)), 0.0) > 240).all()


def test_tables_carry_their_numbers_as_text():
    table = views.cosine_table(["lcl", "inter"], np.array([[1, -0.5], [-0.5, math.nan]]), "x")
    assert "−0.50" in table and "+1.00" in table and "–" in table
    table = views.share_table(
        ["lcl", "inter"], {"ñ": [0, 1], "derainer": [0.75, 0.25]}, [0.9, -0.1]
    )
    assert "75.0 %" in table and "100.0 %" in table and "−0.10" in table
    chart = views.curves({"A": [{"lcl/generators": 2.0}, {"lcl/generators": 1.0}], "B": []})
    assert 'aria-label="LCL: A from 2 to 1"' in chart


# ---- the checkpoint and the atlas that are shipped ----


def test_shipped_data_is_small_and_described():
    card = (checkpoint.DATA / "README.md").read_text()
    for file, limit in (("checkpoint.safetensors", 3e6), ("atlas.jpg", 1e6), ("atlas.json", 2e5)):
        assert (checkpoint.DATA / file).stat().st_size < limit
        assert file in card


def test_checkpoint_round_trip_and_foreign_files(tmp_path):
    method, networks = checkpoint.load_networks()
    again = tmp_path / "again.safetensors"
    again.write_bytes(checkpoint.checkpoint_bytes(networks, method, steps=3))
    found, tensors = checkpoint.read_checkpoint(again)
    assert found == method
    original = checkpoint.read_checkpoint()[1]
    assert tensors.keys() == original.keys()
    assert all(torch.equal(tensors[key], original[key]) for key in tensors)
    with pytest.raises(ValueError, match="demo.safetensors is no checkpoint of the explorer"):
        checkpoint.read_checkpoint(checkpoint.DATA.parents[2] / "weights" / "demo.safetensors")


@pytest.mark.slow
def test_the_checkpoint_is_half_way():
    """It derains already, and there is something left to do."""
    rainy, clean = scene_pairs(8, lab.SIZE, lab.HELD_OUT)
    gain = Lab(Setting()).score()["psnr_y"] - lab.mean_scores(rainy, clean)["psnr_y"]
    assert 0.3 < gain < 6


def made_atlas(folder):
    """Two runs of the grid, a repetition, 4-pixel tiles whose grey says whose they are."""
    runs = [
        {
            "name": f"lcl{a:g}-intra1-inter0.005",
            "row": row,
            "seed": seed,
            "psnr_y": psnr,
            "ssim_y": 0.5,
            "setting": {"lcl": a, "intra": 1.0, "inter": 0.005},
            "curves": {},
        }
        for a, row, seed, psnr in (
            (0.0, "F: CCL alone", 0, 20.0),
            (2.0, "G: all (CCLGAN)", 0, 21.0),
        )
    ]
    runs.append(runs[1] | {"name": "all-seed1", "seed": 1, "psnr_y": 21.5})
    text = '{"tile": 16, "steps": 3, "runs": ' + str(runs).replace("'", '"') + "}"
    (folder / "atlas.json").write_text(text)
    rows = [np.full((16, 32, 3), 40 * i, np.uint8) for i in range(5)]
    Image.fromarray(np.vstack(rows)).save(folder / "atlas.jpg", quality=95)
    return Atlas.read(folder)


def test_atlas_lookups(tmp_path):
    atlas = made_atlas(tmp_path)
    assert atlas.values("lcl") == [0.0, 2.0] and atlas.values("inter") == [0.005]
    assert atlas.at(lcl=0.0, intra=1.0, inter=0.005)["psnr_y"] == 20.0
    with pytest.raises(KeyError, match="no finished run with .*'lcl': 0.5"):
        atlas.at(lcl=0.5, intra=1.0, inter=0.005)
    assert list(atlas.others()) == ["all-seed1"]
    assert atlas.spread() == 0.5
    for name, grey in (("input", 0), ("truth", 40), ("lcl2-intra1-inter0.005", 120)):
        tiles = atlas.pictures(name)
        assert len(tiles) == 2 and tiles[0].shape == (16, 16, 3)
        assert abs(tiles[1].mean() - grey) < 3
    ours = {row.system: run and run["psnr_y"] for row, run in atlas.beside()}
    assert ours["G: all (CCLGAN)"] == 21.0 and ours["F: CCL alone"] == 20.0
    assert ours["A (marks lost)"] is None


def test_shipped_atlas_is_whole():
    """Every point of the grid, every known row of the paper's tables, three seeds of one row."""
    atlas = Atlas.read()
    grid = np.prod([len(atlas.values(axis)) for axis in atlas_module.AXES])
    assert len(atlas.grid) == grid == 12
    missing = [row.system for row, run in atlas.beside() if run is None]
    assert missing == ["A (marks lost)", "B (marks lost)"]
    assert len(atlas.repetitions()) == 3
    assert len(overview.atlas_figure(atlas).axes[0].get_yticklabels()) == len(atlas.runs)
    panel = widgets.AtlasPanel(atlas)
    panel.weights["lcl"].value = 0.0
    assert panel.run["row"] == "F: CCL alone" and "▸ F: CCL alone" in panel.picture.value
    panel.other.value = "no-adversarial"
    assert panel.run["setting"]["adversarial"] == 0.0
    panel.weights["intra"].value = 0.0  # the weights take over again
    assert panel.run["name"] == "lcl0-intra0-inter0.005"
