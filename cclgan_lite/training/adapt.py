"""A trained derainer learns to take off the veil of rainy photographs, without pairs, in seconds.

Derainers that know streaks leave veil alone, and veil is most of what is left then. Where it lies
and how much there is, the rainy and the clean folder tell together (data/veil.py). So much is
rendered on means over squares of 8 x 8 pixels of the clean pictures, and a network learns to take
it off again (networks/veil.py), with exact truths. Both folders should show the same kind of
scenes from the same kind of view. None of the paper's losses is used: docs/experiments.md,
sections 8, 10 and 14, say what was tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import zoom
from torch import Tensor
from tqdm import tqdm

from cclgan_lite.data.images import ImageError, list_images, read_rgb
from cclgan_lite.data.rain import compose
from cclgan_lite.data.veil import PARTS, depth_by_place, veil
from cclgan_lite.files import write_atomically, write_json
from cclgan_lite.inference.weights import derainer_bytes, load_derainer
from cclgan_lite.networks import RestorationConfig
from cclgan_lite.networks.layers import places_of
from cclgan_lite.networks.veil import STRIDE, take_veil
from cclgan_lite.validation import above, at_least, check, increasing, within

CHANNELS = 32
LARGEST = 40, 64  # squares of the windows that it trains on
COLOUR, PLACE, DEPTH = np.s_[:3], np.s_[3:5], 5  # channels of `placed`
LEAST = 0.1  # mean optical depth of a veil worth learning
LEFT = 0.05  # light in [0, 1] that streaks may have left, at most


@dataclass(frozen=True)
class Adapting:
    steps: int = 200
    batch: int = 8  # windows per step
    lr: float = 2e-3  # Adam's learning rate; it falls linearly to 0 in the second half
    ema: float = 0.97  # decay of the averaged weights that are delivered
    seed: int = 0
    strength: tuple[float, float] = (0.4, 1.2)  # of the depth that the folders tell
    airlight: tuple[float, float] = (0.4, 0.6)  # A0, 1 is white: an overcast sky, as exposed

    def __post_init__(self):
        check(self, steps=at_least(1), batch=at_least(1), lr=above(0), seed=at_least(0))
        check(self, strength=increasing(above(0)), airlight=increasing(within(0, 1)))


def adapt(
    start: str | Path,
    rainy: str | Path,
    clean: str | Path,
    out: str | Path,
    settings: Adapting | None = None,
    *,
    progress: bool = True,
) -> Path:
    """Write `out`/derainer.safetensors: the derainer `start`, and what it has learned of veil.

    `rainy` and `clean` are folders of unpaired photographs. `out`/adapt.json says from what and
    how, and what depth of veil was found. Returns the weights file.

    Raises ImageError where a folder holds no pictures or too small ones; ValueError where `start`
    is no restoration network, `out` holds a derainer already, or no veil is found.
    """
    settings, out = settings or Adapting(), Path(out)
    if (file := out / "derainer.safetensors").exists():
        raise ValueError(f"{file} is there already: choose another --out")
    derainer = load_derainer(start)
    if not isinstance(derainer.config, RestorationConfig):
        raise ValueError(f"{start} cannot learn veil: give --start light, or a run of rehearsal")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = replace(derainer.config, veil=derainer.config.veil or CHANNELS).build()
    network.load_state_dict(network.state_dict() | derainer.state_dict())
    hazy, clear = (
        [squares(read_rgb(path)) for path in list_images(Path(folder))]
        for folder in (rainy, clean)
    )
    depth = depth_by_place(hazy, clear)
    if depth.mean() < LEAST:
        raise ValueError(
            f"{rainy} has as much contrast as {clean}, so there is no veil to learn: derain it "
            f"with --weights {start} as it is"
        )
    learn(network.veil, clear, depth, settings, progress=progress)
    write_atomically(file, lambda path: path.write_bytes(derainer_bytes(network)))
    facts = {"start": str(start), "rainy": str(rainy), "clean": str(clean)} | asdict(settings)
    facts["depth"] = depth.round(3).tolist()
    write_json(out / "adapt.json", facts)
    return file


def squares(rgb: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] -> means over squares, float [H / 8, W / 8, 3] in [0, 1]."""
    height, width = (side // STRIDE for side in rgb.shape[:2])
    if min(height, width) < max(PARTS):
        raise ImageError(f"a picture of {rgb.shape[1]}x{rgb.shape[0]} pixels is too small: 64x64")
    whole = rgb[: height * STRIDE, : width * STRIDE] / 255.0
    return whole.reshape(height, STRIDE, width, STRIDE, 3).mean((1, 3))


def learn(
    network: torch.nn.Module,
    clear: Sequence[np.ndarray],
    depth: np.ndarray,
    settings: Adapting,
    *,
    progress: bool = False,
) -> None:
    """Teach a `VeilRemover` to take rendered veil off `clear`; it ends with averaged weights.

    `clear` are means over squares of whole pictures, `depth` is that of `depth_by_place`.
    """
    pictures = [placed(x, depth) for x in clear]
    size = [min(most, *(x.shape[i] for x in clear)) for i, most in enumerate(LARGEST)]
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr, betas=(0.9, 0.99))
    averaged = {name: value.clone() for name, value in network.state_dict().items()}
    bar = tqdm(range(settings.steps), desc="learn veil", unit="step", disable=not progress)
    for step in bar:
        rng = np.random.default_rng([settings.seed, 2, step])
        drawn = rng.integers(len(pictures), size=settings.batch)
        parts = [window(pictures[i], size, rng) for i in drawn]
        truth, places = (
            _tensor([part[..., k] for part in parts]) for k in (np.s_[:3], np.s_[3:5])
        )
        given = _tensor([veiled(part, settings, rng) for part in parts])
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * min(1, 2 * (1 - step / settings.steps))
        output = take_veil(given, network.coefficients(given, places))
        loss = F.smooth_l1_loss(output, truth, beta=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay = min(settings.ema, (step + 1) / (step + 10))  # a short memory at first
        with torch.no_grad():
            for name, value in network.state_dict().items():
                averaged[name].lerp_(value, 1 - decay)
        bar.set_postfix(loss=f"{loss.item():.4f}")
    network.load_state_dict(averaged)


def placed(squares: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Squares of a whole picture, where each lies, and the depth there: [h, w, 3 + 2 + 1]."""
    shape = squares.shape[:2]
    scale = np.divide(shape, depth.shape)
    field = zoom(depth, scale, order=1, mode="nearest", grid_mode=True)
    return np.dstack([squares, *places_of(*shape).numpy(), field])


def veiled(part: np.ndarray, settings: Adapting, rng: np.random.Generator) -> np.ndarray:
    """The squares of a part of `placed` under a veil, [h, w, 3] in [0, 1]."""
    clear = part[..., COLOUR]
    haze, light = veil(clear, part[..., DEPTH], settings.strength, settings.airlight, rng)
    left = rng.uniform(0, LEFT) * rng.random(haze.shape)  # of streaks
    return compose(clear, left, haze, light)


def window(picture: np.ndarray, size: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """A random window of `size` rows and columns, mirrored half of the time."""
    y, x = (int(rng.integers(picture.shape[i] - size[i] + 1)) for i in range(2))
    part = picture[y : y + size[0], x : x + size[1]]
    return part[:, ::-1] if rng.random() < 0.5 else part


def _tensor(pictures: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
