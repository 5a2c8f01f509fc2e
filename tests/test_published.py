"""The published figures as data, and how ours are set beside them."""

import json
import re
from decimal import Decimal

import matplotlib
import pytest
from PIL import Image

from cclgan_lite import cli
from cclgan_lite.evaluation.published import (
    Row,
    differences,
    footnotes,
    markdown,
    plot,
    published,
    read_results,
    sections,
)
from cclgan_lite.recipes import RECIPES

# Copied from the paper a second time, as its text has it: RainCityscapes, SPA.
TABLE_1 = """
DDN | 24.12 | 0.8781 | 33.74 | 0.9112
RESCAN | 24.89 | 0.9101 | 33.11 | 0.9253
JORDER-E | 25.64 | 0.8767 | 33.28 | 0.9406
SSIR | 25.08 | 0.8853 | 30.78 | 0.8668
Syn2Real | 25.32 | 0.8871 | 33.14 | 0.9183
JRGR | 27.51 | 0.9132 | 35.59 | 0.9498
CycleGAN | 24.86 | 0.7906 | 33.54 | 0.9127
CUT | 25.21 | 0.8225 | 32.97 | 0.9434
UDGNet | 25.16 | 0.8749 | 29.67 | 0.9299
DeCycleGAN | 26.99 | 0.8670 | 34.16 | 0.9436
NLCL | 26.46 | 0.8666 | 33.82 | 0.9468
DCD-GAN | 25.18 | 0.8270 | 29.23 | 0.9195
ANLCL | 27.42 | 0.9123 | 35.07 | 0.9505
CCLGAN | 29.17 | 0.9234 | 34.51 | 0.9513
"""
TABLES_2_TO_4 = """26.61 0.8789, 26.45 0.8771, 27.67 0.8860, 27.43 0.9117, 26.37 0.8498,
26.21 0.8544, 29.17 0.9234, 27.12 0.8891, 27.33 0.8988, 27.43 0.9117, 27.55 0.8832, 26.69 0.8799,
27.67 0.8860"""


def result(**changed) -> dict:
    return {
        "system": "mine", "dataset": "Rain100L", "split": "test", "protocol": "full-size",
        "training": "unpaired", "trained_on": "Rain100L, strictly unpaired", "n": 100,
        "psnr_y": 30.123, "ssim_y": 0.9, "psnr_rgb": 29.0, "ssim_rgb": 0.89,
        "intervals": {"psnr_y": [29.5, 30.7], "ssim_y": None}, "images": [],
    } | changed  # fmt: skip


def ours(colour: str = "Y", **changed) -> Row:
    (section,) = sections([result(**changed)])
    return next(row for row in section.rows if row.ours and row.colour == colour)


def text_of(row: Row, *metrics: str) -> list[str]:
    return [str(row.scores[metric]) for metric in metrics]


def test_table_1_with_every_printed_digit():
    for place, dataset in enumerate(["RainCityscapes", "SPA-Data"]):
        (section,) = sections(dataset=dataset)
        rows = {row.system: row for row in section.rows if row.where == "Table 1"}
        lines = [line.split(" | ") for line in TABLE_1.strip().splitlines()]
        assert list(rows) == [line[0] for line in lines]
        for name, *figures in lines:
            assert text_of(rows[name], "psnr", "ssim") == figures[2 * place : 2 * place + 2]
        kinds = [row.training for row in rows.values()]
        assert kinds == ["paired"] * 3 + ["semi-supervised"] * 3 + ["unpaired"] * 8


def test_each_system_of_table_1_runs_here_or_says_why_not():
    (section,) = sections(dataset="RainCityscapes")
    runs = {row.system: row.runs_here() for row in section.rows}
    cited = {"RESCAN", "JORDER-E", "SSIR", "Syn2Real", "JRGR", "ANLCL"}
    assert {name for name, recipe in runs.items() if recipe == "no"} == cited
    assert {recipe for recipe in runs.values() if recipe != "no"} <= set(RECIPES) and len(
        runs
    ) == 14
    assert runs["NLCL"] == "nlcl" and runs["DeCycleGAN"] == "derain-cyclegan"
    text = markdown(section)
    assert "Runs here" in text.splitlines()[2]
    for name in cited:
        assert text.count(f"- {name} does not run here: it ") == 1
    assert ours(system="NLCL").runs_here() == ""  # the column is of published figures


