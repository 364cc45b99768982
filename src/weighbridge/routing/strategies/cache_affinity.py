"""Where the beginning of this conversation is in the provider's prompt cache, as long as that pays.

Vendors cache prompts by their beginning, each for itself (https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching,
https://platform.openai.com/docs/guides/prompt-caching): a turn that goes elsewhere pays its whole input again, ten times as much
as a cached one. So a conversation stays where it was, and so do others that begin alike. It moves when its place is not well, and
when its place is so much busier than another that waiting costs more than reading anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from copy import copy
from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Rng
from weighbridge.routing.members import Member, Traits
from weighbridge.routing.strategies.least_in_flight import LeastInFlight

WARM_NS: Final = 300 * NS_PER_S
"""How long a vendor keeps a beginning after its last use: five minutes (Anthropic), five to ten (OpenAI)."""

_MAX_REMEMBERED: Final = 50_000
"""Beginnings; some 10 MB."""

_BUSY: Final = 2.0
_ALLOWANCE: Final = 8
"""It does not pay to stay where more than twice as many requests are under way as at the least busy member, and eight more."""


class CacheAffinity:
    """Remembers who was asked with which beginnings."""

    def __init__(self) -> None:
        self._places: OrderedDict[bytes, tuple[str, int]] = OrderedDict()
        self._others = LeastInFlight()

    def __copy__(self) -> CacheAffinity:
        """One that can be asked without this one's turns moving on. It shares the memory, which asking does not change."""
        twin = CacheAffinity()
        twin._places = self._places
        twin._others = copy(self._others)
        return twin

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:
        """See `routing.members.Strategy`."""
        order = self._others.order(members, traits, rng, now_ns)
        warm = self._warm(traits.prefixes, now_ns)
        if not warm:
            return order
        least = order[0].live.in_flight
        for member in order:
            if member.id == warm:
                if member.live.in_flight > least * _BUSY + _ALLOWANCE:
                    return order
                return [member, *(other for other in order if other is not member)]
        return order

    def note(self, prefixes: Sequence[bytes], name: str, now_ns: int) -> None:
        """A candidate has answered a conversation with these beginnings: they are in its cache now."""
        places = self._places
        entry = (name, now_ns)
        for prefix in prefixes:
            places[prefix] = entry
            places.move_to_end(prefix)
        while len(places) > _MAX_REMEMBERED:
            places.popitem(last=False)

    def _warm(self, prefixes: Sequence[bytes], now_ns: int) -> str:
        """Who has the longest beginning of this conversation in its cache; empty where nobody has."""
        places = self._places
        for prefix in reversed(prefixes):
            place = places.get(prefix)
            if place is not None and now_ns - place[1] < WARM_NS:
                return place[0]
        return ""
