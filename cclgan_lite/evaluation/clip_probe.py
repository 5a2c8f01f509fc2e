"""Does a CLIP space know rain? Four questions whose answers are numbers.

zero shot   are rainy pictures told from clear ones by text alone?           `auc`
retrieval   is a picture found by its caption?                               `recall`
distance    are two clear views nearer than a clear and a rainy one, which
            is what intra-CCL (eq. 1-3) relies on?                           `nearer_share`
plot        where do the pictures lie, and where do the words point?         `plot_space`

Pictures are uint8 [H, W, 3] of any size. Embeddings are [N, C].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import rankdata
from torch import Tensor, nn
from tqdm import tqdm

from cclgan_lite.data.captions import caption
from cclgan_lite.data.images import list_images, read_each, read_rgb, to_tensor
from cclgan_lite.data.rain import add_rain, demo_rain
from cclgan_lite.data.scenes import Description, render_described
from cclgan_lite.losses.contrastive import distance
from cclgan_lite.networks.embedder import ImageEmbedder, load_clip

# A text direction is the mean over several wordings (Radford et al., 2021, section 3.1.4).
PROMPTS = {
    "rainy": (
        "a rainy photo",
        "a photo in the rain",
        "a picture in heavy rain",
        "a photo with rain streaks",
        "a very rainy picture",
        "a photo in light rain",
    ),
    "clear": (
        "a clear photo",
        "a photo without rain",
        "a picture in clear weather",
        "a dry picture",
        "a photo in dry weather",
    ),
}


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Chance that a positive has a higher score than a negative, a tie counting half.

    That is the area under the ROC curve, from ranks (Mann and Whitney). 0.5 is guessing. Raises
    ValueError where either is empty.
    """
    if not len(positive) or not len(negative):
        raise ValueError("AUC needs at least one positive and one negative score")
    n, m = len(positive), len(negative)
    ranks = rankdata([*positive, *negative])[:n]
    return float(ranks.sum() - n * (n + 1) / 2) / (n * m)


def recall(similarity: Tensor, k: int) -> float:
    """Share of captions whose own picture is among the k most similar; chance is k / N.

    similarity [N captions, N pictures], pairs on the diagonal; a tie counts against.
    """
    own = similarity.diagonal()[:, None]
    others = (similarity >= own).sum(1) - 1
    return (others < k).float().mean().item()


def nearer_share(a: Tensor, b: Tensor, rainy: Tensor, cosine: bool = False) -> float:
    """Share of scenes with d(a, b) < d(a, rainy): two clear views [N, C] and a rainy one.

    d is the mean absolute difference, as in the losses, or with `cosine` one minus the cosine.
    """

    def d(x: Tensor, y: Tensor) -> Tensor:
        return 1 - F.cosine_similarity(x, y) if cosine else distance(x, y)

    return (d(a, b) < d(a, rainy)).float().mean().item()


@torch.no_grad()
def embed(embedder: nn.Module, pictures: Iterable[np.ndarray]) -> Tensor:
    """Raw embeddings [N, C], picture by picture, as they may differ in size."""
    return torch.cat([embedder(to_tensor(rgb)[None]) for rgb in pictures])


def rain_axis(tokenizer, encode_text) -> Tensor:
    """The direction [C] from the clear to the rainy prompts; its product with a normalised
    embedding is the zero-shot rain score, a difference of two cosines."""
    ends = {name: encode_text(tokenizer(list(texts))).mean(0) for name, texts in PROMPTS.items()}
    return F.normalize(ends["rainy"], dim=0) - F.normalize(ends["clear"], dim=0)


MOST = 5  # windows along each side of a picture: very large ones are sampled, not covered


