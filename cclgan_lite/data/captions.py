"""A small grammar of captions: "a rainy street at dusk with a red car and a tree".

    caption  = weather + place + light + things, in one of two orders; light and things may lack
    place    = "street" | "road" | ... of a generated scene, or what a photograph shows

Weather is drawn by whoever makes the picture; the rest comes from the scene's `Description`,
which lists what was painted. The same picture has many captions, and pictures of one kind share
words, so that a model must learn words and not sentences. `WORDS` is the whole vocabulary.
"""

from __future__ import annotations

from itertools import islice

import numpy as np

from cclgan_lite.data.scenes import Description
from cclgan_lite.data.scenes.props import CAR_PAINTS

# Weather: how it stands before a noun, and after one.
WEATHER = {
    "clear": (("clear", "dry"), ("without rain", "in clear weather", "in dry weather")),
    "rain": (("rainy",), ("in the rain", "with rain streaks", "in rainy weather")),
    "light rain": (("rainy", "drizzly"), ("in light rain", "in the rain")),
    "heavy rain": (("rainy", "very rainy"), ("in heavy rain", "with heavy rain streaks")),
    "mist": (("misty", "foggy"), ("in the mist", "in fog")),
    "snow": (("snowy",), ("in the snow", "with snow flakes")),
}
PLACES = {
    "town": ("street", "town street", "street between houses"),
    "suburb": ("suburban road", "road", "road with houses"),
    "country": ("country road", "road", "road between trees"),
}
LIGHTS = {
    "clear": ("by day", "under a blue sky"),
    "grey": ("under a grey sky", "on a cloudy day"),
    "golden": ("in golden light", "in the evening"),
    "dusk": ("at dusk", "in the dark"),
}
THINGS = {
    "person": "a person",
    "tree": "a tree",
    "bush": "a bush",
    "house": "a house",
    "lamp": "a street lamp",
    "sign": "a road sign",
    "pole": "a pole",
}
THINGS |= {f"{colour} car": f"a {colour} car" for colour in CAR_PAINTS}
# What is no generated scene: photographs, textures, collages of shapes.
SUBJECTS = (
    "photo",
    "picture",
    "photo of a cat",
    "photo of a cup of coffee",
    "photo of a rocket",
    "photo of a person",
    "photo of grass",
    "photo of stones",
    "photo of a brick wall",
    "photo of the moon",
    "photo of the stars",
    "photo of coins",
    "picture of shapes",
)

VISIBLE = 0.004  # share of the picture from which a thing is worth a word


def caption(
    weather: str, subject: Description | str, rng: np.random.Generator | None = None
) -> str:
    """One caption of a scene or, where `subject` is a noun phrase, of another picture.

    Without `rng` the full caption: the first of every choice and up to two things. With it, words
    are drawn, and light and things are left out at random. Raises KeyError for unknown weather.
    """

    def choose(options: tuple[str, ...]) -> str:
        return options[0 if rng is None else rng.integers(len(options))]

    def left_out(chance: float) -> bool:
        return rng is not None and rng.random() < chance

    before, after = WEATHER[weather]
    light = things = ""
    if isinstance(subject, str):
        noun = subject
    else:
        noun = choose(PLACES[subject.place])
        light = "" if left_out(0.4) else choose(LIGHTS[subject.light])
        seen = (THINGS[name] for name, share in subject.things.items() if share > VISIBLE)
        seen = list(islice((thing for thing in seen if not left_out(0.3)), 2))
        things = "with " + " and ".join(seen) if seen else ""
        if left_out(0.25):
            noun, light, things = choose(("photo", "picture")), "", ""
    if left_out(0.5):
        words = ["a", noun, choose(after), light, things]
    else:
        words = ["a", choose(before), noun, light, things]
    return " ".join(word for word in words if word)


def _words(value) -> set[str]:
    if isinstance(value, str):
        return set(value.split())
    values = value.values() if isinstance(value, dict) else value
    return set().union(*map(_words, values))


WORDS = tuple(sorted(_words((WEATHER, PLACES, LIGHTS, THINGS, SUBJECTS, "a with and"))))
