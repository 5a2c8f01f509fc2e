"""Other hands at problem set 1: right answers written differently, and wrong ones."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage


def psnr_loop(image, truth, mask):
    out = []
    for x, y, m in zip(image, truth, mask.expand_as(image)):
        e = (x[m] - y[m]).pow(2).mean()
        out.append(20 * torch.log10(2 / e.sqrt()))
    return torch.stack(out)


def psnr_where(image, truth, mask):
    error = torch.where(mask, image - truth, torch.zeros_like(image)) ** 2
    mse = error.sum(dim=[1, 2, 3]) / mask.expand_as(image).sum(dim=[1, 2, 3])
    return 10 * (torch.tensor(4.0).log10() - mse.log10())


def psnr_nan(image, truth, mask):
    error = ((image - truth) ** 2).masked_fill(~mask, float("nan"))
    return -10 * torch.log10(error.flatten(1).nanmean(1) / 4)


def psnr_first(image, truth, mask):
    """In [0, 1], one peak for all: right numbers, one per batch."""
    return psnr_loop(image, truth, mask).mean().expand(len(image))


def psnr_numpy(image, truth, mask):
    return torch.tensor(psnr_loop(image, truth, mask).float().numpy(), dtype=torch.float32)


def opening_unfold(image, k):
    def windows(x, fill):
        return F.pad(x, (k // 2, k // 2), value=fill).unfold(3, k, 1)

    low = windows(image, float("inf")).amin(-1)
    return windows(low, -float("inf")).amax(-1)


def opening_shifts(image, k):
    def over(x, pick, fill):
        r = k // 2
        wide = F.pad(x, (r, r), value=fill)
        return pick(torch.stack([wide[..., i : i + x.shape[-1]] for i in range(k)]), 0)

    return over(over(image, torch.amin, torch.inf), torch.amax, -torch.inf)


def opening_rows(image, k):
    out = []
    for ends in ((F.max_pool1d, -1), (F.max_pool1d, 1)):
        rows = image.reshape(-1, 1, image.shape[-1]) * ends[1]
        rows = ends[0](rows, k, 1, k // 2) * ends[1]
        image = rows.reshape(image.shape)
        out.append(image)
    return out[-1]


def opening_scipy(image, k):
    """Right values, without a gradient."""
    return torch.tensor(ndimage.grey_opening(image.detach().numpy(), (1, 1, 1, k), mode="nearest"))


def opening_in_place(image, k):
    out = opening_unfold(image, k)
    image.data.copy_(out.data)
    return out


def parts_lstsq(rainy, derained, clean):
    removed, damage = [], []
    for r, d, n in zip(rainy, derained, clean):
        s, c = (r - n).reshape(-1, 1), (r - d).reshape(-1, 1)
        a = torch.linalg.pinv(s) @ c
        removed.append(a[0, 0])
        damage.append((c - s @ a).pow(2).mean().sqrt())
    return torch.stack(removed), torch.stack(damage)


def parts_einsum(rainy, derained, clean):
    s, c = (rainy - clean).flatten(1), (rainy - derained).flatten(1)
    a = torch.einsum("bi,bi->b", c, s) / (torch.einsum("bi,bi->b", s, s) + 1e-30)
    return a, (c - a[:, None] * s).norm(dim=1) / np.sqrt(s.shape[1])


def parts_norms(rainy, derained, clean):
    s, c = (rainy - clean).flatten(1), (rainy - derained).flatten(1)
    unit = F.normalize(s, dim=1)
    along = (c * unit).sum(1, keepdim=True)
    a = along[:, 0] / s.norm(dim=1).clamp_min(1e-9)
    return a, (c - along * unit).square().mean(1).sqrt()


def parts_nan(rainy, derained, clean):
    """Without rain the damage is lost, too."""
    s, c = (rainy - clean).flatten(1), (rainy - derained).flatten(1)
    a = (c * s).sum(1) / (s * s).sum(1)
    return a, (c - a[:, None] * s).square().mean(1).sqrt()


RIGHT = {
    "masked_psnr": [psnr_loop, psnr_where, psnr_nan],
    "line_opening": [opening_unfold, opening_shifts, opening_rows],
    "removal_and_damage": [parts_lstsq, parts_einsum, parts_norms],
}
WRONG = {
    "masked_psnr": [(psnr_first, "values differ"), (psnr_numpy, "float64")],
    "line_opening": [(opening_scipy, "no gradient passes"), (opening_in_place, "work on a copy")],
    "removal_and_damage": [(parts_nan, "without rain")],
}
