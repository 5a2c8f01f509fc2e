"""Lesson 10: its interval equals the package's, and its exercises tell the mistakes apart.

Nothing here has a gradient: scores are NumPy.
"""

import numpy as np
import pytest

from cclgan_lite.course.checks.lesson_10 import (
    check_file_score,
    check_paired,
    check_scene_means,
    check_spoilt,
)
from cclgan_lite.course.exam import three_files
from cclgan_lite.evaluation.statistics import difference, interval
from lessons.lesson import answer, built

CHECKS = {
    "file_score": check_file_score,
    "scene_means": check_scene_means,
    "paired": check_paired,
    "spoilt": check_spoilt,
}


@pytest.fixture(scope="module")
def uneven() -> tuple[np.ndarray, np.ndarray]:
    """Skewed scores of 15 scenes with one to four pictures."""
    rng = np.random.default_rng(0)
    scenes = np.repeat(np.arange(15), rng.integers(1, 5, 15))
    return rng.exponential(4, 15)[scenes] + rng.normal(0, 1, len(scenes)), scenes


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_is_the_package_s(uneven, level):
    low, high = built("10")["bca"](*uneven, draws=9999, level=level)
    package = interval(*uneven, level=level)
    assert (low, high) == pytest.approx(package, abs=0.03 * np.ptp(package))
    middle = uneven[0].mean()
    assert high - middle > 1.1 * (middle - low)  # skewed, unlike mean +- 1.96 errors


def test_totals():
    sums, counts = built("10")["totals"]([1.0, 2.0, 4.0], ["b", "a", "b"])
    assert (list(sums), list(counts)) == ([2.0, 5.0], [1, 2])


def test_scene_means_are_what_bca_draws(uneven):
    """The same distribution, with and without a loop."""
    means = answer("10", "scene_means")(*uneven, 4000, np.random.default_rng(0))
    sums, counts = built("10")["totals"](*uneven)
    drawn = np.random.default_rng(1).integers(15, size=(4000, 15))
    quick = sums[drawn].sum(1) / counts[drawn].sum(1)
    at = (0.05, 0.5, 0.95)
    np.testing.assert_allclose(np.quantile(means, at), np.quantile(quick, at), atol=0.15)


def test_paired_is_the_package_s():
    rng = np.random.default_rng(2)
    hard, gain = rng.normal(26, 4, 20), rng.normal(0.4, 0.3, 20)
    images = [
        [{"name": str(i), "scene": str(i // 2), "psnr_y": v} for i, v in enumerate(values)]
        for values in (hard + gain, hard)
    ]
    images[1] = [images[1][i] for i in rng.permutation(20)]
    results = [
        {"protocol": "full-size", "images": each, "intervals": {"psnr_y": None}} for each in images
    ]
    want = difference(*results)["psnr_y"]
    one, two = ({image["name"]: image["psnr_y"] for image in each} for each in images)
    mean, low, high = answer("10", "paired")(one, two, {str(i): str(i // 2) for i in range(20)})
    assert mean == pytest.approx(want["mean"])
    assert (low, high) == pytest.approx(want["interval"], abs=0.05 * np.ptp(want["interval"]))


def test_one_of_three_files_is_spoilt():
    found = {name: answer("10", "spoilt")(file) for name, file in three_files().items()}
    assert found == {"A": [], "B": [], "C": ["pictures drawn"]}


SAVED = "levels.byte().permute(1, 2, 0).numpy()"
FLOAT = "levels.permute(1, 2, 0).numpy()"
GROUPS = "[values[scenes == s] for s in np.unique(scenes)]"
POOLED = "np.concatenate([groups[k] for k in chosen]).mean()"
MATCHED = "np.array([one[name] - two[name] for name in names])"
BCA = "bca(gaps, [scenes[name] for name in names])"
TWO = (
    "np.subtract(*(bca([x[k] for k in names], [scenes[k] for k in names])[order] "
    "for x, order in ((one, [0, 1]), (two, [1, 0]))))"
)


@pytest.mark.parametrize(
    "name, replacements, word",
    [
        (
            "file_score",
            [
                (".clamp(0, 255)", ""),
                (".byte()", ".int()"),
                (".numpy()", ".numpy().astype(np.uint8)"),
            ],
            "wraps",
        ),
        ("file_score", [(".round()", "")], "truncates"),
        ("file_score", [(".round()", ""), (SAVED, FLOAT)], "not rounded"),
        ("file_score", [(".clamp(0, 255).round()", ""), (SAVED, FLOAT)], "neither clipped nor"),
        ("file_score", [(".clamp(0, 255)", ""), (SAVED, FLOAT)], "not clipped"),
        ("file_score", [(", luma)", ")")], "RGB"),
        ("file_score", [("(output + 1) * 127.5", "output * 255")], "must become 0"),
        (
            "file_score",
            [("psnr(saved, truth, luma)", "psnr(saved, truth, luma) - 20 * np.log10(255)")],
            "peak is 255",
        ),
        ("scene_means", [(GROUPS, "[values[[i]] for i in range(len(values))]")], "draw scenes"),
        (
            "scene_means",
            [("rng.integers(len(groups), size=len(groups))", "rng.permutation(len(groups))")],
            "with replacement",
        ),
        (
            "scene_means",
            [(POOLED, "np.mean([groups[k].mean() for k in chosen])")],
            "mean of the scenes' means",
        ),
        ("scene_means", [("size=len(groups)", "size=len(values)")], "as many scenes"),
        ("scene_means", [("np.array(means)", "np.mean(means)")], "array of"),
        ("paired", [("one[name] - two[name]", "two[name] - one[name]")], "the sign"),
        (
            "paired",
            [(MATCHED, "np.array(list(one.values())) - np.array(list(two.values()))")],
            "match pictures by name",
        ),
        ("paired", [("[scenes[name] for name in names]", "names")], "independent"),
        ("paired", [(BCA, TWO)], "cancels only if"),
        ("paired", [("gaps.mean()", "gaps.sum()")], "mean difference"),
        ("spoilt", [("<= SAME_SCENE", "< SAME_SCENE")], "is enough"),
        ("spoilt", [('["nearest"].min()', '["nearest"].mean()')], "is enough"),
        ("spoilt", [("<= SAME_SCENE", "<= SAME_SCENE + 1")], "above SAME_SCENE"),
        ("spoilt", [('!= file["validation"]', '== file["test"]')], "as it may on the test"),
        ("spoilt", [("mean(1).argmax", "max(1).argmax")], "highest mean"),
        ("spoilt", [("mean(1).argmax", "min(1).argmax")], "highest mean"),
        ("spoilt", [('file["scenes"])', 'range(len(file["scenes"])))')], "far narrower"),
        ("spoilt", [("0.7 * width", "0.1 * width")], "far narrower"),
        ("spoilt", [("< 0.7 * width", "!= width")], "as wide as"),
        ("spoilt", [("return found", "return found[:1]")], "another system"),
        ("spoilt", [("return found", "return bool(found)")], "a list of faults"),
        ("spoilt", [("return found", 'return ", ".join(found)')], "a list of faults"),
        ("spoilt", [('append("leak")', 'append("leaked")')], "no fault 'leaked'"),
    ],
)
def test_the_check_names_the_mistake(name, replacements, word):
    assert word in CHECKS[name].verdict(answer("10", name, *replacements))
