"""The course's own tools: profiles, claims, figures, the widget, checks of exercises."""

from __future__ import annotations

import base64
import io
import re

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from cclgan_lite.course import (
    Wrong,
    check,
    claim,
    explore,
    figures,
    pick,
    pictures,
    profile,
    scenes,
    show,
)
from cclgan_lite.course.exercises import near, number
from cclgan_lite.course.explore import RUN
from cclgan_lite.course.figures import img
from cclgan_lite.course.profiles import progress


def line():
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([0, 1])
    return figure


def pixels(html: str) -> np.ndarray:
    data = base64.b64decode(re.search(r"base64,([^\"]*)", html)[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_profile_from_the_environment(monkeypatch):
    monkeypatch.setenv("CCLGAN_PROFILE", "full")
    assert profile() == "full"
    monkeypatch.setenv("CCLGAN_PROFILE", "fast")
    with pytest.raises(ValueError, match="ci, cpu, gpu, full"):
        profile()
    monkeypatch.delenv("CCLGAN_PROFILE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert profile() == "gpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert profile() == "cpu"


@pytest.mark.parametrize("name, expected", [("ci", 1), ("cpu", 2), ("gpu", 2), ("full", 4)])
def test_pick_falls_back_to_the_smaller_profile(monkeypatch, name, expected):
    monkeypatch.setenv("CCLGAN_PROFILE", name)
    assert pick(ci=1, cpu=2, full=4) == expected


def test_pick_refuses(monkeypatch):
    monkeypatch.setenv("CCLGAN_PROFILE", "ci")
    with pytest.raises(ValueError, match="no value for profile ci"):
        pick(cpu=1)
    with pytest.raises(TypeError, match="laptop"):
        pick(ci=1, laptop=2)


def test_progress_is_silent_in_ci(monkeypatch, capsys):
    monkeypatch.setenv("CCLGAN_PROFILE", "ci")
    assert list(progress(range(3), "counting")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CCLGAN_PROFILE", "cpu")
    assert list(progress(range(3), "counting")) == [0, 1, 2]
    assert "counting" in capsys.readouterr().err


def test_claim(capsys):
    claim("two is more than one", torch.tensor(2) > 1)
    assert capsys.readouterr().out == "✓ two is more than one\n"
    with pytest.raises(AssertionError, match="✗ one is more than two"):
        claim("one is more than two", torch.tensor(1) > 2)


def test_figures_are_closed_and_carry_escaped_text():
    figure = line()
    html = img(figure, 'a line, "rising" & alone')
    assert 'alt="a line, &quot;rising&quot; &amp; alone"' in html
    assert not plt.fignum_exists(figure.number)
    assert 200 < pixels(html).shape[1] < 280  # 2 inches of 96 pixels, 1.25 times as sharp
    shown = int(re.search(r'width="(\d+)"', html)[1])
    assert shown == round(pixels(html).shape[1] / 1.25)
    with pytest.raises(ValueError, match="alternative text"):
        show(line(), alt=" ")


def test_large_figures_are_stored_small_and_look_the_same(monkeypatch):
    rainy, clean = scenes.scene_pairs(1, 96)
    small, large = (img(pictures([rainy[0], clean[0]]), "a scene") for _ in use(monkeypatch))
    assert len(small) < 0.6 * len(large)
    difference = pixels(small).astype(float) - pixels(large)
    assert np.abs(difference).mean() < 4 and np.abs(difference.mean((0, 1))).max() < 1


def test_a_colour_bar_is_smooth_beside_pictures():
    rainy, _ = scenes.scene_pairs(1, 96)
    light = (np.zeros((96, 96)), {"vmin": 0, "vmax": 60, "cmap": "cividis"})
    shown = pixels(img(pictures([rainy[0], rainy[0], light], bar="grey levels"), "a scene"))
    column = max(range(shown.shape[1] * 9 // 10, shown.shape[1]), key=lambda x: colours(shown, x))
    assert colours(shown, column) > 50


def colours(shown, x):
    """How many colours a column of pixels has."""
    return len(np.unique(shown[:, x], axis=0))


def use(monkeypatch):
    """With the palette, then without."""
    yield
    monkeypatch.setattr(figures, "PALETTE_FROM", 10**9)
    yield


def test_pictures_shows_every_kind():
    rainy, clean = scenes.scene_pairs(1, 32)
    mapped = np.arange(32 * 32).reshape(32, 32)
    figure = pictures(
        [[rainy[0], clean[0]], [np.zeros((32, 32, 3), np.uint8), (mapped, {"vmax": 7})]],
        titles=["a", "b"],
        row_titles=["first", "second"],
    )
    images = [axis.images[0] for axis in figure.axes]
    np.testing.assert_allclose(images[0].get_array(), (rainy[0].permute(1, 2, 0) + 1) / 2)
    assert images[3].get_clim()[1] == 7
    assert [a.get_title() for a in figure.axes[:2]] == ["a", "b"]
    assert figure.axes[2].get_ylabel() == "second"
    plt.close(figure)


def test_a_colour_bar_is_that_of_the_last_map():
    rainy, _ = scenes.scene_pairs(1, 32)
    mapped = np.arange(32 * 32).reshape(32, 32)
    figure = pictures([(mapped, {"vmax": 7}), rainy[0]], bar="levels")
    assert figure.axes[-1].get_ylabel() == "levels" and figure.axes[-1].get_ylim()[1] == 7
    plt.close(figure)


def test_learning_curves_show_means_and_ranges():
    figure = figures.learning_curves({"a": np.array([[0, 1, 2], [0, 3, 4]])}, [0, 10, 20], "dB")
    (axis,) = figure.axes
    np.testing.assert_allclose(axis.lines[0].get_xydata(), [[0, 0], [10, 2], [20, 3]])
    band = axis.collections[0].get_paths()[0].vertices
    assert {(10, 1), (10, 3), (20, 2), (20, 4)} <= set(map(tuple, band))
    plt.close(figure)


def test_scenes_are_pairs_or_strangers():
    rainy, clean = scenes.scene_pairs(2, 48)
    assert rainy.shape == clean.shape == (2, 3, 48, 48)
    assert -1 <= rainy.min() and rainy.max() <= 1
    assert (rainy - clean).mean() > 0.02  # rain is light
    assert scenes.scene_pairs(n=2, size=48)[0] is rainy  # rendered once, however it is asked for
    strangers_rainy, strangers_clean = scenes.unpaired_scenes(2, 48, seed=0)
    torch.testing.assert_close(strangers_rainy, rainy)
    near, far = (rainy - clean).abs().mean(), (strangers_rainy - strangers_clean).abs().mean()
    assert far > 2 * near


@check("square")
def check_square(answer):
    if answer(3) == 6:
        raise Wrong("that doubles: the square of x is x * x")
    if answer(3) != 9:
        raise Wrong("square(3) should be 9")


@pytest.mark.parametrize(
    "answer, said",
    [
        (lambda x: x * x, "✓ square: right"),
        (lambda x: 2 * x, "✗ square: that doubles: the square of x is x * x"),
        (lambda x: x, "✗ square: square(3) should be 9"),
        (lambda x: None, "☐ square: not done yet"),
        (lambda x: ..., "☐ square: not done yet"),
        (..., "☐ square: not done yet"),
    ],
)
def test_checks_say_what_is_wrong(capsys, answer, said):
    check_square(answer)
    assert capsys.readouterr().out == said + "\n"


def test_checks_survive_errors(capsys):
    def square(x):
        raise NotImplementedError

    check_square(square)

    def square(x):
        return torch.nn.Module()(x)  # "missing the required forward", says PyTorch

    check_square(square)

    def square(x):
        return np.linalg.inv(np.zeros((x, x)))

    check_square(square)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "☐ square: not done yet"
    assert second.startswith("✗ square: stopped with NotImplementedError: Module")
    assert third.startswith("✗ square: stopped with LinAlgError: Singular matrix (in square, ")
    assert third.endswith("return np.linalg.inv(np.zeros((x, x))))")


@check("first")
def check_first(answer):
    if answer([1, 2]) != 1 or answer(np.array([3, 4])) != 3 or answer(torch.ones(1)) != 1:
        raise Wrong("the first is wanted")


def test_checks_protect_what_they_pass():
    def clear(x):
        x[0] = 0

    for change in (lambda x: x.clear(), lambda x: x.append(3), lambda x: x.reverse(), clear):
        assert "work on a copy" in check_first.verdict(lambda x, c=change: (x[0], c(x))[0])
    assert "is `return` missing" in check_first.verdict(lambda x: print(x[0], end=""))
    assert check_first.verdict(lambda x: x[0]) == ""


def test_near_is_about_values_and_shapes():
    one = torch.ones(1, dtype=torch.float64)
    assert near(1.0, one) and near(np.float32(1), one[0]) and near(one, torch.ones(()))
    assert not near([1.0, 1.0], one) and not near(float("nan"), float("nan"))
    with pytest.raises(Wrong, match=r"shape \[2\]"):
        number([1.0, 2.0])


def shown_widget(monkeypatch, **controls):
    """The widget that `explore` displays, and the values that it drew."""
    drawn, boxes = [], []

    def draw(**values):
        drawn.append(values)
        return line()

    monkeypatch.setattr(ipywidgets, "VBox", lambda children: boxes.append(children) or Box())
    explore(draw, alt="a line that follows", **controls)
    return boxes[0], drawn


class Box:
    model_id = "none"


def test_explore_redraws_and_names_its_controls(monkeypatch, capsys):
    (row, buttons, picture), drawn = shown_widget(
        monkeypatch, noise_level=(0.0, 1.0, 0.1, 0.5), form=["ratio", "infonce"]
    )
    box, slider = row.children
    assert box.description == "noise level"
    assert drawn == [{"noise_level": 0.5, "form": "ratio"}]
    slider.value = 0.8
    buttons.children[1].value = "infonce"
    assert drawn[1:] == [
        {"noise_level": 0.8, "form": "ratio"},
        {"noise_level": 0.8, "form": "infonce"},
    ]
    assert 'alt="a line that follows (noise level 0.8, form infonce)"' in picture.value


def test_readers_without_a_kernel_see_the_first_picture(monkeypatch):
    shown = []
    monkeypatch.setitem(explore.__globals__, "display", lambda bundle, raw: shown.append(bundle))
    (*_, picture), _ = shown_widget(monkeypatch, x=(0, 9, 1, 3))
    stored, how = shown[0]["text/html"].split("<p>")
    assert stored == picture.value and 'alt="a line that follows (x 3)"' in stored
    assert RUN in how and shown[0]["text/plain"] == RUN


def test_two_widgets_do_not_interfere(monkeypatch):
    (first, _), drawn_first = shown_widget(monkeypatch, x=(0, 9, 1, 3))
    (second, _), drawn_second = shown_widget(monkeypatch, x=(0, 9, 1, 5))
    first.children[1].value = 4
    assert drawn_first == [{"x": 3}, {"x": 4}]
    assert drawn_second == [{"x": 5}]
