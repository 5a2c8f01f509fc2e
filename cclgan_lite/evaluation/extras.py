"""Optional metrics; of all, lower is better.

NIQE and BRISQUE judge a picture without its truth, LPIPS is the distance to the truth in AlexNet's
features (version 0.1). They come from pyiqa: pip install 'cclgan_lite[extras]'. It fetches their
weights when they are first used, its licence is for non-commercial use, and it brings dozens of
packages, so nothing else here depends on it. `rain` is how rainy CLIP finds the picture, zero-shot
(`clip_probe.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch

from cclgan_lite.evaluation.evaluate import Metric

Extra = Literal["niqe", "brisque", "lpips", "rain"]
HUB = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/"
WEIGHTS = {  # address of each file, and its folder below torch.hub.get_dir()
    "niqe": {HUB + "niqe_modelparameters.mat": "pyiqa"},
    "brisque": {HUB + "brisque_svm_weights.pth": "pyiqa"},
    "lpips": {
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth": "checkpoints",
        HUB + "LPIPS_v0.1_alex-df73285e.pth": "pyiqa",
    },
}


class ExtraError(OSError):
    """A metric's package or weights are not here; the text says how to get them."""


def load_extras(
    names: Sequence[Extra], device: str | torch.device = "cpu", clip: str = "tiny-rain-clip"
) -> dict[str, Metric]:
    """Metrics by name, each from derained and clean, uint8 [H, W, 3], to a number.

    Args:
        device: for pyiqa; CLIP computes on the CPU.
        clip: the CLIP model of `rain` (`networks/embedder.py`).

    Raises:
        ExtraError, EmbedderError: a package or weights are missing and cannot be fetched.
        ValueError: no such metric or model.
    """
    if strange := set(names) - set(get_args(Extra)):
        raise ValueError(f"no extra metric {strange}; there are {', '.join(get_args(Extra))}")
    return {
        name: _rain(clip) if name == "rain" else _pyiqa(name, torch.device(device))
        for name in names
    }


def _rain(clip: str) -> Metric:
    from cclgan_lite.evaluation.clip_probe import rain_axis, rain_score
    from cclgan_lite.networks.embedder import load_clip

    embedder, tokenizer, encode_text = load_clip(clip)
    axis = rain_axis(tokenizer, encode_text)
    return lambda derained, clean: rain_score(embedder, axis, derained)


def _pyiqa(name: str, device: torch.device) -> Metric:
    try:
        import pyiqa
    except ImportError as error:
        raise ExtraError(
            f"{name} needs the package pyiqa ({error}): pip install 'cclgan_lite[extras]'"
        ) from error
    try:
        metric = pyiqa.create_metric(name, device=device)
    except Exception as error:  # no network, proxies, certificates, a damaged file
        hub = torch.hub.get_dir()
        files = "; ".join(f"{url} to {hub}/{folder}/" for url, folder in WEIGHTS[name].items())
        raise ExtraError(
            f"{name} cannot load its weights ({type(error).__name__}: {error}). On a machine "
            f"with a network, download {files}"
        ) from error
    return partial(_score, metric, device)


def _score(metric, device: torch.device, derained: np.ndarray, clean: np.ndarray) -> float:
    pictures = [derained, clean] if metric.metric_mode == "FR" else [derained]
    tensors = [
        torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].to(device) / 255
        for picture in pictures
    ]
    with torch.inference_mode():
        return float(metric(*tensors))
