"""Where to compute, and in what precision."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA, then Apple's MPS, then the CPU.

    Raises ValueError where the device asked for is not to be had.
    """
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind, here in found.items() if here), "cpu"))
    if not found.get(torch.device(name).type, True):
        raise ValueError(f"this PyTorch finds no {name} device: leave out --device, or say cpu")
    return torch.device(name)


def pick_precision(name: Precision | Literal["auto"], device: torch.device) -> Precision:
    """`auto` is bfloat16 where the processor or GPU multiplies it at full speed, else float32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        fast = device.type == "cpu" and has_bf16()
    return "bfloat16" if fast else "float32"


def hardware(device: torch.device) -> str:
    """The name of the GPU, or of the processor as far as the system tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
