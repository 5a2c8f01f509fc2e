"""The explorer's checkpoint: every network of a run that is half-way, in one safetensors file.

Its metadata holds the method as JSON. Float16 on disk, float32 in memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from cclgan_lite.methods import Method
from cclgan_lite.serialization import from_plain, to_plain

FORMAT = "cclgan_lite networks 1"
DATA = Path(str(resources.files("cclgan_lite.course.explorer") / "data"))
SHIPPED = DATA / "checkpoint.safetensors"


def checkpoint_bytes(networks: Mapping[str, nn.Module], method: Method, **about: object) -> bytes:
    """The content of a checkpoint of `networks`; of the frozen embedder only the name is kept.

    `about`: what else is worth knowing, such as steps and seed.
    """
    tensors = {
        f"{name}.{key}": value.detach().cpu().half().contiguous()
        for name, network in networks.items()
        if name != "embedder"
        for key, value in network.state_dict().items()
    }
    metadata = {
        "format": FORMAT,
        "method": json.dumps(to_plain(method, Method)),
        "about": json.dumps(about),
    }
    return save(tensors, metadata)


def read_checkpoint(path: str | Path = SHIPPED) -> tuple[Method, dict[str, Tensor]]:
    """The method and its weights, {"derainer.stem.weight": float32, ...}.

    Raises ValueError where the file holds something else.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} is no checkpoint of the explorer: data_scripts/train_explorer_checkpoint.py "
            "writes one"
        )
    return from_plain(json.loads(metadata["method"]), Method), tensors


def load_into(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Put a checkpoint's weights into networks that its method built."""
    for name, network in networks.items():
        if name != "embedder":
            network.load_state_dict(
                {
                    key.removeprefix(f"{name}."): value
                    for key, value in tensors.items()
                    if key.startswith(f"{name}.")
                }
            )


def load_networks(path: str | Path = SHIPPED) -> tuple[Method, dict[str, nn.Module]]:
    """The method and all its networks, in evaluation mode: what looks at them does not move them.

    In training mode each pass would move the power iteration of the spectral norms.
    """
    method, tensors = read_checkpoint(path)
    with torch.random.fork_rng(devices=[]):  # leaves the lesson's random numbers alone
        networks = method.networks()
    load_into(networks, tensors)
    return method, {name: network.eval() for name, network in networks.items()}
