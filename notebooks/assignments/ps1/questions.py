"""What problem set 1 asks of an answer, on inputs that students have not seen."""

import torch
from grader.ask import slopes, untouched


def _pictures(seed, n=3, h=12, w=15):
    rng = torch.Generator().manual_seed(seed)
    truth = torch.rand(n, 3, h, w, generator=rng) * 1.6 - 0.8
    size = torch.tensor([0.03, 0.1, 0.3])[:n, None, None, None]  # pictures of unlike quality
    image = truth + size * torch.randn(n, 3, h, w, generator=rng)
    mask = (
        torch.rand(n, 1, h, w, generator=rng) < torch.tensor([0.1, 0.4, 0.7])[:n, None, None, None]
    )
    return image, truth, mask


def masked_psnr(answer):
    def empty():
        image, truth, mask = _pictures(5)
        mask[1] = False
        return torch.isnan(answer(image, truth, mask))

    def sure():
        image, truth, mask = _pictures(6)
        return answer(torch.where(mask, truth, image), truth, mask)

    return {
        "value": lambda: answer(*_pictures(1)),
        "shape": lambda: [*answer(*_pictures(2, n=2, h=5, w=7)).shape],
        "dtype": lambda: answer(
            *(x.double() if x.is_floating_point() else x for x in _pictures(3))
        ),
        "numerics": lambda: [empty(), sure()],
    }


def line_opening(answer):
    def gradient():
        image = _pictures(8)[0].requires_grad_()
        return slopes(answer(image, 3).square(), [image])

    return {
        "value": lambda: [answer(_pictures(7)[0], k) for k in (3, 5)],
        "border": lambda: answer(_pictures(7)[0][..., :4] - 3, 7),
        "gradient": gradient,
        "untouched": lambda: untouched(answer, _pictures(7)[0], 3),
    }


def removal_and_damage(answer):
    def three(seed, n=3):
        image, clean, mask = _pictures(seed, n)
        rainy = clean + mask * 0.6
        return rainy, 0.3 * rainy + 0.7 * clean + 0.1 * (image - clean), clean

    def dry():
        rainy, derained, clean = three(12)
        return torch.isfinite(answer(clean, derained, clean)[1])

    return {
        "value": lambda: answer(*three(11)),
        "shape": lambda: [[*part.shape] for part in answer(*three(11, 2))],
        "dtype": lambda: answer(*(x.double() for x in three(13))),
        "numerics": dry,
    }
