"""When a loss joins a run: a derainer that can do something first, the paper's losses then.

A discriminator that has learned nothing yet, or a contrast of images that are all the same, sends
the generators anywhere. So some terms wait: silent they are not computed and cost nothing, then
the discriminators learn at once, and what the generators hear rises from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Onset:
    """Both marks are parts of the run, so that what is heard is a function of the step alone."""

    terms: tuple[str, ...] = ()  # who waits; all others are heard from the first step
    begin: float = 0.0  # until here they are silent
    full: float = 0.0  # from here generators hear them with their full weight

    def __post_init__(self):
        if not 0 <= self.begin <= self.full <= 1:
            raise ValueError(
                f"onset needs 0 <= begin <= full <= 1, not {self.begin} and {self.full}"
            )

    def share(self, term: str, progress: float) -> float | None:
        """The part of its weight that generators hear, in [0, 1]; None while it is silent."""
        if term not in self.terms or progress >= self.full:
            return 1.0
        if progress < self.begin:
            return None
        return max(0.0, 2 * (progress - self.begin) / (self.full - self.begin) - 1)
