"""A trained derainer learns to take off the veil of rainy photographs, without pairs, in minutes.

Derainers that know streaks leave veil alone, and veil is most of what is left then. Where it lies
and how much there is, the rainy and the clean folder tell together (data/veil.py). So much is
rendered on means over squares of the clean pictures, and a network rehearses to take it off again
(networks/veil.py). Then the paper's four losses join (methods/veil.py). Both folders must come
from one camera and view: every other difference is taken for veil (lab notebook, section 14).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from cclgan_lite.data.images import ImageError, list_images, read_each, read_rgb, to_tensor
from cclgan_lite.data.rain import compose
from cclgan_lite.data.shower import Shower
from cclgan_lite.data.veil import depth_by_chance, depth_by_place, veil
from cclgan_lite.files import refuse_unwritable, write_atomically, write_json
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import derainer_bytes, load_derainer
from cclgan_lite.methods.veil import VeilCCLGAN
from cclgan_lite.networks import Generator, RestorationConfig
from cclgan_lite.networks.veil import VeilRemover, side_of, squares_of, take_veil
from cclgan_lite.training.config import Config
from cclgan_lite.training.onset import Onset
from cclgan_lite.training.trainer import Trainer
from cclgan_lite.validation import above, at_least, check, increasing, within

CHANNELS = 32
SMALLEST = 12  # squares along a side that the judges need
LEAST = 0.1  # mean optical depth of a veil worth learning
FEWEST, MOST = 8, 200  # pictures in a folder; of more, as many are taken, evenly spread
ALIKE = 0.1  # part by which sides of pictures, in squares, may differ
LEFT = 0.05  # light in [0, 1] that streaks may have left, at most


@dataclass(frozen=True)
class Adapting:
    steps: int = 400  # of two pictures with all losses; half as many of rehearsal come before
    seed: int = 0
    strength: tuple[float, float] = (0.4, 1.2)  # of the depth that the folders tell
    airlight: tuple[float, float] = (0.4, 0.6)  # A0, 1 is white: an overcast sky, as exposed

    def __post_init__(self):
        check(self, steps=at_least(1), seed=at_least(0))
        check(self, strength=increasing(above(0)), airlight=increasing(within(0, 1)))


@dataclass(frozen=True)
class Folders:
    """Means over squares of unpaired pictures, [N, h, w, 3] in [0, 1]; the depth of their veil."""

    rainy: np.ndarray  # without streaks
    clean: np.ndarray
    depth: np.ndarray  # that of `depth_by_place`


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

    Raises ImageError where a folder holds too few pictures, too small ones or other formats;
    ValueError where `start` is no restoration network or has a veil already, `out` holds a
    derainer already, or the folders show no veil; FloatingPointError where training diverges.
    """
    settings, out = settings or Adapting(), Path(out)
    if (file := out / "derainer.safetensors").exists():
        raise ValueError(f"{file} is there already: choose another --out")
    refuse_unwritable(out, folder=True)
    derainer = load_derainer(start)
    if not isinstance(derainer.config, RestorationConfig):
        raise ValueError(f"{start} cannot learn veil: give --start light, or a run of rehearsal")
    if derainer.config.veil:
        raise ValueError(f"{start} has learned a veil: give --start what it was adapted from")
    folders = look(derainer, rainy, clean, progress=progress)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = replace(derainer.config, veil=CHANNELS).build()
        network.load_state_dict(network.state_dict() | derainer.state_dict())
        rehearse(network.veil, folders, settings, progress=progress)
        train(network.veil, folders, configuration(settings), settings, progress=progress)
    if not all(value.isfinite().all() for value in network.state_dict().values()):
        raise FloatingPointError("adapt diverged: try another --seed, or fewer --steps")
    facts = {"start": str(start), "rainy": str(rainy), "clean": str(clean)} | asdict(settings)
    write_json(out / "adapt.json", facts | {"depth": folders.depth.round(3).tolist()})
    write_atomically(file, lambda path: path.write_bytes(derainer_bytes(network)))
    return file


def look(
    derainer: Generator, rainy: str | Path, clean: str | Path, *, progress: bool = True
) -> Folders:
    """Both folders as squares, all in the shape of the first rainy picture.

    Raises as `adapt`, before any picture is derained.
    """

    def read(path: Path) -> np.ndarray:
        found = squares(read_rgb(path))
        if min(found.shape[:2]) < SMALLEST:
            raise ImageError(
                f"{path} is too small or too narrow: 96x96 pixels are needed, and no side may be "
                "five times as long as the other"
            )
        return found

    paths = {"rainy": _some(rainy), "clean": _some(clean)}
    seen, clear = (
        read_each(of, read, f"read {name}" if progress else "") for name, of in paths.items()
    )
    shape = seen[0].shape[:2]
    for path, picture in zip([*paths["rainy"], *paths["clean"]], [*seen, *clear], strict=True):
        if any(abs(a - b) > ALIKE * b for a, b in zip(picture.shape[:2], shape, strict=True)):
            raise ImageError(
                f"{path} has another format than {paths['rainy'][0]}: one camera and view are "
                "needed; leave it out, or crop and resize it"
            )
    depth, chance = depth_by_place(seen, clear), depth_by_chance(clear)
    if depth.mean() < max(LEAST, chance):
        raise ValueError(
            f"no veil to learn: the log contrast that {rainy} lacks beside {clean} is "
            f"{depth.mean():.2f} in the mean, and halves of {clean} differ by up to {chance:.2f}. "
            "Derain it with the weights of --start as they are, or give more pictures"
        )
    bar = tqdm(paths["rainy"], desc="take streaks off", unit="picture", disable=not progress)
    derained = [squares(derain_image(derainer, read_rgb(path))) for path in bar]
    return Folders(
        *(np.stack([resized(x, shape) for x in pictures]) for pictures in (derained, clear)),
        depth,
    )


