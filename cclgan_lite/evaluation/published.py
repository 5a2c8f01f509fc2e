"""Published figures (`published.toml`) and our own result files in one table or plot.

Figures of different protocols are no ranking. So every row says what is known of its own, and
below each table stands, made from these fields, how the protocol of each of our results differs
from that of each published one; what a source does not state is said, not assumed.
"""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path

from matplotlib.figure import Figure

from cclgan_lite.evaluation.datasets import plain_name
from cclgan_lite.evaluation.results import number, span
from cclgan_lite.files import write_atomically
from cclgan_lite.templates import template

METRICS = {"psnr": "PSNR", "ssim": "SSIM", "niqe": "NIQE"}
UNSTATED = "not stated"
WORDS = ("system", "training", "dataset", "split", "subset", "protocol", "trained_on")  # of ours
SCORES = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")
SIZES = {"full-size": "full-size", "cclgan-code": "256x256"}  # of our protocols
MARKERS = {"Y": "o", "RGB": "s", None: "x"}  # what was scored
COLOURS = {True: "#d55e00", False: "#0072b2"}  # ours and published; apart for the colour-blind


@dataclass(frozen=True)
class Row:
    """A system, its scores, and what is known of how they were made; None: not stated.

    Attributes:
        training: "paired", "semi-supervised", "unpaired", or "none" (nothing was trained).
        source: a key of the sources, or the number of our result file.
        where: the place in the source.
        images, listed, split: how many test images; whether it is known which; of which part.
        colour: "Y" or "RGB". size: "full-size" or "256x256". trained_on: which images.
        inferred: the figure is printed, what it belongs to is inferred.
    """

    system: str
    training: str
    source: str
    where: str = ""
    ours: bool = False
    scores: Mapping[str, Decimal | float] = field(default_factory=dict)
    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)
    images: int | None = None
    listed: bool = True
    split: str | None = "test"
    colour: str | None = None
    size: str | None = None
    trained_on: str | None = None
    inferred: bool = False

    def runs_here(self) -> str:
        """The recipe of a published system, "no" where it is only cited; "" where that is moot."""
        known = published()["systems"].get(self.system)
        return "" if self.ours or known is None else known.get("recipe", "no")

    def name(self) -> str:
        """The system, with a mark if it is inferred."""
        return f"{self.system} *" if self.inferred else self.system

    def pictures(self) -> str:
        """The test images in words."""
        if self.images is None:
            return UNSTATED
        part = "" if self.split == "test" else f" of {self.split or 'a folder'}"
        return f"{self.images}{part}{'' if self.listed else ', unlisted'}"


@dataclass(frozen=True)
class Section:
    """The rows of one data set, the published ones first."""

    title: str
    rows: Sequence[Row]

    def sources(self) -> list[str]:
        return list(dict.fromkeys(row.source for row in self.rows if not row.ours))

    def reference(self, row: Row) -> str:
        """How a row is referred to: [1, Table 2], or (ours 1)."""
        if row.ours:
            return f"(ours {row.source})"
        number = self.sources().index(row.source) + 1
        return f"[{number}, {row.where}]" if row.where else f"[{number}]"


@lru_cache(maxsize=1)
def published() -> dict:
    """The content of `published.toml`; figures as decimals, with the digits they were given."""
    text = resources.files("cclgan_lite.evaluation").joinpath("published.toml").read_text("utf-8")
    return tomllib.loads(text, parse_float=Decimal)


def read_results(paths: Sequence[Path]) -> list[dict]:
    """What a table shows of result files of `evaluate --json`.

    Raises:
        ValueError: names a file that is none.
    """
    results = []
    for path in paths:
        try:
            result = json.loads(Path(path).read_text(encoding="utf-8"))
            if not all(isinstance(result.get(word), str | None) for word in WORDS):
                raise ValueError
            shown = {name: result[name] for name in WORDS if result.get(name)}
            numbers = [*SCORES, *(["niqe"] if "niqe" in result else [])]
            shown |= {name: float(result[name]) for name in numbers}
            spans = {name: pair for name, pair in result.get("intervals", {}).items() if pair}
            spans = {name: (float(low), float(high)) for name, (low, high) in spans.items()}
            shown |= {"n": int(result["n"]), "intervals": spans}
        except (ValueError, AttributeError, KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"{path} is no result file of `evaluate --json`") from error
        results.append({"system": Path(path).stem, **shown})
    return results


