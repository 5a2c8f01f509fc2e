"""Points, known mistakes and choices of problem set 5. Never in the sandbox."""

from grader.judge import Choice, Task

MANUAL = {"what_is_a_unit": 4, "ablation": 10, "defence": 10}

TASKS = {
    "train_step": Task(
        points={"losses": 2, "derainer": 3, "discriminator": 2, "average": 2, "old gradients": 1},
        mistakes=[
            (
                "discriminator(derained.detach())",
                "discriminator(derained)",
                "the discriminator's loss reaches the derainer: where must the graph be cut?",
            ),
            (
                "(discriminator(derained) - 1)",
                "(discriminator(derained.detach()) - 1)",
                "nothing of the game reaches the derainer: the graph is cut once too often",
            ),
            (
                "    for optimizer in optimizers.values():\n        optimizer.zero_grad()\n",
                "",
                "old gradients take part in the step: who clears them?",
            ),
            (
                'made.backward(inputs=list(nets["derainer"].parameters()))',
                "made.backward()",
                "the derainer's loss leaves gradients in the discriminator, which then helps to be fooled",
            ),
            (
                "(1 - decay) * new",
                "decay * new",
                "the two weights of the average should add up to one",
            ),
            (
                "decay * mean + (1 - decay) * new",
                "(1 - decay) * mean + decay * new",
                "the average forgets too fast: which part is kept?",
            ),
            (
                '(nets["derainer"](clean) - clean)',
                "(derained - clean)",
                "rainy and clean show different scenes: what may be compared with the clean one?",
            ),
            (") / 2\n", ")\n", "the one half of the discriminator's loss is missing"),
            (
                "(real - 1).square().mean() + fake.square()",
                "real.square().mean() + (fake - 1).square()",
                "the discriminator's targets are exchanged",
            ),
            (
                "weights[0] * fooled + weights[1] * kept",
                "fooled + kept",
                "the weights are not used",
            ),
        ],
        hints={
            "average": "when is the average taken, and of what?",
            "derainer": "the derainer does not move as it should: what is in its loss, and when is "
            "the gradient taken?",
            "discriminator": "the discriminator does not move as it should: which gradients does it "
            "step along?",
            "losses": "return numbers, of the two sums as they are before anyone moves",
        },
    ),
    "seed_interval": Task(
        points={"value": 4, "few seeds": 2, "one way only": 1},
        mistakes=[
            (
                "(one - two).mean(1)",
                "(one - two).ravel()",
                "pictures are not independent runs: what is the unit here?",
            ),
            (
                "stats.t.ppf(0.975, n - 1)",
                "1.96",
                "with so few seeds the normal distribution is too sure of itself",
            ),
            ("ddof=1", "ddof=0", "the spread of a sample has another denominator"),
            (
                "gaps.std(ddof=1) / np.sqrt(n)",
                "gaps.std(ddof=1)",
                "that is the spread of single seeds, not of their mean",
            ),
            ("n - 1)", "n)", "the degrees of freedom: one is spent on the mean"),
            (
                "gaps.std(ddof=1)",
                "np.sqrt(one.mean(1).var(ddof=1) + two.mean(1).var(ddof=1))",
                "the runs are paired by seed: what both share should cancel",
            ),
            ("stats.t.ppf(0.975,", "stats.t.ppf(0.95,", "that leaves 5 % on each side"),
            (
                "(one - two).mean(1)",
                "(one - two).mean(0)",
                "you average over seeds: along which axis?",
            ),
        ],
    ),
    "holm": Task(
        points={"value": 3, "order": 2, "at most one": 1, "untouched": 1},
        mistakes=[
            (
                "(n - rank)",
                "n",
                "that is Bonferroni: each further step has fewer tests to pay for",
            ),
            (
                "(n - rank)",
                "n / (rank + 1)",
                "that is Benjamini and Hochberg's factor: it bounds another error",
            ),
            ("(n - rank)", "(n - 1 - rank)", "the smallest pays for all n tests"),
            (
                "np.maximum.accumulate(steps)",
                "steps",
                "a larger p must not become smaller than one before it",
            ),
            (
                "adjusted[order] =",
                "adjusted[:] =",
                "the results are not in the order of the input",
            ),
            ("np.minimum(1, ", "(", "a probability is at most one"),
            (
                "order = np.argsort(p)",
                "p.sort(); order = np.argsort(p)",
                "it sorts what it was given: work on a copy",
            ),
        ],
    ),
    "prediction": Choice(
        points=2,
        options={"best": ("identity", "game", "both"), "sure": ("yes", "no")},
    ),
    "reading": Choice(
        points=6,
        options={"sure": ("A", "B", "C"), "more_seeds": ("A", "B", "C"), "claim": (1, 2, 3)},
        right={"sure": "B", "more_seeds": "C", "claim": 3},
        hints={
            "sure": "which interval keeps clear of the dotted line?",
            "more_seeds": "where is the mean as large as elsewhere, and the interval the reason for doubt?",
            "claim": "what may be said of an interval that holds the zero?",
        },
    ),
}
