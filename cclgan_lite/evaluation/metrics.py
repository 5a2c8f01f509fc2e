"""PSNR and SSIM of two pictures as the deraining literature reports them.

The headline is computed on the luma Y (ITU-R BT.601, 16 to 235, not rounded) of full-size
pictures; RGB stands beside it. PSNR uses the peak 255. SSIM follows Wang et al., "Image quality
assessment: from error visibility to structural similarity", 2004: an 11 x 11 Gaussian window of
sigma 1.5, K1 0.01, K2 0.03, population covariance, averaged over the pixels whose window lies
inside the picture. Both come from scikit-image; they see a picture, and make its luma, in bands of
rows, which bounds the memory and, up to float rounding, changes nothing.

Self-test: the rainy input of the standard Rain100L test set (100 pictures) has to score 26.90 dB /
0.838 on Y and 25.52 / 0.825 on RGB: `cclgan-lite evaluate --identity`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from skimage.metrics import mean_squared_error, structural_similarity

PEAK = 255.0
PSNR_CAP = 100.0  # dB, reported where it would be larger or, for identical pictures, infinite
WINDOW = 11  # pixels
BAND = 256  # rows

View = Callable[[np.ndarray], np.ndarray]  # what is compared of a picture, row by row


def luma(rgb: np.ndarray) -> np.ndarray:
    """BT.601 luma, float64 [H, W] in 16 to 235, of uint8 [H, W, 3]."""
    y = np.full(rgb.shape[:2], 16.0)
    for channel, weight in enumerate((65.481, 128.553, 24.966)):
        y += rgb[..., channel] * (weight / 255)
    return y


def psnr(image: np.ndarray, truth: np.ndarray, view: View | None = None) -> float:
    """Peak signal-to-noise ratio in dB of [H, W] or [H, W, C] in 0 to 255, at most `PSNR_CAP`.

    Args:
        view: compare this of both, for example `luma`.

    Raises:
        ValueError: the shapes differ.
    """
    _check(image, truth)
    squared = sum(mean_squared_error(a, b) * len(a) for a, b in _bands(image, truth, view))
    mse = squared / len(image)
    return float(min(10 * np.log10(PEAK**2 / mse), PSNR_CAP)) if mse > 0 else PSNR_CAP


def ssim(image: np.ndarray, truth: np.ndarray, view: View | None = None) -> float:
    """Structural similarity of [H, W] or [H, W, C] in 0 to 255; the mean over the channels.

    Args:
        view: compare this of both, for example `luma`.

    Raises:
        ValueError: the shapes differ, or a side is shorter than the window of 11 pixels.
    """
    _check(image, truth)
    if min(image.shape[:2]) < WINDOW:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise ValueError(f"SSIM needs at least {WINDOW}x{WINDOW} pixels, the picture has {size}")
    total = rows = 0
    for a, b in _bands(image, truth, view, halo=WINDOW - 1):
        valid = len(a) - WINDOW + 1
        total += valid * structural_similarity(
            a.astype(np.float64),
            b.astype(np.float64),
            data_range=PEAK,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=2 if a.ndim == 3 else None,
        )
        rows += valid
    return float(total / rows)


def scores(derained: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    """`psnr_y`, `ssim_y`, `psnr_rgb`, `ssim_rgb` of two uint8 [H, W, 3] pictures."""
    if derained.dtype != np.uint8 or clean.dtype != np.uint8:
        raise ValueError(f"expected uint8 pictures, got {derained.dtype} and {clean.dtype}")
    _check(derained, clean)
    return {
        "psnr_y": psnr(derained, clean, luma),
        "ssim_y": ssim(derained, clean, luma),
        "psnr_rgb": psnr(derained, clean),
        "ssim_rgb": ssim(derained, clean),
    }


def _check(image: np.ndarray, truth: np.ndarray) -> None:
    if image.shape != truth.shape:
        raise ValueError(f"the pictures differ in shape: {image.shape} and {truth.shape}")


def _bands(
    image: np.ndarray, truth: np.ndarray, view: View | None, halo: int = 0
) -> Iterator[tuple]:
    """What is compared of both pictures, in bands of `BAND` rows and the `halo` rows below."""
    for top in range(0, len(image) - halo, BAND):
        bands = (picture[top : top + BAND + halo] for picture in (image, truth))
        yield tuple(bands) if view is None else tuple(map(view, bands))
