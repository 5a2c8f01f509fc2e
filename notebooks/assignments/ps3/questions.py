"""What problem set 3 asks of an answer, on inputs that students have not seen."""

import torch
from grader.ask import draws, slopes


def _near(seed, shape, grad=False, double=False):
    """Two sets of vectors, the second near the first, of many lengths."""
    a, noise, size = draws(seed, shape, shape, (*shape[:2], 1), double=double)
    return a.requires_grad_(grad), ((a + noise).detach() * size.exp()).requires_grad_(grad)


def symmetric_nce(answer):
    def who():
        a, b = _near(61, (2, 7, 5), grad=True)
        return slopes(answer(a, b, 0.4), [a, b])

    return {
        "value": lambda: answer(*_near(61, (2, 7, 5)), 0.4),
        "gradient": who,
        "dtype": lambda: answer(*_near(62, (3, 4, 6), double=True), 0.2),
        "numerics": lambda: answer(*_near(63, (2, 9, 5)), 0.004),
    }


def masked_nce(answer):
    def groups(seed, *shape):
        return torch.randint(3, shape, generator=torch.Generator().manual_seed(seed))

    def who():
        a, b = _near(71, (2, 8, 5), grad=True)
        return slopes(answer(a, b, groups(1, 2, 8), 0.4), [a, b])

    def alone():
        """All places of one group: nothing is left to be told apart."""
        return answer(*_near(73, (1, 6, 4)), torch.zeros(1, 6, dtype=torch.long), 0.3)

    return {
        "value": lambda: answer(*_near(71, (2, 8, 5)), groups(1, 2, 8), 0.4),
        "gradient": who,
        "one group": alone,
        "numerics": lambda: answer(*_near(72, (2, 8, 5)), groups(2, 2, 8), 0.004),
    }


def effective_negatives(answer):
    def similarities(seed, double=False):
        return torch.tanh(draws(seed, (6, 9), double=double)[0])

    return {
        "value": lambda: answer(similarities(81), 0.3),
        "shape": lambda: [*answer(similarities(82)[:2, :4], 0.5).shape],
        "dtype": lambda: answer(similarities(83, double=True), 0.3),
        "numerics": lambda: answer(similarities(84), 0.002),
    }
