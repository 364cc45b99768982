"""The percentile in use: nearest rank, so that every figure is one that was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], rank: float) -> float:
    """The smallest value that at least `rank` per cent of `values` do not exceed; raises ValueError where there are none."""
    if not values:
        msg = "a percentile of nothing"
        raise ValueError(msg)
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * rank / 100) - 1)]
