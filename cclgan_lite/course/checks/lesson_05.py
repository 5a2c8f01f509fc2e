"""Checks of lesson 05: InfoNCE, PatchNCE and the temperature."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from cclgan_lite.course.exercises import Wrong, check, near, slopes
from cclgan_lite.losses import info_nce, patch_nce


@check("info_nce")
def check_info_nce(answer):
    """Cross-entropy over N + 1 cosine similarities."""
    torch.manual_seed(0)
    query, positive, negatives = torch.randn(5, 8), torch.randn(5, 8), torch.randn(3, 5, 8)

    def truth(q, p, n, tau):
        return info_nce(q, p, [(1.0, one) for one in n], tau)

    got = torch.as_tensor(answer(query, positive, negatives, 0.5))
    want = truth(query, positive, negatives, 0.5)
    if got.numel() != 1:
        raise Wrong(f"one number is expected, the mean over the queries, not {tuple(got.shape)}")
    if not near(got, want):
        q, keys = query, torch.cat([positive[None], negatives])
        unit_q, unit_keys = F.normalize(q, dim=-1), F.normalize(keys, dim=-1)
        cosine = (unit_q * unit_keys).sum(-1).T
        target = torch.zeros(5, dtype=torch.long)
        crossed = torch.cat([F.normalize(positive)[None], F.normalize(negatives)])
        mistakes = [
            *(
                (
                    F.cross_entropy((unit_q * other).sum(-1).T / 0.5, target),
                    "F.normalize works along dimension 1 unless told otherwise: the vectors lie "
                    "along the last one, dim=-1",
                )
                for other in (crossed, F.normalize(keys))
            ),
            *(
                (
                    F.cross_entropy((a * b).sum(-1).T / 0.5, target),
                    "not all vectors are normalised: cosine similarity needs length one (L2 norm)",
                )
                for a, b in [(q, keys), (unit_q, keys), (q, unit_keys)]
            ),
            (F.cross_entropy(cosine, target), "the temperature is missing"),
            (
                F.cross_entropy(cosine * 0.5, target),
                "the temperature multiplies: divide the similarities by it",
            ),
            (
                F.cross_entropy(cosine / 0.5, target + 1),
                "the positive is not where the loss looks for it: class 0 is the positive only if it "
                "comes first",
            ),
            (
                F.cross_entropy(cosine[:, 1:] / 0.5, target),
                "the positive is missing among the keys: there are N + 1",
            ),
            (
                -(cosine[:, 0] / 0.5 - (cosine[:, 1:] / 0.5).logsumexp(-1)).mean(),
                "the denominator lacks the positive's own term: there are N + 1 of them",
            ),
            (5 * want, "that is the sum over the queries: take the mean"),
            (-want, "the sign is wrong: a loss is minus the log of the probability"),
        ]
        for value, hint in mistakes:
            if near(got, value):
                raise Wrong(hint)
        raise Wrong(f"expected {want:.4f}, got {float(got):.4f} on random vectors")
    cold = torch.as_tensor(answer(query, positive, negatives, 0.005))
    if not torch.isfinite(cold):
        raise Wrong(
            "at temperature 0.005 the exponential overflows: use log-sum-exp, as "
            "F.cross_entropy and torch.logsumexp do"
        )
    if not near(cold, truth(query, positive, negatives, 0.005), 1e-2):
        raise Wrong("right at temperature 0.5 but not at 0.005: does it use its argument?")


@check("patch_nce")
def check_patch_nce(answer):
    """InfoNCE over the places of each picture, keys constant."""
    torch.manual_seed(0)
    queries = torch.randn(2, 6, 8, requires_grad=True)
    keys = torch.randn(2, 6, 8, requires_grad=True)
    got, want = answer(queries, keys, 0.5), patch_nce(queries, keys, 0.5)
    if not near(got, want):
        q, k = F.normalize(queries, dim=-1), F.normalize(keys, dim=-1)
        cosine = q @ k.transpose(1, 2)
        diagonal = cosine.diagonal(dim1=1, dim2=2)
        flat = q.flatten(0, 1) @ k.flatten(0, 1).T
        long = [(queries, keys), (q, keys), (queries, k)]
        plain = [a @ b.transpose(1, 2) / 0.5 for a, b in long]
        crossed = F.normalize(queries) @ F.normalize(keys).transpose(1, 2) / 0.5
        mistakes = [
            (
                (crossed.logsumexp(-1) - crossed.diagonal(dim1=1, dim2=2)).mean(),
                "F.normalize works along dimension 1 unless told otherwise: the vectors lie along "
                "the last one, dim=-1",
            ),
            *(
                (
                    (logits.logsumexp(-1) - logits.diagonal(dim1=1, dim2=2)).mean(),
                    "queries or keys are not normalised: cosine similarity needs an L2 norm of one",
                )
                for logits in plain
            ),
            ((cosine.logsumexp(-1) - diagonal).mean(), "the temperature is missing"),
            (
                ((cosine * 0.5).logsumexp(-1) - diagonal * 0.5).mean(),
                "the temperature multiplies: divide the similarities by it",
            ),
            (
                ((cosine / 0.5).logsumexp(1) - diagonal / 0.5).mean(),
                "rows and columns are swapped: each query chooses among the keys, not each key among "
                "the queries",
            ),
            (
                F.cross_entropy(flat / 0.5, torch.arange(12)),
                "negatives come from other pictures too: only places of the same picture count",
            ),
            (12 * want, "that is the sum over places: take the mean"),
            ((cosine / 0.5).logsumexp(-1).mean(), "the positives, on the diagonal, are missing"),
            (
                (
                    (cosine / 0.5).logsumexp(-1)
                    - torch.diagonal((cosine / 0.5).roll(1, -1), dim1=1, dim2=2)
                ).mean(),
                "the positives are shifted: the positive of query i is key i",
            ),
        ]
        for value, hint in mistakes:
            if near(got, value):
                raise Wrong(hint)
        raise Wrong(f"expected {want.item():.4f} on random vectors, got {got}")
    found = slopes(got, [queries, keys])
    if found[0] is None:
        raise Wrong("no gradient reaches the queries: detach the keys, not the queries")
    if found[1] is not None and found[1].abs().max() > 0:
        raise Wrong("the keys are not detached: a gradient reaches them, but they are constants")
    cold = torch.as_tensor(answer(queries, keys, 0.005))
    if not torch.isfinite(cold):
        raise Wrong("at temperature 0.005 the exponential overflows: use log-sum-exp")
    if not near(cold, patch_nce(queries, keys, 0.005), 1e-2):
        raise Wrong(
            "right at temperature 0.5 but not at 0.005: does it use its argument, and "
            "nothing but it?"
        )


@check("hardest_share")
def check_hardest_share(answer):
    """Softmax over the negatives alone; mean of its largest entry."""
    torch.manual_seed(0)
    similarities = torch.rand(7, 6) * 1.6 - 0.8
    similarities[:4, 0] = 0.95  # positives that are the most similar, and others
    negatives = similarities[:, 1:]
    want = (negatives / 0.3).softmax(-1).max(-1).values.mean()
    got = answer(similarities, 0.3)
    if not near(got, want):
        mistakes = [
            (
                (similarities / 0.3).softmax(-1)[:, 1:].max(-1).values.mean(),
                "that is a share of all keys: the positive does not push, leave it out of the total",
            ),
            (
                (similarities / 0.3).softmax(-1).max(-1).values.mean(),
                "column 0 is the positive: only the negatives push",
            ),
            (negatives.softmax(-1).max(-1).values.mean(), "the temperature is missing"),
            (
                (negatives * 0.3).softmax(-1).max(-1).values.mean(),
                "the temperature multiplies: divide the similarities by it",
            ),
            (
                (negatives / 0.3).softmax(0).max(-1).values.mean(),
                "the softmax runs over the queries: it must run over each query's negatives",
            ),
            (
                (negatives / 0.3).softmax(-1).min(-1).values.mean(),
                "that is the easiest negative: the hardest is the most similar",
            ),
        ]
        for value, hint in mistakes:
            if near(got, value):
                raise Wrong(hint)
        raise Wrong(f"expected {float(want):.4f}, got {float(got):.4f}")
    cold = torch.as_tensor(answer(similarities, 0.001))
    if not torch.isfinite(cold):
        raise Wrong(
            "at temperature 0.001 it overflows, or divides 0 by 0: use a softmax over the "
            "negatives, which subtracts the largest logit first"
        )
    if not near(cold, (negatives / 0.001).softmax(-1).max(-1).values.mean(), 1e-3):
        raise Wrong("right at temperature 0.3 but not at 0.001: does it use its argument?")
