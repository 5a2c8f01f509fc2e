"""Descent on pixels: the loss is eq. 2, it falls, and only what is free changes."""

import pytest
import torch

from cclgan_lite.evaluation.clip_steer import descend
from cclgan_lite.losses.contrastive import distance
from cclgan_lite.networks.embedder import build_embedder


@pytest.mark.parametrize("free", ["pixels", "layer"])
def test_descend(free):
    embedder = build_embedder("tiny-rain-clip")
    rainy, clean, negative = torch.rand(3, 1, 3, 48, 48) * 1.6 - 0.8
    before = rainy.clone()
    image, losses = descend(embedder, rainy, clean, negative, free=free, steps=8)
    assert len(losses) == 9 and losses[-1] < 0.8 * losses[0] and torch.equal(rainy, before)
    assert image.min() >= -1 and image.max() <= 1 and not image.requires_grad
    taken = rainy - image
    if free == "layer":  # one non-negative layer for all three channels
        assert taken.min() > -1e-6 and (taken.amax(1) - taken.amin(1)).max() < 1e-5

    def d(a, b):
        return distance(embedder(a), embedder(b)).item()

    by_hand = d(image, clean) / (d(image, negative) + 0.1 * d(image, rainy) + 1e-7)
    assert losses[-1] == pytest.approx(by_hand, rel=1e-4)
