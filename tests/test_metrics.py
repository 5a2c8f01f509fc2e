"""PSNR and SSIM against hand-computed values, the definition, and torchmetrics."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from cclgan_lite.evaluation.metrics import luma, psnr, scores, ssim

RNG = np.random.default_rng(0)


def pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:height, :width]
    clean = np.stack([127 + 90 * np.sin(x / 9 + k) * np.cos(y / 7) for k in range(3)], axis=2)
    rainy = clean + RNG.normal(0, 20, clean.shape)
    return rainy.clip(0, 255).astype(np.uint8), clean.astype(np.uint8)


def test_luma_of_known_colours():
    colours = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [51, 102, 153]]
    expected = [16, 235, 81.481, 144.553, 40.966, 16 + 13.0962 + 51.4212 + 14.9796]
    y = luma(np.array([colours], dtype=np.uint8))
    assert y.shape == (1, 6)
    np.testing.assert_allclose(y[0], expected, atol=1e-10)


def test_psnr_by_hand():
    truth = np.zeros((2, 2), np.uint8)
    image = np.array([[10, 0], [0, 0]], np.uint8)  # mean squared error 25
    assert psnr(image, truth) == pytest.approx(10 * math.log10(65025 / 25))
    assert psnr(truth, image) == psnr(image, truth)  # no wrap-around of uint8
    assert psnr(truth, truth + 255) == 0


def test_psnr_y_by_hand():
    """Grey 100 against 110 differs in luma by 10 * 219 / 255."""
    images = [np.full((20, 20, 3), level, np.uint8) for level in (100, 110)]
    result = scores(*images)
    assert result["psnr_rgb"] == pytest.approx(20 * math.log10(25.5))
    assert result["psnr_y"] == pytest.approx(20 * math.log10(25.5 * 255 / 219))


def test_psnr_of_many_bands_is_that_of_the_whole():
    rainy, clean = pair(600, 20)
    mse = np.mean((rainy.astype(float) - clean) ** 2)
    assert psnr(rainy, clean) == pytest.approx(10 * math.log10(255**2 / mse), abs=1e-9)


def test_identical_pictures_are_capped_and_valid_json():
    rainy, _ = pair(20, 20)
    result = scores(rainy, rainy)
    assert result["psnr_y"] == result["psnr_rgb"] == 100
    assert result["ssim_y"] == result["ssim_rgb"] == pytest.approx(1)
    json.dumps(result, allow_nan=False)


def slow_ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """The definition, window by window."""
    offset = np.arange(-5, 6)
    window = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for i in range(image.shape[0] - 10):
        for j in range(image.shape[1] - 10):
            x, y = (a[i : i + 11, j : j + 11].astype(float) for a in (image, truth))
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            cxy = (window * (x - mx) * (y - my)).sum()
            values.append(
                (2 * mx * my + c1) * (2 * cxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            )
    return float(np.mean(values))


@pytest.mark.parametrize("height, width", [(11, 11), (24, 30), (300, 12)])
def test_ssim_is_the_definition(height, width):
    rainy, clean = pair(height, width)
    y, y_clean = luma(rainy), luma(clean)
    assert ssim(y, y_clean) == pytest.approx(slow_ssim(y, y_clean), abs=1e-9)
    channels = [slow_ssim(rainy[..., k], clean[..., k]) for k in range(3)]
    assert ssim(rainy, clean) == pytest.approx(np.mean(channels), abs=1e-9)


def test_torchmetrics_agrees():
    rainy, clean = pair(290, 120)
    result = scores(rainy, clean)
    for views, suffix in (((luma(rainy), luma(clean)), "y"), ((rainy, clean), "rgb")):
        arrays = [np.atleast_3d(view).astype(float) for view in views]
        one, two = (torch.from_numpy(array).permute(2, 0, 1)[None] for array in arrays)
        theirs = peak_signal_noise_ratio(one, two, data_range=255.0, dim=(1, 2, 3))
        assert result[f"psnr_{suffix}"] == pytest.approx(theirs.item(), abs=1e-6)
        # Their mean takes in the border, whose windows see mirrored pixels; ours does not.
        _, full = structural_similarity_index_measure(
            one, two, data_range=255.0, return_full_image=True
        )
        theirs = full[..., 5:-5, 5:-5].mean()
        assert result[f"ssim_{suffix}"] == pytest.approx(theirs.item(), abs=1e-6)


def test_bad_pictures_are_refused():
    rainy, clean = pair(20, 20)
    for metric in (psnr, ssim):
        with pytest.raises(ValueError, match="differ in shape"):
            metric(rainy, clean[1:])
    with pytest.raises(ValueError, match="at least 11x11 pixels, the picture has 20x10"):
        ssim(rainy[:10], clean[:10])
    for pictures in ((rainy / 255, clean), (rainy, clean / 255)):
        with pytest.raises(ValueError, match="expected uint8"):
            scores(*pictures)


MEMORY_SCRIPT = r"""
import re
import numpy as np
from cclgan_lite.evaluation.metrics import scores
# In GiB. Not ru_maxrss, in which a process inherits the peak of the one that started it.
peak = lambda: int(re.search("VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 2**20
clean = np.random.default_rng(0).integers(0, 200, (2000, 3000, 3), dtype=np.uint8)
before = peak()
scores(clean + 9, clean)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded():
    """6 megapixels: two lumas are 0.09 GiB; SSIM of the whole at once would take over 0.7."""
    command = [sys.executable, "-c", MEMORY_SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.35
