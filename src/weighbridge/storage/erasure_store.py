"""Forgetting somebody: what a person or an end user said, and what says that it was they, is deleted; the books keep their sums.

Of a request stay its row of counts and costs and its ledger entries, which say nothing of whom it was for. Records, payloads,
feedback and kept responses are deleted, sessions and the end user's name taken out of rows. An erasure is written down first, so
that Records which are still in journals lose their names when they come. On SQLite what is deleted is overwritten in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec
import zstandard
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, insert, select, text, update

from weighbridge.core.clock import NS_PER_S, new_id, random_bytes
from weighbridge.core.codec import UNREADABLE
from weighbridge.core.erasure import Erasure, SubjectKind, digest_of_name
from weighbridge.storage.ledger_labels import known_labels
from weighbridge.storage.ledger_late_sums import forget_values
from weighbridge.storage.ledger_sums import FIRST_LATE_FACET, WEEK
from weighbridge.storage.ledger_tables import balances, counters, facets, labels, records, requests, series
from weighbridge.storage.response_store import MAX_CONTENT_BYTES
from weighbridge.storage.tables import erasures, feedback, payloads, stored_responses, virtual_keys
from weighbridge.storage.transactions import Act, Change, Transactions

BATCH: Final = 2_000
"""Requests in one transaction: others wait for the write lock no longer than for a batch of the mover's."""
KNOWN_FOR_NS: Final = 30 * 24 * 3600 * NS_PER_S
"""How long what comes late is still recognised: a host may be away with its journals for weeks."""
_SALT_BYTES: Final = 16
_NAMES: Final = ("end_user", "session")
"""Columns of `requests` that say whose a request was."""

Progress = Callable[[int], None]
"""Is told how many requests were dealt with."""


class Erased(NamedTuple):
    """An erasure, and what it has taken away."""

    erasure: Erasure
    actor: str
    requests: int
    feedback: int
    responses: int


class _Named(msgspec.Struct, frozen=True):
    user: str | None = None
    safety_identifier: str | None = None


class _Kept(msgspec.Struct):
    response: _Named = _Named()
    end_user: str | None = None


_names_in = msgspec.json.Decoder(_Kept, strict=False).decode


