"""Answers that differ from the folded solutions: right ones pass, wrong ones get their hint.

`test_lesson_*.py` has the mistakes that are small changes of a solution; here are whole answers.
"""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cclgan_lite.course.checks import (
    lesson_00,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
)
from cclgan_lite.course.exercises import NOT_DONE
from cclgan_lite.losses import distance, info_nce
from cclgan_lite.losses.adversarial import discriminator_loss, generator_loss
from lessons.lesson import answer


def in_place(x):
    x -= x.mean((2, 3), keepdim=True)
    return x / (x.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


def lse_nce(queries, keys, temperature):
    q, k = (F.normalize(x, dim=2) for x in (queries, keys.detach()))
    logits = torch.einsum("bic,bjc->bij", q, k) / temperature
    return (torch.logsumexp(logits, 2) - torch.einsum("bii->bi", logits)).mean()


def intra(anchor, positive, real, fake, real_weight=1.0, fake_weight=0.1, lost=lambda x: x):
    positive, real, fake = positive.detach(), real.detach(), fake.detach()
    below = real_weight * distance(anchor, real) + fake_weight * distance(anchor, fake)
    return (distance(anchor, positive) / (lost(below) + 1e-7)).mean()


def inter(g, s, n, r, lost=lambda x: x):
    above = distance(g, n) + distance(s, n) + 0.2 * distance(g, s)
    return (above / (distance(g, r) + distance(lost(s), r) + 1e-7)).mean()


def move(path, write):
    temporary = path.parent / "t"
    try:
        write(temporary)
    finally:
        if temporary.exists() and temporary.stat().st_size < 3:  # not complete
            temporary.unlink()
    temporary.rename(path)
    return path


def careless(path, write):
    temporary = path.with_suffix(".t")
    try:
        write(temporary)
    except BaseException:
        temporary.unlink()
        raise
    os.replace(temporary, path)
    return path


def careful(path, write, finish):
    temporary = path.with_suffix(".t")
    try:
        write(temporary)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finish(temporary, path)
    return path


def removes(temporary, path):
    path.unlink(missing_ok=True)
    temporary.rename(path)


def copies(temporary, path):
    shutil.copy(temporary, path)
    temporary.unlink()


def judge_and_generator(lose):
    def two_losses(generator, judge, source, real):
        fake = generator(source)
        return (
            discriminator_loss(judge(real), lose(judge(fake.detach()))),
            generator_loss(judge(fake)),
        )

    return two_losses


class Pool:
    """The image pool, with room for a mistake."""

    def __init__(self, size=50):
        self.size, self.images = size, []

    def __call__(self, batch):
        return torch.stack([self.one(image) for image in batch.detach()])

    def one(self, image):
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        return self.swapped(image) if torch.rand(()) < 0.5 else self.kept(image)

    def swapped(self, image):
        return self.put(torch.randint(self.size, ()), image)

    def put(self, place, image):
        old, self.images[place] = self.images[place], image
        return old

    def kept(self, image):
        return image


class SharedPool(Pool):
    shared = []

    def __init__(self, size=50):
        self.size, self.images = size, self.shared


class FirstOut(Pool):
    def swapped(self, image):
        self.images.append(image)
        return self.images.pop(0)


class NeverLast(Pool):
    def swapped(self, image):
        return self.put(torch.randint(self.size - 1, ()), image)


class StoresAll(Pool):
    def kept(self, image):
        self.put(torch.randint(self.size, ()), image)
        return image


class Roomy(Pool):
    def __init__(self, size=50):
        super().__init__(50)


class OneCoin(Pool):
    def __call__(self, batch):
        self.coin = torch.rand(()) < 0.5
        return super().__call__(batch)

    def one(self, image):
        if len(self.images) < self.size:
            return super().one(image)
        return self.swapped(image) if self.coin else image


class Attached(Pool):
    def __call__(self, batch):
        return torch.stack([self.one(image) for image in batch])

    def one(self, image):
        return super().one(image).detach() if len(self.images) < self.size else super().one(image)


@pytest.mark.parametrize(
    "check, right",
    [
        (
            lesson_00.check_removed_light,
            lambda rainy, derained: (rainy - derained).double().mean((1, 2, 3)).numpy() * 127.5,
        ),
        (
            lesson_02.check_by_hand,
            lambda x: F.batch_norm(
                x.double().reshape(1, -1, *x.shape[2:]), None, None, training=True
            ).view_as(x),
        ),
        (lesson_03.check_chance_levels, {"lsgan": np.float32(0.25), "hinge": torch.tensor(1.0)}),
        (
            lesson_04.check_cycle_floor,
            lambda showers: np.float64((showers - showers.median(0).values).abs().mean()),
        ),
        (lesson_04.check_perfect_cycle, (lambda x: x.flip(-1), lambda x: x.flip(-1))),
        (lesson_04.check_perfect_cycle, [lambda x: x.roll(1, 2), lambda x: x.roll(-1, 2)]),
        (lesson_04.check_image_pool, Pool),
        (lesson_05.check_patch_nce, lse_nce),
        (
            lesson_05.check_info_nce,
            lambda q, p, n, tau: info_nce(q, p, [(1.0, one) for one in n], tau).reshape(1),
        ),
        (lesson_06.check_intra_ratio, intra),
        (lesson_07.check_inter_ccl, inter),
        (lesson_09.check_write_safely, lambda path, write: careful(path, write, os.replace)),
        (lesson_09.check_write_safely, move),
        (lesson_10.check_spoilt, lambda file: set(answer("10", "spoilt")(file))),
    ],
)
def test_other_right_answers_pass(check, right):
    assert check.verdict(right) == ""


@pytest.mark.parametrize(
    "check, wrong, word",
    [
        (
            lesson_00.check_removed_light,
            lambda r, d: (r - d).mean((1, 2, 3)) * 127.5 + 0 * d.int().x,
            "no attribute 'x'",
        ),
        (lesson_00.check_removed_light, lambda r, d: r.mean((1, 2, 3)) * 127.5, "it says"),
        (
            lesson_00.check_removed_light,
            lambda r, d: (r - d)[:, 0].mean((1, 2)) * 127.5,
            "it says",
        ),
        (lesson_02.check_by_hand, in_place, "work on a copy"),
        (
            lesson_02.check_receptive_field,
            lambda layers: (
                1
                + sum(k * (1 if i < 2 else 2 if i < 3 else 4) for i, (k, _) in enumerate(layers)),
                4,
            ),
            "adds k - 1",
        ),
        (
            lesson_03.check_best_judge,
            lambda p, q, form="lsgan": (
                p / (p + q) if form == "lsgan" else torch.where(p >= q, 1.0, -1.0)
            ),
            "where p = q",
        ),
        (
            lesson_03.check_hinge,
            lambda real, fake: (
                -fake.mean(),
                (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2,
            ),
            "wrong order",
        ),
        (
            lesson_03.check_hinge,
            lambda real, fake: ((F.relu(1 - real) + F.relu(1 + fake)).mean() / 2, -fake.mean()),
            "two means",
        ),
        (
            lesson_03.check_hinge,
            lambda real, fake: (
                (F.relu(1 - real.mean()) + F.relu(1 + fake.mean())) / 2,
                -fake.mean(),
            ),
            "each logit",
        ),
        (
            lesson_03.check_two_losses,
            judge_and_generator(lambda logits: logits.detach()),
            "not the logits",
        ),
        (lesson_04.check_cycle_floor, lambda showers: float("nan"), "floor 0.3"),
        (lesson_04.check_cycle_floor, lambda showers: showers.mean((1, 2, 3)), "one number"),
        (lesson_04.check_perfect_cycle, torch.neg, "two functions"),
        (lesson_04.check_perfect_cycle, (lambda x: x[..., 1:], lambda x: x), "its shape"),
        (lesson_04.check_perfect_cycle, (lambda x: x / 2, lambda x: 2 * x), "[-1, 1]"),
        (lesson_04.check_perfect_cycle, (lambda x: x, lambda x: x), "does nothing"),
        (lesson_04.check_perfect_cycle, (lambda x: x.roll(1, 3),) * 2, "rain(derain(x))"),
        (lesson_04.check_perfect_cycle, (torch.zeros_like, torch.zeros_like), "does not come"),
        (lesson_04.check_image_pool, SharedPool, "share their pictures"),
        (lesson_04.check_image_pool, FirstOut, "random one"),
        (lesson_04.check_image_pool, NeverLast, "never leaves"),
        (lesson_04.check_image_pool, StoresAll, "not stored"),
        (lesson_04.check_image_pool, Roomy, "not stored"),
        (lesson_04.check_image_pool, OneCoin, "each picture by itself"),
        (lesson_04.check_image_pool, Attached, "carries a gradient"),
        (lesson_05.check_patch_nce, lambda q, k, tau: lse_nce(q, k, 0.5), "nothing but it"),
        (
            lesson_05.check_patch_nce,
            lambda q, k, tau: lse_nce(F.normalize(q).mul(1), F.normalize(k), tau),
            "random vectors",
        ),
        (
            lesson_05.check_patch_nce,
            lambda q, k, tau: F.cross_entropy(
                (F.normalize(q) @ F.normalize(k.detach()).mT).flatten(0, 1) / tau,
                torch.arange(6).repeat(2),
            ),
            "dim=-1",
        ),
        (
            lesson_05.check_hardest_share,
            lambda s, tau: (lambda p: (p.max(1).values / p.sum(1)).mean())(
                (s / tau).softmax(1)[:, 1:]
            ),
            "0 by 0",
        ),
        (
            lesson_06.check_intra_ratio,
            lambda *v: intra(*v, lost=torch.Tensor.detach),
            "a part of the anchor's gradient",
        ),
        (
            lesson_07.check_inter_ccl,
            lambda *v: inter(*v, lost=torch.Tensor.detach),
            "a part of reconstructed's gradient",
        ),
        (
            lesson_07.check_who_moves,
            lambda networks, optimizer, loss: {
                name: any(p.grad is not None for p in net.parameters())
                and any(
                    p is q
                    for p in net.parameters()
                    for group in optimizer.param_groups
                    for q in group["params"]
                )
                for _ in [optimizer.zero_grad(), loss().backward()]
                for name, net in networks.items()
            },
            "gradient of zero",
        ),
        (
            lesson_08.check_totals,
            lambda losses, weights: {
                who: sum(
                    w * by[who]
                    for by, w in zip(losses.values(), weights.values(), strict=True)
                    if who in by
                )
                for who in ("generators", "discriminators")
            },
            "by name",
        ),
        (
            lesson_08.check_shares,
            lambda gradients, weights: {
                k: w
                * g.norm()
                / sum(
                    w * g.norm() for g, w in zip(gradients.values(), weights.values(), strict=True)
                )
                for (k, g), w in zip(gradients.items(), weights.values(), strict=True)
            },
            "by name",
        ),
        (lesson_09.check_write_safely, careless, "hidden by another error"),
        (
            lesson_09.check_write_safely,
            lambda path, write: careful(path, write, removes),
            "no file at all",
        ),
        (lesson_09.check_write_safely, lambda path, write: careful(path, write, copies), "copied"),
        (
            lesson_09.check_write_safely,
            lambda path, write: [careful(path, write, os.replace), None][1],
            "`return` missing",
        ),
        (
            lesson_09.check_write_safely,
            lambda path, write: careful(path, write, os.replace).with_suffix(".t"),
            "return `path`",
        ),
        (lesson_10.check_spoilt, lambda file: [], "'leak' passed"),
        (
            lesson_10.check_spoilt,
            answer("10", "spoilt", ("mean(1)", "mean(0)")),
            "highest mean",
        ),
        (
            lesson_10.check_spoilt,
            lambda file: (
                ["chosen on test"] * bool(file["test"].mean(1).argmax() == file["chosen"])
            ),
            "as it may on the test",
        ),
    ],
)
def test_other_wrong_answers_get_a_hint(check, wrong, word):
    assert word in check.verdict(wrong)


def test_one_scene_fewer_is_seen():
    fewer = answer("10", "scene_means", ("size=len(groups)", "size=len(groups) - 1"))
    assert "one fewer" in lesson_10.check_scene_means.verdict(fewer)


def test_pytorchs_own_not_implemented_is_no_stub():
    verdict = lesson_00.check_removed_light.verdict(lambda r, d: torch.nn.Module()(r))
    assert verdict != NOT_DONE and "NotImplementedError" in verdict
