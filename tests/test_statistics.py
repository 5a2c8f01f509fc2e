"""Bootstrap intervals against a slow loop, against SciPy's plain form, and in limiting cases."""

from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import bootstrap

from cclgan_lite.evaluation.statistics import difference, interval, interval_over_seeds

RNG = np.random.default_rng(0)
NORMAL = NormalDist()


def slow_bca(values: np.ndarray, scenes: np.ndarray, draws: int = 4000) -> list[float]:
    """Efron and Tibshirani, equations 14.9, 14.10, 14.14 and 14.15; whole scenes are drawn."""
    groups = [values[scenes == scene] for scene in np.unique(scenes)]
    rng = np.random.default_rng(1)
    means = []
    for _ in range(draws):
        chosen = [groups[i] for i in rng.integers(len(groups), size=len(groups))]
        means.append(np.concatenate(chosen).mean())
    means = np.sort(means)
    bias = NORMAL.inv_cdf(np.mean(means < values.mean()))
    left_out = np.array(
        [np.concatenate(groups[:i] + groups[i + 1 :]).mean() for i in range(len(groups))]
    )
    gaps = left_out.mean() - left_out
    skew = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
    ends = []
    for probability in (0.025, 0.975):
        z = bias + NORMAL.inv_cdf(probability)
        ends.append(np.quantile(means, NORMAL.cdf(bias + z / (1 - skew * z))))
    return ends


def test_interval_is_the_definition():
    scenes = np.repeat(np.arange(20), RNG.integers(1, 5, 20))
    values = RNG.exponential(4, 20)[scenes] + RNG.normal(0, 1, len(scenes))
    low, high = interval(values, scenes)
    slow = slow_bca(values, scenes)
    assert (low, high) == pytest.approx(slow, abs=0.04 * (high - low))
    assert high - values.mean() > 1.1 * (values.mean() - low)  # skewed, as the values


def test_without_scenes_it_is_scipys_own():
    values = RNG.gamma(2, 3, 30)
    plain = bootstrap((values,), np.mean, method="BCa", random_state=0).confidence_interval
    assert interval(values) == pytest.approx(list(plain), abs=0.03 * (plain.high - plain.low))
    assert interval(values) == interval(values)
    narrow, wide = interval(values, level=0.5), interval(values, level=0.99)
    assert wide[0] < narrow[0] < values.mean() < narrow[1] < wide[1]


def test_copies_of_a_scene_add_no_certainty():
    values = RNG.normal(25, 3, 12)
    copies = np.repeat(values, 36)
    scenes = np.repeat([f"scene {i}" for i in range(12)], 36)
    assert interval(copies, scenes) == pytest.approx(interval(values), abs=0.01)
    assert np.ptp(interval(copies)) < np.ptp(interval(values)) / 4


def test_what_has_no_interval():
    assert interval([25.0]) is None
    assert interval([25.0, 26.0], ["a", "a"]) is None
    assert interval([100.0, 100.0]) == [100, 100]


def result(values, **changed) -> dict:
    images = [{"name": str(i), "scene": str(i), "psnr_y": v} for i, v in enumerate(values)]
    return {"protocol": "full-size", "images": images, "intervals": {"psnr_y": None}} | changed


def test_difference_is_taken_picture_by_picture():
    hard = RNG.normal(26, 4, 30)  # pictures differ by 4 dB, the systems by 0.2
    gain = RNG.normal(0.2, 0.1, 30)
    found = difference(result(hard + gain), result(hard))["psnr_y"]
    assert found["mean"] == pytest.approx(gain.mean())
    assert found["interval"] == pytest.approx(interval(gain))
    assert 0.1 < found["interval"][0] < found["interval"][1] < 0.3
    assert found["higher"] == (gain > 0).sum()
    back = difference(result(hard), result(hard + gain))["psnr_y"]
    assert back["mean"] == pytest.approx(-found["mean"])


def test_difference_pairs_by_name_not_by_place():
    one = result([20.0, 30.0, 40.0])
    two = result([20.0, 30.0, 40.0])
    two["images"].reverse()
    assert difference(one, two)["psnr_y"]["interval"] == [0, 0]


def test_difference_draws_scenes():
    one, two = result(np.repeat(RNG.normal(1, 1, 10), 36)), result(np.zeros(360))
    for i in range(360):
        one["images"][i]["scene"] = two["images"][i]["scene"] = str(i // 36)
    values = [image["psnr_y"] for image in one["images"]]
    found = difference(one, two)["psnr_y"]["interval"]
    assert found == pytest.approx(interval(values[::36]))


def test_different_pictures_or_protocols_are_refused():
    with pytest.raises(ValueError, match="different pictures: 1, 2"):
        difference(result([1.0]), result([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="protocols differ: full-size, cclgan-code"):
        difference(result([1.0]), result([1.0], protocol="cclgan-code"))


def test_seeds_and_scenes_are_drawn_independently():
    """Against a slow loop that draws, and against what each alone would give."""
    random = np.random.default_rng(0)
    values = random.normal(0, 1, 3)[:, None] + random.normal(0, 2, 12)
    rng, means = np.random.default_rng(1), []
    for _ in range(4000):
        rows, columns = rng.integers(3, size=3), rng.integers(12, size=12)
        means.append(np.mean([values[i, j] for i in rows for j in columns]))
    found = interval_over_seeds(values)
    assert found == pytest.approx(list(np.quantile(means, (0.025, 0.975))), abs=0.15)
    one_by_one = np.ptp(interval(values.ravel()))
    assert np.ptp(found) > 1.3 * one_by_one


def test_equal_seeds_leave_the_interval_of_the_scenes():
    scenes = np.random.default_rng(0).normal(0, 1, 40)
    alone, thrice = (interval_over_seeds(np.tile(scenes, (k, 1))) for k in (1, 3))
    assert thrice == pytest.approx(alone, abs=0.05)
    assert alone == pytest.approx(interval(scenes), abs=0.08)


def test_equal_scenes_leave_the_range_of_the_seeds():
    """One seed thrice is drawn in one of 27 cases, above 2.5 %: the interval is their range."""
    assert interval_over_seeds([[1.0] * 5, [2.0] * 5, [4.0] * 5]) == [1.0, 4.0]
