"""The ledger's tables: what happened (`requests`, `records`), what it is worth (`entries`, `balances`), what budgets have spent
(`charges`, `counters`), and sums by time (`rollups`, `latencies`, `all_latencies`, `facets`) so that no page scans the facts.

Texts that repeat (names of keys, models, accounts) stand once in `labels` and are integers elsewhere; 0 is the empty text. Times
are Unix nanoseconds, in rollups seconds. All ids are given by the writer, of whom there is one at a time.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text

from weighbridge.storage.ledger_sums import SERIES_COLUMNS, SUM_COLUMNS
from weighbridge.storage.tables import metadata

_Id: Final = BigInteger().with_variant(Integer, "sqlite")  # SQLite's own row number, and so no second index

labels: Final = Table(
    "labels",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False, unique=True),
)

series: Final = Table(
    "series",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    *(Column(name, Integer, nullable=False) for name in SERIES_COLUMNS),
)
"""Each combination of who asked and who answered that there was."""
Index(
    "series_all",
    *(series.c[name] for name in SERIES_COLUMNS),
    unique=True,
)

requests: Final = Table(
    "requests",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("request_id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("series", Integer, nullable=False),
    Column("end_user", Integer, nullable=False),
    Column("session", Integer, nullable=False),
    Column("tags", Integer, nullable=False),
    Column("requested_model", Integer, nullable=False),
    Column("dialect", Integer, nullable=False),
    Column("operation", Integer, nullable=False),
    Column("error", Integer, nullable=False),
    Column("finish_reason", Integer, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("is_stream", Boolean, nullable=False),
    Column("provenance", SmallInteger, nullable=False),
    Column("price_state", SmallInteger, nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("cache_read", BigInteger, nullable=False),
    Column("cache_write", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("reasoning", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("duration_us", BigInteger, nullable=False),
    Column("first_byte_us", BigInteger),
    Column("overhead_us", BigInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("first_entry", BigInteger, nullable=False),
    Column("entries", SmallInteger, nullable=False),
    Column("charged", BigInteger, nullable=False, server_default="0"),
    Column("cache_saved", BigInteger, nullable=False, server_default="0"),
    Column("own_cost", BigInteger, nullable=False, server_default="0"),
)
"""One narrow row for each request. `input` is all that went in; `cost` null is unknown, and `own_cost` the part of it that
providers bill to the customer, whose own key they were asked with; `charged` is what its customer pays us; `cache_saved` is how
much more it would have cost without the provider's prompt cache."""
Index("requests_request_id", requests.c.request_id)
Index("requests_at", requests.c.at)

records: Final = Table(
    "records",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)
"""The whole Record of a request (MessagePack), by the id of its row in `requests`: for its page, and for a shorter time."""

archives: Final = Table(
    "archives",
    metadata,
    Column("first", _Id, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("is_done", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Which requests have been archived, by their numbers: a row for each batch (`archive_store.py`)."""

entries: Final = Table(
    "entries",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=False),
    Column("ref", Text, nullable=False),
    Column("debit", Integer, nullable=False),
    Column("credit", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("attempt", SmallInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)
"""Double entry, append-only: triggers refuse every change. `ref` is empty but for what people book, which is booked once."""

balances: Final = Table(
    "balances",
    metadata,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
)

charges: Final = Table(
    "charges",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=False),
    Column("counter", Integer, nullable=False),
    Column("request", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
)
"""What each request was charged to each budget's counter."""

counters: Final = Table(
    "counters",
    metadata,
    Column("counter", Integer, primary_key=True, autoincrement=False),
    Column("amount", BigInteger, nullable=False),
)

journal_positions: Final = Table(
    "journal_positions",
    metadata,
    Column("journal_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("is_closed", Boolean, nullable=False),
)
"""How far each journal has been moved into the store."""

open_attempts: Final = Table(
    "open_attempts",
    metadata,
    Column("journal_id", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("attempt", SmallInteger, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
"""Attempts that were begun and not settled yet, as far as journals have been moved."""

_LATER: Final = {"charged": "0", "cache_saved": "0", "own_cost": "0"}
"""Columns of sums that came later, and what rows from before have of them until they are told."""
_LATER_OF_FACETS: Final = {"cache_saved": "0", "own_cost": "0"}

rollups: Final = Table(
    "rollups",
    metadata,
    Column("grain", SmallInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("series", Integer, primary_key=True, autoincrement=False),
    *(Column(name, BigInteger, nullable=False, server_default=_LATER.get(name)) for name in SUM_COLUMNS),
    sqlite_with_rowid=False,
)
"""Sums of each minute, hour, day and week (`grain` 0, 1, 2, 3) of each series."""

latencies: Final = Table(
    "latencies",
    metadata,
    Column("grain", SmallInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("series", Integer, primary_key=True, autoincrement=False),
    Column("measure", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How many requests took so long, by buckets that grow by a tenth (`ledger_sums.bucket_of`)."""

all_latencies: Final = Table(
    "all_latencies",
    metadata,
    Column("grain", SmallInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("measure", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The same of all series together: whoever asks for no group reads a row where there is one for each series."""

facets: Final = Table(
    "facets",
    metadata,
    Column("facet", SmallInteger, primary_key=True, autoincrement=False),
    Column("grain", SmallInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("series", Integer, primary_key=True, autoincrement=False),
    Column("value", Integer, primary_key=True, autoincrement=False),
    *(Column(name, BigInteger, nullable=False, server_default=_LATER_OF_FACETS.get(name)) for name in SUM_COLUMNS),
    sqlite_with_rowid=False,
)
"""Sums of each hour, day and week of each series, by what is in no series (`ledger_sums.FACETS`); and of all."""

facet_filling: Final = Table(
    "facet_filling",
    metadata,
    Column("next", _Id, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)
"""Requests from before there were facets, by their ids, that are still to be summed up. No row: all are."""

late_span: Final = Table(
    "late_span",
    metadata,
    Column("first", _Id, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
)
"""The time whose requests are in the sums by end user and session, in Unix seconds: one row, or none before the first."""
