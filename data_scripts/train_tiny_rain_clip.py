"""Train `tiny-rain-clip`, the bundled stand-in for CLIP, from pictures that need no download.

    python data_scripts/train_tiny_rain_clip.py --out runs/tiny-rain-clip

Pictures: generated scenes, collages of shapes, and ten photographs and textures that come with
scikit-image (public domain or CC0; none of the validation and test pictures of the bundled data).
Every batch shows the same contents under several weathers, so that no content predicts weather:
twice in clear weather, once in rain, once in rain, mist or snow; other crops, other light.

Loss: the sum of three cross-entropies, all of cosines over a temperature:
  captions   CLIP: which caption belongs to which picture, and the other way round;
  weather    the same with captions that name nothing but the weather;
  views      which pictures show the same content in the same weather (SLIP; Mu et al., 2022).

Batch k is a function of (seed, k) alone. An interrupted run goes on where its last checkpoint
was. The weights are OUT/tiny-rain-clip.safetensors, in float16; train or probe with them as
`tiny-rain-clip/OUT/tiny-rain-clip.safetensors`. At the end stand the figures of the model card
(OUT/probe.json, on held-out scenes) and the pictures of docs/.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import skimage
import torch
import torch.nn.functional as F
import tyro
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.io import decode_jpeg, encode_jpeg
from torchvision.transforms.functional import gaussian_blur
from tqdm import tqdm

from cclgan_lite.data.captions import SUBJECTS, WORDS, caption
from cclgan_lite.data.rain import Rain, assumed_depth, streak_layer, streak_map
from cclgan_lite.data.scenes import Description, render_described
from cclgan_lite.data.scenes.canvas import fractal_tile
from cclgan_lite.evaluation.clip_dense import dense_figure, half_scores
from cclgan_lite.evaluation.clip_probe import plot_space, probe_scenes
from cclgan_lite.files import append, write_atomically, write_json
from cclgan_lite.networks.embedder import load_clip
from cclgan_lite.networks.tiny_clip import MODEL, build_tiny_clip, tiny_clip_bytes

WEIGHTS = "tiny-rain-clip.safetensors"
HEIGHT, WIDTH = 192, 256  # of a picture in the pool
PHOTOGRAPHS = {
    "chelsea.png": "photo of a cat",
    "coffee.png": "photo of a cup of coffee",
    "rocket.jpg": "photo of a rocket",
    "camera.png": "photo of a person",
    "grass.png": "photo of grass",
    "gravel.png": "photo of stones",
    "brick.png": "photo of a brick wall",
    "moon.png": "photo of the moon",
    "hubble_deep_field.jpg": "photo of the stars",
    "coins.png": "photo of coins",
}
WEATHERS = ("clear", "rain", "mist", "snow")


# ---- the pool: contents in clear weather, and showers ----


def scene(seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, Description | str]:
    return render_described(seed, HEIGHT, WIDTH)


def shapes(seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, Description | str]:
    """Overlapping leaves, boxes and hairs with textures of any direction ("dead leaves")."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    tile = fractal_tile(rng, rng.uniform(0.7, 1.3))
    for k in range(rng.integers(30, 120)):
        turn = rng.uniform(0, np.pi)
        across, down = x - rng.uniform(0, WIDTH), y - rng.uniform(0, HEIGHT)
        u = across * np.cos(turn) + down * np.sin(turn)
        v = down * np.cos(turn) - across * np.sin(turn)
        size = 8 * 12 ** rng.uniform()
        kind = rng.choice(("disc", "box", "hair"), p=(0.5, 0.35, 0.15))
        stretch = rng.uniform(0.3, 1)
        inside = {
            "disc": np.hypot(u, v / stretch) < size,
            "box": (np.abs(u) < size) & (np.abs(v) < size * stretch),
            "hair": (np.abs(u) < 3 * size) & (np.abs(v) < rng.uniform(0.5, 2)),
        }[kind]
        inside |= k == 0  # a ground
        fine, coarse = rng.uniform(0.5, 6), rng.uniform(0.05, 1)  # fur and grass are stretched
        grain = tile[(u * coarse).astype(int) % 512, (v * fine).astype(int) % 512]
        colour = rng.uniform(0.05, 0.9) * (1 + rng.uniform(-0.4, 0.4, 3))
        filled = colour * (1 + rng.uniform(0, 0.35) * grain[..., None])
        image = np.where(inside[..., None], filled, image)
    return image.clip(0, 1), assumed_depth((HEIGHT, WIDTH)), "picture of shapes"


