"""Deraining pictures of any size by tiles, and folders of files."""

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor, nn

from cclgan_lite.data.images import ImageError, to_tensor, to_uint8
from cclgan_lite.inference import derain
from cclgan_lite.inference.derain import LARGEST, _windows, derain_files, tile_for
from cclgan_lite.inference.fixed import fix_statistics
from cclgan_lite.inference.weights import load_derainer
from cclgan_lite.networks import (
    AttentiveConfig,
    FlatConfig,
    Generator,
    GeneratorConfig,
    NetworkConfig,
    RestorationConfig,
)

RNG = np.random.default_rng(0)


def derain_image(generator, rgb, precision="float32", **options):
    """In float32 also where bfloat16 is fast, so that a level is a level."""
    return derain.derain_image(generator, rgb, precision=precision, **options)


def identity(image: Tensor) -> Tensor:
    return image


def noise(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 23 + k) + np.cos(y / 31 - k) for k in range(3)]
    return (127.5 + 60 * np.stack(waves, axis=2)).astype(np.uint8)


class Local(nn.Module):
    """Sees 8 pixels around each, at half size as well, so it notices wrong tile starts."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.down = nn.Conv2d(3, 8, 4, stride=4)
        self.up = nn.ConvTranspose2d(8, 3, 4, stride=4)
        self.flat = nn.Conv2d(3, 3, 9, padding=4, padding_mode="reflect")

    def forward(self, image: Tensor) -> Tensor:
        return torch.tanh(self.flat(image) + self.up(torch.relu(self.down(image))))


@pytest.mark.parametrize("tile", [112, 128, None])
@pytest.mark.parametrize(
    "height, width",
    [(1, 1), (1, 200), (3, 2), (15, 17), (112, 112), (113, 112), (229, 67), (66, 231), (68, 380)],
)
def test_identity_gives_back_every_size(height, width, tile):
    rgb = noise(height, width)
    np.testing.assert_array_equal(derain_image(identity, rgb, tile=tile), rgb)


def test_generator_meets_only_sizes_it_can_take():
    seen = []

    def generator(image):
        seen.append(image.shape)
        assert not torch.is_grad_enabled()
        return image

    for size in [(1, 1), (17, 2), (130, 267), (401, 70), (301, 299)]:
        derain_image(generator, noise(*size), tile=128)
    assert len(seen) > 20
    for batch, channels, height, width in seen:
        assert (batch, channels) == (1, 3)
        assert height % 4 == width % 4 == 0 and min(height, width) >= 16
        assert height * width <= 128**2


@pytest.mark.parametrize("height, width", [(128, 128), (40, 60), (64, 16)])
def test_small_picture_passes_once_and_whole(height, width):
    rgb, generator = noise(height, width), Local()
    expected = to_uint8(generator(to_tensor(rgb)[None])[0])
    np.testing.assert_array_equal(derain_image(generator, rgb, tile=128), expected)


def test_padding_mirrors_the_picture():
    rgb, generator = noise(30, 17), Local()
    padded = np.pad(rgb, [(0, 2), (0, 3), (0, 0)], mode="reflect")
    expected = to_uint8(generator(to_tensor(padded)[None])[0])[:30, :17]
    np.testing.assert_array_equal(derain_image(generator, rgb), expected)


@pytest.mark.parametrize("height, width", [(200, 333), (97, 230), (129, 129)])
def test_tiles_of_a_local_function_equal_the_whole(height, width):
    rgb, generator = noise(height, width), Local()
    whole = derain_image(generator, rgb)
    tiled = derain_image(generator, rgb, tile=112)
    assert whole.std() > 5
    np.testing.assert_array_equal(tiled, whole)


CONFIGS = {
    "rain_layer": GeneratorConfig(8, 1, "rain_layer", taps=()),
    "tanh": GeneratorConfig(8, 2, "tanh", taps=()),
    "residual, antialias": GeneratorConfig(8, 1, "residual", antialias=True, taps=()),
    "no norm": GeneratorConfig(8, 1, "rain_layer", norm="none", taps=()),
    "restoration": RestorationConfig(8, 1, taps=()),
    "attentive": AttentiveConfig(8, 1, 2, taps=()),
    "flat": FlatConfig(8, 1, taps=()),
    "detail": FlatConfig(8, 1, "none", detail=True, taps=()),
    "veil": RestorationConfig(8, 1, veil=4, taps=()),
    "bilinear": RestorationConfig(8, 1, "bilinear", taps=()),
}


def trained(config: NetworkConfig) -> Generator:
    """Weights with which every layer matters, as in a trained network."""
    generator = config.build().eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        torch.nn.init.normal_(parameter, std=0.05 if "weight" in name else 0.5)
    return generator


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_tiles_of_a_generator_equal_the_whole(config):
    """The norms see the whole picture, and no tile lacks context: not a level differs."""
    size = (260, 300) if config.context < 64 else (252, 900)
    rgb, generator = smooth(*size) // 2 + noise(*size) // 4, trained(config)
    rgb[:, 150:] //= 3  # tiles normalised one by one would differ
    veil, generator.veil = generator.veil, None
    whole = generator(to_tensor(rgb)[None])
    if veil:  # taken off the 8-bit picture
        whole, generator.veil = veil(to_tensor(to_uint8(whole[0]))[None]), veil
    assert to_uint8(whole[0]).std() > 5 and (whole[0] - to_tensor(rgb)).std() > 0.05
    tile = max(128, 2 * config.context + 32)
    tiled = derain_image(generator, rgb, tile=tile).astype(int)
    assert np.abs(tiled - to_uint8(whole[0])).max() <= 1
    assert np.mean(tiled != to_uint8(whole[0])) < 1e-3


def test_a_veil_is_looked_for_in_the_whole_picture_and_taken_off_in_strips(monkeypatch):
    monkeypatch.setattr(derain, "STRIP", 64 * 52)
    generator, rgb = trained(CONFIGS["veil"]), noise(203, 52)  # strips of 64 and one of 11
    torch.nn.init.zeros_(generator.last.weight), torch.nn.init.zeros_(generator.last.bias)
    whole = generator.veil(to_tensor(rgb)[None])
    assert (whole - to_tensor(rgb)).std() > 0.05
    assert (derain_image(generator, rgb) == to_uint8(whole[0])).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_context_is_what_an_output_pixel_sees(name):
    """Beyond it the gradient is zero, and a pixel nearer it is not."""
    config = CONFIGS[name]
    network = copy.deepcopy(trained(config))
    image = torch.rand(1, 3, 160, 160) * 2 - 1
    fixed = fix_statistics(network, image)
    side, reach = 160, config.context
    changed = image.clone()
    changed[..., : side // 2 - reach - 8] *= -1  # columns this far left of the middle
    same = fixed(changed)[..., side // 2 - 8 :] == fixed(image)[..., side // 2 - 8 :]
    assert same.all()
    changed = image.clone()
    changed[..., : side // 2 - reach + 8] *= -1
    same = fixed(changed)[..., side // 2 - 8 :] == fixed(image)[..., side // 2 - 8 :]
    assert not same.all()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_fixed_statistics_of_an_image_change_nothing_for_it(config, dtype, tolerance):
    generator, image = trained(config), torch.rand(1, 3, 64, 96) * 2 - 1
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    fixed = fix_statistics(generator, image, dtype)(image)
    generator.veil = None  # which is not fixed
    assert fixed.dtype == torch.float32
    torch.testing.assert_close(fixed, generator(image), atol=tolerance, rtol=0)
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_statistics_are_those_of_all_windows_together(monkeypatch):
    """Which is batch normalisation while training."""
    generator = trained(GeneratorConfig(4, 1, taps=()))
    sample = torch.cat([torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32) / 4])
    fixed = fix_statistics(generator, sample)(sample)
    apart = generator(sample)
    monkeypatch.setattr(F, "group_norm", lambda x, _: F.batch_norm(x, None, None, training=True))
    together = generator(sample)
    assert (together - apart).abs().max() > 0.05
    torch.testing.assert_close(fixed, together, atol=1e-4, rtol=0)


def test_large_pictures_are_sampled_all_over():
    rows, columns = 3000, 4000
    windows = _windows(rows, columns)
    seen = np.zeros((rows, columns), bool)
    for y, x in windows:
        assert (y.stop - y.start, x.stop - x.start) == (256, 256)
        seen[y, x] = True
    assert seen.sum() == 2**20 and seen[:4, :4].all() and seen[-4:, -4:].all()
    assert _windows(1024, 1024) == [np.s_[:1024, :1024]]
    assert [y for y, _ in _windows(16, 10**6)] == 16 * [slice(0, 16)]


def test_memory_decides_the_tile():
    # 6 maps of 64 channels of 4 bytes: 1536 bytes for each pixel
    assert tile_for(1.5, 64, torch.float32) == 1024
    assert tile_for(0.375, 64, torch.float32) == 512
    assert tile_for(0.75, 64, torch.bfloat16) == 1024
    assert tile_for(1000, 64, torch.float32) == LARGEST
    with pytest.raises(ValueError, match="above 0"):
        derain_image(trained(CONFIGS["tanh"]), noise(20, 20), memory=0)


@pytest.mark.slow
def test_memory_does_not_decide_the_picture():
    """Here the picture fits into one tile or does not; its statistics are the same."""
    generator, rgb = trained(GeneratorConfig(4, 0, "rain_layer", taps=())), noise(1028, 1080)
    rgb[:, 600:] //= 3
    whole, tiled = (derain_image(generator, rgb, tile=tile).astype(int) for tile in (1080, 512))
    assert np.abs(whole - tiled).max() <= 1


def test_precision_is_used():
    rgb, generator = smooth(60, 300), load_derainer("demo")
    for tile in (None, 128):  # whole, and with fixed statistics
        single, half = (
            derain_image(generator, rgb, precision=precision, tile=tile).astype(int)
            for precision in ("float32", "bfloat16")
        )
        assert 0 < np.abs(half - single).mean() < 0.2


def test_bad_arguments_and_generators():
    rgb = noise(20, 20)
    for bad in (rgb / 255, rgb[..., 0], rgb[:0], np.dstack([rgb, rgb])):
        with pytest.raises(ValueError, match="expected uint8"):
            derain_image(identity, bad)
    for tile in (108, 114, 0, -128):
        with pytest.raises(ValueError, match="multiple of 4 and at least 112"):
            derain_image(identity, rgb, tile=tile)
    with pytest.raises(ValueError, match="shape must stay"):
        derain_image(lambda image: image[..., 1:], rgb)
    with pytest.raises(ValueError, match="NaN"):
        derain_image(lambda image: image * float("nan"), rgb)


MEMORY_SCRIPT = r"""
import re
import numpy as np, torch
from cclgan_lite.inference.derain import derain_image
torch.set_num_threads(1)
small = torch.nn.Conv2d(3, 3, 1).requires_grad_(False)
with torch.no_grad():
    small.weight.copy_(torch.eye(3)[..., None, None]); small.bias.zero_()
