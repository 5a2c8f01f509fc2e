"""Instance normalisation (Ulyanov et al. 2016), the norm of both networks."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def instance_norm(x: Tensor) -> Tensor:
    """(x - mean) / sqrt(var + 1e-5) over H and W of each image and channel; [B, C, H, W].

    Group normalisation with a group per channel is the same function. `F.instance_norm` is not
    used because its gradient is wrong on CPUs for one image whose gradient arrives in
    channels-last layout, as it does at the paper's batch size (PyTorch 2.15). It is also slower.
    """
    return F.group_norm(x.contiguous(), x.shape[1])
