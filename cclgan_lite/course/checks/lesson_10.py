"""Checks of lesson 10, evaluation."""

from __future__ import annotations

import numpy as np
import torch

from cclgan_lite.course.exercises import Wrong, check, number
from cclgan_lite.evaluation.metrics import luma, psnr
from cclgan_lite.evaluation.statistics import interval


@check("file_score")
def check_file_score(answer):
    """A picture a fraction of a level off, which leaves the range here and there."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    truth[:4] = 255
    levels = truth + rng.normal(0, 0.6, truth.shape)  # beyond 255 in the first rows
    output = torch.from_numpy(levels / 127.5 - 1).float().permute(2, 0, 1)
    levels = (output.permute(1, 2, 0).numpy() + 1) * 127.5
    clipped = levels.clip(0, 255)
    saved = np.rint(clipped).astype(np.uint8)
    want, got = psnr(saved, truth, luma), number(answer(output, truth))

    def near(value, margin=0.02):
        return abs(got - value) < margin

    if near(want):
        return
    if near(psnr(np.rint(levels).astype(np.int64).astype(np.uint8), truth, luma), 1):
        raise Wrong("a level of 256 wraps round to 0 in 8 bits: clip to 0 ... 255 first")
    if near(psnr(clipped.astype(np.uint8), truth, luma)):
        raise Wrong("this truncates, which darkens by half a level: go to the nearest level")
    if near(psnr(clipped, truth, luma)):
        raise Wrong("not rounded: a file holds whole levels")
    if near(psnr(levels, truth, luma)):
        raise Wrong("neither clipped nor rounded: a file holds whole levels from 0 to 255")
    if near(psnr(np.rint(levels), truth, luma)):
        raise Wrong("not clipped: a file has no level above 255")
    if near(psnr(saved, truth)):
        raise Wrong("this is the PSNR of RGB; compare luma")
    if near(want - 20 * np.log10(255)) or near(want - 20 * np.log10(127.5)):
        raise Wrong("the peak is 255, as the levels are")
    if got < 25:
        raise Wrong(f"{got:.1f} dB is far too low: -1 must become 0, and 1 must become 255")
    raise Wrong(f"should be {want:.2f} dB, yours is {got:.2f}")


@check("scene_means")
def check_scene_means(answer):
    """Scenes of 1 and 9 pictures; copies within scenes; spread within scenes alone."""
    draws = 1500

    def means(values, scenes):
        got = np.asarray(answer(values, scenes, draws, np.random.default_rng(0)), dtype=float)
        if got.shape != (draws,):
            raise Wrong(f"{draws} draws give an array of {draws} means; yours is {got.shape}")
        return got

    uneven = means(np.array([0.0] + 9 * [1.0]), ["a"] + 9 * ["b"])
    copies = np.tile(np.arange(8.0), 25), np.tile(np.arange(8), 25)  # in no order
    got = means(*copies).std()
    want = np.arange(8.0).std() / 8**0.5
    within = means(np.repeat([0.0, 10.0], 8), np.tile(np.arange(8), 2)).std()
    if got < 1e-9:
        raise Wrong("every drawn set is the whole set: draw with replacement")
    if within > 1e-6:
        raise Wrong(
            "pictures were drawn one by one: the pictures of a scene stay together, so draw scenes"
        )
    if set(uneven.round(6)) == {0.0, 0.5, 1.0}:
        raise Wrong(
            "this is the mean of the scenes' means: a scene of nine pictures counts "
            "nine times as much as a scene of one"
        )
    if abs(got / want - 1) > 0.15:
        raise Wrong(
            "draw as many scenes as there are: the drawn means spread by "
            f"{got:.3f}, and should by {want:.3f}"
        )
    if set(uneven.round(6)) == {0.0, 1.0}:
        raise Wrong("draw as many scenes as there are, not one fewer")
    if set(uneven.round(6)) != {0.0, 0.9, 1.0}:
        raise Wrong(
            "with a scene of one picture (0) and one of nine (1), a drawn mean is 0, 0.9 "
            f"or 1; yours has {uneven.min():.3f} to {uneven.max():.3f}"
        )


@check("paired")
def check_paired(answer):
    """Hard and easy scenes of one to five showers, a small gain that differs between scenes."""
    rng = np.random.default_rng(1)
    scene = np.repeat(np.arange(20), np.tile([1, 5, 2, 4], 5))
    names = [f"{k:02}-{i}" for i, k in enumerate(scene)]
    hard = rng.normal(26, 3, 20)[scene] + rng.normal(0, 0.2, 60)
    gain = rng.normal(0.6, 0.5, 20)[scene] + rng.normal(0, 0.05, 60)
    two = dict(zip(names, hard, strict=True))
    one = {names[i]: hard[i] + gain[i] for i in rng.permutation(60)}
    scenes = {name: name[:2] for name in names}
    mean, low, high = (float(x) for x in answer(one, two, scenes))
    want = interval(gain, scene)
    width = want[1] - want[0]

    def near(other):
        return np.abs(np.array([low, high]) - other).max() < 0.12 * (other[1] - other[0])

    if abs(mean + gain.mean()) < 1e-6:
        raise Wrong("the sign: one minus two")
    shuffled = np.array(list(one.values())) - np.array(list(two.values()))
    if abs(mean - gain.mean()) > 1e-6:
        raise Wrong(f"the mean difference should be {gain.mean():.3f} dB, yours is {mean:.3f}")
    if near(want):
        return
    if near(interval(gain)):
        raise Wrong(
            "the interval treats pictures as independent: hand the scenes to bca, in the "
            "order of the differences"
        )
    by_place = [
        interval(shuffled, s) for s in ([scenes[n] for n in one], [scenes[n] for n in two], None)
    ]
    if any(near(x) for x in by_place):
        raise Wrong("the files are in different orders: match pictures by name")
    if high - low > 2.5 * width:
        raise Wrong(
            "this combines two intervals, or pairs the wrong pictures: how hard a "
            "picture is cancels only if each picture's difference is taken first"
        )
    raise Wrong(
        f"should be about {want[0]:.2f} to {want[1]:.2f} dB, yours is {low:.2f} to {high:.2f}"
    )


@check("honest_choice")
def check_honest_choice(answer):
    """Five systems, three pictures: mean, median, worst, best and wins each prefer another one."""
    validation = np.array([[29.0, 22, 31], [24, 29, 20], [33, 26, 24], [32, 24, 29], [27, 33, 21]])
    test = np.array([[23.0, 32, 29], [25, 27, 31], [24, 25, 33], [24, 27, 24], [33, 25, 29]])
    got = np.asarray(answer(validation, test), dtype=float)
    if got.shape:
        raise Wrong(f"one number is wanted; yours has the shape {got.shape}")
    best = validation.mean(1).argmax()

    def near(value):
        return abs(got - value) < 1e-6

    if near(test[best].mean()):
        return
    if near(test.mean(1).max()):
        raise Wrong("the system was chosen on the test set: choose on validation")
    if near(validation[best].mean()):
        raise Wrong("this is the score on validation, where it was chosen: report the test's")
    if near(test.max(0).mean()):
        raise Wrong("this takes the best system picture by picture: one system is chosen, for all")
    if near(test.mean()):
        raise Wrong("this is the mean over all systems: choose one")
    if near(test[validation.mean(1).argmin()].mean()):
        raise Wrong("this is the system with the lowest validation score")
    for system, scores in enumerate(test):
        if near(scores.mean()):
            raise Wrong(
                f"this is the test score of system {system}; system {best} has the "
                "highest mean on validation"
            )
    raise Wrong(f"should be {test[best].mean():.2f} dB, yours is {float(got):.2f}")
