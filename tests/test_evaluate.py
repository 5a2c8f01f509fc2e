"""Pairing files, scoring pairs, the classical baseline, and the known scores of Rain100L."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cclgan_lite.data.images import ImageError
from cclgan_lite.data.pairs import pair_files
from cclgan_lite.evaluation.classical import classical_filter
from cclgan_lite.evaluation.evaluate import evaluate_pairs
from cclgan_lite.evaluation.metrics import scores

RNG = np.random.default_rng(0)


def fill(folder: Path, *names: str, size: tuple[int, int] = (12, 16)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        rgb = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(rgb).save(folder / name)
    return folder


def paired(tmp_path: Path, rainy: list[str], clean: list[str]) -> list[tuple[str, str]]:
    pairs = pair_files(fill(tmp_path / "rainy", *rainy), fill(tmp_path / "clean", *clean))
    assert [name for name, _, _ in pairs] == [path.stem for _, path, _ in pairs]
    assert all(r.parent.name == "rainy" and c.parent.name == "clean" for _, r, c in pairs)
    return [(r.name, c.name) for _, r, c in pairs]


@pytest.mark.parametrize(
    "rainy, clean",
    [
        (["2.png", "10.png"], ["2.jpg", "10.webp"]),
        (["norain-2x2.png", "norain-10x2.png"], ["norain-2.png", "norain-10.png"]),
        (["rain-002.png", "rain-010.png"], ["norain-002.png", "norain-010.png"]),
        (["002.png", "010.png"], ["002gt.png", "010gt.png"]),
        (["rain100_2.png", "rain100_10.png"], ["clean_2.png", "clean_10.png"]),
        (["a-4x3.png", "a-4x5.png"], ["a-4x3.jpg", "a-4x5.jpg"]),
        (["street.png", "wood.png"], ["street.jpg", "wood.jpg"]),
    ],
)
def test_pairs_by_name_or_number(tmp_path, rainy, clean):
    assert paired(tmp_path, rainy, clean) == list(zip(rainy, clean, strict=True))


def test_order_of_text_does_not_pair(tmp_path):
    rainy, clean = [f"rain-{i}.png" for i in range(1, 12)], [f"{i:03}.png" for i in range(1, 12)]
    assert paired(tmp_path, rainy, clean) == list(zip(rainy, clean, strict=True))


def test_everything_that_does_not_pair_is_listed(tmp_path):
    rainy = fill(tmp_path / "rainy", "1.png", "2.png", "2.webp", "3.png", "5.png")
    clean = fill(tmp_path / "clean", "1.png", "2.png", "4.png")
    fill(clean, "5.png", size=(12, 17))
    with pytest.raises(ImageError) as caught:
        pair_files(rainy, clean)
    message = str(caught.value)
    assert len(message.splitlines()) == 5
    for part in ("2.webp and ", "3.png has no clean partner",
                 "4.png has no rainy partner", "5.png is 16x12"):  # fmt: skip
        assert part in message


def test_doubled_numbers_are_errors(tmp_path):
    rainy = fill(tmp_path / "rainy", "a-1.png", "b-01.png")
    with pytest.raises(ImageError, match="same picture"):
        pair_files(rainy, fill(tmp_path / "clean", "clean-1.png"))


def test_sizes_are_compared_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    rainy = fill(tmp_path / "rainy", "1.png")
    clean = fill(tmp_path / "clean")
    turned = Image.fromarray(RNG.integers(0, 256, (16, 12, 3), dtype=np.uint8))
    turned.save(clean / "1.jpg", exif=exif)
    pairs = pair_files(rainy, clean)
    assert evaluate_pairs(pairs, lambda rgb: rgb)["n"] == 1


def test_means_are_those_of_the_pictures(tmp_path):
    names = ["1.png", "2.png", "3.png"]
    rainy, clean = fill(tmp_path / "rainy", *names), fill(tmp_path / "clean", *names)
    result = evaluate_pairs(pair_files(rainy, clean), lambda rgb: 255 - rgb)
    assert result["n"] == 3
    assert [image["name"] for image in result["images"]] == ["1", "2", "3"]
    for key in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"):
        values = []
        for name in names:
            r, c = (np.asarray(Image.open(folder / name)) for folder in (rainy, clean))
            values.append(scores(255 - r, c)[key])
        assert len(set(values)) == 3
        assert result[key] == pytest.approx(sum(values) / 3)
        assert [image[key] for image in result["images"]] == pytest.approx(values)


def test_perfect_result_is_valid_json(tmp_path):
    folder = fill(tmp_path / "a", "1.png", "2.png")
    result = evaluate_pairs(pair_files(folder, folder), lambda rgb: rgb)
    assert result["psnr_y"] == 100
    json.dumps(result, allow_nan=False)


def test_errors_name_the_pair(tmp_path):
    pairs = pair_files(
        fill(tmp_path / "a", "1.png", size=(8, 8)), fill(tmp_path / "b", "1.png", size=(8, 8))
    )
    with pytest.raises(ValueError, match="a.1.png and .*b.1.png: SSIM needs at least 11x11"):
        evaluate_pairs(pairs, lambda rgb: rgb)
    with pytest.raises(ImageError, match="no pairs"):
        evaluate_pairs([], lambda rgb: rgb)


# The classical baseline


def test_classical_filter_removes_a_streak_and_keeps_the_rest():
    clean = np.full((40, 40, 3), (60, 90, 120), np.uint8)
    clean[:, 20:] += 50  # an edge
    clean[30:, 5:] += 30  # and a corner
    rainy = clean.copy()
    rainy[5:25, 9:11] += 70
    np.testing.assert_array_equal(classical_filter(clean), clean)
    np.testing.assert_array_equal(classical_filter(rainy), clean)


def test_classical_filter_takes_any_picture():
    for shape in [(1, 1, 3), (3, 200, 3), (200, 3, 3)]:
        rgb = RNG.integers(0, 256, shape, dtype=np.uint8)
        result = classical_filter(rgb)
        assert result.shape == shape and result.dtype == np.uint8
        assert (result <= rgb).all()  # rain only brightens


# Real data


def test_rain100l_validation_pairs(rain100l):
    pairs = pair_files(rain100l / "rainy", rain100l / "clean")
    assert len(pairs) == 200
    pairs = [pair for pair in pairs if int(pair[0]) > 160]
    result = evaluate_pairs(pairs, lambda rgb: rgb)
    psnr, ssim = [], []
    for number in range(161, 201):
        images = []
        for name in (f"rainy/{number}.webp", f"clean/{number}.jpg"):
            rgb = np.asarray(Image.open(rain100l / name).convert("RGB")) / 255
            images.append(rgb @ [65.481, 128.553, 24.966] + 16)
        psnr.append(peak_signal_noise_ratio(*images, data_range=255))
        ssim.append(
            structural_similarity(
                *images,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=255,
            )
        )
    assert result["n"] == len(psnr) == 40
    assert result["psnr_y"] == pytest.approx(np.mean(psnr), abs=0.01)
    assert result["ssim_y"] == pytest.approx(np.mean(ssim), abs=0.001)
    filtered = evaluate_pairs(pairs, classical_filter)
    assert filtered["psnr_y"] > result["psnr_y"] + 2
    assert filtered["ssim_y"] > result["ssim_y"] + 0.03
