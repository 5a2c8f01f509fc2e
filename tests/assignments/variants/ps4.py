"""Other hands at problem set 4: right answers written differently, and wrong ones."""

import torch
import torch.nn.functional as F

from cclgan_lite.losses import distance


def ratio_package(anchor, positive, negatives, weights, floor):
    far = 0
    for n, w in zip(negatives, weights):
        far = far + w * distance(anchor, n.detach())
    return (distance(anchor, positive.detach()) / torch.clamp(far, floor)).mean()


def ratio_loop(anchor, positive, negatives, weights, floor):
    losses = []
    for b in range(len(anchor)):
        near = F.l1_loss(anchor[b], positive[b].detach())
        far = sum(w * F.l1_loss(anchor[b], n[b].detach()) for w, n in zip(weights, negatives))
        losses.append(near / (far if far > floor else floor))
    return sum(losses) / len(losses)


def ratio_stack(anchor, positive, negatives, weights, floor):
    with torch.no_grad():
        away, p = torch.stack(list(negatives)), positive * 1
    d = (anchor[None] - away).abs().mean(-1)
    far = torch.tensor(weights, dtype=d.dtype) @ d
    return torch.mean(
        (anchor - p).abs().mean(-1) / torch.maximum(far, torch.full_like(far, floor))
    )


def ratio_each_floor(anchor, positive, negatives, weights, floor):
    """The floor under every distance instead of under their sum."""
    far = sum(
        w * distance(anchor, n.detach()).clamp(min=floor) for w, n in zip(weights, negatives)
    )
    return (distance(anchor, positive.detach()) / far).mean()


def way_units(derained, rainy, clean):
    with torch.no_grad():
        way = F.normalize(clean.mean(0) - rainy.mean(0), dim=0)
        rainy = rainy.clone()
    return (1 - F.normalize(derained - rainy, dim=1) @ way).mean()


def way_loop(derained, rainy, clean):
    way = clean.detach().mean(0) - rainy.detach().mean(0)
    return sum(
        1 - F.cosine_similarity(d - r.detach(), way, dim=0) for d, r in zip(derained, rainy)
    ) / len(derained)


def way_embedding(derained, rainy, clean):
    way = (clean.mean(0) - rainy.mean(0)).detach().expand_as(derained)
    return F.cosine_embedding_loss(derained - rainy.detach(), way, torch.ones(len(derained)))


def way_divided(derained, rainy, clean):
    """Divides by a length that may be zero."""
    way, step = (clean.mean(0) - rainy.mean(0)).detach(), derained - rainy.detach()
    return 1 - ((step @ way) / (step.norm(dim=1) * way.norm())).mean()


def way_pairs(derained, rainy, clean):
    """As if clean picture i belonged to rainy picture i."""
    way = (clean[: len(rainy)] - rainy).detach()
    return 1 - F.cosine_similarity(derained - rainy.detach(), way, dim=1).mean()


def places_loop(generated, reconstructed, real, negative):
    out = []
    for four in zip(generated, reconstructed, real, negative):
        ratios = []
        for place in zip(*four):
            g, m, p, n = (v / v.norm() for v in place)
            near = F.l1_loss(g, p) + F.l1_loss(m, p) + 0.2 * F.l1_loss(g, m)
            ratios.append(near / (F.l1_loss(g, n) + F.l1_loss(m, n) + 1e-7))
        out.append(sum(ratios) / len(ratios))
    return torch.stack(out)


def places_flat(generated, reconstructed, real, negative):
    shape = generated.shape[:2]
    g, m, p, n = (F.normalize(v.flatten(0, 1)) for v in (generated, reconstructed, real, negative))
    near = distance(g, p) + distance(m, p) + distance(g, m) / 5
    return (near / (distance(g, n) + distance(m, n) + 1e-7)).view(shape).mean(1)


def places_stack(generated, reconstructed, real, negative):
    v = torch.stack([generated, reconstructed, real, negative])
    g, m, p, n = v / v.norm(dim=-1, keepdim=True)
    pairs = torch.stack([g - p, m - p, g - m, g - n, m - n]).abs().mean(-1)
    near = torch.einsum("k,kbp->bp", torch.tensor([1, 1, 0.2]), pairs[:3])
    return torch.mean(near / (pairs[3:].sum(0) + 1e-7), dim=-1)


def places_divided(generated, reconstructed, real, negative):
    """Without the epsilon."""
    g, m, p, n = (F.normalize(v, dim=-1) for v in (generated, reconstructed, real, negative))

    def d(a, b):
        return (a - b).abs().mean(-1)

    return ((d(g, p) + d(m, p) + 0.2 * d(g, m)) / d(g, n).mul(1).add(d(m, n))).pow(1).mean(1)


def places_mean(generated, reconstructed, real, negative):
    """Averages the vectors over places first: a contrast of pictures."""
    return places_flat(
        *(v.mean(1, keepdim=True) for v in (generated, reconstructed, real, negative))
    )


RIGHT = {
    "floored_ratio": [ratio_package, ratio_loop, ratio_stack],
    "directional_loss": [way_units, way_loop, way_embedding],
    "inter_per_place": [places_loop, places_flat, places_stack],
}
WRONG = {
    "floored_ratio": [(ratio_each_floor, "for which picture, does the floor count")],
    "directional_loss": [(way_divided, "a step of length zero"), (way_pairs, "values differ")],
    "inter_per_place": [(places_mean, "values differ")],
}
