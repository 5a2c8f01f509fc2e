"""What problem set 4 asks of an answer, on inputs that students have not seen."""

import torch
from grader.ask import draws, slopes


def floored_ratio(answer):
    def roles(seed, grad=False, double=False, n=2):
        return draws(seed, *[(4, 9)] * (2 + n), grad=grad, double=double)

    def call(vectors, weights, floor):
        return answer(vectors[0], vectors[1], vectors[2:], weights, floor)

    def who():
        vectors = roles(91, grad=True)
        return slopes(call(vectors, [1.0, 0.1], 0.2), vectors)

    def start():
        """All four alike, as in the first step of generators that change nothing."""
        (same,) = draws(94, (3, 5), grad=True)
        loss = answer(same, same.clone(), [same.clone()], [1.0], 0.1)
        return [loss, torch.isfinite(torch.autograd.grad(loss, same)[0])]

    return {
        "value": lambda: [
            call(roles(91), [1.0, 0.1], 0.2),
            call(roles(92, n=3), [0.5, 2, 0.3], 0.1),
        ],
        "floor": lambda: [call(roles(93), [0.6, 0.2], floor) for floor in (0.85, 9.0)],
        "gradient": who,
        "numerics": start,
    }


def directional_loss(answer):
    def four(seed, grad=False, double=False):
        out, rainy, clean = draws(seed, (4, 7), (4, 7), (6, 7), double=double)
        return [
            (x + shift).requires_grad_(grad)
            for x, shift in zip((out, rainy, clean), (1, 0, 2), strict=True)
        ]

    def who():
        vectors = four(102, grad=True)
        return slopes(answer(*vectors), vectors)

    def idle():
        """A derainer that changes nothing has no direction; its loss must still be a number."""
        _, rainy, clean = four(103)
        return torch.isfinite(answer(rainy, rainy, clean))

    return {
        "value": lambda: answer(*four(101)),
        "gradient": who,
        "dtype": lambda: answer(*four(104, double=True)),
        "numerics": idle,
    }


def inter_per_place(answer):
    def four(seed, grad=False, p=6):
        vectors = draws(seed, *[(3, p, 5)] * 4)
        sizes = torch.linspace(0.3, 3, p)[None, :, None]
        return [(v * sizes + 0.5 * i).requires_grad_(grad) for i, v in enumerate(vectors)]

    def who():
        vectors = four(112, grad=True)
        return slopes(answer(*vectors), vectors)

    def same():
        _, made, real, _ = four(113)
        return torch.isfinite(answer(real, made, real, real))

    return {
        "value": lambda: answer(*four(111)),
        "shape": lambda: [*answer(*four(111, p=2)).shape],
        "gradient": who,
        "numerics": same,
    }
