"""All kinds of degradation by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cclgan_lite.data.degradations.base import Degradation
from cclgan_lite.data.degradations.haze import Haze
from cclgan_lite.data.degradations.noise import Noise
from cclgan_lite.data.degradations.snow import Snow
from cclgan_lite.data.degradations.underwater import Underwater
from cclgan_lite.data.degradations.veiled_rain import veiled_rain
from cclgan_lite.data.rain import demo_rain
from cclgan_lite.validation import near

# How the parameters of one picture are drawn.
KINDS: dict[str, Callable[[np.random.Generator], Degradation]] = {
    "rain": demo_rain,
    "veil": veiled_rain,
    "haze": Haze.sample,
    "snow": Snow.sample,
    "noise": Noise.sample,
    "underwater": Underwater.sample,
}


def sample(kind: str | Degradation, rng: np.random.Generator) -> Degradation:
    """A degradation of one kind with parameters drawn from `rng`; one that is given is kept.

    Raises ValueError for an unknown kind, with the nearest right name.
    """
    if not isinstance(kind, str):
        return kind
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r}{near(kind, KINDS)}; there are {', '.join(KINDS)}")
    return KINDS[kind](rng)
