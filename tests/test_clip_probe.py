"""The probe's figures by hand or by slow loops, the bundled CLIP on scenes it never saw."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from cclgan_lite import cli
from cclgan_lite.evaluation.clip_probe import (
    PROMPTS,
    auc,
    embed,
    held_out_scene,
    nearer_share,
    plot_space,
    probe_scenes,
    rain_axis,
    rain_score,
    recall,
    windows,
)
from cclgan_lite.networks.embedder import build_embedder, load_clip


@pytest.fixture(scope="module")
def clip():
    return load_clip("tiny-rain-clip")


@pytest.fixture(scope="module")
def scenes():
    return [held_out_scene(index, 168, 224)[0] for index in range(12)]


def test_auc_against_a_double_loop():
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 9, 23) + 2, rng.integers(0, 9, 31)  # many ties
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    assert auc(positive, negative) == pytest.approx(wins / (23 * 31))
    assert auc([2.0, 3.0], [1.0]) == 1 and auc([1.0], [1.0]) == 0.5
    with pytest.raises(ValueError, match="at least one"):
        auc([], [1.0])


def test_recall_by_hand():
    similarity = torch.tensor([[9.0, 1, 1], [3, 2, 1], [5, 6, 4]])  # own pictures rank 1, 2, 3
    assert [recall(similarity, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert recall(torch.zeros(4, 4), 1) == 0  # a model that says nothing finds nothing


def test_nearer_share_by_hand():
    a = torch.tensor([[1.0, 0], [1, 0]])
    b, rainy = torch.tensor([[3.0, 0], [1, 1]]), torch.tensor([[1.0, 1], [1, 3]])
    assert nearer_share(a, b, rainy) == 0.5  # 1 > 0.5, 0.5 < 1.5
    assert nearer_share(a, b, rainy, cosine=True) == 1  # 0 < 0.29, 0.29 < 0.68


def test_windows_cover_every_pixel_once_or_more():
    picture = torch.arange(30 * 47.0).view(1, 1, 30, 47)
    cut = windows(picture, (12, 16))
    assert cut.shape == (9, 1, 12, 16) and set(cut.flatten().tolist()) == set(range(30 * 47))
    assert windows(picture[..., :5, :40], (12, 16)).shape == (3, 1, 5, 16)  # smaller: as it is
    assert windows(torch.zeros(1, 3, 900, 900), (10, 10)).shape[0] == 25  # bounded


def test_prompts_are_words_the_bundled_clip_knows(clip):
    tokenizer = clip[1]
    for text in (*PROMPTS["rainy"], *PROMPTS["clear"]):
        assert (tokenizer(text) != tokenizer.unknown).all(), text


def test_words_tell_rain_on_scenes_never_seen(clip, scenes):
    embedder, tokenizer, encode_text = clip
    axis = rain_axis(tokenizer, encode_text)
    scores = {
        name: [rain_score(embedder, axis, views[name]) for views in scenes]
        for name in ("rainy", "clear")
    }
    assert auc(scores["rainy"], scores["clear"]) > 0.9
    seen = {name: embed(embedder, [views[name] for views in scenes]) for name in scenes[0]}
    assert nearer_share(seen["clear"], seen["again"], seen["rainy"]) > 0.7


def test_held_out_scenes_have_three_views_of_one_scene():
    views, description = held_out_scene(0, 60, 80)
    assert {view.shape for view in views.values()} == {(60, 80, 3)}
    again, _ = held_out_scene(0, 60, 80)
    assert all((views[name] == again[name]).all() for name in views)
    assert views["rainy"].mean() > views["clear"].mean() and description.things


def test_probe_scenes_reports_chance_beside_recall(clip):
    result = probe_scenes(*clip, n=4)
    assert result["embeddings"]["rainy"].shape == (4, 128) and result["chance_1"] == 0.25
    blind = probe_scenes(build_embedder("random"), n=2)
    assert 0 <= blind["nearer_l1"] <= 1 and "auc" not in blind


def test_command_prints_and_writes(tmp_path, capsys, scenes):
    for name, folder in (("rainy", "rainy"), ("clear", "clean")):
        (tmp_path / folder).mkdir()
        for i, views in enumerate(scenes[: 4 if name == "rainy" else 3]):
            Image.fromarray(views[name]).save(tmp_path / folder / f"{i}.png")
    arguments = [
        "clip-probe",
        "--rainy",
        str(tmp_path / "rainy"),
        "--clean",
        str(tmp_path / "clean"),
        "--json",
        str(tmp_path / "out.json"),
    ]
    cli.main(arguments)
    result = json.loads((tmp_path / "out.json").read_text())
    scores = {name: list(result["scores"][name].values()) for name in ("rainy", "clean")}
    assert result["n"] == 7 and (result["n_rainy"], result["n_clean"]) == (4, 3)
    assert result["auc"] == auc(scores["rainy"], scores["clean"])
    assert f"AUC {result['auc']:.4f}" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="nix"):
        cli.main([*arguments, "--clip", "nix"])


def test_plot_shows_every_picture(clip, scenes):
    embedder, tokenizer, encode_text = clip
    seen = {name: embed(embedder, [views[name] for views in scenes]) for name in scenes[0]}
    figure = plot_space(seen["clear"], seen["rainy"], rain_axis(tokenizer, encode_text))
    points, words = figure.axes
    assert [len(c.get_offsets()) for c in points.collections] == [12, 12]
    assert sum(bar.get_height() for bar in words.patches) == 24
