"""Points, known mistakes and choices of problem set 3. Never in the sandbox."""

from grader.judge import Choice, Task

MANUAL = {"why_both": 4, "where_it_fails": 8}

TASKS = {
    "symmetric_nce": Task(
        points={"value": 4, "gradient": 3, "dtype": 1, "numerics": 1},
        mistakes=[
            (
                "keys.detach()",
                "keys",
                "a gradient reaches the keys: they are constants, in each half",
            ),
            (
                "queries, dim=-1)",
                "queries.detach(), dim=-1)",
                "no gradient reaches the queries: which side is the constant?",
            ),
            (
                "/ temperature",
                "* temperature",
                "the temperature acts the wrong way round: a small one should make differences large",
            ),
            ("/ temperature", "", "the temperature is not used"),
            (
                "F.normalize(keys.detach(), dim=-1)",
                "keys.detach()",
                "not all vectors have length one: is it cosine similarity?",
            ),
            (
                "dim=-1), F.normalize(keys.detach(), dim=-1)",
                "dim=1), F.normalize(keys.detach(), dim=1)",
                "length one along which axis? F.normalize has a default",
            ),
            (
                "(half(a, b) + half(b, a)) / 2",
                "half(a, b)",
                "only one direction: where is the other?",
            ),
            (
                "(half(a, b) + half(b, a)) / 2",
                "half(a, b) + half(b, a)",
                "that is the sum of both directions, not their mean",
            ),
            (
                "logits.diagonal(dim1=1, dim2=2)",
                "logits.roll(1, -1).diagonal(dim1=1, dim2=2)",
                "the positives are exchanged: which key belongs to query i?",
            ),
            (
                "logits.logsumexp(-1)",
                "logits.exp().sum(-1).log()",
                "the exponential overflows at small temperatures: there is a function for its log of sums",
            ),
        ],
    ),
    "masked_nce": Task(
        points={"value": 4, "gradient": 2, "one group": 1, "numerics": 2},
        mistakes=[
            (
                "same & ~own",
                "same",
                "the positive is masked, too: a place is always in its own group",
            ),
            (
                "same & ~own",
                "~same & ~own",
                "you keep the places of the same group and mask the others",
            ),
            (
                "same & ~own",
                "torch.zeros_like(same)",
                "nothing is masked: places of one group still repel",
            ),
            (
                "masked_fill(same & ~own, -math.inf)",
                "masked_fill(same & ~own, 0.0)",
                "a logit of 0 still counts one in the sum of exponentials: which logit counts nothing?",
            ),
            ("keys.detach()", "keys", "a gradient reaches the keys: they are constants"),
            (
                "/ temperature",
                "* temperature",
                "the temperature acts the wrong way round: a small one should make differences large",
            ),
            (
                "queries, dim=-1)",
                "queries, dim=1)",
                "length one along which axis? F.normalize has a default",
            ),
            (
                "logits.logsumexp(-1)",
                "logits.exp().sum(-1).log()",
                "the exponential overflows at small temperatures: there is a function for its log of sums",
            ),
            (
                "logits.logsumexp(-1)",
                "logits.logsumexp(1)",
                "each query chooses among the keys, not each key among the queries",
            ),
        ],
        hints={"one group": "where every place is in one group, only the positive is left"},
    ),
    "effective_negatives": Task(
        points={"value": 3, "shape": 1, "dtype": 1, "numerics": 1},
        mistakes=[
            (
                "similarities[:, 1:]",
                "similarities",
                "the positive is not a negative: where is it?",
            ),
            (
                "similarities[:, 1:]",
                "similarities[:, :-1]",
                "the positive is not a negative: where is it?",
            ),
            (
                "/ temperature",
                "* temperature",
                "the temperature acts the wrong way round: a small one should leave few negatives",
            ),
            (
                "log_softmax(-1)",
                "log_softmax(0)",
                "the shares of one query's negatives should add up to one: along which axis?",
            ),
            (".exp()\n", "\n", "that is the entropy: what turns nats into a number of negatives?"),
            (
                "logs = (similarities[:, 1:] / temperature).log_softmax(-1)",
                "logs = (similarities[:, 1:] / temperature).softmax(-1).log()",
                "0 · log 0: the logarithm of a share that was rounded to zero is minus infinity",
            ),
            (
                "-(logs.exp() * logs).sum(-1)",
                "-(logs.exp() * logs).sum(-1).mean()",
                "one number for all queries: each has its own",
            ),
        ],
    ),
    "prediction": Choice(
        points=2,
        options={
            "plain_pushes_twins": ("apart", "together", "neither"),
            "finds": ("plain", "masked"),
        },
    ),
    "reading": Choice(
        points=6,
        options={
            "chance": ("A", "B", "C"),
            "sees_itself": ("A", "B", "C"),
            "places": (16, 64, 256),
        },
        right={"chance": "B", "sees_itself": "C", "places": 64},
        hints={
            "chance": "how large is the loss of a guess, and which curve lies there?",
            "sees_itself": "which curve is too good from the first step on to have learned anything?",
            "places": "the dotted line is the loss of a guess: of how many places is it the log?",
        },
    ),
}