def test_ablations():
    (section,) = sections(dataset="raincityscapes", ablations=True)
    printed = [" ".join(text_of(row, "psnr", "ssim")) for row in section.rows]
    assert printed == re.split(r",\s+", TABLES_2_TO_4)
    assert "* The figure is printed" in markdown(section)
    assert "Runs here" not in markdown(section)  # they are no systems


@pytest.mark.parametrize(
    "dataset, system, psnrs",
    [
        ("rain100l", "DCD-GAN", ["31.82"]),
        ("rain100l", "CSUD", ["33.28"]),
        ("rain100l", "DerainCycleGAN", ["31.49"]),
        ("rain100l", "rainy input", ["26.90", "25.52", "27.51"]),
        ("rain100h", "DCD-GAN", ["22.47"]),
        ("rain100h", "CSUD", ["24.42"]),
        ("rain800", "DCD-GAN", ["25.61"]),
        ("rain800", "CSUD", ["23.58"]),
        ("SPA-Data", "DCD-GAN", ["29.23", "31.55", "35.3"]),
        ("spa", "CSUD", ["33.57"]),
    ],
)
def test_other_figures(dataset, system, psnrs):
    (section,) = sections(dataset=dataset)
    found = [str(row.scores["psnr"]) for row in section.rows if row.system == system]
    assert found == psnrs


def test_the_file_is_consistent():
    data = published()
    fields = {"source", "where", "dataset", "rows", "images", "listed", "colour", "size",
              "trained_on", "ablation"}  # fmt: skip
    for about in data["systems"].values():
        assert len(about) == 1 and (about.get("recipe") in RECIPES or about["cited"][-1] != ".")
    assert set(data["sources"]) == {table["source"] for table in data["tables"]}
    assert set(data["datasets"]) == {table["dataset"] for table in data["tables"]}
    for table in data["tables"]:
        assert set(table) <= fields
        assert table.get("colour", "Y") in ("Y", "RGB")
        assert table.get("size", "full-size") in ("full-size", "256x256")
        for row in table["rows"]:
            assert set(row) <= {"system", "training", "psnr", "ssim", "niqe", "inferred"}
            assert row["training"] in ("paired", "semi-supervised", "unpaired", "none")
            assert 20 < row.get("psnr", 30) < 40 and 0.7 < row.get("ssim", Decimal("0.8")) < 1
    assert all(source.keys() == {"cite", "note"} for source in data["sources"].values())


# Ours beside theirs

STANDARD = Row("input", "none", "s", images=100, colour="Y", size="full-size")
UNKNOWN = Row("DCD-GAN", "unpaired", "s")


def test_equal_protocols_differ_in_nothing():
    assert differences(ours(), STANDARD) == []


@pytest.mark.parametrize(
    "changed, text",
    [
        ({"n": 99}, "test images: 99 here, 100 there"),
        ({"split": "val"}, "test images: 100 of val here, 100 there"),
        ({"split": None}, "test images: 100 of a folder here, 100 there"),
        ({"subset": "small"}, "test images: 100 of test, subset small here, 100 there"),
        ({"protocol": "cclgan-code"}, "size: 256x256 here, full-size there"),
        ({"protocol": None}, "size: not stated here, full-size there"),
    ],
)
def test_each_difference_is_said(changed, text):
    assert differences(ours(**changed), STANDARD) == [text]


def test_what_is_not_stated_is_said():
    assert differences(ours(), UNKNOWN) == [
        "test images: 100 here, not stated there",
        "colour: not stated there",
        "size: full-size here, not stated there",
        "trained on: Rain100L, strictly unpaired here, not stated there",
    ]
    unlisted = Row("x", "paired", "s", images=100, listed=False, colour="Y", size="full-size",
                   trained_on="its own")  # fmt: skip
    assert differences(ours(trained_on=None), unlisted) == [
        "test images: 100 here, 100, unlisted there",
        "trained on: not stated here, its own there",
    ]


