"""Checks of lesson 10, evaluation."""

from __future__ import annotations

import numpy as np
import torch

from cclgan_lite.course.exam import result_file
from cclgan_lite.course.exercises import Wrong, check, expect, number
from cclgan_lite.data.unpaired import SAME_SCENE
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

    def score(picture):
        return psnr(picture, truth, luma)

    wrapped = score(np.rint(levels).astype(np.int64).astype(np.uint8))
    want, got = score(saved), number(answer(output, truth))
    expect(
        got,
        want,
        {
            "a level of 256 wraps round to 0 in 8 bits: clip to 0 ... 255 first": (
                lambda got: abs(got - wrapped) < 1
            ),
            "this truncates, which darkens by half a level: go to the nearest level": (
                score(clipped.astype(np.uint8))
            ),
            "not rounded: a file holds whole levels": score(clipped),
            "neither clipped nor rounded: a file holds whole levels from 0 to 255": score(levels),
            "not clipped: a file has no level above 255": score(np.rint(levels)),
            "this is the PSNR of RGB; compare luma": psnr(saved, truth),
            "the peak is 255, as the levels are": [want - 20 * np.log10(p) for p in (255, 127.5)],
            f"{got:.1f} dB is far too low: -1 must become 0, and 1 must become 255": (
                lambda got: got < 25
            ),
        },
        f"should be {want:.2f} dB",
        tolerance=0.015,
    )


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
    spread = means(np.tile(np.arange(8.0), 25), np.tile(np.arange(8), 25)).std()  # in no order
    want = np.arange(8.0).std() / 8**0.5
    within = means(np.repeat([0.0, 10.0], 8), np.tile(np.arange(8), 2)).std()
    drawn = set(uneven.round(6))
    size = f"draw as many scenes as there are: means spread by {want:.3f}, yours by {spread:.3f}"
    mistakes = {
        "every drawn set is the whole set: draw with replacement": spread < 1e-9,
        "pictures were drawn one by one: the pictures of a scene stay together, so draw scenes": (
            within > 1e-6
        ),
        "this is the mean of the scenes' means: a scene of nine pictures counts nine times as "
        "much as a scene of one": drawn == {0.0, 0.5, 1.0},
        size: abs(spread / want - 1) > 0.15,
        "draw as many scenes as there are, not one fewer": drawn == {0.0, 1.0},
        "with a scene of one picture (0) and one of nine (1), a drawn mean is 0, 0.9 or 1; yours "
        f"has {uneven.min():.3f} to {uneven.max():.3f}": drawn != {0.0, 0.9, 1.0},
    }
    for hint, made in mistakes.items():
        if made:
            raise Wrong(hint)


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
    mean, *ends = map(float, answer(one, two, scenes))
    expect(mean, gain.mean(), {"the sign: one minus two": -gain.mean()}, "the mean difference")
    want = interval(gain, scene)

    def like(*others):
        """Ends within an eighth of the width of one of these intervals, which are random."""
        return lambda _: any(
            np.abs(np.subtract(ends, other)).max() < 0.12 * np.ptp(other) for other in others
        )

    shuffled = np.array(list(one.values())) - np.array(list(two.values()))
    orders = [scenes[n] for n in one], [scenes[n] for n in two], None
    if like(want)(ends):
        return
    expect(
        tuple(ends),
        tuple(want),
        {
            "the interval treats pictures as independent: hand the scenes to bca, in the order of "
            "the differences": like(interval(gain)),
            "the files are in different orders: match pictures by name": (
                like(*(interval(shuffled, order) for order in orders))
            ),
            "this combines two intervals, or pairs the wrong pictures: how hard a picture is "
            "cancels only if each picture's difference is taken first": (
                lambda got: np.ptp(got) > 2.5 * np.ptp(want)
            ),
        },
    )


FAULTS = ("leak", "chosen on test", "pictures drawn")


@check("spoilt")
def check_spoilt(answer):
    """Sound files that look suspicious, files with one fault, and one with all three."""
    files = [
        (result_file(1, lucky=True), ()),
        (result_file(2, showers=1), ()),
        (result_file(3), ()),
        *((result_file(4 + k, fault), (fault,)) for k, fault in enumerate(FAULTS)),
        (result_file(7, *FAULTS), FAULTS),
    ]
    missed = {
        "leak": "one test picture at a distance of SAME_SCENE is enough",
        "chosen on test": "another system has the highest mean on validation",
        "pictures drawn": "its interval is far narrower than that of bca over scenes",
    }
    alarm = {
        "leak": f"its least distance is {SAME_SCENE + 1}, above SAME_SCENE",
        "chosen on test": "its system has the highest mean on validation, as it may on the test",
        "pictures drawn": "its interval is as wide as that of bca over scenes",
    }
    for file, want in files:
        got = answer(file)
        if not isinstance(got, list | tuple | set):
            raise Wrong("return a list of faults; for a sound file an empty one")
        if unknown := [name for name in got if name not in FAULTS]:
            raise Wrong(f"there is no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
        for fault in FAULTS:
            if fault in want and fault not in got:
                raise Wrong(f"a file with {fault!r} passed: {missed[fault]}")
            if fault in got and fault not in want:
                raise Wrong(f"{fault!r} was found where it is not: {alarm[fault]}")
