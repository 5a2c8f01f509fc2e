"""Checks of lesson 04: what cycle consistency leaves possible."""

from __future__ import annotations

import torch

from cclgan_lite.course.exercises import Wrong, check, expect, number


@check("perfect_cycle")
def check_perfect_cycle(answer):
    """Two functions that undo each other both ways round, and change every picture."""
    if not isinstance(answer, tuple | list) or len(answer) != 2 or not all(map(callable, answer)):
        raise Wrong("give two functions, (derain, rain)")
    torch.manual_seed(0)
    pictures = torch.rand(2, 3, 6, 8) * 2 - 1
    for (first, second), said in ((answer, "rain(derain(x))"), (answer[::-1], "derain(rain(x))")):
        made = first(pictures.clone())
        if made.shape != pictures.shape:
            raise Wrong("a picture must keep its shape [B, 3, H, W]")
        if made.abs().max() > 1:
            raise Wrong("a picture lies in [-1, 1]: one of the two functions leaves it")
        if (made - pictures).abs().mean((1, 2, 3)).min() < 0.05:
            raise Wrong("every picture must change by 0.05 or more in the mean: this does nothing")
        error = (second(made) - pictures).abs().mean()
        if error > 1e-6:
            raise Wrong(f"{said} does not come back to x: it is off by {error:.2g} in the mean")


@check("cycle_floor")
def check_cycle_floor(answer):
    """The least mean L1 distance from one picture to K showers, a number."""
    three = torch.zeros(3, 3, 4, 4)
    three[2] = 0.9  # best answer 0: distances 0, 0, 0.9
    expect(
        number(answer(three.clone())),
        0.3,
        {
            "that is the distance to the mean of the showers: the mean is best for squares, the "
            "median for absolute differences": 0.4,
            "that is the sum over the showers: take the mean over the K showers": 0.9,
            "those are squares: d is the mean absolute difference": 0.27,
        },
        "showers of 0, 0 and 0.9 have the floor 0.3, from x = 0",
    )
    torch.manual_seed(0)
    showers = torch.rand(5, 3, 6, 6)
    expect(
        number(answer(showers.clone())),
        least := (showers - showers.median(0).values).abs().mean(),
        {
            "no single picture comes that near to all showers": lambda got: got < least,
            "there is a better x: choose it for every pixel of every channel by itself": (
                lambda got: got > least
            ),
        },
        tolerance=1e-5,
    )


@check("ImagePool")
def check_image_pool(answer):
    """A buffer of generated pictures: stored first, then swapped half of the time."""
    torch.manual_seed(0)

    def numbered(*numbers):
        return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)

    pool = answer(size=4)
    first = pool(numbered(1, 2, 3, 4))
    if first is None:
        raise NotImplementedError
    expect(
        first,
        numbered(1, 2, 3, 4),
        otherwise="while there is room, each new picture is stored and returned as it is",
    )
    # The pool is full. Three new pictures at a time, so that a coin for each batch would show.
    stream = [
        [int(x) for x in pool(numbered(n, n + 1, n + 2))[:, 0, 0, 0]] for n in range(5, 1205, 3)
    ]
    pairs = list(enumerate((got for batch in stream for got in batch), 5))
    old = [got for n, got in pairs if got != n]
    expect(
        share := 1 - len(old) / len(pairs),
        0.5,
        {
            "old pictures never come back: a full pool returns a stored one half of the time": 1.0,
            "new pictures never come back: with probability one half the new one is returned": 0.0,
        },
        f"new pictures are returned {share:.0%} of the time, not half of it",
        tolerance=0.1,
    )
    if max(old) <= 4:
        raise Wrong(
            "the stored pictures are never replaced: the pool must take the new picture "
            "in the place of the one it gives out"
        )
    if len(set(old)) < len(old):
        raise Wrong(
            "a picture was given out twice: what leaves the pool is replaced by the new "
            "picture, so take the old one out before you store the new one"
        )
    stored, oldest = [1, 2, 3, 4], 0
    for n, got in pairs:
        if got == n:
            continue
        if got not in stored:
            raise Wrong(
                f"picture {got} came back, though it was returned as it was when the pool "
                "was full already: then it is not stored"
            )
        oldest += got == stored[0]
        stored.remove(got)
        stored.append(n)
    if min(stored) <= 4:
        raise Wrong("some stored picture never leaves: each of the `size` places may be drawn")
    if oldest == len(old):
        raise Wrong("always the oldest picture comes back: draw a random one")
    kept = [{got == n for n, got in pairs[i : i + 3]} for i in range(0, len(pairs), 3)]
    if all(len(fates) == 1 for fates in kept):
        raise Wrong("a whole batch is swapped or not: draw for each picture by itself")
    for _ in range(9):
        small = answer(size=2)
        expect(
            small(numbered(-1, -2)),
            numbered(-1, -2),
            otherwise="two pools share their pictures: they belong to the instance (self), not to "
            "the class",
        )
    if [int(x) for x in small(numbered(*range(40)))[:, 0, 0, 0]] == [*range(40)]:
        raise Wrong("a pool of size 2 takes more than two pictures")
    moving = torch.zeros(4, 3, 2, 2, requires_grad=True)
    if any(small(moving).requires_grad for _ in range(9)):
        raise Wrong(
            "what the pool returns still carries a gradient: detach the pictures, a judge "
            "must not train the generator"
        )
