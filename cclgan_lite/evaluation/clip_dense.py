"""Where in a picture does CLIP see rain? Plain patch tokens against CLIP surgery.

CLIP is trained on its class token alone; its patch tokens mix what they see with what all others
see. CLIP surgery (Li et al., "CLIP Surgery for Better Explainability with Enhancement in
Open-Vocabulary Tasks", 2023), which the paper cites, changes two things without any training:

* architecture surgery: a second path beside the last blocks, whose attention compares values with
  values, softmax(v v' / sqrt(d)) v, instead of queries with keys, and which skips the MLPs;
* feature surgery: from the similarity with one text, the mean over all texts is subtracted,
  because most of an embedding is common to all texts.

The yardstick beside them needs no tokens: the picture is cut into windows, and each is embedded
as a picture of its own, by the class token that was trained. That is what dense features should
say, at the price of one pass per window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.data.images import to_tensor
from cclgan_lite.evaluation.clip_probe import auc, held_out_scene
from cclgan_lite.networks.embedder import ImageEmbedder

TEXTS = ("a rainy photo", "a clear photo", "a misty photo", "a snowy photo")
PATHS = {  # column title: (architecture surgery, feature surgery)
    "plain tokens": (False, False),
    "common part removed": (False, True),
    "value–value attention": (True, False),
    "both": (True, True),
}
WINDOWS = "windows"
SIDE = 56  # pixels of a window; large enough to show a streak, small enough for a map


def value_attention(block: nn.Module, x: Tensor) -> Tensor:
    """softmax(v v' / sqrt(d)) v of a block's own value projection, [B, P, C] -> [B, P, C]."""
    attention = block.attn
    weight, bias = attention.in_proj_weight.chunk(3)[2], attention.in_proj_bias.chunk(3)[2]
    values = F.linear(block.ln_1(x), weight, bias)
    heads = values.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(heads, heads, heads)
    return attention.out_proj(mixed.transpose(1, 2).flatten(2))


def surgery_tokens(embedder: ImageEmbedder, image: Tensor, blocks: int = 1) -> Tensor:
    """Patch tokens [B, P, C] in the joint space from the value-value path of the last `blocks`.

    Raises ValueError for towers without patch tokens, as `patch_tokens` does.
    """
    if not embedder.has_tokens:
        return embedder.patch_tokens(image)
    visual = embedder.visual
    x = visual._embeds(embedder.preprocess(image))
    resblocks, path = visual.transformer.resblocks, None
    for i, block in enumerate(resblocks):
        if i >= len(resblocks) - blocks:
            path = (x if path is None else path) + value_attention(block, x)
        x = block(x)
    return visual.ln_post(path)[:, 1:] @ visual.proj


@torch.no_grad()
def rain_maps(embedder, tokenizer, encode_text, image: Tensor) -> dict[str, Tensor]:
    """{path: [B, rows, columns]}: cosine with "a rainy photo" of each patch, for all `PATHS`, and
    of each of the `WINDOWS`, whose common part is removed. Image [B, 3, H, W]."""
    texts = encode_text(tokenizer(list(TEXTS)))
    tokens = {False: embedder.patch_tokens(image), True: surgery_tokens(embedder, image)}
    maps = {}
    for name, (architecture, feature) in PATHS.items():
        cosines = F.normalize(tokens[architecture], dim=-1) @ texts.T
        seen = cosines[..., 0] - cosines.mean(-1) * feature
        maps[name] = seen.unflatten(1, embedder.visual.grid_size)
    cut = image.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE)  # [B, 3, rows, columns, SIDE, SIDE]
    batch, _, *grid = cut.shape[:4]
    cosines = embedder.normalized(cut.movedim(1, 3).flatten(0, 2)) @ texts.T
    maps[WINDOWS] = (cosines[:, 0] - cosines.mean(1)).view(batch, *grid)
    return maps


def half_rainy(index: int) -> tuple[np.ndarray, bool]:
    """A held-out scene, square, uint8, that rains in one half only; whether that is the left."""
    views, _ = held_out_scene(index, 224, 224)
    left = index % 2 == 0
    rains = (np.arange(224) < 112) == left
    return np.where(rains[None, :, None], views["rainy"], views["clear"]), left


def half_scores(embedder, tokenizer, encode_text, scenes: Sequence[int]) -> dict[str, float]:
    """{path: AUC of places in the rainy half against those in the clear half}, mean of scenes."""
    scores: dict[str, list[float]] = {name: [] for name in (*PATHS, WINDOWS)}
    for index in scenes:
        picture, left = half_rainy(index)
        maps = rain_maps(embedder, tokenizer, encode_text, to_tensor(picture)[None])
        for name, (seen,) in maps.items():
            scores[name].append(_half_auc(seen, left))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def _half_auc(seen: Tensor, left: bool) -> float:
    """AUC of a map's [rows, columns] places in the rainy half against those in the other."""
    halves = [half.flatten().tolist() for half in seen.chunk(2, dim=1)]
    return auc(*(halves if left else halves[::-1]))


def dense_figure(embedder, tokenizer, encode_text, scenes: Sequence[int] = (0, 1)):
    """A matplotlib Figure: pictures that rain in one half, and where each path sees the rain."""
    from matplotlib.figure import Figure

    columns = 2 + len(PATHS)
    figure = Figure(figsize=(2 * columns, 2.25 * len(scenes)), layout="constrained")
    for row, index in zip(
        figure.subplots(len(scenes), columns, squeeze=False), scenes, strict=True
    ):
        picture, left = half_rainy(index)
        row[0].imshow(picture)
        row[0].set_title("rain on the " + ("left" if left else "right"), size=9)
        maps = rain_maps(embedder, tokenizer, encode_text, to_tensor(picture)[None])
        for axes, (name, (seen,)) in zip(row[1:], maps.items(), strict=True):
            axes.imshow(seen.numpy(), cmap="viridis")
            axes.set_title(f"{name}\nAUC {_half_auc(seen, left):.2f}", size=9)
        for axes in row:
            axes.axis("off")
    return figure