def windows(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Evenly spread windows of `size` pixels, [B, 3, H, W] -> [n B, 3, h, w], at least one.

    They cover a picture of up to `MOST` times that size. Whole pictures would be shrunk to what
    the tower sees, and their streaks would be gone. Smaller pictures are windows of their own.
    """
    starts = []
    for length, side in zip(picture.shape[-2:], size, strict=True):
        count = min(-(-length // side), MOST)
        starts.append(np.linspace(0, max(0, length - side), count).round().astype(int))
    h, w = size
    return torch.cat([picture[..., y : y + h, x : x + w] for y in starts[0] for x in starts[1]])


@torch.no_grad()
def rain_score(embedder: ImageEmbedder, axis: Tensor, rgb: np.ndarray) -> float:
    """Zero-shot score of one picture: the mean over its windows of how rainy each looks."""
    seen = embedder.normalized(windows(to_tensor(rgb)[None], embedder.size))
    return (seen @ axis).mean().item()


def probe(rainy: Path, clean: Path, clip: str = "tiny-rain-clip", progress: bool = False) -> dict:
    """Zero-shot rain scores of two folders of pictures, which need not be pairs.

    Returns `auc`, `n` (pictures), `n_rainy`, `n_clean`, the medians and all scores by file name.
    Raises ImageError for folders without pictures, ValueError or EmbedderError for `clip`.
    """
    files = {"rainy": list_images(rainy), "clean": list_images(clean)}
    read_each([*files["rainy"], *files["clean"]], lambda path: read_rgb(path).shape)  # all or none
    embedder, tokenizer, encode_text = load_clip(clip)
    axis = rain_axis(tokenizer, encode_text)
    n = {name: len(paths) for name, paths in files.items()}
    with tqdm(total=sum(n.values()), desc="clip-probe", disable=not progress) as bar:
        scores: dict[str, dict[str, float]] = {}
        for name, paths in files.items():
            scores[name] = {}
            for path in paths:
                scores[name][path.name] = rain_score(embedder, axis, read_rgb(path))
                bar.update()
    values = {name: list(named.values()) for name, named in scores.items()}
    return {
        "clip": clip,
        "auc": auc(values["rainy"], values["clean"]),
        "n": sum(n.values()),
        "n_rainy": n["rainy"],
        "n_clean": n["clean"],
        "median_rainy": float(np.median(values["rainy"])),
        "median_clean": float(np.median(values["clean"])),
        "scores": scores,
    }


HELD_OUT = 1000  # the seed of scenes that no training has seen: the trainings count up from 0


def held_out_scene(
    index: int, height: int = 240, width: int = 320, window: float = 0.8
) -> tuple[dict[str, np.ndarray], Description]:
    """A scene for probing: uint8 views "clear", "again" and "rainy", and what it shows.

    "again" is a second clear view: a random window with `window` times each side, brought back
    to size, with up to 10 % other exposure per channel. "rainy" is in `demo_rain`, whose showers
    are drawn otherwise than those of the training of tiny-rain-clip.
    """
    clear, depth, description = render_described((HELD_OUT, index), height, width)
    rng = np.random.default_rng((HELD_OUT, index, 1))
    h, w = round(window * height), round(window * width)
    y, x = rng.integers(height - h + 1), rng.integers(width - w + 1)
    again = clear[y : y + h, x : x + w] * rng.uniform(0.9, 1.1, 3)
    views = {
        "clear": clear,
        "again": again.clip(0, 1),
        "rainy": add_rain(clear, depth, demo_rain(rng), rng),
    }
    views = {name: np.rint(view * 255).astype(np.uint8) for name, view in views.items()}
    views["again"] = np.asarray(Image.fromarray(views["again"]).resize((width, height), 3))
    return views, description


def probe_scenes(
    embedder: nn.Module,
    tokenizer=None,
    encode_text=None,
    n: int = 100,
    window: float = 0.8,
    progress: bool = False,
) -> dict:
    """The first three questions on `n` held-out scenes; those without texts for an image-only
    embedder. `window` as in `held_out_scene`. The result also holds `embeddings`
    {view: [n, C]} and, with texts, their `axis` [C]."""
    views, captions = {"clear": [], "again": [], "rainy": []}, []
    for index in tqdm(range(n), desc="held-out scenes", disable=not progress):
        scene, description = held_out_scene(index, window=window)
        for name, rgb in scene.items():
            views[name].append(embed(embedder, [rgb]))
        captions.append(caption("clear", description))
    seen = {name: torch.cat(rows) for name, rows in views.items()}
    result = {"n": n, "embeddings": seen} | {
        f"nearer_{name}": nearer_share(seen["clear"], seen["again"], seen["rainy"], cosine)
        for name, cosine in (("l1", False), ("cosine", True))
    }
    if encode_text:
        axis = rain_axis(tokenizer, encode_text)
        scores = {name: F.normalize(rows, dim=1) @ axis for name, rows in seen.items()}
        similarity = encode_text(tokenizer(captions)) @ F.normalize(seen["clear"], dim=1).T
        result |= {
            "auc": auc(scores["rainy"].tolist(), scores["clear"].tolist()),
            "recall_1": recall(similarity, 1),
            "recall_5": recall(similarity, 5),
            "chance_1": 1 / n,
            "chance_5": 5 / n,
            "axis": axis,
        }
    return result


def plot_space(clear: Tensor, rainy: Tensor, axis: Tensor):
    """A matplotlib Figure of the same scenes in two weathers, embeddings [N, C] each.

    Left: the plane of their two largest principal components, a line joining the two weathers of
    a scene, an arrow for the direction of the words. Right: how the words alone score them.
    """
    from matplotlib.figure import Figure

    both = F.normalize(torch.cat([clear, rainy]), dim=1)
    mean = both.mean(0)
    _, _, plane = torch.linalg.svd(both - mean, full_matrices=False)
    flat, arrow = ((both - mean) @ plane[:2].T).chunk(2), F.normalize(axis @ plane[:2].T, dim=0)
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    for a, b in zip(*flat, strict=True):
        left.plot(*zip(a.tolist(), b.tolist(), strict=True), color="0.85", lw=0.7, zorder=0)
    for points, name, colour in zip(
        flat, ("clear", "rainy"), ("tab:orange", "tab:blue"), strict=True
    ):
        left.scatter(*points.T.numpy(), s=14, label=name, color=colour)
        part = both[: len(clear)] if name == "clear" else both[len(clear) :]
        right.hist((part @ axis).tolist(), 20, alpha=0.7, label=name, color=colour)
    length = 0.5 * torch.cat(flat).norm(dim=1).max()
    left.annotate("", (length * arrow).tolist(), (0, 0), arrowprops={"arrowstyle": "->", "lw": 2})
    left.text(
        *(1.1 * length * arrow).tolist(),
        "“rainy” − “clear”",
        ha="center",
        bbox={"color": "white", "alpha": 0.8, "pad": 1},
    )
    left.set(xlabel="first principal component", ylabel="second", aspect="equal", title="pictures")
    right.set(xlabel="cosine with “rainy” − cosine with “clear”", ylabel="pictures", title="words")
    right.legend()
    return figure
