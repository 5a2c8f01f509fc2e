"""The ablation atlas: finished small runs, looked up by their weights.

`data_scripts/make_ablation_atlas.py` trains them. The paper's own figures stand beside ours; they
are of another data set, and of runs some thousand times as long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from cclgan_lite.course.explorer.checkpoint import DATA
from cclgan_lite.course.explorer.setting import TITLES
from cclgan_lite.evaluation.published import Row, sections

AXES = ("lcl", "intra", "inter")
PAPER = {"lcl": 2.0, "intra": 1.0, "inter": 0.005}


@dataclass(frozen=True)
class Atlas:
    """A table of runs and a sheet of pictures, a row for each after input and truth.

    A run: `name`, `setting` (weights), `row` (of the paper's tables, or empty), `seed`,
    `psnr_y`, `ssim_y` on held-out scenes, and `curves` (losses).
    """

    about: Mapping
    runs: Sequence[Mapping]
    sheet: np.ndarray

    @classmethod
    def read(cls, folder: Path = DATA) -> Atlas:
        about = json.loads((folder / "atlas.json").read_text())
        runs = about.pop("runs")
        return cls(about, runs, np.asarray(Image.open(folder / "atlas.jpg").convert("RGB")))

    @cached_property
    def grid(self) -> dict[tuple[float, ...], Mapping]:
        """The runs of the grid by their weights on `AXES`."""
        return {
            tuple(run["setting"][axis] for axis in AXES): run
            for run in self.runs
            if run["name"].startswith("lcl")
        }

    def values(self, axis: str) -> list[float]:
        """Weights on an axis of the grid, ascending."""
        return sorted({weights[AXES.index(axis)] for weights in self.grid})

    def at(self, **weights: float) -> Mapping:
        """The run of the grid with these weights; KeyError names what is missing."""
        key = tuple(weights[axis] for axis in AXES)
        if key not in self.grid:
            raise KeyError(f"no finished run with {dict(zip(AXES, key, strict=True))}")
        return self.grid[key]

    def others(self) -> dict[str, Mapping]:
        """The runs that are not on the grid, by name."""
        return {run["name"]: run for run in self.runs if run not in self.grid.values()}

    def pictures(self, name: str) -> list[np.ndarray]:
        """The tiles of a run, of the "input" or of the "truth", uint8 [H, W, 3] each."""
        order = ["input", "truth", *(run["name"] for run in self.runs)]
        size, at = self.about["tile"], order.index(name)
        strip = self.sheet[at * size : (at + 1) * size]
        return [strip[:, x : x + size] for x in range(0, strip.shape[1], size)]

    def repetitions(self) -> list[Mapping]:
        """The runs of the paper's weights that differ in nothing but the seed."""
        return [
            run
            for run in self.runs
            if all(run["setting"][axis] == weight for axis, weight in PAPER.items()) and run["row"]
        ]

    def spread(self) -> float:
        """Highest minus lowest PSNR in dB of the repetitions: smaller differences mean nothing."""
        found = [run["psnr_y"] for run in self.repetitions()]
        return max(found) - min(found)

    def beside(self) -> list[tuple[Row, Mapping | None]]:
        """The rows of the paper's Tables 2-4, each with our run of it, if there is one.

        The last rows of Tables 3 and 4 repeat rows D and C of Table 2.
        """
        ours = {run["row"]: run for run in reversed(self.runs)}  # the first seed wins
        same = {
            "intra-CCL, both negatives": "D: without inter-CCL",
            "inter-CCL, both positives": "C: without intra-CCL",
        }
        (paper,) = sections(dataset="raincityscapes", ablations=True)
        return [(row, ours.get(same.get(row.system, row.system))) for row in paper.rows]


def title_of(run: Mapping) -> str:
    """A run in words: its weights on the grid, or what is different about it."""
    if run["name"].startswith("lcl"):
        weights = ", ".join(f"{TITLES[axis]} {run['setting'][axis]:g}" for axis in AXES)
        return weights + (f" ({run['row'].split(':')[0]})" if run["row"] else "")
    if run["seed"]:
        return f"all losses again, seed {run['seed']}"
    missing = {"no-rederain": "re-derain L1", "no-adversarial": "adversarial loss"}
    return run["row"] or f"all, without {missing[run['name']]}"
