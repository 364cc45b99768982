"""The ledger in the database: moved there from workers' journals, once each, whatever dies in between.

Everything of a batch (entries, facts, sums, counters, and how far the journal has been moved) is one transaction, so that all of
it is there or none. One process writes at a time: SQLite's write lock sees to it, and a lock of ours in PostgreSQL.

Its methods block on the database, as those of `store.py` do, and may be called from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, delete, func, select, text

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.erasure import without_names
from weighbridge.core.ports import Clock
from weighbridge.core.rates import NO_TARIFF, Tariff
from weighbridge.core.terms import NO_USAGE, Attempt, Dialect, Operation, Record
from weighbridge.ledger.books import charged_by, entries_of
from weighbridge.ledger.journal import JournalItem
from weighbridge.ledger.terms import Charge, Entry, EntryKind, Settled, Started
from weighbridge.limits.counters import is_of_credits
from weighbridge.storage.bulk import add_sums, insert_rows, replace_rows
from weighbridge.storage.engine import writing
from weighbridge.storage.erasure_store import KNOWN_FOR_NS, erasures_since
from weighbridge.storage.errors import ChangedMeanwhileError, plain_errors
from weighbridge.storage.lease_store import spend_leases
from weighbridge.storage.ledger_facets import next_piece
from weighbridge.storage.ledger_labels import Labels, texts_of
from weighbridge.storage.ledger_late_sums import LateComers, late_span_of, sum_up_piece
from weighbridge.storage.ledger_retention import Retention, delete_expired, last_archived
from weighbridge.storage.ledger_sums import (
    SUM_COLUMNS,
    BatchSums,
    Tokens,
    fact_sums,
    provenance_number,
    series_of,
    state_number,
    tokens_of,
)
from weighbridge.storage.ledger_tables import (
    all_latencies,
    balances,
    charges,
    counters,
    entries,
    facets,
    journal_positions,
    labels,
    latencies,
    open_attempts,
    records,
    requests,
    rollups,
)

UNRESOLVED: Final = "unknown_outcome"
"""The error of a request whose worker died before it was settled."""
_ADVISORY_LOCK: Final = 0x77656967_68626C67
"""The text "weighblg", as PostgreSQL numbers its locks."""
_NS_PER_US: Final = 1_000
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_started: Final = msgspec.msgpack.Decoder(Started).decode
_MAX_ERROR_TEXT: Final = 200
_CHARGE: Final = EntryKind.CHARGE
_CHARGED: Final = SUM_COLUMNS.index("charged")
"""From there on sums and columns of `requests` are the same."""
_CHUNK: Final = 500
"""Names in one statement."""

TariffOf = Callable[[Record], Tariff]
"""What the customer of a Record pays."""


class Position(NamedTuple):
    """How far a journal was moved: everything of the segments before `sequence`, and `offset` bytes of that one."""

    sequence: int
    offset: int
    is_closed: bool


NOT_BEGUN: Final = Position(-1, 0, is_closed=False)
_Place = tuple[int, int]
"""A segment's sequence, and an offset in it."""
_AT_ITS_END: Final = (-1, -1)
"""The place of a journal that is closed."""


class _Done(NamedTuple):
    """What a transaction has done with a journal, if it has ended well: then the journal is at this place."""

    place: _Place
    settled: Sequence[Settled]
    charged: dict[str, int]


class Balance(NamedTuple):
    """An account's sums in nano-dollars."""

    account: str
    debits: int
    credits: int
    entries: int


