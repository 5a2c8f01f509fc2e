"""Points, known mistakes and choices of problem set 2. Never in the sandbox."""

from grader.judge import Choice, Task

MANUAL = {"why_map": 4, "blind_spot": 8}

TASKS = {
    "multiscale_losses": Task(
        points={"value": 4, "gradient": 3, "dtype": 1, "other numbers": 1},
        mistakes=[
            (
                "g.detach()",
                "g",
                "the discriminators' loss reaches the generated image: whom would it train?",
            ),
            (
                "miss(discriminator(g), 1)",
                "miss(discriminator(g.detach()), 1)",
                "no gradient is left for the generator: cut it off in one of the two losses only",
            ),
            (
                "miss(discriminator(n), 1) + miss(discriminator(g.detach()), 0)",
                "miss(discriminator(n), 0) + miss(discriminator(g.detach()), 1)",
                "the targets are exchanged: which map is to be near 1 when it is the discriminators' turn?",
            ),
            (
                "miss(discriminator(g), 1)",
                "miss(discriminator(g), 0)",
                "the generator's target is that of the discriminators: whom does it want to convince?",
            ),
            (
                "made + miss(discriminator(g), 1)",
                "made + miss(discriminator(n), 1)",
                "the generator's loss looks at the real image, which it cannot change",
            ),
            ("right / 2", "right", "the one half of the discriminators' loss is missing"),
            ("2**i", "1", "every discriminator sees full size: what makes them different?"),
            ("2**i", "2 ** (i + 1)", "the first discriminator should see the image as it is"),
            (
                "judged / len(discriminators), made / len(discriminators)",
                "judged, made",
                "that is the sum over the scales: the weight would grow with their number",
            ),
        ],
    ),
    "r1_penalty": Task(
        points={"value": 4, "gradient": 3, "numerics": 1, "untouched": 1},
        mistakes=[
            (
                "create_graph=True",
                "create_graph=False",
                "the value is right, but the discriminator cannot learn from it: the penalty is made of "
                "a gradient, and must itself have one",
            ),
            (
                ".flatten(1).sum(1).mean()",
                ".mean()",
                "a mean over pixels: the penalty would fade as pictures grow",
            ),
            (
                ".flatten(1).sum(1).mean()",
                ".sum()",
                "the sum over the batch: take the mean over pictures",
            ),
            (
                "slope.square().flatten(1).sum(1)",
                "slope.flatten(1).norm(dim=1)",
                "that is the norm, not its square",
            ),
            (
                "slope.square().flatten(1).sum(1)",
                "(slope.flatten(1).norm(dim=1) - 1).square()",
                "that is the penalty of WGAN-GP, which wants slopes of one; R1 wants none",
            ),
            ("weight / 2 *", "weight *", "the one half is missing"),
            (
                "real = real.detach().clone().requires_grad_()",
                "real.requires_grad_()",
                "it changes what it was given: the caller's picture asks for gradients from now on",
            ),
            (
                "discriminator(real).sum()",
                "discriminator(real).mean()",
                "a mean of logits: with more pictures or patches each slope would shrink",
            ),
        ],
        hints={
            "untouched": "the picture you were given must not be changed, nor ask for gradients"
        },
    ),
    "patch_accuracy": Task(
        points={"value": 3, "blind": 2, "untouched": 1},
        mistakes=[
            ("real > 0.5", "real > 0", "where is the border between the targets 0 and 1?"),
            ("fake < 0.5", "fake < 0", "where is the border between the targets 0 and 1?"),
            ("fake < 0.5", "fake > 0.5", "that counts generated patches taken for real as right"),
            (" + ties", "", "a tie is half a right answer, in both maps"),
            (
                "real > 0.5, real",
                "real >= 0.5, real",
                "a tie is half a right answer, in both maps",
            ),
            (
                "(share(real > 0.5, real) + share(fake < 0.5, fake)) / 2",
                "share(torch.cat([(real > 0.5).flatten(), (fake < 0.5).flatten()]), "
                "torch.cat([real.flatten(), fake.flatten()]))",
                "the larger map counts more: real and generated weigh the same",
            ),
            (
                "(share(real > 0.5, real) + share(fake < 0.5, fake)) / 2",
                "share(real > 0.5, real)",
                "generated patches do not count at all",
            ),
        ],
        hints={"blind": "what should a discriminator score that says 0.5 everywhere?"},
    ),
    "prediction": Choice(
        points=2,
        options={"smoothest": (0, 1, 30), "best_accuracy": (0, 1, 30)},
    ),
    "reading": Choice(
        points=6,
        options={"asleep": ("A", "B", "C"), "won": ("A", "B", "C"), "cure": (1, 2, 3)},
        right={"asleep": "C", "won": "B", "cure": 2},
        hints={
            "asleep": "what is the loss of a discriminator that knows nothing, and which run never "
            "leaves it?",
            "won": "in which run does the generator hear nothing but one answer?",
            "cure": "which player of run B has to be held back, and what holds back that one?",
        },
    ),
}
