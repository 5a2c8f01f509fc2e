"""The caption grammar: every word can be said, and nothing is said that was not painted."""

import numpy as np
import pytest

from cclgan_lite.data.captions import (
    SUBJECTS,
    THINGS,
    VISIBLE,
    WEATHER,
    WORDS,
    caption,
)
from cclgan_lite.data.scenes import Description

STREET = Description("town", "dusk", {"red car": 0.2, "person": 0.05, "tree": 0.01})


def test_full_captions_by_hand():
    assert caption("rain", STREET) == "a rainy street at dusk with a red car and a person"
    bare = Description("country", "clear", {"sign": VISIBLE / 2})
    assert caption("clear", bare) == "a clear country road by day"
    assert caption("mist", "photo of a cat") == "a misty photo of a cat"
    with pytest.raises(KeyError):
        caption("hail", STREET)


def test_same_random_numbers_same_captions():
    draw = [[caption("rain", STREET, np.random.default_rng(k)) for k in range(30)] for _ in "ab"]
    assert draw[0] == draw[1] and len(set(draw[0])) > 15


def test_captions_use_the_whole_vocabulary_and_no_other_word():
    rng, said = np.random.default_rng(0), set()
    lights, places = ("clear", "grey", "golden", "dusk"), ("town", "suburb", "country")
    for k in range(3000):
        weather = list(WEATHER)[k % len(WEATHER)]
        things = {thing: 0.1 for thing in rng.permutation(list(THINGS))[:2]}
        scene = Description(places[k % 3], lights[k % 4], things)
        said |= {
            *caption(weather, scene, rng).split(),
            *caption(weather, SUBJECTS[k % len(SUBJECTS)], rng).split(),
        }
    assert said == set(WORDS)


def test_weather_is_always_said_and_things_only_when_seen():
    rng = np.random.default_rng(0)
    rain_words = {w for w in WORDS if "rain" in w or "drizz" in w}
    for _ in range(300):
        rainy, clear = (set(caption(w, STREET, rng).split()) for w in ("rain", "clear"))
        assert rainy & rain_words and "bush" not in rainy
        assert clear & {"clear", "dry", "without"}
        assert "car" not in caption("rain", Description("town", "grey", {}), rng).split()
