"""Points, known mistakes and choices of problem set 1. Never in the sandbox."""

from grader.judge import Choice, Task

MANUAL = {"why_masked": 4, "beat_it": 8}

TASKS = {
    "masked_psnr": Task(
        points={"value": 4, "shape": 1, "dtype": 1, "numerics": 2},
        mistakes=[
            (
                "error.sum((1, 2, 3)) / count",
                "error.mean((1, 2, 3))",
                "you divide by all pixels of the picture: which pixels did you add up?",
            ),
            (
                "3 * mask.sum((1, 2, 3))",
                "mask.sum((1, 2, 3))",
                "a pixel has three channels: count what you added up",
            ),
            (
                "error.sum((1, 2, 3)) / count",
                "error.sum() / count.sum() * torch.ones(len(image))",
                "the pictures share one error: each picture is measured on its own",
            ),
            ("4 / ", "1 / ", "the peak is not 1: how wide is the range from -1 to 1?"),
            ("10 * torch.log10", "10 * torch.log", "decibels use another logarithm"),
            (
                "10 * torch.log10",
                "20 * torch.log10",
                "20 log10 belongs to a ratio of amplitudes; yours is one of squares",
            ),
            ("mask * (image", "1.0 * (image", "the mask plays no part in the error"),
            ("mask * (image", "~mask * (image", "that is the error outside the mask"),
            ("square()", "abs()", "PSNR is made of squared errors"),
        ],
        hints={"numerics": "what should come out where the mask is empty, or nothing is wrong?"},
    ),
    "line_opening": Task(
        points={"value": 4, "border": 2, "gradient": 1, "untouched": 1},
        mistakes=[
            (
                "return largest(-largest(-image))",
                "return -largest(-largest(image))",
                "that is a closing: it fills dark gaps. Rain is bright: which comes first?",
            ),
            (
                "return largest(-largest(-image))",
                "return -largest(-image)",
                "erosion alone also eats into every bright surface: what gives it back?",
            ),
            (
                "(1, k), 1, (0, k // 2)",
                "(k, 1), 1, (k // 2, 0)",
                "your line stands upright, as the streaks do: they survive it",
            ),
            (
                "(1, k), 1, (0, k // 2)",
                "k, 1, k // 2",
                "that is a square, not a line: it removes far more than streaks",
            ),
            (
                "F.max_pool2d(x, (1, k), 1, (0, k // 2))",
                "F.max_pool2d(F.pad(x, (k // 2, k // 2)), (1, k), 1)",
                "you pad with zeros, which are grey here: what lies outside must not matter",
            ),
            (
                "largest(-largest(-image))",
                "largest(-largest(-image.detach()))",
                "the values are right, but no gradient passes: is something detached?",
            ),
            (
                "F.max_pool2d(x, (1, k), 1, (0, k // 2))",
                "F.avg_pool2d(x, (1, k), 1, (0, k // 2), count_include_pad=False)",
                "a mean blurs everything a little; an opening takes smallest and largest values",
            ),
        ],
    ),
    "removal_and_damage": Task(
        points={"value": 5, "shape": 1, "dtype": 1, "numerics": 1},
        mistakes=[
            (
                "(change * rain).sum((1, 2, 3)) / power",
                "F.cosine_similarity(change.flatten(1), rain.flatten(1))",
                "that is a cosine: it does not know how much was removed, only in which direction",
            ),
            ("rainy - derained", "derained - rainy", "the sign: what was removed is what is gone"),
            (
                "change - removed[:, None, None, None] * rain",
                "derained - clean",
                "damage is only what is not explained by rain: rain left over is no damage",
            ),
            (
                "(1, 2, 3)) / power",
                "(1, 2, 3)) / change.square().sum((1, 2, 3))",
                "you divide by the power of the change: how much of the rain is asked",
            ),
            (
                ".sum((1, 2, 3)) / power",
                ".sum() / power.sum() * torch.ones(len(rainy), dtype=rainy.dtype)",
                "the pictures share one number: each has its own",
            ),
            (
                "rest.square().mean((1, 2, 3)).sqrt()",
                "rest.square().mean((1, 2, 3))",
                "the damage is a root mean square: the root is missing",
            ),
            (
                "rest.square().mean((1, 2, 3)).sqrt()",
                "rest.abs().mean((1, 2, 3))",
                "that is a mean absolute value, not a root mean square",
            ),
        ],
        hints={"numerics": "a scene without rain: what do you divide by?"},
    ),
    "prediction": Choice(
        points=2,
        options={"best_k": (3, 5, 9, 15), "outside_rain": ("rises", "stays", "falls")},
    ),
    "reading": Choice(
        points=6,
        options={"crossing": (3, 5, 9, 15), "honest_filter": ("A", "B"), "why": (1, 2, 3)},
        right={"crossing": 9, "honest_filter": "A", "why": 2},
        hints={
            "crossing": "look where the two solid lines change places, not the dashed ones",
            "honest_filter": "which of the two would you publish for pictures with little rain?",
            "why": "compare what each filter does where there is no rain at all",
        },
    ),
}
