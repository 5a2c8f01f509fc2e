"""The long run of lesson 09, stored: one scene on the way through recipe `demo`."""

from __future__ import annotations

import json

import numpy as np

from cclgan_lite.course.loss_log import DATA, split_strip


def long_run() -> tuple[list[dict], list[np.ndarray]]:
    """What `benchmarks/time_to_quality.py` kept of `demo`.

    Marks, `{"seconds", "step", "validation scenes": dB, "Rain100L 161-200": dB}` each, and a part
    of a validation scene, uint8 [H, W, 3]: rainy, derained at each mark, the truth.
    """
    marks = json.loads((DATA / "long_run.json").read_text())["marks"]
    return marks, split_strip("long_run.png", len(marks) + 2)
