"""Checks of lesson 05: InfoNCE, PatchNCE and the temperature."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from cclgan_lite.course.exercises import check, expect, overflows
from cclgan_lite.losses import info_nce, patch_nce

NO_TAU = "the temperature is missing"
TIMES_TAU = "the temperature multiplies: divide the similarities by it"
AXIS = "F.normalize works along dimension 1 unless told otherwise: the vectors lie along the last "
AXIS += "one, dim=-1"
LONG = "not all vectors are normalised: cosine similarity needs length one (L2 norm)"
COLD = "at temperature {} the exponential overflows: use log-sum-exp, as torch.logsumexp and "
COLD += "F.cross_entropy do"
IGNORED = "right at temperature {} but not at {}: does it use its argument, and nothing but it?"


def unit(x, dim=-1):
    return F.normalize(x, dim=dim)


@check("info_nce")
def check_info_nce(answer):
    """Cross-entropy over N + 1 cosine similarities."""
    torch.manual_seed(0)
    query, positive, negatives = torch.randn(5, 8), torch.randn(5, 8), torch.randn(3, 5, 8)
    keys = torch.cat([positive[None], negatives])

    def truth(tau):
        return info_nce(query, positive, [(1.0, one) for one in negatives], tau)

    def loss(q, k, tau=0.5, right=0):
        logits = (q * k).sum(-1).T / tau
        return F.cross_entropy(logits, torch.full((5,), right))

    q, k = unit(query), unit(keys)
    similar = (q * k).sum(-1).T / 0.5
    want = truth(0.5)
    expect(
        answer(query, positive, negatives, 0.5),
        want,
        {
            AXIS: [loss(q, torch.cat([k[:1], unit(negatives, 1)])), loss(q, unit(keys, 1))],
            LONG: [loss(query, keys), loss(q, keys), loss(query, k)],
            NO_TAU: loss(q, k, 1.0),
            TIMES_TAU: loss(q, k, 2.0),
            "the positive is not where the loss looks for it: class 0 is the positive only if it "
            "comes first": loss(q, k, right=1),
            "the positive is missing among the keys: there are N + 1": loss(q, k[1:]),
            "the denominator lacks the positive's own term: there are N + 1 of them": (
                (similar[:, 1:].logsumexp(-1) - similar[:, 0]).mean()
            ),
            "that is the sum over the queries: take the mean": 5 * want,
            "the sign is wrong: a loss is minus the log of the probability": -want,
        },
        "on random vectors",
    )
    expect(
        answer(query, positive, negatives, 0.005),
        truth(0.005),
        {COLD.format(0.005): overflows},
        IGNORED.format(0.5, 0.005),
        tolerance=1e-2,
    )


@check("patch_nce")
def check_patch_nce(answer):
    """InfoNCE over the places of each picture, keys constant."""
    torch.manual_seed(0)
    queries, keys = (torch.randn(2, 6, 8, requires_grad=True) for _ in range(2))
    q, k = unit(queries), unit(keys)

    def loss(q, k, tau=0.5, dim=-1, shift=0):
        logits = q @ k.mT / tau
        right = logits.roll(shift, -1).diagonal(dim1=1, dim2=2)
        return (logits.logsumexp(dim) - right).mean()

    got, want = answer(queries, keys, 0.5), patch_nce(queries, keys, 0.5)
    expect(
        got,
        want,
        {
            AXIS: (unit(queries, 1) @ unit(keys, 1).mT / 0.5).logsumexp(-1).mean()
            - (unit(queries, 1) * unit(keys, 1)).sum(-1).mean() / 0.5,
            LONG: [loss(queries, keys), loss(q, keys), loss(queries, k)],
            NO_TAU: loss(q, k, 1.0),
            TIMES_TAU: loss(q, k, 2.0),
            "rows and columns are swapped: each query chooses among the keys, not each key among "
            "the queries": loss(q, k, dim=1),
            "negatives come from other pictures too: only places of the same picture count": (
                F.cross_entropy(q.flatten(0, 1) @ k.flatten(0, 1).T / 0.5, torch.arange(12))
            ),
            "that is the sum over places: take the mean": 12 * want,
            "the positives, on the diagonal, are missing": (q @ k.mT / 0.5).logsumexp(-1).mean(),
            "the positives are shifted: the positive of query i is key i": loss(q, k, shift=1),
        },
        "on random vectors",
        wrt={"the queries": queries, "the keys": keys},
    )
    expect(
        answer(queries, keys, 0.005),
        patch_nce(queries, keys, 0.005),
        {COLD.format(0.005): overflows},
        IGNORED.format(0.5, 0.005),
        tolerance=1e-2,
    )


@check("hardest_share")
def check_hardest_share(answer):
    """Softmax over the negatives alone; mean of its largest entry."""
    torch.manual_seed(0)
    similarities = torch.rand(7, 6) * 1.6 - 0.8
    similarities[:4, 0] = 0.95  # positives that are the most similar, and others
    negatives = similarities[:, 1:]

    def share(logits, dim=-1):
        return logits.softmax(dim).amax(-1).mean()

    expect(
        answer(similarities, 0.3),
        share(negatives / 0.3),
        {
            "that is a share of all keys: the positive does not push, leave it out of the total": (
                (similarities / 0.3).softmax(-1)[:, 1:].amax(-1).mean()
            ),
            "column 0 is the positive: only the negatives push": share(similarities / 0.3),
            NO_TAU: share(negatives),
            TIMES_TAU: share(negatives * 0.3),
            "the softmax runs over the queries: it must run over each query's negatives": (
                share(negatives / 0.3, 0)
            ),
            "that is the easiest negative: the hardest is the most similar": (
                (negatives / 0.3).softmax(-1).amin(-1).mean()
            ),
        },
    )
    cold = "at temperature 0.001 it overflows, or divides 0 by 0: use a softmax over the negatives"
    expect(
        answer(similarities, 0.001),
        share(negatives / 0.001),
        {cold: overflows},
        IGNORED.format(0.3, 0.001),
        tolerance=1e-3,
    )
