"""What is left of an image when its smooth content is gone: where rain shows."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def high_pass(image: Tensor) -> Tensor:
    """3 (x - mean over 7x7): what is left of an image when its smooth content is gone."""
    smooth = F.avg_pool2d(F.pad(image, (3, 3, 3, 3), mode="reflect"), 7, stride=1)
    return 3 * (image - smooth)
