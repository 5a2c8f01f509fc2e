"""Frozen image embedders: the semantic space of intra-CCL (section III-B).

Any module will do that has `taps = ("embedding",)` and `encode(image, taps)`, which turns images
[B, 3, H, W] in [-1, 1] into `{"embedding": [B, C]}`, differentiable with respect to the image.
"""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks import tiny_clip

CHECKPOINTS = (".safetensors", ".pt", ".pth", ".bin")

Crop = Literal["squash", "center"]


class EmbedderError(OSError):
    """Weights are not here, cannot be fetched, or do not fit; the text says what to do."""


class ImageEmbedder(nn.Module):
    """An open_clip image tower on tensors: [B, 3, H, W] in [-1, 1], any H and W.

    Resizing (antialiased, as in CLIP's own preprocessing) and the model's own mean and standard
    deviation are part of the graph: the published code left out the latter two and, in one place,
    went through PIL, where gradients end. Everything is computed in the precision of the weights,
    float32, also under autocast: the differences of embeddings that intra-CCL weighs are lost in
    bfloat16's few digits, and float16 overflows. No clamping: resizing overshoots a little, and
    the gradient must reach those pixels too.

    `crop="squash"` resizes to the model's square, so that every pixel counts, at the price of the
    aspect ratio; `"center"` is CLIP's own way: the shorter side is resized, the rest cut off. The
    square crops of training are the same under both. Takes `visual` over and freezes it.
    """

    taps = ("embedding",)

    def __init__(self, visual: nn.Module, crop: Crop = "squash"):
        super().__init__()
        if crop not in ("squash", "center"):
            raise ValueError(f"no crop policy {crop!r}; there are 'squash' and 'center'")
        self.visual, self.crop = visual, crop
        size = visual.image_size
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        preprocess = visual.preprocess_cfg
        self.resample = "bilinear" if preprocess["interpolation"] == "bilinear" else "bicubic"
        for name in ("mean", "std"):
            value = torch.tensor(preprocess[name]).view(-1, 1, 1)
            self.register_buffer(name, value, persistent=False)
        # A transformer that pools its tokens directly gives them away for nothing.
        self.has_tokens = hasattr(visual, "output_tokens") and visual.attn_pool is None
        if self.has_tokens:
            visual.output_tokens = True
        freeze(self)

    def forward(self, image: Tensor) -> Tensor:
        """Raw embeddings [B, C]."""
        return self.encode(image, ("embedding",))["embedding"]

    def encode(self, image: Tensor, taps: Collection[str]) -> dict[str, Tensor]:
        """{tap: features}: "embedding" [B, C] and "tokens" [B, P, C], see `patch_tokens`.

        Raises ValueError for other taps, and for tokens of a model that has none.
        """
        if unknown := set(taps) - {"embedding", "tokens"}:
            raise ValueError(f"no tap {unknown}; there are 'embedding' and 'tokens'")
        if "tokens" in taps and not self.has_tokens:
            raise ValueError(
                f"no patch tokens in {type(self.visual).__name__}: only vision transformers "
                "without attention pooling project them into the joint space, such as ViT-B-32"
            )
        with torch.autocast(image.device.type, enabled=False):
            seen = self.visual(self.preprocess(image))
            embedding, tokens = seen if isinstance(seen, tuple) else (seen, None)
            features = {"embedding": embedding}
            if "tokens" in taps:
                if self.visual.final_ln_after_pool:
                    tokens = self.visual.ln_post(tokens)
                features["tokens"] = tokens @ self.visual.proj
        return {tap: features[tap] for tap in taps}

    def normalized(self, image: Tensor) -> Tensor:
        """Embeddings [B, C] of length one, as CLIP compares them with texts."""
        return F.normalize(self(image), dim=-1)

    def patch_tokens(self, image: Tensor) -> Tensor:
        """Dense embeddings [B, P, C]: the last layer's patch tokens in the joint space, raw.

        P goes row by row over `visual.grid_size` (7 x 7 for ViT-B-32). They are the plain tokens:
        CLIP trained only its class token, so that what they say of their own place is noisy; CLIP
        surgery changes the attention to mend that. Raises ValueError for ResNets.
        """
        return self.encode(image, ("tokens",))["tokens"]

    def preprocess(self, image: Tensor) -> Tensor:
        """What the tower sees, [B, 3, *size]: resized, [-1, 1] -> [0, 1] -> normalised."""
        image = image.to(self.mean.dtype)
        height, width = self.size
        if self.crop == "center":
            h, w = image.shape[-2:]
            image = self._resize(image, max(height, h * width // w), max(width, w * height // h))
            top, left = (
                round((a - b) / 2) for a, b in zip(image.shape[-2:], self.size, strict=True)
            )
            image = image[..., top : top + height, left : left + width]
        else:
            image = self._resize(image, height, width)
        return ((image + 1) / 2 - self.mean) / self.std

    def _resize(self, image: Tensor, *size: int) -> Tensor:
        if image.shape[-2:] == size:
            return image
        return F.interpolate(image, size, mode=self.resample, antialias=True)

    def train(self, mode: bool = True) -> ImageEmbedder:
        """Stays in evaluation mode, whatever its parents do: batch statistics are frozen too."""
        return super().train(False)


class RandomEmbedder(nn.Module):
    """A fixed random convolutional network: no semantics, no download.

    It stands in for CLIP in tests, and as the control that shows what CLIP's knowledge adds.
    """

    taps = ("embedding",)

    def __init__(self, width: int = 64, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # leaves the run's random numbers alone
            torch.manual_seed(seed)
            layers: list[nn.Module] = []
            for channels_in, channels_out in ((3, 16), (16, 32), (32, width)):
                layers += [nn.Conv2d(channels_in, channels_out, 4, 2, 1), nn.GELU()]
            self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        freeze(self)

    def forward(self, image: Tensor) -> Tensor:
        return self.features(image)

    def encode(self, image: Tensor, taps: Collection[str]) -> dict[str, Tensor]:
        return {"embedding": self(image)}


def freeze(network: nn.Module) -> nn.Module:
    """Evaluation mode, no parameter gradients."""
    return network.eval().requires_grad_(False)


def build_embedder(name: str, crop: Crop = "squash") -> nn.Module:
    """The embedder called `name`; only the image tower of a CLIP model is kept.

    tiny-rain-clip the bundled stand-in, which needs no network; tiny-rain-clip/FILE for another
                   training of it
    random         a fixed random network, the control
    ARCH/TAG       weights that open_clip knows, such as ViT-B-32/openai, RN50/openai or
                   ViT-B-32/laion2b_s34b_b79k: `open_clip.list_pretrained()`
    ARCH/FILE      a checkpoint of an open_clip architecture: .safetensors, .pt, .pth, .bin. It is
                   preprocessed as open_clip does with unknown weights: OpenAI's mean and standard
                   deviation. OpenAI's own weights need ARCH-quickgelu

    Raises ValueError for other names, EmbedderError where the weights cannot be had.
    """
    if name == "random":
        return RandomEmbedder()
    return ImageEmbedder(_load(name)[0].visual, crop)


def load_clip(
    name: str, crop: Crop = "squash"
) -> tuple[ImageEmbedder, Callable[[list[str]], Tensor], Callable[[Tensor], Tensor]]:
    """Both towers, for zero-shot use: (embedder, tokenizer, encode_text), on the CPU.

    `encode_text(tokenizer(texts))` gives embeddings [N, C] of length one; their products with
    `embedder.normalized(images)` are cosines. Names and errors as in `build_embedder`; `random`
    has no texts.
    """
    if name == "random":
        raise ValueError("the embedder random has no texts: name a CLIP model, or tiny-rain-clip")
    model, tokenizer = _load(name)
    freeze(model)

    @torch.no_grad()
    def encode_text(tokens: Tensor) -> Tensor:
        return F.normalize(model.encode_text(tokens), dim=-1)

    return ImageEmbedder(model.visual, crop), tokenizer, encode_text


def _load(name: str) -> tuple[nn.Module, Callable[[list[str]], Tensor]]:
    """The model called `name`, in float32, on the CPU, and its tokenizer."""
    import open_clip  # takes longer than torch itself, and most commands do without it

    architecture, _, source = name.partition("/")
    if architecture == tiny_clip.NAME:
        file = Path(source).expanduser() if source else tiny_clip.SHIPPED
        try:
            return tiny_clip.load_tiny_clip(file)
        except Exception as error:  # safetensors, json and torch each raise their own
            raise _does_not_fit(name, file, error) from error
    known = open_clip.get_pretrained_cfg(architecture, source)
    file = Path(source).expanduser()
    if known:
        file = _fetch(name, known["hf_hub"])
    elif architecture not in open_clip.list_models() or file.suffix not in CHECKPOINTS:
        names = ["/".join(pair) for pair in open_clip.list_pretrained()]
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.4)
        raise ValueError(
            f"unknown embedder {name!r}; known: '{tiny_clip.NAME}', 'random', ARCH/TAG of "
            f"open_clip, and ARCH/FILE with a file {', '.join(CHECKPOINTS)}"
            + (f". Near: {', '.join(near)}" * bool(near))
        )
    try:
        if file.suffix != ".safetensors":
            # No code is executed. open_clip asks for the same, but after a TypeError it tries
            # again without, so a file must pass here first.
            torch.load(file, map_location="cpu", weights_only=True)
        with torch.random.fork_rng(devices=[]):  # leaves the run's random numbers alone
            model = open_clip.create_model(
                architecture,
                pretrained=str(file),
                # OpenAI trained with x * sigmoid(1.702 x); with the exact GELU of plain ViT-B-32
                # its weights would load as well and give worse embeddings.
                force_quick_gelu=known.get("quick_gelu", False),
                force_preprocess_cfg=dict(known),
            )
    except Exception as error:  # torch, pickle, safetensors and open_clip each raise their own
        raise _does_not_fit(name, file, error) from error
    return model, open_clip.get_tokenizer(architecture)


def _does_not_fit(name: str, file: Path, error: Exception) -> EmbedderError:
    if not file.is_file():
        return EmbedderError(f"embedder {name!r}: there is no file {file}")
    architecture = name.partition("/")[0]
    if zipfile.is_zipfile(file) and any("/code/" in n for n in zipfile.ZipFile(file).namelist()):
        plain = file.with_name(f"{file.stem}-weights.pt")
        return EmbedderError(
            f"embedder {name!r}: {file} is a TorchScript program, as OpenAI gives them out, and "
            "programs are not run here. Convert one that you trust into plain weights:\n"
            f"    python -c \"import torch; w = torch.jit.load({str(file)!r}, 'cpu').state_dict();"
            " torch.save({k: v.float() for k, v in w.items() if k not in ('input_resolution', "
            f"'context_length', 'vocab_size')}}, {str(plain)!r})\"\n"
            f"and name {architecture}/{plain}"
        )
    return EmbedderError(
        f"embedder {name!r}: {file} cannot be loaded as {architecture}: {_brief(error)}"
    )


def _fetch(name: str, hub: str) -> Path:
    """The file of open_clip's weights `hub` = "OWNER/REPO/[FILE]", downloaded if need be.

    The cache comes first and the Hub is asked once before a download, because its client retries
    for most of a minute where there is no network.
    """
    import huggingface_hub as hf
    from huggingface_hub import constants
    from huggingface_hub.utils import EntryNotFoundError

    repo, _, file = hub.rpartition("/")
    # The same files in the same order as open_clip, so that both share what is cached.
    files = (
        (str(Path(file).with_suffix(".safetensors")), file)
        if file
        else ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    )
    for file in files:
        if isinstance(cached := hf.try_to_load_from_cache(repo, file), str):
            return Path(cached)
    reason: Exception | None = None
    try:
        for file in files:
            try:
                hf.get_hf_file_metadata(hf.hf_hub_url(repo, file), timeout=5)
                # The user names the model; whatever comes is read without executing it.
                return Path(hf.hf_hub_download(repo, file))  # nosec B615
            except EntryNotFoundError as error:
                reason = error
    except Exception as error:  # no network, proxies, certificates, disk, HF_HUB_OFFLINE
        reason = error
    architecture, _, tag = name.partition("/")
    cache = Path(constants.HF_HUB_CACHE)
    folder = "models--" + repo.replace("/", "--")
    raise EmbedderError(
        f"the weights of CLIP model {name} are not in the cache folder {cache} and cannot be "
        f"downloaded ({_brief(reason)}). On a machine with a network run\n"
        f'    python -c "import open_clip as o; '
        f"print(o.download_pretrained(o.get_pretrained_cfg('{architecture}', '{tag}')))\"\n"
        f"and copy the folder {folder} of its cache to {cache / folder}. Without a network, name "
        f"{tiny_clip.NAME} instead, the bundled stand-in."
    ) from reason


def _brief(error: Exception) -> str:
    """The error in one line of readable length."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}{'...' if len(text) > 200 else ''}"
