"""Every equation against a slow loop written from it: values and gradients.

Each test would also fail for the mistakes that are easily made here: gradient through the keys,
no temperature, no normalisation, exchanged roles, a forgotten fake weight.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cclgan_lite.losses import (
    LCL,
    discriminator_loss,
    distance,
    generator_loss,
    info_nce,
    inter_ccl,
    intra_ccl,
    patch_nce,
)


def rand(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def same(fast, slow, inputs: list[Tensor]) -> None:
    """Equal values, and equal gradients on every input (None where none may flow)."""
    a, b = fast(*inputs), slow(*inputs)
    torch.testing.assert_close(a, b)
    gradients = [torch.autograd.grad(x, inputs, allow_unused=True) for x in (a, b)]
    for one, two in zip(*gradients, strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            assert two.abs().sum() > 0
            torch.testing.assert_close(one, two)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return sum(a * b) / (sum(a * a).sqrt() * sum(b * b).sqrt())


def d(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference, number by number."""
    pairs = list(zip(a.flatten(), b.flatten(), strict=True))
    return sum((x - y).abs() for x, y in pairs) / len(pairs)


# --- contrastive primitives ---------------------------------------------------------------------


def test_distance_by_hand():
    a = torch.tensor([[0.0, 1.0], [2.0, 2.0]])
    b = torch.tensor([[1.0, 3.0], [2.0, 4.0]])
    assert distance(a, b).tolist() == [1.5, 1.0]


def test_patch_nce_by_hand():
    # Two places with orthogonal unit features: s+ = 1, s- = 0.
    eye = torch.eye(2)[None]
    expected = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + 1))
    assert patch_nce(eye, eye, 0.5).item() == pytest.approx(expected)
    # At chance, with all features equal, the loss is log of the number of places.
    ones = torch.ones(1, 7, 3)
    assert patch_nce(ones, ones, 0.07).item() == pytest.approx(math.log(7))


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_patch_nce_eq_7(temperature):
    def slow(queries, keys):
        total, count = 0.0, 0
        keys = keys.detach()  # constants
        for b in range(queries.shape[0]):
            for i in range(queries.shape[1]):
                s = [cosine(queries[b, i], key) / temperature for key in keys[b]]
                total = total - torch.log(s[i].exp() / sum(x.exp() for x in s))
                count += 1
        return total / count

    same(lambda q, k: patch_nce(q, k, temperature), slow, [rand(2, 5, 4), rand(2, 5, 4)])


def test_info_nce_weights_its_negatives():
    def slow(query, positive, far, faint):
        total = 0.0
        for i in range(len(query)):
            up = (cosine(query[i], positive[i]) / 0.2).exp()
            down = (cosine(query[i], far[i]) / 0.2).exp()
            down = down + 0.3 * (cosine(query[i], faint[i]) / 0.2).exp()
            total = total - torch.log(up / (up + down))
        return total / len(query)

    same(
        lambda q, p, f, g: info_nce(q, p, [(1.0, f), (0.3, g)], 0.2),
        slow,
        [rand(3, 4) for _ in range(4)],
    )


def test_info_nce_does_not_overflow():
    a, b = torch.eye(2)
    assert info_nce(a, b, [(1.0, a)], 1e-3).item() == pytest.approx(1000.0)


# --- intra-CCL, eq. 1-3 -------------------------------------------------------------------------


@pytest.mark.parametrize("real, fake", [(1.0, 0.1), (1.0, 0.0), (0.0, 1.0)])
def test_intra_ccl_ratio_eq_2(real, fake):
    def slow(anchor, positive, real_negative, fake_negative):
        positive, real_negative, fake_negative = (
            x.detach() for x in (positive, real_negative, fake_negative)
        )
        total = 0.0
        for i in range(len(anchor)):
            far = real * d(anchor[i], real_negative[i]) + fake * d(anchor[i], fake_negative[i])
            total = total + d(anchor[i], positive[i]) / (far + 1e-7)
        return total / len(anchor)

    same(
        lambda *x: intra_ccl(*x, real_weight=real, fake_weight=fake),
        slow,
        [rand(2, 6) for _ in range(4)],
    )


