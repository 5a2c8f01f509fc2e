"""Rain with veil: the showers of the kind `rain` under RainCityscapes' own alpha and beta.

Hu et al., "Depth-attentional features for single-image rain removal", CVPR 2019; the equations
are in `cclgan_lite/data/rain.py`. Their third parameter, the size of the drops, chooses among
photographed patterns; ours are drawn as for `rain`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cclgan_lite.data.rain import Rain, demo_rain

PAIRS = ((0.01, 0.005), (0.02, 0.01), (0.03, 0.015))  # (alpha, beta) of RainCityscapes, 1/m


def veiled_rain(rng: np.random.Generator) -> Rain:
    """The shower that `demo_rain` draws from the same generator, in one of the three veils.

    Streaks lie where those of `rain` lie, so that the two kinds differ by the veil alone.
    """
    alpha, beta = PAIRS[rng.spawn(1)[0].integers(len(PAIRS))]
    return replace(demo_rain(rng), alpha=alpha, beta=beta)