class LedgerStore:
    """Entries, balances, counters and facts. Every method raises `StorageError` if the database cannot be used."""

    __slots__ = (
        "_clock",
        "_labels",
        "_last_erasure",
        "_lock",
        "_reader",
        "_unheard",
        "_writer",
        "host",
        "is_archived",
        "on_booked",
        "retention",
        "tariff_of",
    )

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = writing(engine)
        self._clock = clock
        self._labels = Labels()
        self._lock = Lock()
        self._last_erasure = ""
        self._unheard: dict[str, _Done] = {}
        """Of each journal, what was to be committed and is not known to be: a commit that ends in an error (the connection broke)
        may have been made. One is enough: whoever comes after it has the lock and finds that it was not."""
        self.tariff_of: TariffOf = lambda _record: NO_TARIFF
        self.retention = Retention()
        """For how long `expire` leaves things alone."""
        self.is_archived = False
        """Whether `expire` leaves alone what is in no archive yet."""
        self.on_booked: Callable[[Sequence[Record]], None] = lambda _records: None
        """Is told of every exchange once it is in the store, once."""
        self.host = ""
        """Who moves, where hosts have budgets on lease: what is moved leaves the lease. Empty: nobody has."""

    # --- moving -------------------------------------------------------------------------------------------------

    def position(self, journal_id: str) -> Position:
        """How far a journal has been moved."""
        with self.reading() as connection:
            return _position(connection, journal_id)

    def look_back(self, journal_id: str) -> tuple[Position, dict[str, int]]:
        """How far a journal has been moved, and what counters were charged by a transaction that has ended well though its end
        was not heard of. That is told once."""
        position = self.position(journal_id)
        place = _AT_ITS_END if position.is_closed else position[:2]
        done = self._unheard.get(journal_id)
        return position, self._told(journal_id) if done is not None and done.place == place else {}

    def move(
        self, journal_id: str, sequence: int, offset: int, items: Sequence[JournalItem], *, after: _Place | None = None
    ) -> dict[str, int]:
        """Write the next items of a journal, which end at `offset` of its segment `sequence`. What budgets' counters were charged.

        A batch that was moved before changes nothing, and charges nothing. `after` is how far the journal was moved when its items
        were read: raises `ChangedMeanwhileError` if it is not any more, since some of them may be in the store then. None: they
        are not.
        """
        with self._writing() as connection:
            before = _position(connection, journal_id)
            if after is not None and (before.is_closed or before[:2] != after):
                raise ChangedMeanwhileError("a journal was moved by somebody else meanwhile")
            if before.is_closed or (sequence, offset) <= before[:2]:
                return {}
            still_open = self._take(connection, journal_id, items)
            if still_open:
                rows = [_open_row(journal_id, started) for started in still_open]
                replace_rows(connection, open_attempts, ("body",), rows)
            position = [(journal_id, sequence, offset, False)]
            replace_rows(connection, journal_positions, ("sequence", "offset"), position)
            settled = [item for item in items if isinstance(item, Settled)]
            self._do(connection, journal_id, (sequence, offset), settled)
        return self._told(journal_id)

    def close(self, journal_id: str) -> dict[str, int]:
        """The writer of a journal is gone and everything of it was moved: what it had begun and never settled is booked at its
        bound, as an unknown outcome. What counters were charged for that. A second time changes nothing."""
        with self._writing() as connection:
            if _position(connection, journal_id).is_closed:
                return {}
            query = select(open_attempts.c.body).where(open_attempts.c.journal_id == journal_id)
            left = [_decode_started(body) for (body,) in connection.execute(query.order_by(open_attempts.c.attempt))]
            connection.execute(delete(open_attempts).where(open_attempts.c.journal_id == journal_id))
            replace_rows(connection, journal_positions, ("is_closed",), [(journal_id, 0, 0, True)])
            self._do(connection, journal_id, _AT_ITS_END, _unresolved(left, self._clock.wall_ns()))
        return self._told(journal_id)

    def _do(self, connection: Connection, journal_id: str, place: _Place, settled: Sequence[Settled]) -> None:
        settled = self._without_erased(connection, settled)
        self._unheard[journal_id] = _Done(place, settled, self._book(connection, settled))

    def _told(self, journal_id: str) -> dict[str, int]:
        """What was last done with a journal is in the store."""
        done = self._unheard.pop(journal_id)
        self.on_booked([item.record for item in done.settled])
        return done.charged

    def forget(self, journal_id: str) -> None:
        """A closed journal's files are deleted: nobody will ask for its position again."""
        with self._writing() as connection:
            connection.execute(delete(journal_positions).where(journal_positions.c.journal_id == journal_id))

    def _take(self, connection: Connection, journal_id: str, items: Sequence[JournalItem]) -> list[Started]:
        """Attempts of these items that are not settled among them; those of earlier ones that are now are taken off the list."""
        mine = open_attempts.c.journal_id == journal_id
        earlier = set(connection.execute(select(open_attempts.c.request_id).where(mine)).scalars())
        begun: dict[str, dict[int, Started]] = {}
        over: list[str] = []
        for item in items:
            if isinstance(item, Started):
                begun.setdefault(item.request_id, {})[item.attempt] = item
                continue
            request_id = item.record.request_id
            begun.pop(request_id, None)
            if request_id in earlier:
                over.append(request_id)
        for at in range(0, len(over), _CHUNK):
            connection.execute(delete(open_attempts).where(mine, open_attempts.c.request_id.in_(over[at : at + _CHUNK])))
        return [started for attempts in begun.values() for started in attempts.values()]

    # --- booking ------------------------------------------------------------------------------------------------

    def book(self, new: Sequence[Entry]) -> int:
        """Book what people have decided (payments, grants, corrections), each by its id once. How many were new."""
        with self._writing() as connection:
            return _book_once(connection, self._labels, new)

    def _book(self, connection: Connection, settled: Sequence[Settled]) -> dict[str, int]:
        """Facts, entries, sums and charges of these exchanges. What counters were charged."""
        if not settled:
            return {}
        booked = [_Booked(item, self._entries_of(item)) for item in settled]
        numbers = self._labels.of(connection, _texts(booked))
        of_series = self._labels.series(connection, (each.series for each in booked))
        # A number of a request is never used again: which ones have been archived is known by them.
        archived = connection.execute(select(func.coalesce(last_archived().scalar_subquery(), 0))).scalar_one()
        first = max(_next(connection, requests.c.id), int(archived) + 1)
        seq = _next(connection, entries.c.seq)
        sums, facts, bodies = BatchSums(), [], []
        written: list[tuple[Entry, str]] = []
        late = LateComers(late_span_of(connection))
        for number, each in enumerate(booked, first):
            record, own = each.record, each.entries
            tokens, series = tokens_of(record), of_series[each.series]
            sums.add(record, series, tokens, each.charged)
            of_facets = (numbers[each.tags], numbers[record.dialect], numbers[each.error])
            of_fact = fact_sums(record, tokens, each.charged)
            second = record.start_wall_ns // NS_PER_S
            sums.add_facets(second, series, of_facets, of_fact)
            late.add(second, (numbers[record.end_user], numbers[record.session]), of_fact)
            fact = _fact(number, each, series, tokens, numbers, seq + len(written), len(own))
            facts.append((*fact, *of_fact[_CHARGED:]))
            bodies.append((number, _encode(record)))
            written += [(entry, "") for entry in own]
        insert_rows(connection, requests, facts)
        insert_rows(connection, records, bodies)
        _write_entries(connection, written, numbers, seq)
        add_sums(connection, rollups, SUM_COLUMNS, sums.rollups())
        add_sums(connection, latencies, ("n",), sums.latencies())
        add_sums(connection, all_latencies, ("n",), sums.all_latencies())
        add_sums(connection, facets, SUM_COLUMNS, sums.facets())
        late.write(connection)
        return self._charge(connection, settled, numbers, first)

    def _without_erased(self, connection: Connection, settled: Sequence[Settled]) -> Sequence[Settled]:
        """The same without the names of those who have asked to be forgotten after these requests, and before they came here."""
        known = erasures_since(connection, self._clock.wall_ns() - KNOWN_FOR_NS)
        if not known:
            return settled
        if known[-1].id != self._last_erasure:
            self._last_erasure = known[-1].id
            self._labels.forget()  # names may have been taken from texts
        latest = known[-1].at_wall_ns
        return [
            msgspec.structs.replace(item, record=without_names(item.record))
            if item.record.start_wall_ns < latest and any(erasure.concerns(item.record) for erasure in known)
            else item
            for item in settled
        ]

    def _entries_of(self, item: Settled) -> list[Entry]:
        """What a prepaid customer is charged has been taken already, at the tariff that the request was served under."""
        taken = [charge.amount for charge in item.charges if is_of_credits(charge.counter)]
        return entries_of(item.record, self.tariff_of(item.record), charged=sum(taken) if taken else None)

    def _charge(self, connection: Connection, settled: Sequence[Settled], numbers: Mapping[str, int], first: int) -> dict[str, int]:
        charged: dict[str, int] = {}
        rows: list[tuple[object, ...]] = []
        seq = _next(connection, charges.c.seq)
        for number, item in enumerate(settled, first):
            for charge in item.charges:
                charged[charge.counter] = charged.get(charge.counter, 0) + charge.amount
                rows.append((seq + len(rows), numbers[charge.counter], number, charge.amount))
        insert_rows(connection, charges, rows)
        add_sums(connection, counters, ("amount",), [(numbers[counter], amount) for counter, amount in charged.items()])
        if self.host:
            # Last, since grants wait for these rows until the transaction ends.
            spend_leases(connection, self.host, charged)
        return charged

    def expire(self) -> int:
        """Delete a batch of what has been kept long enough (`ledger_retention.py`). How many rows; 0: nothing is left."""
        with self._writing() as connection:
            return delete_expired(connection, self._clock.wall_ns(), self.retention, is_archived=self.is_archived)

    def fill_facets(self) -> int:
        """Sum up a piece of what came before there were sums of facets (`ledger_facets.py`). How many requests; 0: all are."""
        with self._writing() as connection:
            n_passed, rows = next_piece(connection)
            add_sums(connection, facets, SUM_COLUMNS, rows)
        return n_passed

    def sum_up_late(self) -> bool:
        """Sum up a piece of what is over, by end user and session (`ledger_late_sums.py`). False: all is."""
        with self._writing() as connection:
            return sum_up_piece(connection, self._clock.wall_ns() // NS_PER_S)

    # --- what is there ------------------------------------------------------------------------------------------

    def counters(self, prefix: str = "") -> dict[str, int]:
        """What budgets have spent, by the names of their counters (see `limits.counters`) that begin so."""
        query = select(labels.c.text, counters.c.amount).join(labels, labels.c.id == counters.c.counter)
        with self.reading() as connection:
            found = {name: int(amount) for name, amount in connection.execute(query)}
        return {name: amount for name, amount in found.items() if name.startswith(prefix)}

    def balances(self, prefix: str = "") -> list[Balance]:
        """The accounts whose names begin so, in their order."""
        query = select(labels.c.text, balances.c.debits, balances.c.credits, balances.c.entries)
        with self.reading() as connection:
            found = [Balance(*row) for row in connection.execute(query.join(labels, labels.c.id == balances.c.account))]
        return sorted(balance for balance in found if balance.account.startswith(prefix))

    def open_journals(self) -> int:
        """Attempts that have begun and are not settled, as far as journals were moved."""
        with self.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(open_attempts)).scalar_one())

    # --- connections --------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads."""
        with plain_errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._lock, plain_errors():
            try:
                with self._writer.begin() as connection:
                    if _exclude_others(connection):
                        self._labels.forget()  # another host may have given numbers since
                    yield connection
            except BaseException:
                self._labels.forget()
                raise

    def text_of(self, connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
        """Texts by their numbers."""
        return texts_of(connection, numbers)


def book_within(connection: Connection, new: Sequence[Entry], spent: Mapping[str, int]) -> None:
    """Book entries by their ids once, and charge counters for what is no request's, in the transaction in which that is decided:
    both are there, or neither is."""
    _exclude_others(connection)
    # Numbers of its own: whether this transaction succeeds is not known here, so nobody else may remember what it makes.
    own = Labels()
    _book_once(connection, own, new)
    numbers = own.of(connection, spent)
    rows = [(numbers[counter], amount) for counter, amount in spent.items()]
    seq = _next(connection, charges.c.seq)
    insert_rows(connection, charges, [(seq + n, counter, 0, amount) for n, (counter, amount) in enumerate(rows)])
    add_sums(connection, counters, ("amount",), rows)


def _book_once(connection: Connection, own: Labels, new: Sequence[Entry]) -> int:
    refs = [entry.id for entry in new]
    known = set(connection.execute(select(entries.c.ref).where(entries.c.ref.in_(refs))).scalars())
    fresh = list({entry.id: entry for entry in new if entry.id not in known}.values())
    numbers = own.of(connection, (name for entry in fresh for name in (entry.debit, entry.credit)))
    _write_entries(connection, [(entry, entry.id) for entry in fresh], numbers, _next(connection, entries.c.seq))
    return len(fresh)


def _exclude_others(connection: Connection) -> bool:
    """Have this transaction be the only one that writes the ledger, where the database has not seen to it. Whether it had not."""
    if connection.dialect.name != "postgresql":
        return False
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    return True


def _position(connection: Connection, journal_id: str) -> Position:
    row = connection.execute(select(journal_positions).where(journal_positions.c.journal_id == journal_id)).one_or_none()
    return NOT_BEGUN if row is None else Position(int(row.sequence), int(row.offset), bool(row.is_closed))


def _next(connection: Connection, column: Any) -> int:
    return int(connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()) + 1


def _open_row(journal_id: str, started: Started) -> tuple[object, ...]:
    return (journal_id, started.request_id, started.attempt, _encode(started))


def _unresolved(left: Iterable[Started], wall_ns: int) -> list[Settled]:
    """The exchanges that a worker took with it, as far as it had begun them."""
    by_request: dict[str, list[Started]] = {}
    for started in left:
        by_request.setdefault(started.request_id, []).append(started)
    return [_unresolved_exchange(attempts, wall_ns) for attempts in by_request.values()]


def _unresolved_exchange(started: list[Started], wall_ns: int) -> Settled:
    first, last = started[0], started[-1]
    attempts = tuple(_unresolved_attempt(each, first.wall_ns) for each in started)
    record = Record(
        request_id=first.request_id,
        start_wall_ns=first.wall_ns,
        key_id=first.key_id,
        dialect=Dialect.OPENAI,
        operation=Operation.RAW,
        method="",
        path="",
        requested_model=first.route,
        provider=last.provider,
        model=last.model,
        status=0,
        error=UNRESOLVED,
        detail="the worker ended before the request did",
        is_stream=False,
        finish_reason=None,
        usage=NO_USAGE,
        edits=(),
        request_bytes=0,
        reply_bytes=0,
        attempts=attempts,
        duration_ns=max(0, wall_ns - first.wall_ns),
        first_byte_ns=-1,
        overhead_ns=0,
        config_version=0,
        end_user=first.end_user,
        route=first.route,
        team=first.team,
        user=first.user,
        organisation=first.organisation,
    )
    held: dict[str, int] = {}
    for each in started:
        for charge in each.holds:
            # Nobody can show that the customer received anything, so nothing is charged.
            if not is_of_credits(charge.counter):
                held[charge.counter] = held.get(charge.counter, 0) + charge.amount
    return Settled(record, tuple(Charge(counter, amount) for counter, amount in held.items()))


def _unresolved_attempt(started: Started, begun_wall_ns: int) -> Attempt:
    after_ns, bound = started.wall_ns - begun_wall_ns, started.reserved_nanousd
    return Attempt(
        started.provider, started.model, started.own_key, 0, UNRESOLVED, NO_USAGE, after_ns, -1, 0, reserved_nanousd=bound
    )


class _Booked:
    """An exchange, and what is told of it in several tables."""

    __slots__ = ("charged", "charges", "entries", "error", "record", "series", "tags")

    def __init__(self, item: Settled, own: list[Entry]) -> None:
        record = self.record = item.record
        self.charges = item.charges
        self.entries = own
        self.series = series_of(record)
        self.tags = ",".join(record.tags)
        self.error = record.error[:_MAX_ERROR_TEXT] if record.error else ""
        self.charged = sum([charged_by(entry) for entry in own])


def _texts(booked: Sequence[_Booked]) -> set[str]:
    """A set of as few as there are: most exchanges of a batch have nearly all of them in common."""
    texts: set[str] = set()
    for each in booked:
        record = each.record
        texts.update(each.series)
        texts.update((
            record.end_user, record.session, each.tags, record.requested_model,
            record.dialect, record.operation, each.error, record.finish_reason or "",
        ))  # fmt: skip
        for entry in each.entries:
            texts.add(entry.debit)
            texts.add(entry.credit)
        for charge in each.charges:
            texts.add(charge.counter)
    return texts


def _fact(
    number: int, booked: _Booked, series: int, tokens: Tokens, numbers: Mapping[str, int], first_entry: int, n_entries: int
) -> tuple[object, ...]:
    record = booked.record
    return (
        number,
        record.request_id,
        record.start_wall_ns,
        series,
        numbers[record.end_user],
        numbers[record.session],
        numbers[booked.tags],
        numbers[record.requested_model],
        numbers[record.dialect],
        numbers[record.operation],
        numbers[booked.error],
        numbers[record.finish_reason or ""],
        record.status,
        record.is_stream,
        provenance_number(record.usage.provenance),
        state_number(record.price_state),
        *tokens,
        record.cost_nanousd,
        record.duration_ns // _NS_PER_US,
        record.first_byte_ns // _NS_PER_US if record.first_byte_ns >= 0 else None,
        record.overhead_ns // _NS_PER_US,
        len(record.attempts),
        first_entry,
        n_entries,
    )


def _write_entries(connection: Connection, new: Sequence[tuple[Entry, str]], numbers: Mapping[str, int], seq: int) -> None:
    """Write entries from `seq` on, and what they make of their accounts' balances."""
    rows = []
    moved: dict[int, list[int]] = {}
    for place, (entry, ref) in enumerate(new, seq):
        debit, credit, amount = numbers[entry.debit], numbers[entry.credit], entry.amount_nanousd
        rows.append((
            place, ref, debit, credit, amount, int(entry.kind), entry.wall_ns,
            entry.request_id, entry.attempt, entry.expires_wall_ns, entry.note,
        ))  # fmt: skip
        for account, is_debit in ((debit, True), (credit, False)):
            sums = moved.setdefault(account, [0, 0, 0])
            sums[0 if is_debit else 1] += amount
            sums[2] += 1
    insert_rows(connection, entries, rows)
    add_sums(connection, balances, ("debits", "credits", "entries"), [(account, *sums) for account, sums in moved.items()])