def test_no_figure_of_ours_without_its_footnote():
    """For every published table: each of our results is compared with each published row."""
    for key in published()["datasets"]:
        (section,) = sections([result(dataset=key), result(dataset=key, system="other", n=7)])
        notes = [note for note in footnotes(section) if note.startswith("(ours")]
        for mine in {row.source: row for row in section.rows if row.ours}.values():
            for theirs in (row for row in section.rows if not row.ours):
                (note,) = [
                    note for note in notes
                    if note.startswith(section.reference(mine))
                    and section.reference(theirs) in note.split(":")[0]
                ]  # fmt: skip
                said = note.removesuffix(".").split(": ", 1)[1]
                expected = "; ".join(differences(mine, theirs))
                assert said == (expected or "the same protocol, row by colour")


def test_table_reads(capsys):
    (section,) = sections([result()])
    text = markdown(section)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1  # aligned
    assert "30.12 [29.50, 30.70]" in text and "0.9000 |" in text.replace("  ", "")
    rows = [re.split(r" *\| *", line)[1:-1] for line in lines[2:]]
    assert [row[5] for row in rows[-2:]] == ["Y", "RGB"] and rows[-1][3] == "29.00"
    assert "(ours 1) beside [1, Y] [1, RGB]: the same protocol, row by colour." in text


def test_data_sets_are_not_mixed(tmp_path):
    files = []
    for name in ("Rain100L", "spa", "my/own", None):
        files.append(tmp_path / f"{len(files)}.json")
        files[-1].write_text(json.dumps(result(dataset=name)))
    found = sections(read_results(files))
    titles = ["Rain100L", "SPA-Data", "my/own", "no data set recorded"]
    assert [section.title for section in found] == titles
    assert [sum(row.ours for row in section.rows) for section in found] == [2] * 4
    assert [row.ours for row in found[2].rows] == [True, True]
    with pytest.raises(ValueError, match="results of my/own, not of spa"):
        sections([result(dataset="my/own")], "spa")
    with pytest.raises(ValueError, match="no figures of 'nix'; published ones are of rain100l"):
        sections(dataset="nix")


def test_other_files_are_refused(tmp_path):
    for content in ("{", "[]", '{"n": 1}', "name,psnr"):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(ValueError, match="x.json is no result file"):
            read_results([tmp_path / "x.json"])


@pytest.mark.parametrize("dataset, ablations", [("Rain100L", False), ("RainCityscapes", True)])
def test_plot_shows_every_row_and_note(tmp_path, dataset, ablations):
    (section,) = sections([result(dataset=dataset)], ablations=ablations)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot(tmp_path / "plot.svg", [section])
    text = re.sub(r"\s+", "", (tmp_path / "plot.svg").read_text())
    for row in section.rows:
        kind = "" if row.training == "none" else f", {row.training}"
        label = f"{row.name()}{kind} {section.reference(row)}"
        assert re.sub(r"\s+", "", label) in text
    assert "(ours1)beside" in text


def test_plot_has_room_for_one_data_set(tmp_path):
    (section,) = sections([result()])
    plot(tmp_path / "plot.png", [section])
    with Image.open(tmp_path / "plot.png") as image:
        assert image.width == 1650
    with pytest.raises(ValueError, match="one data set, choose with --dataset: Rain100L, Rain"):
        plot(tmp_path / "all.png", sections())


def test_command(tmp_path, capsys):
    (tmp_path / "mine.json").write_text(json.dumps(result()))
    cli.main(["table", str(tmp_path / "mine.json"), "--plot", str(tmp_path / "mine.png")])
    assert "(ours 1) beside" in capsys.readouterr().out and (tmp_path / "mine.png").exists()
    cli.main(["table"])
    out = capsys.readouterr().out
    assert out.count("## ") == len(published()["datasets"]) and "4.032" in out
