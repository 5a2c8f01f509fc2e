"""A trained derainer in one safetensors file: its weights, and how to rebuild it.

The file's metadata holds the generator's configuration as JSON, so it loads without executing
code and without the run that made it.
"""

from __future__ import annotations

import json
from importlib import resources
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cclgan_lite.networks import Generator, NetworkConfig, tiny_clip
from cclgan_lite.serialization import from_plain, to_plain

FORMAT = "cclgan_lite derainer 1"
DEFAULT_WEIGHTS = "light"
TRAINED_ON = dict.fromkeys(("light", "demo", "laptop"), "bundled data")  # the shipped ones


def derainer_bytes(derainer: Generator, dtype: torch.dtype = torch.float32) -> bytes:
    """The content of a weights file for `derainer`; float16 halves it for shipping."""
    plain = to_plain(derainer.config, NetworkConfig)
    metadata = {"format": FORMAT, "generator": json.dumps(plain)}
    state = derainer.state_dict()
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in state.items()}
    return save(tensors, metadata)


def shipped_weights() -> dict[str, Path]:
    """The derainers that come with the package, by name; the CLIP beside them is none."""
    folder = resources.files("cclgan_lite") / "weights"
    files = [Path(str(p)) for p in folder.iterdir()] if folder.is_dir() else []
    return {p.stem: p for p in files if p.suffix == ".safetensors" and p.stem != tiny_clip.NAME}


def load_derainer(name_or_path: str | PathLike, device: torch.device | str = "cpu") -> Generator:
    """A derainer in evaluation mode: a shipped name, a weights file, or a run folder.

    Raises FileNotFoundError or ValueError, naming the file and the remedy.
    """
    path = shipped_weights().get(str(name_or_path), Path(name_or_path))
    if path.is_dir():
        path = path / "derainer.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"no weights at {path}: give a weights file, a run folder, or one of the names "
            f"{sorted(shipped_weights())}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a readable safetensors file ({error}): give the derainer.safetensors "
            "of a run"
        ) from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} was not written by cclgan_lite: give the derainer.safetensors of a run"
        )
    try:
        config = from_plain(_with_kind(json.loads(metadata["generator"])), NetworkConfig)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged or from another version of cclgan_lite ({error}): give one "
            "written by this"
        ) from error
    with torch.device("meta"):  # what a file claims costs no memory before it is seen to be true
        described = {name: tensor.shape for name, tensor in config.build().state_dict().items()}
    if described != {name: tensor.shape for name, tensor in tensors.items()}:
        raise ValueError(f"{path} is damaged: it does not hold the network it describes")
    derainer = config.build()
    derainer.load_state_dict(tensors)
    return derainer.eval().requires_grad_(False).to(device)


def _with_kind(config: dict) -> dict:
    """Version 0.1.0 had one generator for all; what its switches say is now a kind."""
    if "kind" in config:
        return config
    switches = config.pop("skips", False), config.pop("high_pass", False)
    if all(switches) and config["head"] == "grey_layer":
        return {key: config[key] for key in ("filters", "blocks", "taps")} | {
            "kind": "RestorationConfig"
        }
    if any(switches):
        raise ValueError("its generator is no longer part of the package")
    return config | {"kind": "GeneratorConfig"}
