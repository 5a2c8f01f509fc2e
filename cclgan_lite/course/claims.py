"""Statements of a lesson, tested where they are made."""


def claim(text: str, holds: object) -> None:
    """Print `text` with a check mark. Raises AssertionError where it does not hold.

    The text is compared when the notebooks are tested, so it must not contain numbers that vary
    between machines or profiles; those are printed after the sign ≈, which the comparison skips.
    """
    if not bool(holds):
        raise AssertionError(f"✗ {text}")
    print(f"✓ {text}")
