"""Rate limits that hosts share: each request asks for all of its limits at once, and whoever keeps them answers in microseconds.

They are asked and not leased as budgets are. What is on lease comes back by nobody's clock, so either a host that does not use its
part keeps others from it, or the sum is above the limit for as long as a lease lasts; and what callers are told is left would be
one host's guess. See docs/decisions/0015.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Protocol

import msgspec

from weighbridge.core.secret import Secret
from weighbridge.core.tasks import Signal
from weighbridge.core.terms import Tls
from weighbridge.limits.table import Draw, Slot


class SharedLimitsPlace(msgspec.Struct, frozen=True):
    """Where shared limits are kept, and what holds while that cannot be asked."""

    host: str
    """A name or an address; empty where `path` is given."""
    port: int
    path: str = ""
    """A Unix socket."""
    user: str = ""
    password: Secret | None = None
    database: int = 0
    tls: Tls | None = None
    """None: in clear."""
    prefix: str = "weighbridge"
    wait_ns: int = 50_000_000
    """How long a request waits for an answer."""
    refuses: bool = False
    """While nobody answers: refuse what a limit counts, rather than let each host have its part."""
    hosts: int = 1
    """How many there are at least, for when nobody can be asked."""
    member: str = ""
    """This host's lasting name."""

    def __repr__(self) -> str:
        return f"SharedLimitsPlace({self.path or f'{self.host}:{self.port}'})"


class SharedDraw(Draw):
    """An amount that a limit is asked for which hosts share."""

    __slots__ = ("own",)

    def __init__(self, slot: Slot, burst: int, rate: int, per_ns: int, amount: int) -> None:
        super().__init__(slot, burst, rate, per_ns, amount)
        self.own: Draw | None = None
        """The same amount in this host's own account, which counts for its part while nobody can be asked."""


class Asked:
    """Draws that are asked for. `await` the signal; then `outcome` says what came of it."""

    __slots__ = ("draws", "is_abandoned", "outcome", "short", "signal")

    def __init__(self, draws: Sequence[SharedDraw]) -> None:
        self.draws = draws
        self.signal = Signal()
        self.outcome = Outcome.UNKNOWN
        self.short: SharedDraw | None = None
        """Of one that was refused: the draw that has not enough."""
        self.is_abandoned = False

    def abandon(self) -> None:
        """Nobody waits any more: what is given nevertheless goes back."""
        self.is_abandoned = True


class Outcome(Enum):
    """What came of draws."""

    GIVEN = auto()
    REFUSED = auto()
    UNKNOWN = auto()
    """Nobody has answered, or not in time."""


class SharedLimits(Protocol):
    """Whoever keeps limits that hosts share."""

    refuses: bool
    """Whether what cannot be asked for is refused."""
    n_hosts: int
    """How many share them, as far as is known: at least one."""

    def ask(self, draws: Sequence[SharedDraw]) -> Asked:
        """Ask for all of these. The signal may be set at once."""
        ...

    def hold(self, draws: Sequence[Draw]) -> None:
        """Requests at a time that this host has let in by itself, while nobody could be asked: they count when somebody can."""
        ...

    def settle(self, draws: Sequence[Draw], used: Sequence[int]) -> None:
        """It was more, or less, that was used than was drawn (`Table.correct`): of draws that were given, and of those that are
        held."""
        ...
