"""A correction of past prices: look at every request of a time, sum up what changes, and book it if that is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from weighbridge.core.clock import NS_PER_S
from weighbridge.ledger.repricing import Outcome, Repricer, Skipped
from weighbridge.pipeline.plan import Plan
from weighbridge.storage.correction_store import Booked
from weighbridge.storage.store import Store
from weighbridge.storage.transactions import Act

Progress = Callable[[int], None]
"""Is told how many requests were looked at."""


class Corrected(NamedTuple):
    """Attempts at one model in one month (of UTC) that cost something else. `unknown` of them had no cost before. Amounts are
    nano-dollars."""

    month: str
    model: str
    attempts: int
    unknown: int
    before: int
    after: int
    charge: int
    """What customers are charged in addition."""


class Report(NamedTuple):
    """What a correction comes to, booked or not."""

    id: str | None
    """None: nothing was booked."""
    requests: int
    lines: list[Corrected]
    skipped: dict[str, int]
    """By why an attempt keeps its price; `record_deleted` counts requests whose Record is not kept any more."""


class Asked(NamedTuple):
    """Whose prices are looked at anew (`openai/*`), from when to when (Unix seconds), and why."""

    models: str
    from_s: int
    to_s: int
    reason: str


def repricer_of(plan: Plan, models: str) -> Repricer:
    """Today's prices, for attempts at models of this pattern."""
    regions = {each.name: each.variables["region"] for each in plan.providers if "region" in each.variables}
    return Repricer(plan.prices, regions, models)


class _Sums:
    __slots__ = ("after", "attempts", "before", "charge", "unknown")

    def __init__(self) -> None:
        self.attempts = self.unknown = self.before = self.after = self.charge = 0


def correct_prices(
    store: Store, repricer: Repricer, asked: Asked, act: Act | None, on_progress: Progress = lambda _n: None
) -> Report:
    """What changes by today's prices; booked on the account of `act`, if given. Blocks on the store. Raises `StorageError`."""
    sums: dict[tuple[str, str], _Sums] = {}
    skipped: Counter[str] = Counter()
    n_requests = 0
    made: str | None = None
    for batch in store.corrections.requests(asked.from_s, asked.to_s):
        outcomes = [(booked, _outcome(store, repricer, booked, skipped)) for booked in batch]
        changed = [(booked, outcome) for booked, outcome in outcomes if outcome is not None and outcome.repriced]
        for booked, outcome in changed:
            _add(sums, booked, outcome)
        if changed and act is not None:
            made = made or store.corrections.begin(asked.reason, asked.models, asked.from_s, asked.to_s, act)
            store.corrections.apply(made, changed, asked.reason)
        n_requests += len(batch)
        on_progress(n_requests)
    lines = [
        Corrected(month, model, each.attempts, each.unknown, each.before, each.after, each.charge)
        for (month, model), each in sorted(sums.items())
    ]
    return Report(made, n_requests, lines, dict(skipped))


def as_json(report: Report) -> dict[str, object]:
    """As the API gives it."""
    return {**report._asdict(), "lines": [line._asdict() for line in report.lines]}


def _outcome(store: Store, repricer: Repricer, booked: Booked, skipped: Counter[str]) -> Outcome | None:
    record = booked.record
    if record is None:
        skipped["record_deleted"] += 1
        return None
    outcome = repricer.outcome(record, booked.costs, booked.charged + booked.added, store.ledger.tariff_of(record))
    skipped.update(str(each.value) for each in outcome.skipped)
    return outcome


def _add(sums: dict[tuple[str, str], _Sums], booked: Booked, outcome: Outcome) -> None:
    record = booked.record
    assert record is not None
    month = datetime.fromtimestamp(record.start_wall_ns // NS_PER_S, UTC).strftime("%Y-%m")
    for n, each in enumerate(outcome.repriced):
        attempt = record.attempts[each.place]
        of_model = sums.setdefault((month, f"{attempt.provider}/{attempt.model}"), _Sums())
        of_model.attempts += 1
        of_model.unknown += each.before is None
        of_model.before += each.before or 0
        of_model.after += each.after
        of_model.charge += outcome.charge if n == 0 else 0


WHY: Final[Mapping[str, str]] = {
    Skipped.USAGE_UNKNOWN: "attempts whose usage nobody knows",
    Skipped.PRICE_UNKNOWN: "attempts at models whose price nobody knows",
    Skipped.TIER_UNKNOWN: "attempts that were recorded without the tier that served them",
    Skipped.OTHER_TARIFF: "requests whose customer's tariff has changed since: their charge stays",
    "record_deleted": "requests whose record is not kept any more",
}
"""For people: what was skipped."""