def sections(
    results: Sequence[Mapping] = (), dataset: str | None = None, ablations: bool = False
) -> list[Section]:
    """Published rows and ours by data set.

    Args:
        results: the contents of our result files.
        dataset: this one only; without it those of `results`, or all if there are none.
        ablations: the paper's Tables 2-4 instead of comparisons of systems.

    Raises:
        ValueError: nothing is known of `dataset`, or a result is of another one.
    """
    data = published()
    known = {name: key for key, about in data["datasets"].items() for name in about["names"]}

    def key_of(name: str | None) -> str:
        return known.get(plain_name(name or ""), name or "no data set recorded")

    homes = [key_of(result.get("dataset")) for result in results]
    if dataset and (strange := {home for home in homes if home != key_of(dataset)}):
        raise ValueError(f"there are results of {', '.join(strange)}, not of {dataset}")
    found = []
    for key in dict.fromkeys([key_of(dataset)] if dataset else homes or data["datasets"]):
        ours = [
            row
            for count, (result, home) in enumerate(zip(results, homes, strict=True), 1)
            if home == key
            for row in _our_rows(result, str(count))
        ]
        theirs = [
            row
            for table in data["tables"]
            if table["dataset"] == key and table.get("ablation", False) == ablations
            for row in _their_rows(table)
        ]
        if theirs or ours:
            title = data["datasets"].get(key, {"title": key})["title"]
            title += ", ablations of CCLGAN" if ablations else ""
            found.append(Section(title, [*theirs, *ours]))
    if not found:
        names = ", ".join(data["datasets"])
        raise ValueError(f"no figures of {dataset!r}; published ones are of {names}")
    return found


def differences(ours: Row, theirs: Row) -> list[str]:
    """How the protocol of one of our rows differs from that of a published row.

    Our results have both colours, so the colour only counts where theirs is not stated; whether
    training was paired stands in every row.
    """
    found = []
    known = theirs.images is not None and theirs.listed
    if not (known and (ours.images, ours.split) == (theirs.images, theirs.split)):
        found.append(f"test images: {ours.pictures()} here, {theirs.pictures()} there")
    if theirs.colour is None:
        found.append("colour: not stated there")
    if ours.size is None or ours.size != theirs.size:
        found.append(f"size: {ours.size or UNSTATED} here, {theirs.size or UNSTATED} there")
    if "none" not in (ours.training, theirs.training):
        here, there = ours.trained_on or UNSTATED, theirs.trained_on or UNSTATED
        found.append(f"trained on: {here} here, {there} there")
    return found


def footnotes(section: Section) -> list[str]:
    """The sources of a section, and what separates each of our results from each of them."""
    about = published()["sources"]
    notes = [
        f"[{place}] {about[source]['cite']}. {about[source]['note']}"
        for place, source in enumerate(section.sources(), 1)
    ]
    if any(row.inferred for row in section.rows):
        notes.append("* The figure is printed; which system it belongs to is our inference.")
    systems = published()["systems"]
    for name in dict.fromkeys(row.system for row in section.rows if row.runs_here() == "no"):
        notes.append(f"{name} does not run here: it {systems[name]['cited']}.")
    ours = {row.source: row for row in section.rows if row.ours}  # one of the two colours
    for mine in ours.values():
        references: dict[str, dict] = {}
        for theirs in (row for row in section.rows if not row.ours):
            text = "; ".join(differences(mine, theirs)) or "the same protocol, row by colour"
            references.setdefault(text, {})[section.reference(theirs)] = None
        for text, names in references.items():
            notes.append(f"{section.reference(mine)} beside {' '.join(names)}: {text}.")
    return notes


