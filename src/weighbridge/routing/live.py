"""What is known of a target at this moment: who is busy, how fast it has been, how much of its limit is left, whether it is well.

One `LiveTarget` for each deployment and worker, under the deployment's stable name, so that a reload forgets nothing. It is
mutable and read in place: ten targets are put in order in some microseconds. Who writes it is `health.py`.
"""

from __future__ import annotations

from typing import Final

NEVER_NS: Final = 1 << 62
"""A moment that does not come."""


class LiveTarget:
    """The state of one deployment (`openai/gpt-5`). Times are monotonic nanoseconds."""

    __slots__ = (
        "first_token_ns",
        "headroom",
        "headroom_until_ns",
        "id",
        "in_flight",
        "is_probing",
        "measured_ns",
        "n_measured",
        "pace",
        "reads_headroom",
        "reason",
        "retry_at_ns",
        "total_ns",
    )

    def __init__(self, name: str) -> None:
        self.id = name
        self.in_flight = 0
        self.first_token_ns = 0.0
        """Decayed mean of the time to first token of streams; 0 while nothing is known."""
        self.total_ns = 0.0
        """Decayed mean of the duration of whole replies; 0 while nothing is known."""
        self.n_measured = 0
        self.measured_ns = 0
        """When it was last measured."""
        self.headroom = 1.0
        """What is left of the provider's rate limit, between 0 and 1; 1 while nothing is known."""
        self.headroom_until_ns = 0
        """When that is out of date."""
        self.reads_headroom = False
        """Whether a route goes by it, so that replies' heads are worth a look (2 µs)."""
        self.retry_at_ns = 0
        """Not to be asked before this, but if nobody else can be: its breaker is open, it is ejected, or all its keys rest.
        0: it is well."""
        self.reason = ""
        """Why it is not to be asked: a word for people (`breaker_open: 8 of 10 failed`)."""
        self.is_probing = False
        """Half-open: one request is trying it out, others stay away."""
        self.pace = 1.0
        """Between 0 and 1 after a recovery (slow start): the share of its usual traffic that it gets."""