rgb = np.zeros((5774, 8660, 3), np.uint8)
rgb[::7] = 200
# In GiB. Not ru_maxrss, in which a process inherits the peak of the one that started it.
peak = lambda: int(re.search("VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 2**20
before = peak()
derained = derain_image(small, rgb)
print(peak() - before)
assert np.array_equal(derained, rgb)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_50_megapixels_need_little_memory():
    """A padded copy, the result (0.14 GiB each), rows of tiles and the libraries; a float copy
    of the picture would be another 0.56."""
    command = [sys.executable, "-c", MEMORY_SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.7


# Files


def save(path: Path, rgb: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path, **options)
    return path


def darker(image: Tensor) -> Tensor:
    return image - 20 / 127.5


def test_files_and_folders_keep_their_names(tmp_path):
    rgb = noise(20, 30) // 2 + 64
    folder, out = tmp_path / "in", tmp_path / "out"
    single = save(tmp_path / "single.png", rgb)
    for name in ("a.png", "deep/er/a.png"):
        save(folder / name, rgb)
    written = derain_files(darker, [folder, single], out, progress=False)
    assert {path.relative_to(out).as_posix() for path in written} == {
        "a.png", "deep/er/a.png", "single.png",
    }  # fmt: skip
    for path in written:
        np.testing.assert_array_equal(np.asarray(Image.open(path)), rgb - 20)


def test_turned_camera_picture_looks_the_same(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "in" / "a.jpg", smooth(101, 150), exif=exif, quality=95)
    (written,) = derain_files(identity, [path], tmp_path / "out", progress=False)
    with Image.open(path) as before, Image.open(written) as after:
        assert before.size == (150, 101)
        views = [np.asarray(ImageOps.exif_transpose(image)) for image in (before, after)]
    assert views[0].shape == views[1].shape == (150, 101, 3)
    assert np.abs(views[0].astype(int) - views[1]).max() < 10


def test_a_second_run_replaces_and_never_eats_its_own_output(tmp_path):
    rgb = np.full((20, 20, 3), 200, np.uint8)
    folder = tmp_path / "in"
    save(folder / "a.png", rgb)
    for _ in range(2):
        written = derain_files(darker, [folder], folder / "derained", progress=False)
        assert written == [folder / "derained" / "a.png"]
        assert np.asarray(Image.open(written[0]))[0, 0, 0] == 180


def test_inputs_are_never_overwritten(tmp_path):
    folder = tmp_path / "in"
    path = save(folder / "a.png", noise(20, 20))
    before = path.read_bytes()
    for inputs in ([folder], [path], [tmp_path / "in" / ".." / "in"]):
        with pytest.raises(ImageError, match="is an input"):
            derain_files(darker, inputs, folder, progress=False)
    assert path.read_bytes() == before


def test_clashing_names_stop_before_any_work(tmp_path):
    one = save(tmp_path / "one" / "a.png", noise(20, 20))
    two = save(tmp_path / "two" / "a.png", noise(20, 20))
    with pytest.raises(ImageError, match="one.a.png and .*two.a.png would both become"):
        derain_files(identity, [one, two], tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
    derain_files(identity, [one, one, one.parent], tmp_path / "out", progress=False)


def test_unusable_inputs_and_outputs(tmp_path):
    path = save(tmp_path / "a.png", noise(20, 20))
    with pytest.raises(OSError, match="is a file"):
        derain_files(identity, [path], path, progress=False)
    with pytest.raises(ImageError, match="missing"):
        derain_files(identity, [tmp_path / "missing"], tmp_path / "out", progress=False)
    with pytest.raises(ImageError, match="no pictures to derain"):
        derain_files(identity, [], tmp_path / "out", progress=False)


def test_bad_files_are_listed_and_the_others_written(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.png", "c.png"):
        save(folder / name, noise(20, 20))
    (folder / "b.png").write_bytes(b"")
    (folder / "d.jpg").write_text("words")
    with pytest.raises(ImageError) as caught:
        derain_files(identity, [folder], out, progress=False)
    message = str(caught.value)
    assert "2 of 4" in message and "b.png is empty" in message and "d.jpg is no" in message
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "c.png"]


def test_interrupt_loses_nothing_written(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    for name in ("1.png", "2.png", "3.png"):
        save(folder / name, noise(20, 20))
    calls = []

    def generator(image):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return image

    with pytest.raises(KeyboardInterrupt):
        derain_files(generator, [folder], out, progress=False)
    assert sorted(path.name for path in out.iterdir()) == ["1.png", "2.png"]