class ErasureStore:
    """Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def erase(self, kind: SubjectKind, name: str, act: Act, on_progress: Progress = lambda _n: None) -> Erased:
        """Forget somebody, in several transactions: one that breaks off is to be asked for again. Raises what `begin_create`
        raises."""
        erasure = self._begin(kind, name, act)
        n_requests = n_feedback = 0
        with self._transactions.reading() as connection:
            texts = set(known_labels(connection, [name]).values()) if kind is SubjectKind.END_USER else set()
        for batch in self._requests_of(kind, name):
            with self._overwriting() as connection:
                n_feedback += _forget_requests(connection, batch, kind)
            texts |= {row.session for row in batch}
            n_requests += len(batch)
            on_progress(n_requests)
        with self._transactions.reading() as connection:
            texts -= _used_otherwise(connection)
        with self._overwriting() as connection:
            _forget_texts(connection, texts)
            n_feedback += connection.execute(delete(feedback).where(feedback.c.rater == name)).rowcount
            n_responses = _forget_responses(connection, kind, name)
            counts = {"requests": n_requests, "feedback": n_feedback, "responses": n_responses}
            connection.execute(update(erasures).where(erasures.c.id == erasure.id).values(counts))
            self._transactions.remember_create(connection, act, erasure.id)  # not before: what broke off is done again
            self._transactions.done(connection, act, Change("erase", kind.value, erasure.id, erasure.id, after=counts))
        self._empty_log()
        return Erased(erasure, act.actor, n_requests, n_feedback, n_responses)

    def find(self, erasure_id: str) -> Erased | None:
        """One of them."""
        return next((each for each in self.all() if each.erasure.id == erasure_id), None)

    def all(self) -> list[Erased]:
        """Every one, newest first."""
        with self._transactions.reading() as connection:
            rows = connection.execute(select(erasures).order_by(erasures.c.at.desc(), erasures.c.id.desc())).all()
        return [Erased(_erasure(row), row.actor, int(row.requests), int(row.feedback), int(row.responses)) for row in rows]

    def since(self, wall_ns: int) -> list[Erasure]:
        """Those from this time on, oldest first."""
        with self._transactions.reading() as connection:
            return erasures_since(connection, wall_ns)

    def _begin(self, kind: SubjectKind, name: str, act: Act) -> Erasure:
        now, salt = self._transactions.clock.wall_ns(), random_bytes(_SALT_BYTES)
        erasure = Erasure(new_id("era"), now, kind, salt, digest_of_name(name, salt))
        row = {"id": erasure.id, "at": now, "kind": kind.value, "salt": salt, "digest": erasure.digest, "actor": act.actor}
        with self._transactions.writing() as connection:
            self._transactions.begin_create(connection, act)
            connection.execute(insert(erasures).values(**row, requests=0, feedback=0, responses=0))
        return erasure

    def _requests_of(self, kind: SubjectKind, name: str) -> Iterator[Sequence[Row[int, str, int]]]:
        """Numbers, ids and sessions of requests that name somebody, in batches."""
        after = 0
        while True:
            with self._transactions.reading() as connection:
                number = known_labels(connection, [name]).get(name)
                if number is None:
                    return
                mine = _is_of(kind, number)
                columns = (requests.c.id, requests.c.request_id, requests.c.session)
                query = select(*columns).where(mine, requests.c.id > after)
                found = connection.execute(query.order_by(requests.c.id).limit(BATCH)).all()
            if not found:
                return
            yield found
            after = int(found[-1].id)

    @contextmanager
    def _overwriting(self) -> Iterator[Connection]:
        """A transaction in which SQLite fills with zeros what it deletes (https://sqlite.org/pragma.html#pragma_secure_delete)."""
        with self._transactions.writing() as connection:
            is_sqlite = connection.dialect.name == "sqlite"
            if is_sqlite:
                connection.execute(text("PRAGMA secure_delete=ON"))
            try:
                yield connection
            finally:
                if is_sqlite:
                    connection.execute(text("PRAGMA secure_delete=OFF"))

    def _empty_log(self) -> None:
        """SQLite's write-ahead log has pages as they were: have it written back and cut, where nobody reads from it just now."""
        with self._transactions.reading() as connection:
            if connection.dialect.name != "sqlite":
                return
            raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def erasures_since(connection: Connection, wall_ns: int) -> list[Erasure]:
    """Those from this time on, oldest first."""
    query = select(erasures).where(erasures.c.at >= wall_ns).order_by(erasures.c.at, erasures.c.id)
    return [_erasure(row) for row in connection.execute(query)]


def _erasure(row: Any) -> Erasure:
    return Erasure(row.id, int(row.at), SubjectKind(row.kind), bytes(row.salt), bytes(row.digest))


def _is_of(kind: SubjectKind, number: int) -> ColumnElement[bool]:
    if kind is SubjectKind.END_USER:
        return and_(requests.c.end_user == number, requests.c.end_user != 0)  # the index has no others, which SQLite has to be told
    return requests.c.series.in_(select(series.c.id).where(series.c.owner == number))


def _forget_requests(connection: Connection, batch: Sequence[Row[int, str, int]], kind: SubjectKind) -> int:
    """Take from these requests what says whose they were. How many opinions of them were deleted."""
    numbers = [row.id for row in batch]
    connection.execute(delete(records).where(records.c.id.in_(numbers)))
    request_ids = [row.request_id for row in batch]
    connection.execute(delete(payloads).where(payloads.c.request_id.in_(request_ids)))
    changes = dict.fromkeys(_NAMES, 0) if kind is SubjectKind.END_USER else {"session": 0}
    forget_values(connection, numbers, changes)
    connection.execute(update(requests).where(requests.c.id.in_(numbers)).values(changes))
    return int(connection.execute(delete(feedback).where(feedback.c.request_id.in_(request_ids))).rowcount)


def _forget_responses(connection: Connection, kind: SubjectKind, name: str) -> int:
    """Delete kept responses: of a user's keys, or those whose request named the end user."""
    if kind is SubjectKind.USER:
        keys = select(virtual_keys.c.id).where(virtual_keys.c.owner == name)
        return int(connection.execute(delete(stored_responses).where(stored_responses.c.key_id.in_(keys))).rowcount)
    decompressor = zstandard.ZstdDecompressor()
    mine = []
    for response_id, content in connection.execute(select(stored_responses.c.id, stored_responses.c.content)):
        told = decompressor.decompress(content, max_output_size=MAX_CONTENT_BYTES)
        if name in _names(told):
            mine.append(response_id)
    return sum(int(connection.execute(delete(stored_responses).where(stored_responses.c.id == each)).rowcount) for each in mine)


def _names(told: bytes) -> tuple[str | None, ...]:
    try:
        kept = _names_in(told)
    except UNREADABLE:
        return ()
    return kept.response.user, kept.response.safety_identifier, kept.end_user


def _used_otherwise(connection: Connection) -> set[int]:
    """Numbers of texts that mean something else than an end user or a session, too: a model of the same name, say."""
    used: set[int] = set()
    for row in connection.execute(select(*(column for column in series.c if column is not series.c.id))):
        used.update(row)
    for row in connection.execute(select(requests.c.requested_model, requests.c.operation, requests.c.finish_reason).distinct()):
        used.update(row)
    for column in (balances.c.account, counters.c.counter):
        used.update(connection.execute(select(column)).scalars())
    of_few = (facets.c.grain == WEEK, facets.c.facet < FIRST_LATE_FACET)
    used.update(connection.execute(select(facets.c.value).where(*of_few).distinct()).scalars())
    return used


def _forget_texts(connection: Connection, numbers: Collection[int]) -> None:
    """Take names from the texts that no request has any more."""
    for number in numbers:
        if number and not any(connection.execute(select(exists().where(requests.c[c] == number))).scalar_one() for c in _NAMES):
            connection.execute(update(labels).where(labels.c.id == number).values(text=f"erased:{number}"))
