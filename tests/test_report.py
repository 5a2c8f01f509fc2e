"""The report is one valid, self-contained, escaped page that shows the right pictures."""

import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cclgan_lite.evaluation.report import write_report

RNG = np.random.default_rng(0)
EVIL = "<script>alert(\"x\")</script> & 'quotes'"


class Page(HTMLParser):
    """Collects tags and text, and checks that tags are closed in order."""

    VOID = {"meta", "img", "br"}

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())

    def images(self) -> list[dict]:
        return [attrs for tag, attrs in self.tags if tag == "img"]


def pixels(image: dict) -> np.ndarray:
    kind, data = image["src"].split(",", 1)
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(BytesIO(b64decode(data))))


def example(height: int = 40, width: int = 60) -> dict:
    derained = RNG.integers(0, 150, (height, width, 3), dtype=np.uint8)
    rainy = derained.copy()
    rainy[height // 2 : height // 2 + height // 4, : width // 4] += 100  # all rain lies here
    return {"name": EVIL, "rainy": rainy, "derained": derained, "clean": derained // 2}


@pytest.fixture
def page(tmp_path) -> Page:
    table = [
        {"system": "rainy", "n": 40, "psnr_y": 26.486, "ssim_y": 0.83892, "psnr_rgb": 25.1},
        {"system": EVIL, "n": 40, "psnr_y": 30.001, "ssim_y": 0.8, "psnr_rgb": 29.0},
    ]
    history = [{"step": i, "cycle": 1 / (i + 1), "time": "noon"} for i in range(50)]
    history += [{"step": 50, "cycle": float("nan"), EVIL: 1.0}]
    write_report(
        tmp_path / "deep" / "report.html",
        title=EVIL,
        summary={"method": EVIL, "steps": 20000},
        table=table,
        examples=[{**example(), "captions": {"rainy": "12.34 dB", "clean": EVIL}}],
        history=history,
        notes=[EVIL],
    )
    return Page((tmp_path / "deep" / "report.html").read_text(encoding="utf-8"))


def test_self_contained_and_escaped(page):
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    for _, attrs in page.tags:
        assert "href" not in attrs
        assert attrs.get("src", "data:").startswith("data:")
    style = page.texts[page.texts.index(EVIL) + 1]
    assert "prefers-color-scheme: dark" in style and "url(" not in style and "@import" not in style
    assert page.texts.count(EVIL) >= 5  # shown as text: title twice, summary, table, name, note


def test_every_picture_is_described(page):
    assert len(page.images()) == 7
    assert all(len(image["alt"]) > 10 for image in page.images())
    assert "50 training steps" in page.images()[-1]["alt"]


def test_table_rounds_and_marks_the_best(page):
    for text in ("26.49", "30.00", "0.8389", "0.8000", "–"):
        assert text in page.texts
    bold = sum(tag == "strong" for tag, _ in page.tags)
    assert bold == 3


def test_pictures_are_exact_and_zooms_show_the_rain(page):
    derained = pixels(page.images()[2])
    whole = pixels(page.images()[0])
    changed = whole.astype(int) - derained
    assert changed.max() == 100
    zooms = [pixels(page.images()[i]) for i in (1, 3, 5)]
    assert all(zoom.shape == (10, 15, 3) for zoom in zooms)
    assert (zooms[0].astype(int) - zooms[1] == 100).all()
    np.testing.assert_array_equal(zooms[2], zooms[1] // 2)
    box = next(attrs["style"] for tag, attrs in page.tags if tag == "span")
    left, top, width, height = (float(v) for v in re.findall(r"([\d.]+)%", box))
    assert (width, height) == (25, 25) and (left, top) == (0, 50)
    np.testing.assert_array_equal(zooms[0], whole[20:30, :15])


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (1500, 40)])
def test_any_size_and_no_truth(tmp_path, size):
    picture = {**example(*size), "clean": None}
    write_report(tmp_path / "a.html", title="t", summary={}, table=[], examples=[picture])
    page = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert len(page.images()) == 4
    assert all(max(pixels(image).shape) <= 1024 for image in page.images())


def test_empty_report(tmp_path):
    write_report(tmp_path / "a.html", title="t", summary={}, table=[])
    assert Page((tmp_path / "a.html").read_text(encoding="utf-8")).images() == []


def test_intervals_and_further_metrics(tmp_path):
    rows = [
        {
            "system": "a",
            "psnr_y": 28.0,
            "niqe": 4.1,
            "protocol": "cclgan-code",
            "intervals": {"psnr_y": [27.25, 28.75], "niqe": None},
        },
        {"system": "b", "psnr_y": 27.0, "niqe": 3.9},
    ]
    write_report(tmp_path / "a.html", title="t", summary={}, table=rows)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "[27.25, 28.75]" in page.texts and "NIQE" in page.texts
    assert re.findall(r"<strong>(.*?)</strong>", text) == ["28.00", "3.9000"]  # less NIQE is more
    assert "protocol cclgan-code, full-size" in text


def test_errors_are_shown_beside_the_truth(tmp_path):
    shown = {**example(), "error": np.full((40, 60, 3), 7, np.uint8)}
    write_report(tmp_path / "a.html", title="t", summary={}, table=[], examples=iter([shown]))
    images = Page((tmp_path / "a.html").read_text(encoding="utf-8")).images()
    assert len(images) == 8 and images[6]["alt"].endswith("error")
    assert (pixels(images[6]) == 7).all()
