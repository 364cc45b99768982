"""Whether the ledger adds up: balances, counters and sums are computed anew from what they were made of, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, Select, Table, func, literal, select, union_all

from weighbridge.ledger.terms import AccountKind, EntryKind
from weighbridge.limits.counters import CREDITS_MARK
from weighbridge.storage.ledger_facets import is_filling, sums_of_facts
from weighbridge.storage.ledger_labels import texts_of
from weighbridge.storage.ledger_late_sums import late_facet, late_span_of
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.ledger_sums import DAY, DURATION, FACETS, GRAINS_S, LATE_FACETS, SUM_COLUMNS, WEEK
from weighbridge.storage.ledger_tables import (
    all_latencies,
    balances,
    charges,
    counters,
    entries,
    facets,
    labels,
    latencies,
    requests,
    rollups,
)
from weighbridge.storage.tables import corrected_attempts, credit_accounts, credits_given

MAX_PROBLEMS: Final = 1_000
"""Differences that are named; a ledger that is wrong in more places is wrong."""
_NS_PER_S: Final = 1_000_000_000
_DAY_S: Final = 86_400
_DAY_GRAIN: Final = 2


class Findings(NamedTuple):
    """What was looked at and what is wrong, one sentence each."""

    n_entries: int
    n_accounts: int
    n_counters: int
    problems: list[str]

    @property
    def is_sound(self) -> bool:
        """Not one nano-dollar of difference."""
        return not self.problems


def verify(store: LedgerStore, on_step: Callable[[str], None] = lambda _step: None) -> Findings:
    """Compute everything that can be derived anew. `on_step` is told what is looked at. Raises `StorageError`."""
    problems: list[str] = []
    # One transaction, so that what is written meanwhile is in none of it.
    with store.reading() as connection:
        for step, check in _CHECKS:
            on_step(step)
            for problem in check(connection):
                problems.append(problem)
                if len(problems) >= MAX_PROBLEMS:
                    break
        n_entries, n_accounts, n_counters = (_n_rows(connection, table) for table in (entries, balances, counters))
    return Findings(n_entries, n_accounts, n_counters, problems)


def _n_rows(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _unbalanced(connection: Connection) -> Iterator[str]:
    """Each entry has a debit and a credit of one amount, so all accounts together are even, unless a row was tampered with."""
    bad = connection.execute(select(entries.c.seq).where((entries.c.amount < 0) | (entries.c.debit == entries.c.credit)))
    yield from (f"entry {seq} moves nothing, or less than nothing" for seq in bad.scalars())
    debits, credits_ = connection.execute(select(func.sum(balances.c.debits), func.sum(balances.c.credits))).one()
    if debits != credits_:
        yield f"all accounts together: {debits} nano-dollars of debits and {credits_} of credits"


def _balances(connection: Connection) -> Iterator[str]:
    sides = union_all(
        select(entries.c.debit.label("account"), entries.c.amount.label("debits"), literal(0).label("credits")),
        select(entries.c.credit.label("account"), literal(0).label("debits"), entries.c.amount.label("credits")),
    ).subquery()
    query = select(sides.c.account, func.sum(sides.c.debits), func.sum(sides.c.credits), func.count()).group_by(sides.c.account)
    derived = {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in connection.execute(query)}
    kept = {row.account: (row.debits, row.credits, row.entries) for row in connection.execute(select(balances))}
    names = texts_of(connection, derived.keys() | kept.keys())
    for account in sorted(derived.keys() | kept.keys()):
        of_entries, of_balance = derived.get(account, (0, 0, 0)), kept.get(account, (0, 0, 0))
        if of_entries != of_balance:
            yield (
                f"account {names.get(account, account)}: its balance says {of_balance[0]} debits and {of_balance[1]} credits in "
                f"{of_balance[2]} entries, its entries say {of_entries[0]} and {of_entries[1]} in {of_entries[2]}"
            )


def _counters(connection: Connection) -> Iterator[str]:
    query = select(charges.c.counter, func.sum(charges.c.amount)).group_by(charges.c.counter)
    derived = {counter: int(amount) for counter, amount in connection.execute(query)}
    kept = {counter: int(amount) for counter, amount in connection.execute(select(counters))}
    names = texts_of(connection, derived.keys() | kept.keys())
    for counter in sorted(derived.keys() | kept.keys()):
        if derived.get(counter, 0) != kept.get(counter, 0):
            name = names.get(counter, str(counter)).replace("\x1f", " / ")
            yield f"budget counter {name}: says {kept.get(counter, 0)}, its charges say {derived.get(counter, 0)}"


def _costs(connection: Connection) -> Iterator[str]:
    """Facts and entries tell of the same costs: the known and estimated ones of each day on which every fact is still there."""
    first = connection.execute(select(func.min(requests.c.at))).scalar_one()
    if first is None:
        return
    from_s = -(-int(first) // (_DAY_S * _NS_PER_S)) * _DAY_S
    day = (requests.c.at // (_DAY_S * _NS_PER_S)) * _DAY_S
    of_facts = select(day, func.count(), func.sum(requests.c.input), func.sum(requests.c.output))
    of_facts = of_facts.where(requests.c.at >= from_s * _NS_PER_S)
    facts = {row[0]: tuple(map(int, row[1:])) for row in connection.execute(of_facts.group_by(day))}
    of_sums = select(rollups.c.start, func.sum(rollups.c.requests), func.sum(rollups.c.input), func.sum(rollups.c.output))
    query = of_sums.where(rollups.c.grain == _DAY_GRAIN, rollups.c.start >= from_s).group_by(rollups.c.start)
    sums = {row[0]: tuple(map(int, row[1:])) for row in connection.execute(query)}
    for start in sorted(facts.keys() | sums.keys()):
        if facts.get(start) != sums.get(start):
            yield f"day {start // _DAY_S}: its sums say {sums.get(start)} requests and tokens, its requests say {facts.get(start)}"


def _sums(connection: Connection) -> Iterator[str]:
    """The three grains of sums tell the same cost, and no more than the entries of providers."""
    query = select(rollups.c.grain, func.sum(rollups.c.cost)).group_by(rollups.c.grain)
    costs = {grain: int(cost) for grain, cost in connection.execute(query)}
    if costs.get(_DAY_GRAIN, 0) < max(costs.values(), default=0):
        yield f"sums by minute, hour and day differ: {costs} nano-dollars"
    kinds = (AccountKind.PROVIDER_COST, AccountKind.OWN_KEY_COST, AccountKind.UNRESOLVED_COST)
    accounts = connection.execute(select(balances.c.account, balances.c.debits)).all()
    names = texts_of(connection, (row.account for row in accounts))
    booked = sum(int(row.debits) for row in accounts if names.get(row.account, "").startswith(tuple(f"{kind}:" for kind in kinds)))
    if costs.get(_DAY_GRAIN, 0) > booked:
        yield f"sums by day say {costs[_DAY_GRAIN]} nano-dollars, which is more than the {booked} that were booked"


def _weeks(connection: Connection) -> Iterator[str]:
    """Each week is the sum of its days."""
    sums = [func.sum(rollups.c[name]) for name in SUM_COLUMNS]
    week = (rollups.c.start // GRAINS_S[WEEK]) * GRAINS_S[WEEK]
    days, weeks = (
        {row[0]: tuple(map(int, row[1:])) for row in connection.execute(query)}
        for query in (select(week, *sums).where(rollups.c.grain == grain).group_by(week) for grain in (DAY, WEEK))
    )
    for start in sorted(days.keys() | weeks.keys()):
        if days.get(start) != weeks.get(start):
            yield f"week of day {start // _DAY_S}: its sums say {weeks.get(start)}, its days say {days.get(start)}"


def _latencies(connection: Connection) -> Iterator[str]:
    """What is told of all requests is the sum of what is told of each series; and each request took some time."""
    tables = (latencies, all_latencies)
    of_series, of_all = ({row[:-1]: int(row[-1]) for row in connection.execute(_days_and_weeks(table))} for table in tables)
    for key in sorted(of_series.keys() | of_all.keys()):
        if of_series.get(key) != of_all.get(key):
            grain, start, measure, bucket = key
            told = f"{of_all.get(key)} of all requests, {of_series.get(key)} of those of each series"
            whose = f"{'week' if grain == WEEK else 'day'} {start // _DAY_S}, measure {measure}"
            yield f"latencies of {whose}: {told} are in bucket {bucket}"
    query = select(rollups.c.start, func.sum(rollups.c.requests)).where(rollups.c.grain == DAY).group_by(rollups.c.start)
    n_requests = {start: int(n) for start, n in connection.execute(query)}
    n_measured = dict.fromkeys(n_requests, 0)
    for (grain, start, measure, _bucket), n in of_series.items():
        if grain == DAY and measure == DURATION:
            n_measured[start] = n_measured.get(start, 0) + n
    for start in sorted(n_measured):
        if n_measured[start] != n_requests.get(start):
            yield f"day {start // _DAY_S}: {n_measured[start]} latencies of {n_requests.get(start)} requests"


def _days_and_weeks(table: Table) -> Select[Any]:
    keys = (table.c.grain, table.c.start, table.c.measure, table.c.bucket)
    return select(*keys, func.sum(table.c.n)).where(table.c.grain.in_((DAY, WEEK))).group_by(*keys)


def _facets(connection: Connection) -> Iterator[str]:
    """Sums by tag, dialect and kind of error tell what the facts tell, on each day on which every fact is still there."""
    first = connection.execute(select(func.min(requests.c.at))).scalar_one()
    if first is None or is_filling(connection):
        return
    from_s = -(-int(first) // (_DAY_S * _NS_PER_S)) * _DAY_S
    day = (requests.c.at // (_DAY_S * _NS_PER_S)) * _DAY_S
    for place, facet in enumerate(FACETS):
        value = requests.c[facet]
        query = select(day, value, *sums_of_facts()).where(requests.c.at >= from_s * _NS_PER_S).group_by(day, value)
        of_facts = {(row[0], row[1]): tuple(map(int, row[2:])) for row in connection.execute(query)}
        for kept_as, whose in ((place, "by series"), (place + len(FACETS), "of all")):
            kept = _kept_facets(connection, kept_as, from_s)
            for key in sorted(of_facts.keys() | kept.keys()):
                if of_facts.get(key) != kept.get(key):
                    told = f"sums {whose} say {kept.get(key)}, requests say {of_facts.get(key)}"
                    yield f"day {key[0] // _DAY_S}, {facet} {key[1]}: {told}"


def _late_sums(connection: Connection) -> Iterator[str]:
    """Sums by end user and session tell what the facts tell, on each day that is summed up and has all its facts."""
    first = connection.execute(select(func.min(requests.c.at))).scalar_one()
    span = late_span_of(connection)
    if first is None or span is None:
        return
    from_s, to_s = span.whole_days(int(first) // _NS_PER_S + 1, span.until)
    day = (requests.c.at // (_DAY_S * _NS_PER_S)) * _DAY_S
    for name in LATE_FACETS:
        value = requests.c[name]
        query = select(day, value, *sums_of_facts()).where(requests.c.at >= from_s * _NS_PER_S, requests.c.at < to_s * _NS_PER_S)
        of_facts = {(row[0], row[1]): tuple(map(int, row[2:])) for row in connection.execute(query.group_by(day, value))}
        kept = {key: sums for key, sums in _kept_facets(connection, late_facet(name), from_s).items() if key[0] < to_s}
        for key in sorted(of_facts.keys() | kept.keys()):
            if of_facts.get(key) != kept.get(key):
                yield f"day {key[0] // _DAY_S}, {name} {key[1]}: sums say {kept.get(key)}, requests say {of_facts.get(key)}"


def _kept_facets(connection: Connection, facet: int, from_s: int) -> dict[tuple[int, int], tuple[int, ...]]:
    summed = select(facets.c.start, facets.c.value, *(func.sum(facets.c[name]) for name in SUM_COLUMNS))
    summed = summed.where(facets.c.facet == facet, facets.c.grain == DAY, facets.c.start >= from_s)
    rows = connection.execute(summed.group_by(facets.c.start, facets.c.value))
    return {(row[0], row[1]): tuple(map(int, row[2:])) for row in rows}


def _charged(connection: Connection) -> Iterator[str]:
    """What the sums say that customers were charged is what was booked."""
    of_sums = select(func.coalesce(func.sum(rollups.c.charged), 0)).where(rollups.c.grain == _DAY_GRAIN)
    summed = int(connection.execute(of_sums).scalar_one())
    of_entries = select(entries.c.debit, func.sum(entries.c.amount)).where(entries.c.kind == int(EntryKind.CHARGE))
    booked = _for_customers(connection, of_entries.group_by(entries.c.debit))
    if summed != booked:
        yield f"sums by day say that {summed} nano-dollars were charged to customers, their entries say {booked}"


def _given(connection: Connection) -> Iterator[str]:
    """What the accounts of prepaid customers say that was given and that ran out is what was booked."""
    payer = credit_accounts.c.payer
    of_credits = select(payer, func.sum(credits_given.c.amount), func.sum(credits_given.c.expired)).group_by(payer)
    query = of_credits.join(credits_given, credits_given.c.account == credit_accounts.c.id)
    told = {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(query)}
    given = _booked(connection, (EntryKind.TOP_UP, EntryKind.GRANT), entries.c.credit)
    expired = _booked(connection, (EntryKind.EXPIRY,), entries.c.debit)
    for who in sorted(told.keys() | given.keys() | expired.keys()):
        of_accounts, of_entries = told.get(who, (0, 0)), (given.get(who, 0), expired.get(who, 0))
        if of_accounts != of_entries:
            yield (
                f"credits of {who}: its account says {of_accounts[0]} nano-dollars given and {of_accounts[1]} run out, its entries "
                f"say {of_entries[0]} and {of_entries[1]}"
            )


def _booked(connection: Connection, kinds: Sequence[EntryKind], side: Column[int]) -> dict[str, int]:
    """By customer what entries of these kinds come to."""
    mine = entries.c.kind.in_(list(map(int, kinds)))
    found = {row[0]: int(row[1]) for row in connection.execute(select(side, func.sum(entries.c.amount)).where(mine).group_by(side))}
    names = texts_of(connection, found)
    return {names[number].removeprefix(f"{AccountKind.CUSTOMER}:"): amount for number, amount in found.items()}


def _taken(connection: Connection) -> Iterator[str]:
    """What was taken from credits for a request is what its customer was charged."""
    query = (
        select(requests.c.request_id, charges.c.amount, requests.c.charged)
        .join(requests, requests.c.id == charges.c.request)
        .join(labels, labels.c.id == charges.c.counter)
        .where(labels.c.text.endswith(CREDITS_MARK), charges.c.amount != requests.c.charged)
        .limit(MAX_PROBLEMS)
    )
    for request_id, taken, charged in connection.execute(query):
        yield f"request {request_id}: {taken} nano-dollars were taken from credits, its customer was charged {charged}"


def _corrected(connection: Connection) -> Iterator[str]:
    """What corrections of prices say that they have added to charges is what was booked."""
    told = int(connection.execute(select(func.coalesce(func.sum(corrected_attempts.c.charge), 0))).scalar_one())
    mine = (entries.c.kind == int(EntryKind.CHARGE_ADJUSTMENT)) & entries.c.ref.startswith("cor_")
    booked = _for_customers(connection, select(entries.c.debit, func.sum(entries.c.amount)).where(mine).group_by(entries.c.debit))
    if told != booked:
        yield f"corrections say that they added {told} nano-dollars to charges, their entries say {booked}"


def _for_customers(connection: Connection, by_debit: Select[Any]) -> int:
    """What customers were charged by these amounts, which the query has by the account that receives them: others are theirs."""
    found = {row[0]: int(row[1]) for row in connection.execute(by_debit)}
    names = texts_of(connection, found)
    of_customers = f"{AccountKind.CUSTOMER}:"
    return sum(amount if names[number].startswith(of_customers) else -amount for number, amount in found.items())


def _doubles(connection: Connection) -> Iterator[str]:
    query = select(requests.c.request_id, func.count()).group_by(requests.c.request_id).having(func.count() > 1)
    yield from (f"request {request_id} stands {n} times" for request_id, n in connection.execute(query))


_CHECKS: Final[tuple[tuple[str, Callable[[Connection], Iterator[str]]], ...]] = (
    ("entries", _unbalanced),
    ("balances", _balances),
    ("budgets' counters", _counters),
    ("requests by day", _costs),
    ("sums", _sums),
    ("weeks", _weeks),
    ("latencies", _latencies),
    ("tags, dialects and errors", _facets),
    ("end users and sessions", _late_sums),
    ("what customers were charged", _charged),
    ("credits that were given", _given),
    ("what was taken from credits", _taken),
    ("what corrections of prices have added", _corrected),
    ("requests that stand twice", _doubles),
)
