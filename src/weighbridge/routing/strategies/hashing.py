"""A caller's own order of members: rendezvous hashing, so that few callers move when a member comes or goes.

Each member has a number for each caller that looks like chance. The caller's first is the one with the highest; if a member goes,
only its callers move, each to its own second. Weighted as in https://www.snia.org/sites/default/files/SDC15_presentations/dist_sys/
Jason_Resch_New_Consistent_Hashings_Rev.pdf: the share of each is its weight's, exactly in expectation.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log
from typing import Final

from weighbridge.routing.members import Member

_MASK: Final = (1 << 64) - 1
_SPAN: Final = float(1 << 53)


def hash_of(data: bytes) -> int:
    """64 bits that look like chance."""
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def mixed(number: int) -> float:
    """A number between 0 and 1, both excluded, from 64 bits that look like chance already: two of SplitMix64's steps, which make
    the numbers of two members independent of each other."""
    number = number * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 32)) * 0x94D049BB133111EB & _MASK
    return ((number >> 11) + 0.5) / _SPAN


class Rendezvous:
    """Orders members for callers; remembers the members' own hashes."""

    __slots__ = ("_seeds",)

    def __init__(self) -> None:
        self._seeds: dict[str, int] = {}

    def order(self, members: Sequence[Member], caller: bytes) -> Sequence[Member]:
        """The members in this caller's order."""
        number = hash_of(caller)
        seeds = self._seeds
        scored: list[tuple[float, int]] = []
        place = 0
        for member in members:
            seed = seeds.get(member.id) or self._remember(member.id)
            # `mixed`, written out: a call for each member is a third of the time.
            mix = (number ^ seed) * 0xBF58476D1CE4E5B9 & _MASK
            mix = (mix ^ (mix >> 32)) * 0x94D049BB133111EB & _MASK
            scored.append((-log(((mix >> 11) + 0.5) / _SPAN) / member.weight, place))
            place += 1  # noqa: SIM113 - enumerate makes a tuple for each
        scored.sort()
        return [members[place] for _, place in scored]

    def _remember(self, name: str) -> int:
        if len(self._seeds) > _MAX_SEEDS:
            self._seeds.clear()
        seed = self._seeds[name] = hash_of(name.encode())
        return seed


_MAX_SEEDS: Final = 10_000
"""Names can come from callers where a route has a `*`."""