def _some(folder: str | Path) -> list[Path]:
    paths = list_images(Path(folder))
    if len(paths) < FEWEST:
        raise ImageError(f"{folder} has {len(paths)} pictures: {FEWEST} at least, better dozens")
    return paths[:: -(-len(paths) // MOST)]


def squares(rgb: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] -> means over squares, float [h, w, 3] in [0, 1]."""
    light = (to_tensor(rgb)[None] + 1) / 2
    return squares_of(light, side_of(*rgb.shape[:2]))[0].permute(1, 2, 0).numpy()


def resized(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """[h, w, C] or [h, w] in another shape, bilinearly."""
    if picture.shape[:2] == shape:
        return picture
    channels = torch.from_numpy(np.atleast_3d(picture)).permute(2, 0, 1)[None]
    found = F.interpolate(channels, shape, mode="bilinear", antialias=True)[0]
    return found.permute(1, 2, 0).numpy().reshape(*shape, *picture.shape[2:])


def batches(
    folders: Folders, settings: Adapting, count: int, size: int, stream: int
) -> Iterator[dict[str, Tensor]]:
    """`count` batches of `size` pictures in [-1, 1], as `methods/veil.py` needs them."""
    depth = resized(folders.depth, folders.clean.shape[1:3])
    for step in range(count):
        rng = np.random.default_rng([settings.seed, stream, step])
        items: dict[str, list[np.ndarray]] = {}
        for _ in range(size):
            rainy, clean = (
                pictures[rng.integers(len(pictures)), :, :: rng.choice((-1, 1))]
                for pictures in (folders.rainy, folders.clean)
            )
            haze, light = veil(clean, depth, settings.strength, settings.airlight, rng)
            left = rng.uniform(0, LEFT) * rng.random(haze.shape)  # of streaks
            rendered = compose(clean, left, haze, light)
            for name, image in {"rainy": rainy, "clean": clean, "rendered": rendered}.items():
                items.setdefault(name, []).append(2 * image - 1)
            items.setdefault("haze", []).append(haze[..., None])
            items.setdefault("airlight", []).append(light[None, None])
        batch = {k: torch.from_numpy(np.stack(v)).movedim(3, 1).float() for k, v in items.items()}
        yield batch | {"practice": batch["clean"]}


def rehearse(
    network: VeilRemover, folders: Folders, settings: Adapting, *, progress: bool = False
) -> None:
    """Teach a `VeilRemover` to take rendered veil off; it ends with averaged weights."""
    steps = max(1, settings.steps // 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.9, 0.99))
    averaged = {name: value.clone() for name, value in network.state_dict().items()}
    bar = tqdm(
        batches(folders, settings, steps, size=8, stream=2),
        desc="rehearse",
        total=steps,
        unit="step",
        disable=not progress,
    )
    for step, batch in enumerate(bar):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, 2 * (1 - step / steps))
        given, truth = ((batch[name] + 1) / 2 for name in ("rendered", "clean"))
        loss = F.smooth_l1_loss(take_veil(given, network.coefficients(given)), truth, beta=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay = min(0.97, (step + 1) / (step + 10))  # a short memory at first
        with torch.no_grad():
            for name, value in network.state_dict().items():
                averaged[name].lerp_(value, 1 - decay)
    network.load_state_dict(averaged)


def configuration(settings: Adapting, method: VeilCCLGAN | None = None) -> Config:
    """Of the run with the paper's losses: the judge learns unheard for a sixth of it."""
    method = method or VeilCCLGAN()
    return Config(
        method=method,
        shower=Shower(share=1.0),  # which `batches` renders
        onset=Onset(tuple(name for name in method.terms() if name != "rehearsal"), full=1 / 3),
        seed=settings.seed,
        steps=settings.steps,
        batch=2,
        lr=5e-4,
        betas=(0.5, 0.99),
        decay_from=0.5,
        ema=0.95,
        shares_every=10,
    )


def train(
    network: VeilRemover,
    folders: Folders,
    config: Config,
    settings: Adapting,
    *,
    progress: bool = False,
) -> list[dict[str, float]]:
    """Go on with the paper's losses; `network` ends with averaged weights.

    Returns gradient shares, by the steps at which they were measured.
    """
    trainer = Trainer(config, config.steps, torch.device("cpu"))
    for learner in (trainer.networks["derainer"], trainer.averaged):
        learner.remover.load_state_dict(network.state_dict())
    shares = []
    bar = tqdm(
        batches(folders, settings, config.steps, config.batch, stream=3),
        desc="adapt",
        total=config.steps,
        unit="step",
        disable=not progress,
    )
    for batch in bar:
        losses, _ = trainer.train_step(batch)
        found = {name[6:]: float(x) for name, x in losses.items() if name.startswith("share/")}
        shares += [found] if found else []
    network.load_state_dict(trainer.averaged.remover.state_dict())
    return shares
