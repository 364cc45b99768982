"""What a rate limit's level would be if every draw had been, from its beginning, what was used of it in the end."""

from __future__ import annotations

from fractions import Fraction


def exact_level(drawn: list[tuple[int, int]], now: int, pace: Fraction) -> Fraction:
    """`drawn`: when and how much, in the order of time. `pace`: how much comes back in a unit of time."""
    level, at = Fraction(0), 0
    for when, amount in drawn:
        level = max(Fraction(0), level - pace * (when - at)) + amount
        at = when
    return max(Fraction(0), level - pace * (now - at))
