"""Other hands at problem set 3: right answers written differently, and wrong ones."""

import torch
import torch.nn.functional as F

from cclgan_lite.losses import patch_nce


def both_package(a, b, temperature):
    return (patch_nce(a, b, temperature) + patch_nce(b, a, temperature)) / 2


def both_loop(a, b, temperature):
    losses = []
    for x, y in ((a, b), (b, a)):
        for q, k in zip(x, y.detach()):
            for i in range(len(q)):
                s = F.cosine_similarity(q[i][None], k, dim=1) / temperature
                losses.append(s.logsumexp(0) - s[i])
    return torch.stack(losses).mean()


def both_entropy(a, b, temperature):
    def unit(x):
        return x / x.norm(dim=2, keepdim=True)

    target = torch.arange(a.shape[1]).repeat(len(a))
    one = torch.einsum("bpc,bkc->bpk", unit(a), unit(b).detach()) / temperature
    two = torch.einsum("bpc,bkc->bpk", unit(b), unit(a).detach()) / temperature
    logits = torch.cat([one.flatten(0, 1), two.flatten(0, 1)])
    return F.cross_entropy(logits, torch.cat([target, target]))


def both_shared(a, b, temperature):
    """One matrix, rows and columns: nobody is constant."""
    s = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(1, 2) / temperature
    own = s.diagonal(dim1=1, dim2=2)
    return ((s.logsumexp(-1) - own).mean() + (s.logsumexp(-2) - own).mean()) / 2


def both_exp(a, b, temperature):
    def half(x, y):
        s = F.normalize(x, dim=-1) @ F.normalize(y.detach(), dim=-1).mT / temperature
        e = torch.exp(s)
        return -torch.log(e.diagonal(dim1=1, dim2=2) / e.sum(-1)).mean()

    return (half(a, b) + half(b, a)) / 2


def masked_loop(queries, keys, groups, temperature):
    losses = []
    for q, k, g in zip(queries, keys.detach(), groups):
        for i in range(len(q)):
            others = k[g != g[i]]
            s = F.cosine_similarity(q[i][None], torch.cat([k[i][None], others]), dim=1)
            losses.append(F.cross_entropy(s[None] / temperature, torch.tensor([0])))
    return torch.stack(losses).mean()


def masked_where(queries, keys, groups, temperature):
    s = F.cosine_similarity(queries[:, :, None], keys.detach()[:, None], dim=-1) / temperature
    allowed = (groups.unsqueeze(2) != groups.unsqueeze(1)) | torch.eye(s.shape[1]).bool()
    s = torch.where(allowed, s, torch.full_like(s, -torch.inf))
    return -s.log_softmax(-1).diagonal(dim1=1, dim2=2).mean()


def masked_bias(queries, keys, groups, temperature):
    keys = keys.clone().detach()
    q = queries / queries.norm(dim=-1, keepdim=True)
    k = keys / keys.norm(dim=-1, keepdim=True)
    bias = torch.zeros(len(q), q.shape[1], q.shape[1])
    for b in range(len(q)):
        for i in range(q.shape[1]):
            for j in range(q.shape[1]):
                if i != j and groups[b, i] == groups[b, j]:
                    bias[b, i, j] = -1e30
    logits = torch.bmm(q, k.mT) / temperature + bias
    target = torch.arange(q.shape[1]).expand(len(q), -1)
    return F.cross_entropy(logits.mT, target)


def masked_times(queries, keys, groups, temperature):
    """Logits times the mask: what is masked counts e^0."""
    s = F.normalize(queries, dim=-1) @ F.normalize(keys.detach(), dim=-1).mT / temperature
    keep = (groups[:, :, None] != groups[:, None]).float()
    keep = (keep + torch.eye(s.shape[1])).clamp(max=1)
    return -(s * keep).log_softmax(-1).diagonal(dim1=1, dim2=2).mean()


def effective_special(similarities, temperature):
    q = (similarities[:, 1:] / temperature).softmax(1)
    return torch.special.entr(q).sum(1).exp()


def effective_distribution(similarities, temperature):
    logits = similarities[:, 1:] / temperature
    return torch.distributions.Categorical(logits=logits).entropy().exp()


def effective_entropy(similarities, temperature):
    logits = similarities[:, 1:] / temperature
    return F.cross_entropy(logits, logits.softmax(1), reduction="none").exp()


def effective_xlogx(similarities, temperature):
    q = (similarities[:, 1:] / temperature).softmax(1)
    return (-(q * q.log()).sum(1)).exp()


RIGHT = {
    "symmetric_nce": [both_package, both_loop, both_entropy],
    "masked_nce": [masked_loop, masked_where, masked_bias],
    "effective_negatives": [effective_special, effective_distribution, effective_entropy],
}
WRONG = {
    "symmetric_nce": [(both_shared, "they are constants, in each half"), (both_exp, "overflows")],
    "masked_nce": [(masked_times, "still counts one in the sum")],
    "effective_negatives": [(effective_xlogx, "0 · log 0")],
}