def markdown(section: Section) -> str:
    """The section as a table in Markdown, aligned so that it reads as plain text too."""
    metrics = _metrics(section)
    here = ["Runs here"] if any(row.runs_here() for row in section.rows) else []
    lines = [["System", "Training", *here, *(METRICS[metric] for metric in metrics), "Colour",
              "Size", "Test images", "Source"]]  # fmt: skip
    for row in section.rows:
        scores = (_score(row, metric) for metric in metrics)
        protocol = row.colour or UNSTATED, row.size or UNSTATED, row.pictures()
        runs = [row.runs_here()] if here else []
        lines.append([row.name(), row.training, *runs, *scores, *protocol, section.reference(row)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    lines = [map(str.ljust, line, widths) for line in lines]
    page = template("cclgan_lite.evaluation", "published.md")
    return page.render(title=section.title, lines=lines, notes=footnotes(section))


def plot(path: str | Path, chosen: Sequence[Section]) -> None:
    """A dot for every row, published above ours, the footnotes below; PNG, SVG or PDF.

    Raises:
        ValueError: several data sets; a plot has room for one.
    """
    if len(chosen) != 1:
        titles = ", ".join(section.title for section in chosen)
        raise ValueError(f"a plot shows one data set, choose with --dataset: {titles}")
    (section,) = chosen
    rows, metrics = section.rows, _metrics(section)
    notes = [
        line
        for note in footnotes(section)
        for line in textwrap.wrap(note, 165, subsequent_indent="    ")
    ]
    height, below = 1.3 + 0.27 * len(rows), 0.2 + 0.15 * len(notes)
    figure = Figure(figsize=(11, height + below), layout="constrained")
    above, under = figure.subfigures(2, 1, height_ratios=[height, below])
    above.suptitle(section.title)
    panels = above.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        for place, row in enumerate(rows):
            if metric in row.scores:
                colour = COLOURS[row.ours]
                if interval := row.intervals.get(metric):
                    axes.plot(interval, [place, place], color=colour)
                axes.plot(float(row.scores[metric]), place, MARKERS[row.colour], color=colour)
        axes.set_xlabel(METRICS[metric] + (" (dB)" if metric == "psnr" else ""))
        axes.grid(alpha=0.3)
        if (theirs := sum(not row.ours for row in rows)) < len(rows):
            axes.axhline(theirs - 0.5, color="black", linewidth=0.8)
    labels = [
        f"{row.name()}{'' if row.training == 'none' else f', {row.training}'} "
        f"{section.reference(row)}"
        for row in rows
    ]
    panels[0].set_yticks(range(len(rows)), labels, fontsize=9)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    for colour in dict.fromkeys(row.colour for row in rows):
        axes.plot([], [], MARKERS[colour], color="black", label=colour or UNSTATED)
    above.legend(title="scored on", loc="outside right upper", fontsize=8, title_fontsize=8)
    under.text(0.01, 0.97, "\n".join(notes), fontsize=7.5, va="top")
    write_atomically(path, lambda out: figure.savefig(out, dpi=150))


def _metrics(section: Section) -> list[str]:
    return [metric for metric in METRICS if any(metric in row.scores for row in section.rows)]


def _score(row: Row, metric: str) -> str:
    if metric not in row.scores:
        return "–"
    if not row.ours:
        return str(row.scores[metric])
    text = number(metric, row.scores[metric])
    return f"{text} {span(metric, row.intervals.get(metric))}".rstrip()


def _their_rows(table: Mapping) -> list[Row]:
    protocol = ("source", "where", "images", "listed", "colour", "size", "trained_on")
    shared = {name: table[name] for name in protocol if name in table}
    return [
        Row(
            system=row["system"],
            training=row["training"],
            inferred=row.get("inferred", False),
            scores={metric: row[metric] for metric in METRICS if metric in row},
            **shared,
        )
        for row in table["rows"]
    ]


def _our_rows(result: Mapping, count: str) -> list[Row]:
    """Two rows, Y and RGB, so that either can be set beside its like."""
    rows, split = [], result.get("split")
    if subset := result.get("subset"):
        split = f"{split}, subset {subset}"
    for colour in ("Y", "RGB"):
        keys = {metric: f"{metric}_{colour.lower()}" for metric in ("psnr", "ssim")}
        keys |= {"niqe": "niqe"} if colour == "Y" else {}  # pyiqa's NIQE sees Y
        intervals = result.get("intervals", {})
        rows.append(
            Row(
                system=result["system"],
                training=result.get("training", UNSTATED),
                source=count,
                ours=True,
                scores={metric: result[key] for metric, key in keys.items() if key in result},
                intervals={m: intervals[key] for m, key in keys.items() if intervals.get(key)},
                images=result["n"],
                split=split,
                colour=colour,
                size=SIZES.get(result.get("protocol")),
                trained_on=result.get("trained_on"),
            )
        )
    return rows