def test_intra_ccl_defaults_are_the_published_constants():
    x = [torch.tensor([[v]]) for v in (0.0, 1.0, 2.0, 4.0)]  # anchor, n, r, r~
    assert intra_ccl(*x).item() == pytest.approx(1 / (2 + 0.1 * 4))


def test_intra_ccl_infonce():
    def slow(anchor, positive, real_negative, fake_negative):
        positive, real_negative, fake_negative = (
            x.detach() for x in (positive, real_negative, fake_negative)
        )
        total = 0.0
        for i in range(len(anchor)):
            up = (cosine(anchor[i], positive[i]) / 0.07).exp()
            down = (cosine(anchor[i], real_negative[i]) / 0.07).exp()
            down = down + 0.1 * (cosine(anchor[i], fake_negative[i]) / 0.07).exp()
            total = total - torch.log(up / (up + down))
        return total / len(anchor)

    same(lambda *x: intra_ccl(*x, form="infonce"), slow, [rand(2, 6) for _ in range(4)])


# --- inter-CCL, eq. 4-6 -------------------------------------------------------------------------


@pytest.mark.parametrize("real, fake", [(1.0, 0.2), (1.0, 0.0), (0.0, 1.0)])
def test_inter_ccl_ratio_eq_4(real, fake):
    def slow(generated, reconstructed, positive, negative):
        total = 0.0
        for i in range(len(generated)):
            near = real * d(generated[i], positive[i]) + real * d(reconstructed[i], positive[i])
            near = near + fake * d(generated[i], reconstructed[i])
            far = d(generated[i], negative[i]) + d(reconstructed[i], negative[i])
            total = total + near / (far + 1e-7)
        return total / len(generated)

    inputs = [rand(2, 3, 4) for _ in range(4)]
    if real == 0:  # then the real positive plays no part
        same(
            lambda g, r, n: inter_ccl(g, r, inputs[2], n, real_weight=0.0, fake_weight=fake),
            lambda g, r, n: slow(g, r, inputs[2].detach(), n),
            [inputs[0], inputs[1], inputs[3]],
        )
    else:
        same(lambda *x: inter_ccl(*x, real_weight=real, fake_weight=fake), slow, inputs)


def test_inter_ccl_defaults_are_the_published_constants():
    x = [torch.tensor([[[v]]]) for v in (0.0, 1.0, 3.0, 8.0)]  # n~, n*, n, r
    assert inter_ccl(*x).item() == pytest.approx((3 + 2 + 0.2 * 1) / (8 + 7))


def test_inter_ccl_infonce():
    def slow(generated, reconstructed, positive, negative):
        def nce(q, p, n):
            up, down = (cosine(q, p) / 0.07).exp(), (cosine(q, n) / 0.07).exp()
            return -torch.log(up / (up + down))

        total, count = 0.0, 0
        for i in range(generated.shape[0]):
            for j in range(generated.shape[1]):
                g, r, p, n = (x[i, j] for x in (generated, reconstructed, positive, negative))
                total = total + (nce(g, p, n) + nce(r, p, n) + 0.2 * nce(g, r, n)) / 2.2
                count += 1
        return total / count

    same(lambda *x: inter_ccl(*x, form="infonce"), slow, [rand(2, 3, 4) for _ in range(4)])


# --- adversarial, eq. 8-10 ----------------------------------------------------------------------


def test_adversarial_losses_by_hand():
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([-0.5, 1.0])
    assert generator_loss(fake, "lsgan").item() == pytest.approx((2.25 + 0.0) / 2)
    assert discriminator_loss(real, fake, "lsgan").item() == pytest.approx(
        ((0.25 + 1.0) / 2 + (0.25 + 1.0) / 2) / 2
    )
    assert generator_loss(fake, "hinge").item() == pytest.approx(-0.25)
    assert discriminator_loss(real, fake, "hinge").item() == pytest.approx(
        ((0.5 + 0.0) / 2 + (0.5 + 2.0) / 2) / 2
    )
    half = torch.full((3,), 0.5)
    assert discriminator_loss(half, half, "lsgan").item() == pytest.approx(0.25)  # at chance


def test_lcl_needs_one_negative_and_no_more():
    assert LCL(patches=2).patches == 2
    with pytest.raises(ValueError, match="patches must be at least 2, not 1"):
        LCL(patches=1)
