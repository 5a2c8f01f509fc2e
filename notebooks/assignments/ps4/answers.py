"""Points, known mistakes and choices of problem set 4. Never in the sandbox."""

from grader.judge import Choice, Task

MANUAL = {"which_space": 4, "probe": 8}

TASKS = {
    "floored_ratio": Task(
        points={"value": 3, "floor": 2, "gradient": 2, "numerics": 1},
        mistakes=[
            (
                "anchor - negative.detach()",
                "anchor - negative",
                "a gradient reaches the negatives: who is allowed to move?",
            ),
            (
                "anchor - positive.detach()",
                "anchor - positive",
                "a gradient reaches the positive: who is allowed to move?",
            ),
            (
                "(near / far.clamp(min=floor)).mean()",
                "(near / (far + floor)).mean()",
                "you add the floor: far from it the ratio should not know of it",
            ),
            (
                "(near / far.clamp(min=floor)).mean()",
                "near.mean() / far.mean().clamp(min=floor)",
                "the ratio of means is not the mean of the ratios: each picture has its own",
            ),
            (
                "(near / far.clamp(min=floor)).mean()",
                "(near / far.clamp(min=floor)).sum()",
                "the sum over pictures: take the mean",
            ),
            (
                ".abs().mean(1)",
                ".square().mean(1)",
                "d is a mean absolute difference, not a squared one",
            ),
            (".abs().mean(1)", ".abs().sum(1)", "d is a mean over the vector, not a sum"),
            (
                "(near / far.clamp(min=floor)).mean()",
                "(far / near.clamp(min=floor)).mean()",
                "upside down: which distance should become small?",
            ),
            (
                "weight * distance(anchor - negative.detach())",
                "weight / sum(weights) * distance(anchor - negative.detach())",
                "the weights are taken as they are, not made to sum to one",
            ),
            (".clamp(min=floor)", ".clamp(min=1e-7)", "the floor is not used"),
        ],
        hints={"floor": "below which distance, and for which picture, does the floor count?"},
    ),
    "directional_loss": Task(
        points={"value": 4, "gradient": 3, "dtype": 1, "numerics": 1},
        mistakes=[
            (
                "(clean.mean(0) - rainy.mean(0)).detach()",
                "clean.mean(0) - rainy.mean(0)",
                "a gradient reaches the direction: it says where to go and must not come along",
            ),
            (
                "derained - rainy.detach()",
                "derained - rainy",
                "a gradient reaches the rainy pictures: they are given",
            ),
            (
                "clean.mean(0) - rainy.mean(0)",
                "rainy.mean(0) - clean.mean(0)",
                "the direction points into the rain",
            ),
            (
                "derained - rainy.detach()",
                "derained",
                "that compares where the output is, not which way it went",
            ),
            (
                "clean.mean(0) - rainy.mean(0)",
                "clean.mean(0)",
                "the direction of what? It leads from one place to another",
            ),
            (
                "1 - F.cosine_similarity(step, way[None], dim=1).mean()",
                "1 - F.cosine_similarity(step.mean(0), way, dim=0)",
                "the pictures may hide behind their mean: each has its own step",
            ),
            (
                "1 - F.cosine_similarity(step, way[None], dim=1).mean()",
                "1 - (step @ way).mean()",
                "lengths play a part: only the direction should",
            ),
            ("1 - F", "-F", "at its best the loss is to be zero"),
        ],
        hints={"numerics": "a picture that was not changed has a step of length zero"},
    ),
    "inter_per_place": Task(
        points={"value": 4, "shape": 1, "gradient": 2, "numerics": 1},
        mistakes=[
            ("F.normalize(v, dim=-1)", "v", "the vectors are not brought to length one"),
            (
                "F.normalize(v, dim=-1)",
                "F.normalize(v, dim=1)",
                "length one along which axis? F.normalize has a default",
            ),
            (
                "(near / (far + 1e-7)).mean(1)",
                "near.mean(1) / (far.mean(1) + 1e-7)",
                "one ratio for the whole picture: here each place has its own",
            ),
            (
                "(near / (far + 1e-7)).mean(1)",
                "(near / (far + 1e-7)).mean()",
                "one number for all pictures: each has its own",
            ),
            (
                "0.2 * d(g, m)",
                "0.2 * d(g, n)",
                "the fake positive is not near the negative: who is to be near whom?",
            ),
            ("d(g, p) + d(m, p)", "d(g, n) + d(m, n)", "real positive and negative are exchanged"),
            (
                " for v in (generated, reconstructed, real, negative)",
                " for v in (generated, reconstructed, real.detach(), negative.detach())",
                "nothing is constant here: the heads learn from the real features, too",
            ),
            ("+ 0.2 * d(g, m)", "", "the third pair of equation 4 is missing"),
        ],
    ),
    "prediction": Choice(
        points=2,
        options={
            "first_loss": ("ratio", "directional"),
            "derains": ("ratio", "directional", "neither"),
        },
    ),
    "reading": Choice(
        points=6,
        options={
            "wall": ("A", "B", "C"),
            "floored": ("A", "B", "C"),
            "least_at_idle": ("A", "B", "C"),
        },
        right={"wall": "A", "floored": "C", "least_at_idle": "B"},
        hints={
            "wall": "near which share does the slope become dangerous, and in which curve?",
            "floored": "which curve follows A and is then bent before it can rise further?",
            "least_at_idle": "idle means that all the rain is left: read at the right border",
        },
    ),
}
