"""The loss log: one small run that grows through the lessons, a loss at a time.

    show_log("adversarial")    the log up to the lesson about that loss

Every row is recipe `four-losses` with the losses up to one of them: the same seeds, the same first
weights, the same crops in the same order, scored on the same validation scenes, of which nothing
was trained on. `benchmarks/four_losses.py` makes it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import numpy as np
from PIL import Image
from scipy import stats

from cclgan_lite.course.figures import pictures, show

TITLES = {
    "nothing": "nothing (the rainy input)",
    "adversarial": "adversarial",
    "lcl": "+ LCL",
    "intra": "+ intra-CCL",
    "inter": "+ inter-CCL",
}
INGREDIENTS = (*TITLES,)
DATA = resources.files("cclgan_lite.course") / "data"


@cache
def read_log() -> dict:
    """`rows` with `ingredient`, and for each seed `psnr_y` (dB), `seconds` and `share` (of the
    newest loss in the derainer's gradient); `filter`, dB of the classical filter; `about`."""
    return json.loads((DATA / "loss_log.json").read_text())


def split_strip(name: str, count: int) -> list[np.ndarray]:
    """The pictures, uint8 [H, W, 3], that lie side by side in one of the course's data."""
    return np.split(np.asarray(Image.open(DATA / name).convert("RGB")), count, axis=1)


def tiles() -> dict[str, np.ndarray]:
    """A part of one validation scene, uint8 [H, W, 3], of every row (seed 0) and the truth."""
    names = [*INGREDIENTS, "truth"]
    return dict(zip(names, split_strip("loss_log.png", len(names)), strict=True))


def said(values: list[float], sign: str = "") -> str:
    """The mean over seeds and, if there are several, the half-width of its 95 % interval."""
    mean, n = np.mean(values), len(values)
    if n == 1:
        return f"≈ {mean:{sign}.2f}"
    width = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5
    return f"≈ {mean:{sign}.2f} ± ≈ {width:.2f}"


def show_log(upto: str) -> None:
    """Print the table of the log and show its picture, up to the row of an ingredient.

    Raises ValueError for an ingredient that the log has not.
    """
    if upto not in INGREDIENTS:
        raise ValueError(f"no ingredient {upto!r}; there are {', '.join(INGREDIENTS)}")
    rows = read_log()["rows"][: INGREDIENTS.index(upto) + 1]
    print(f"{'the run so far':27}{'dB':>17}{'gained':>18}{'share':>9}{'seconds':>9}")
    for before, row in zip([None, *rows], rows, strict=False):
        line = f"{TITLES[row['ingredient']]:27}"
        if before:
            pairs = zip(row["psnr_y"], before["psnr_y"], strict=True)
            line += f"{said(row['psnr_y']):>17}{said([a - b for a, b in pairs], '+'):>18}"
            share, seconds = np.mean(row["share"]), np.mean(row["seconds"])
            line += f"{f'≈ {share:.2f}':>9}{f'≈ {seconds:.0f}':>9}"
        else:
            line += f"  ≈ {row['psnr_y'][0]:.2f}"
        print(line)
    print(f"{'(classical filter)':27}  ≈ {read_log()['filter']:.2f}")
    print(f"({read_log()['about']})")
    made = tiles()
    names = [row["ingredient"] for row in rows]
    show(
        pictures(
            [made[name] for name in [*names, "truth"]],
            titles=[*(TITLES[name].split(" (")[0] for name in names), "truth"],
            width=1.5 * len(names) + 1.5,
        ),
        alt=_seen(len(rows)),
    )


def _seen(rows: int) -> str:
    """What the picture of the log shows in so many rows."""
    if rows == 1:
        return "A part of a validation scene in the rain, then its truth without rain."
    text = (
        "The same part of a validation scene after each row of the log, then the truth. "
        "The adversarial loss alone thins the streaks and blurs and repaints the leaves"
    )
    if rows == 2:
        return f"{text}."
    return f"{text}; with LCL the leaves are back, and what follows changes little to the eye."


def gains(ingredient: str) -> list[float]:
    """What an ingredient bought over the row before it, in dB for each seed."""
    rows = {row["ingredient"]: row["psnr_y"] for row in read_log()["rows"]}
    before = INGREDIENTS[INGREDIENTS.index(ingredient) - 1]
    return [a - b for a, b in zip(rows[ingredient], rows[before], strict=True)]
