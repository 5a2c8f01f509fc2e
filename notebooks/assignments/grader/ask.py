"""What questions.py asks with."""

from __future__ import annotations

import torch


def slopes(loss, inputs):
    """The gradient for each input, or None where none arrives."""
    if not (torch.is_tensor(loss) and loss.requires_grad):
        return [None] * len(inputs)
    found = torch.autograd.grad(loss.sum(), inputs, allow_unused=True, retain_graph=True)
    return [None if g is None or not g.any() else g for g in found]


def draws(seed, *shapes, grad=False, double=False):
    """Normal tensors of these shapes, the same at every call."""
    rng = torch.Generator().manual_seed(seed)
    kind = torch.float64 if double else torch.float32
    return [torch.randn(*s, generator=rng).to(kind).requires_grad_(grad) for s in shapes]


def untouched(answer, *arguments):
    """What it returns, and whether each tensor among the arguments is as it was."""
    before = [a.detach().clone() if torch.is_tensor(a) else None for a in arguments]
    states = [a.requires_grad if torch.is_tensor(a) else None for a in arguments]
    seed = torch.random.get_rng_state()
    result = answer(*arguments)
    return [
        result,
        bool(torch.equal(seed, torch.random.get_rng_state())),
        *(
            bool(torch.equal(a, b)) and a.requires_grad == s
            for a, b, s in zip(arguments, before, states, strict=True)
            if torch.is_tensor(a)
        ),
    ]
