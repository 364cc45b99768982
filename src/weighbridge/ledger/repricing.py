"""What attempts of the past cost by other prices than they were booked at. Pure: nothing is booked here.

Of an attempt are known: its usage, when it was, who served it in which tier. So its price can be told anew exactly, and of an
attempt whose price nobody knew at the time it can be told for the first time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

import msgspec

from weighbridge.core.money import Nanousd
from weighbridge.core.rates import PriceBook, Tariff
from weighbridge.core.terms import ESTIMATES, Attempt, Provenance, Record
from weighbridge.ledger.apart import Bill, Circumstances, bill_with_parts, price_with_parts
from weighbridge.ledger.books import charge_of, cost_adjustment, estimate_adjustment, own_key_adjustment, resolved
from weighbridge.ledger.price_book import card_for
from weighbridge.ledger.pricing import Pricer
from weighbridge.ledger.terms import Entry


class Skipped(StrEnum):
    """Why an attempt keeps the price that it has."""

    __hash__ = str.__hash__

    USAGE_UNKNOWN = "usage_unknown"
    """Nobody knows what it used."""
    PRICE_UNKNOWN = "price_unknown"
    """Nobody knows what its model costs, still."""
    TIER_UNKNOWN = "tier_unknown"
    """It was recorded by a version that did not keep the tier which served it."""
    OTHER_TARIFF = "other_tariff"
    """Its cost is corrected and its charge is not: the customer's tariff is another one by now."""


class Repriced(NamedTuple):
    """An attempt that costs something else now. `before` is None where nobody knew."""

    place: int
    before: int | None
    after: Nanousd

    @property
    def difference(self) -> int:
        """What is added to its cost."""
        return self.after - (self.before or 0)


class Outcome(NamedTuple):
    """What becomes of a request: attempts that cost something else, what its customer's charge changes by, and what was skipped."""

    repriced: list[Repriced]
    charge: int
    skipped: list[Skipped]


class Repricer:
    """The prices of a configuration, as they hold now for any time. `regions` are those of providers that have one."""

    def __init__(self, book: PriceBook, regions: Mapping[str, str], models: str = "*") -> None:
        """`models` says whose attempts are looked at: `openai/*`, `*/gpt-5`."""
        self._book = book
        self._regions = regions
        self._models = models
        self._pricers: dict[tuple[str, str], Pricer | None] = {}

    def outcome(self, record: Record, costs: Sequence[int | None], charged: int, tariff: Tariff) -> Outcome:
        """`costs` are the attempts' as corrected so far, `charged` is what the customer pays so far."""
        repriced: list[Repriced] = []
        skipped: list[Skipped] = []
        for place, attempt in enumerate(record.attempts):
            found = self._priced(attempt, record.priced_wall_ns)
            if isinstance(found, Skipped):
                skipped.append(found)
            elif found is not None and found != costs[place]:
                repriced.append(Repriced(place, costs[place], found))
        if not repriced:
            return Outcome([], 0, skipped)
        now = _with_costs(record, costs)
        after = _with_costs(record, [next((r.after for r in repriced if r.place == n), cost) for n, cost in enumerate(costs)])
        if charge_of(now, tariff) != charged:
            return Outcome(repriced, 0, [*skipped, Skipped.OTHER_TARIFF])
        return Outcome(repriced, charge_of(after, tariff) - charged, skipped)

    def bill(self, attempt: Attempt, at_wall_ns: int) -> Bill | None:
        """How its cost is made up, by the prices that are known now; None where nobody knows, or nothing is billed."""
        if not isinstance(self._priced(attempt, at_wall_ns), int):
            return None
        pricer, where = self._pricer(attempt.provider, attempt.model), self._circumstances(attempt, at_wall_ns)
        assert pricer is not None
        return bill_with_parts(attempt.model, attempt.usage, attempt.apart, pricer, partial(self._pricer, attempt.provider), where)

    def _circumstances(self, attempt: Attempt, at_wall_ns: int) -> Circumstances:
        return Circumstances(attempt.tier or None, at_wall_ns, attempt.region or self._regions.get(attempt.provider, ""))

    def _priced(self, attempt: Attempt, at_wall_ns: int) -> Nanousd | Skipped | None:
        """What an attempt costs; None for one that is not looked at, or of which nothing is billed."""
        if not fnmatchcase(f"{attempt.provider}/{attempt.model}", self._models) or not 200 <= attempt.status < 300:
            return None
        if attempt.usage.provenance is Provenance.UNKNOWN:
            return Skipped.USAGE_UNKNOWN
        if attempt.tier is None:
            return Skipped.TIER_UNKNOWN
        pricer = self._pricer(attempt.provider, attempt.model)
        if pricer is None:
            return Skipped.PRICE_UNKNOWN
        where = self._circumstances(attempt, at_wall_ns)
        price = price_with_parts(attempt.usage, attempt.apart, pricer, partial(self._pricer, attempt.provider), where)
        return Skipped.PRICE_UNKNOWN if price.amount is None else price.amount

    def _pricer(self, provider: str, model: str) -> Pricer | None:
        name = (provider, model)
        if name not in self._pricers:
            card = card_for(self._book, provider, model)
            self._pricers[name] = None if card is None else Pricer(card)
        return self._pricers[name]


def entries_of_repriced(correction: str, record: Record, repriced: Sequence[Repriced], wall_ns: int, note: str) -> list[Entry]:
    """What corrects the books: originals stay. `correction` is its id, so that each attempt is corrected once by it."""
    entries: list[Entry] = []
    for each in repriced:
        attempt = record.attempts[each.place]
        name, where = f"{correction}/{record.request_id}/{each.place}", (record.request_id, each.place)
        if attempt.is_own_key:
            entries.append(own_key_adjustment(name, attempt.provider, each.difference, wall_ns, *where, note=note))
            continue
        if attempt.usage.provenance in ESTIMATES:
            # Booked apart at its bound or its estimate, and it stays apart: what it used is a guess at any price.
            difference = each.after - (attempt.reserved_nanousd if each.before is None else each.before)
            entries.append(estimate_adjustment(name, attempt.provider, difference, wall_ns, *where, note=note))
            continue
        if each.before is None and attempt.reserved_nanousd:
            entries.append(resolved(f"{name}/bound", attempt.provider, attempt.reserved_nanousd, wall_ns, *where, note=note))
        entries.append(
            cost_adjustment(
                name, attempt.provider, each.difference, wall_ns, request_id=record.request_id, attempt=each.place, note=note
            )
        )
    return entries


def _with_costs(record: Record, costs: Sequence[int | None]) -> list[Attempt]:
    return [msgspec.structs.replace(a, cost_nanousd=cost) for a, cost in zip(record.attempts, costs, strict=True)]
