"""The contrastive primitives that every loss here is made of.

Two forms of one idea, "near the positives, far from the negatives":
- ratio: sum of weighted distances to positives over sum of weighted distances to negatives
  (the form of the published CCLGAN code, from Wu et al. 2021);
- InfoNCE: cross-entropy of picking the positive by temperature-scaled cosine similarity
  (van den Oord et al. 2018), the form that the paper's text suggests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Form = Literal["ratio", "infonce"]


def distance(a: Tensor, b: Tensor) -> Tensor:
    """d(a, b): mean absolute difference per image, [B, ...] x [B, ...] -> [B]."""
    return (a - b).abs().flatten(1).mean(1)


def weighted_sum(pairs: Iterable[tuple[float, Tensor]]) -> Tensor | float:
    """Sum of weight x value over the pairs whose weight is not zero."""
    return sum(weight * value for weight, value in pairs if weight)


def ratio(positives: Tensor, negatives: Tensor, eps: float = 1e-7) -> Tensor:
    """(distance to positives) / (distance to negatives + eps), [B] x [B] -> mean over images."""
    return (positives / (negatives + eps)).mean()


def info_nce(
    query: Tensor,
    positive: Tensor,
    negatives: Iterable[tuple[float, Tensor]],
    temperature: float,
) -> Tensor:
    """-log [ e^(s+/tau) / (e^(s+/tau) + sum_k w_k e^(s_k/tau)) ], averaged over all vectors.

    query, positive and each negative: [..., C], compared vector by vector with cosine similarity
    s; each negative comes with its weight w_k, and weight 0 leaves it out.
    """
    query = F.normalize(query, dim=-1)

    def similarity(other: Tensor) -> Tensor:
        return (query * F.normalize(other, dim=-1)).sum(-1) / temperature

    # log w + s/tau inside a log-sum-exp: no exponential overflows at small temperatures
    logits = [similarity(positive)]
    logits += [math.log(w) + similarity(n) for w, n in negatives if w]
    return (torch.stack(logits, -1).logsumexp(-1) - logits[0]).mean()


def patch_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Eq. 7: InfoNCE over places; query i's positive is key i, its negatives all other keys.

    queries, keys: [B, P, C]; P - 1 negatives from the same image; cosine similarity. Keys are
    constants: no gradient flows through them.
    """
    queries, keys = F.normalize(queries, dim=-1), F.normalize(keys.detach(), dim=-1)
    logits = queries @ keys.transpose(1, 2) / temperature  # [B, P queries, P keys]
    return (logits.logsumexp(-1) - logits.diagonal(dim1=1, dim2=2)).mean()


def nce(queries: Tensor, positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """-log [ e^(q k+ / tau) / (e^(q k+ / tau) + sum_j e^(q k_j / tau)) ], averaged over queries.

    queries and their positives k+: [B, P, C]; negatives k_j of all queries of an image:
    [B, N, C]; cosine similarity.
    """
    queries = F.normalize(queries, dim=-1)
    near = (queries * F.normalize(positives, dim=-1)).sum(-1, keepdim=True)
    far = queries @ F.normalize(negatives, dim=-1).mT
    logits = torch.cat([near, far], -1) / temperature
    return (logits.logsumexp(-1) - logits[..., 0]).mean()
