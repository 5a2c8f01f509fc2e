"""Statements of a lesson, tested where they are made, and predictions, compared with what came."""


def claim(text: str, holds: object) -> None:
    """Print `text` with a check mark. Raises AssertionError where it does not hold.

    The text is compared when the notebooks are tested, so it must not contain numbers that vary
    between machines or profiles; those are printed after the sign ≈, which the comparison skips.
    """
    if not bool(holds):
        raise AssertionError(f"✗ {text}")
    print(f"✓ {text}")


def compare(prediction: object, outcome: object) -> None:
    """Say whether the student predicted the outcome; `...` is no prediction yet. Never raises."""
    if prediction is ...:
        print(f"☐ no prediction; the outcome is {outcome!r}")
    elif prediction == outcome:
        print(f"✓ as predicted: {outcome!r}")
    else:
        print(f"✗ predicted {prediction!r}, the outcome is {outcome!r}: read on to see why")
