"""tiny-rain-clip: open_clip's CLIP, sized for a classroom without a network.

Two towers of open_clip with two changes. The image tower, a vision transformer, reads its patches
through three convolutions instead of one large one (Xiao et al., "Early convolutions help
transformers see better", NeurIPS 2021): streaks are thin, and little data must suffice to find
them. The text tower reads whole words of a short list; one more token stands for all others.

A file holds weights (float16 where shipped), and in its metadata the open_clip configuration and
the words, so that nothing else is needed to load it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

NAME = "tiny-rain-clip"
FORMAT = "cclgan_lite clip 1"
SHIPPED = Path(str(resources.files("cclgan_lite") / "weights" / f"{NAME}.safetensors"))
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 112,
        "patch_size": 8,
        "width": 128,
        "layers": 3,
        "head_width": 32,
    },
    "text_cfg": {"context_length": 32, "width": 64, "heads": 2, "layers": 2},
}
PREPROCESS = {
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "interpolation": "bicubic",
    "resize_mode": "squash",
}


class WordTokenizer:
    """Texts -> [N, context] token numbers: start, one per word, end, zeros.

    Words that are not on the list share one token; what is too long is cut off. The end has the
    highest number, which is where open_clip's text tower looks for it.
    """

    def __init__(self, words: Sequence[str], context: int):
        self.context = context
        self.start, self.unknown = len(words) + 1, len(words) + 2
        self.end = len(words) + 3
        self.number = {word: i + 1 for i, word in enumerate(words)}

    def __call__(self, texts: str | Iterable[str]) -> Tensor:
        texts = [texts] if isinstance(texts, str) else list(texts)
        tokens = torch.zeros(len(texts), self.context, dtype=torch.long)
        for row, text in zip(tokens, texts, strict=True):
            words = re.findall(r"[a-z0-9]+", text.lower())[: self.context - 2]
            numbers = [self.number.get(word, self.unknown) for word in words]
            row[: len(words) + 2] = torch.tensor([self.start, *numbers, self.end])
        return tokens


def build_tiny_clip(words: Sequence[str], model: dict = MODEL) -> tuple[nn.Module, WordTokenizer]:
    """A tiny-rain-clip with random weights, and its tokenizer."""
    import open_clip  # takes longer than torch itself
    from open_clip.model import set_model_preprocess_cfg

    text = model["text_cfg"] | {"vocab_size": len(words) + 4}
    clip = open_clip.CLIP(**model | {"text_cfg": text})
    width = model["vision_cfg"]["width"]
    clip.visual.conv1 = nn.Sequential(
        nn.Conv2d(3, 24, 3, 2, 1, bias=False),
        nn.GroupNorm(1, 24),
        nn.GELU(),
        nn.Conv2d(24, 48, 3, 2, 1, bias=False),
        nn.GroupNorm(1, 48),
        nn.GELU(),
        nn.Conv2d(48, width, 3, 2, 1, bias=False),
    )
    set_model_preprocess_cfg(clip, {"size": clip.visual.image_size, **PREPROCESS})
    return clip, WordTokenizer(words, text["context_length"])


def tiny_clip_bytes(clip: nn.Module, words: Sequence[str], model: dict = MODEL) -> bytes:
    """The content of a weights file, in float16."""
    tensors = {k: v.detach().cpu().half().contiguous() for k, v in clip.state_dict().items()}
    metadata = {"format": FORMAT, "model": json.dumps(model), "words": json.dumps(list(words))}
    return save(tensors, metadata)


def load_tiny_clip(path: str | Path = SHIPPED) -> tuple[nn.Module, WordTokenizer]:
    """The model in float32 on the CPU, and its tokenizer.

    Raises OSError, SafetensorError, or ValueError where the file holds something else.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata.get("format") != FORMAT:
        raise ValueError(f"not written by cclgan_lite's {NAME}")
    with torch.random.fork_rng(devices=[]):  # leaves the run's random numbers alone
        clip, tokenizer = build_tiny_clip(
            json.loads(metadata["words"]), json.loads(metadata["model"])
        )
    clip.load_state_dict(tensors)
    return clip, tokenizer
