"""All training pictures on the device, decoded once: no file, no worker and no copy in a step."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from cclgan_lite.data.folders import UnpairedFolders
from cclgan_lite.data.images import read_rgb

SHARE = 0.5  # of the device's free memory that pictures may take; the networks need the rest


class Resident:
    """The batches of `data` without its work.

    Choice, crop and flip of item k are those of `data[k]`, and so are the values on a CPU, bit by
    bit; a GPU may round the last bit of the division into [-1, 1] differently.

    Raises ValueError where the pictures do not fit, ImageError where one cannot be read.
    """

    def __init__(self, data: UnpairedFolders, device: torch.device):
        self.data = data
        self.pictures: dict = {}  # path: uint8 [3, H, W]
        room = SHARE * free_memory(device)
        for path in dict.fromkeys(path for files in data.files.values() for path in files):
            rgb = data.augment.fit(read_rgb(path))
            room -= rgb.nbytes
            if room < 0:
                raise ValueError(
                    f"the pictures do not fit into {SHARE:.0%} of the free memory of {device}: "
                    "leave out --resident, so that they are loaded as they are needed"
                )
            self.pictures[path] = torch.tensor(rgb).permute(2, 0, 1).contiguous().to(device)

    def batches(self, batches: Iterable[Iterable[int]]) -> Iterator[dict[str, Tensor]]:
        """A batch for each group of item numbers: float32 [B, 3, crop, crop] in [-1, 1]."""
        for items in batches:
            crops: dict[str, list[Tensor]] = {}
            for k in items:
                files, rng = self.data.choose(k)
                for name, path in files.items():
                    crops.setdefault(name, []).append(
                        self._cut(self.pictures[path], self.data.stream(rng))
                    )
            yield {
                name: torch.stack(parts).to(torch.float32).div_(127.5).sub_(1)
                for name, parts in crops.items()
            }

    def _cut(self, picture: Tensor, rng) -> Tensor:
        augment = self.data.augment
        y, x, flipped = augment.place(*picture.shape[1:], rng)
        crop = picture[:, y : y + augment.crop, x : x + augment.crop]
        return crop.flip(-1) if flipped else crop


def free_memory(device: torch.device) -> int:
    """Free bytes of the GPU; elsewhere half of the machine's memory, whoever else is using it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if not hasattr(os, "sysconf"):  # Windows does not tell
        return 2**32
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
