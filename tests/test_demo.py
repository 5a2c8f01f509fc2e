"""`make demo` in miniature: data, run, scores, report."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from pytest import approx

from cclgan_lite import demo
from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.run import Run, RunError


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The demo's recipe and data, shrunk to seconds."""
    recipe = RECIPES["demo"]
    method = replace(
        recipe.method,
        generator=GeneratorConfig(filters=4, blocks=1, head="rain_layer"),
        discriminator=DiscriminatorConfig(filters=4, norm="spectral", high_pass=True),
        projection=8,
    )
    onset = replace(recipe.onset, begin=0.25, full=0.75)
    tiny = replace(recipe, method=method, onset=onset, steps=4, log_every=2, shares_every=1)
    monkeypatch.setitem(RECIPES, "demo", tiny)
    monkeypatch.setattr(
        demo,
        "bundled_data",
        lambda root: bundled_data(root, rainy=4, clean=4, val=1, test=3, size=(120, 160)),
    )
    return tmp_path / "runs/demo"


def test_demo_leaves_a_report(small, capsys):
    report = demo.run_demo(small, seed=3)
    assert report == small / "report.html"
    html = report.read_text()
    for text in ("rainy input", "classical filter", "CCLGAN", "seed 3", "lcl/generators"):
        assert text in html
    assert "http://" not in html and "https://" not in html  # self-contained
    images = re.findall(r"<img[^>]*>", html)
    assert len(images) >= 4 and all(re.search(r'\salt="[^"]', image) for image in images)
    assert Run.read(small).config.seed == 3
    assert "rainy input" in capsys.readouterr().out
    assert html.index("Rendered rain carries") < html.index("<table>")  # said before any score
    scores = json.loads((small / "scores.json").read_text())
    assert set(scores["scores"]) == {"rainy input", "classical filter", "CCLGAN, this run"}
    ours, theirs = (scores["scores"][name]["psnr_y"] for name in (demo.OURS, demo.FILTER))
    gain = scores["over_filter"]["psnr_y"]
    assert gain["mean"] == approx(ours - theirs) and len(gain["interval"]) == 2
    shares = scores["gradient_shares"]
    assert set(shares) == {"adversarial", "lcl", "intra", "inter", "rehearsal"}
    assert all(share > 0 for share in shares.values()) and sum(shares.values()) == approx(1, abs=1e-4)
    demo.run_demo(small, seed=3)  # a second call goes on (here: only reports again)
    with pytest.raises(RunError, match="another run"):
        demo.run_demo(small, seed=4)