def photograph(name: str) -> tuple[np.ndarray, np.ndarray, Description | str]:
    with Image.open(Path(skimage.__file__).parent / "data" / name) as file:
        image = file.convert("RGB")
    scale = 2 * max(HEIGHT / image.height, WIDTH / image.width)
    image = image.resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS
    )
    image = np.asarray(image, np.float32) / 255
    return image, assumed_depth(image.shape[:2]), PHOTOGRAPHS[name]


def shower(seed: tuple[int, ...]) -> np.ndarray:
    """R of one shower on its own, from drizzle to downpour, a square."""
    rng = np.random.default_rng(seed)
    rain = Rain(
        angle=rng.uniform(-45, 45),
        jitter=rng.uniform(0.3, 3),
        density=20 * 10 ** rng.uniform(),
        length=0.05 * 7 ** rng.uniform(),
        width=0.004 * 3.5 ** rng.uniform(),
        brightness=rng.uniform(0.35, 0.85),
        alpha=rng.uniform(0.005, 0.03),
    )
    near = 2.5 * 30 ** rng.uniform()  # the nearer the surface, the fewer layers before it
    return streak_map(np.full((HEIGHT, HEIGHT), near, np.float32), rain, rng)


def snowfall(seed: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.maximum.reduce(
        [
            streak_layer(
                (HEIGHT, HEIGHT),
                rng,
                count=rng.integers(60, 500),
                length=1.6 * wide,
                width=wide,
                brightness=rng.uniform(0.6, 1),
                angle=rng.uniform(-40, 40),
            )
            for wide in rng.uniform(2, 6, 2)
        ]
    )


def _make(job):
    torch.set_num_threads(1)
    kind, seed = job
    made = globals()[kind](seed)
    if isinstance(made, np.ndarray):
        return np.rint(made * 255).astype(np.uint8)
    image, depth, subject = made
    return np.rint(image * 255).astype(np.uint8), depth.astype(np.float16), subject


def make_pool(seed: int, size: int, workers: int) -> dict[str, list]:
    """{kind: pictures}; everything in 8 bits but depth. About 80 ms a scene on one core."""
    jobs = [("scene", (seed, 1, i)) for i in range(size)]
    jobs += [("shapes", (seed, 2, i)) for i in range(size // 8)]
    jobs += [("photograph", name) for name in PHOTOGRAPHS]
    jobs += [("shower", (seed, 3, i)) for i in range(size)]
    jobs += [("snowfall", (seed, 4, i)) for i in range(size // 6)]
    pool: dict[str, list] = {kind: [] for kind, _ in jobs}
    with get_context("spawn").Pool(workers) as processes:
        made = processes.imap(_make, jobs, chunksize=8)
        for (kind, _), item in zip(jobs, tqdm(made, total=len(jobs), desc="pool"), strict=True):
            pool[kind].append(item)
    return pool


# ---- a batch ----


def batch(pool: dict, rng: np.random.Generator, contents: int, side: int, far: float = 0.0):
    """Images [4 contents, 3, side, side] in [-1, 1], captions, weathers, content numbers."""
    images, captions, weathers, numbers = [], [], [], []
    for number in range(contents):
        kind = rng.choice(("scene", "photograph", "shapes"), p=(0.5, 0.3, 0.2))
        content = pool[kind][rng.integers(len(pool[kind]))]
        if kind != "scene":
            content = turned(content, rng)
        window = cut(content[0].shape, rng)
        for weather in ("clear", "clear", "rain", rng.choice(("rain", "mist", "snow"))):
            if rng.random() < 0.4:
                window = cut(content[0].shape, rng)
            image, word = weathered(content, window, str(weather), pool, rng, side, far)
            images.append(finished(image, rng))
            captions.append(caption(word, content[2], rng))
            weathers.append(WEATHERS.index(weather))
            numbers.append(number)
    images = torch.stack(images) * 2 - 1
    return images, captions, torch.tensor(weathers), torch.tensor(numbers)


class Batches(Dataset):
    """Batch k of the run, a function of (seed, k) alone."""

    def __init__(self, pool: dict[str, list], seed: int, contents: int, far: float = 0.0):
        self.pool, self.seed, self.contents, self.far = pool, seed, contents, far

    def __getitem__(self, k: int):
        rng = np.random.default_rng((self.seed, 5, k))
        return batch(self.pool, rng, self.contents, MODEL["vision_cfg"]["image_size"], self.far)


def cut(shape: tuple[int, ...], rng: np.random.Generator, least: float = 0.35) -> tuple:
    """A window of any place, scale and (within limits) aspect."""
    height, width = shape[:2]
    side = min(height, width) * rng.uniform(least, 1.0)
    h, w = (int(min(n, side * 1.35 ** rng.uniform(-1, 1))) for n in (height, width))
    if rng.random() < 0.2:
        h, w = height, width
    y, x = rng.integers(height - h + 1), rng.integers(width - w + 1)
    return slice(y, y + h), slice(x, x + w)


def turned(content, rng: np.random.Generator):
    """A photograph in another orientation and other colours: there are few, and all must serve."""
    image, depth, subject = content
    if rng.random() < 0.5:
        turns = rng.integers(1, 4)
        image, depth = np.rot90(image, turns), np.rot90(depth, turns)
    if rng.random() < 0.5:
        image = image[..., rng.permutation(3)]
    if rng.random() < 0.1:
        image = 255 - image
    return image, depth, subject


def resized(array: np.ndarray, side: int, flip: bool) -> Tensor:
    """uint8 or float [h, w, C] or [h, w] -> float [C, side, side]."""
    array = array[..., None] if array.ndim == 2 else array
    image = torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1)[None].float()
    image = F.interpolate(image, (side, side), mode="bilinear", antialias=True)[0]
    return image.flip(-1) if flip else image


def weathered(content, window, weather, pool, rng, side, far=0.0) -> tuple[Tensor, str]:
    """A view of a content in a weather, [3, side, side] in [0, 1], and the weather's name.

    `far` is the share of rain that veils what is far, with few streaks or none before it.
    """
    image, depth, _ = content
    flip = rng.random() < 0.5
    view = jittered(resized(image[window], side, flip) / 255, rng)
    if weather == "clear":
        return view, weather
    metres = resized(depth[window].astype(np.float32), side, flip)
    if weather == "mist":
        veil = -torch.expm1(-rng.uniform(0.015, 0.06) * metres) * rng.uniform(0.7, 0.95)
        return view * (1 - veil) + rng.uniform(0.6, 0.95) * veil, weather
    share = 1.0  # of the streaks
    if far and weather == "rain" and rng.random() < far:
        veil = -torch.expm1(-0.004 * 7.5 ** rng.uniform() * metres)
        view = view * (1 - veil) + rng.uniform(0.4, 0.9) * veil
        share = max(0.0, rng.uniform(-0.7, 0.3))
        if not share:
            return view, weather
    kind = "shower" if weather == "rain" else "snowfall"
    while True:
        layer = pool[kind][rng.integers(len(pool[kind]))]
        streaks = resized(layer[cut(layer.shape, rng)], side, rng.random() < 0.5) / 255
        streaks = (streaks * rng.uniform(0.6, 1.2)).clamp(0, 0.95)
        # Some squares are hit by no streak, or by streaks that nobody would see.
        if streaks.std() > 0.02 and streaks.mean() > 0.008:
            break
    streaks, name = share * streaks, weather
    if weather == "rain" and rng.random() < 0.5:
        name = "heavy rain" if streaks.mean() > 0.09 else "light rain"
    light = torch.tensor(rng.uniform(0.85, 1.0, 1) * (1 + rng.uniform(-0.03, 0.03, 3)))
    streaks = streaks * light.float().clamp(max=1).view(3, 1, 1)
    if rng.random() < 0.3:  # rain that is added, as in Rain100L, and rain that covers
        return (view + streaks).clamp(0, 1), name
    veil = rng.uniform(0, 0.15)
    view = view * (1 - veil) + 0.8 * veil
    return view * (1 - streaks) + streaks, name


def jittered(view: Tensor, rng: np.random.Generator) -> Tensor:
    """Other exposure, contrast, colours, focus: none of them is weather."""
    grey = view.mean(0, keepdim=True)
    view = grey + rng.uniform(0, 1.6) * (view - grey)
    view = view * torch.tensor(rng.uniform(0.8, 1.2, 3)).float().view(3, 1, 1)
    view = (view.clamp(0, 1) + 1e-4) ** (2 ** rng.uniform(-0.8, 0.8))
    view = view.mean() + rng.uniform(0.6, 1.3) * (view - view.mean())
    if rng.random() < 0.25:
        view = gaussian_blur(view, 7, rng.uniform(0.3, 1.8))
    return view.clamp(0, 1)


def finished(view: Tensor, rng: np.random.Generator) -> Tensor:
    """What a camera does after the weather: noise, a little blur or sharpening, JPEG."""
    if rng.random() < 0.25:
        blurred = gaussian_blur(view, 5, rng.uniform(0.3, 0.9))
        view = blurred if rng.random() < 0.5 else view + rng.uniform(0, 1) * (view - blurred)
    if rng.random() < 0.35:
        noise = torch.from_numpy(rng.standard_normal(view.shape, dtype=np.float32))
        view = view + rng.uniform(0, 0.06) * noise
    view = view.clamp(0, 1)
    if rng.random() < 0.25:
        view = decode_jpeg(encode_jpeg((view * 255).round().byte(), rng.integers(30, 95))) / 255
    return view


# ---- loss and loop ----


def agree(logits: Tensor, positive: Tensor) -> Tensor:
    """Cross-entropy with several right answers per row, all equally right."""
    target = positive.float() / positive.sum(1, keepdim=True)
    return F.cross_entropy(logits, target)


def loss_terms(clip, tokenizer, data, rng, device) -> dict[str, Tensor]:
    images, captions, weathers, numbers = data
    weathers, numbers = weathers.to(device), numbers.to(device)
    generic = [caption(w, SUBJECTS[rng.integers(2)], rng) for w in WEATHERS]
    tokens = tokenizer([*captions, *generic])
    # Unknown words must mean something, if only "another word".
    lost = torch.from_numpy(rng.random(tokens.shape)) < 0.03
    lost &= (tokens > 0) & (tokens < tokenizer.start)
    tokens = tokens.masked_fill(lost, tokenizer.unknown)
    seen = normalised(images.to(device), clip)
    texts = F.normalize(clip.encode_text(tokens.to(device)).float(), dim=-1)
    texts, generic = texts[: len(captions)], texts[len(captions) :]
    scale = clip.logit_scale.exp().clamp(max=50)
    same = (numbers[:, None] == numbers) & (weathers[:, None] == weathers)
    equal = torch.tensor([[a == b for b in captions] for a in captions], device=device)
    logits = scale * seen @ texts.T
    views = (seen @ seen.T / 0.1).masked_fill(torch.eye(len(seen), device=device).bool(), -1e4)
    mates = same & ~torch.eye(len(seen), device=device).bool()
    some = mates.any(1)
    return {
        "captions": (agree(logits, same | equal) + agree(logits.T, same | equal)) / 2,
        "weather": F.cross_entropy(scale * seen @ generic.T, weathers),
        "views": agree(views[some], mates[some]),
    }


def normalised(images: Tensor, clip: nn.Module) -> Tensor:
    config = clip.visual.preprocess_cfg
    mean, std = (
        torch.tensor(config[k], device=images.device).view(3, 1, 1) for k in ("mean", "std")
    )
    seen = clip.visual(((images + 1) / 2 - mean) / std)
    return F.normalize((seen[0] if isinstance(seen, tuple) else seen).float(), dim=-1)


def rate(step: int, steps: int, peak: float, warmup: int = 150) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


@dataclass(frozen=True)
class Options:
    out: Path = Path("runs/tiny-rain-clip")
    steps: int = 1400
    contents: int = 12  # Per batch; four views of each.
    pool: int = 600  # Scenes, and showers.
    seed: int = 0
    lr: float = 1e-3
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    far: float = 0.0  # Share of rain that is seen as a veil (lab notebook, section 16).
    workers: int = 2  # Processes that draw the pool.
    save_every: int = 150


def train(o: Options) -> None:
    """Train, from the last checkpoint on if there is one, and save the weights."""
    torch.manual_seed(o.seed)
    clip, tokenizer = build_tiny_clip(WORDS)
    clip = clip.to(o.device).train()
    decayed = [p for p in clip.parameters() if p.ndim > 1]
    others = [p for p in clip.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=o.lr,
        betas=(0.9, 0.98),
    )
    first, checkpoint = 0, o.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=o.device, weights_only=True)
        clip.load_state_dict(state["clip"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    if first >= o.steps:
        return
    o.out.mkdir(parents=True, exist_ok=True)
    pool = make_pool(o.seed, o.pool, o.workers)
    start, steps = time.monotonic(), range(first, o.steps)
    batches = DataLoader(
        Batches(pool, o.seed, o.contents, o.far),
        batch_size=None,
        sampler=steps,
        num_workers=max(1, o.workers - 1),
        prefetch_factor=4,
    )
    bar = tqdm(zip(steps, batches, strict=True), initial=first, total=o.steps, desc="training")
    for step, data in bar:
        for group in optimizer.param_groups:
            group["lr"] = rate(step, o.steps, o.lr)
        rng = np.random.default_rng((o.seed, 6, step))
        with torch.autocast(torch.device(o.device).type, torch.bfloat16):
            terms = loss_terms(clip, tokenizer, data, rng, o.device)
        optimizer.zero_grad()
        sum(terms.values()).backward()
        nn.utils.clip_grad_norm_(clip.parameters(), 1.0)
        optimizer.step()
        if step % 10 == 0:
            shown = {name: round(value.item(), 3) for name, value in terms.items()}
            bar.set_postfix(shown)
            append(o.out / "log.jsonl", json.dumps({"step": step, **shown}) + "\n")
        if (step + 1) % o.save_every == 0 or step + 1 == o.steps:
            state = {"clip": clip.state_dict(), "optimizer": optimizer.state_dict()}
            write_atomically(checkpoint, partial(torch.save, state | {"step": step + 1}))
            weights = tiny_clip_bytes(clip, WORDS)
            write_atomically(o.out / WEIGHTS, partial(Path.write_bytes, data=weights))
    minutes = (time.monotonic() - start) / 60
    print(f"{o.steps - first} steps in {minutes:.1f} minutes: {o.out / WEIGHTS}")


def report(out: Path) -> None:
    """The figures of the model card, and the pictures of docs/."""
    clip = load_clip(f"tiny-rain-clip/{out / WEIGHTS}")
    result = probe_scenes(*clip, n=100, progress=True)
    seen, axis = result.pop("embeddings"), result.pop("axis")
    result["dense"] = half_scores(*clip, range(24))
    write_json(out / "probe.json", result)
    print(json.dumps(result, indent=2))
    plot_space(seen["clear"], seen["rainy"], axis).savefig(out / "clip-space.png", dpi=110)
    dense_figure(*clip).savefig(out / "clip-dense.png", dpi=110)


if __name__ == "__main__":
    options = tyro.cli(Options, description=__doc__)
    train(options)
    report(options.out)
