"""How long questions to a large ledger take: `python -m benchmarks.big_ledger [ROWS]`.

The rows are made by SQL, since moving ten million through journals takes a quarter of an hour: 300 series over 90 days, with the
sums that the gateway would have made of them and kept. Then each kind of question that the admin API answers is asked three times;
the slowest counts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from weighbridge.core.clock import NS_PER_S, SystemClock
from weighbridge.storage.engine import sqlite_url, writing
from weighbridge.storage.ledger_sums import LATE_FACETS
from weighbridge.storage.request_queries import RequestsQuery, request_detail, requests_page
from weighbridge.storage.store import Store
from weighbridge.storage.usage_queries import usage
from weighbridge.storage.usage_rows import MAX_TOP
from weighbridge.storage.usage_terms import DIMENSIONS, UsageQuery

ROWS: Final = 10_000_000
DAYS: Final = 90
_DAY_S: Final = 86_400
_SERIES: Final = 300
_TIMES: Final = 3

_LABELS = """
INSERT INTO labels (id, text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
SELECT i, CASE WHEN i <= 40 THEN 'key_' || i WHEN i <= 60 THEN 'team-' || i WHEN i <= 80 THEN 'user-' || i
 WHEN i <= 85 THEN 'org-' || i WHEN i <= 100 THEN 'route-' || i WHEN i <= 105 THEN 'provider-' || i
 WHEN i <= 140 THEN 'model-' || i WHEN i <= 145 THEN 'error-' || i WHEN i <= 148 THEN 'dialect-' || i
 WHEN i <= 150 THEN 'operation-' || i WHEN i <= 160 THEN 'tag-' || i ELSE 'somebody-' || i END FROM n
"""
_SERIES_ROWS = """
INSERT INTO series (id, key, team, owner, organisation, route, provider, model)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :series)
SELECT i, 1 + i % 40, 41 + i % 20, 61 + i % 19, 81 + i % 5, 86 + i % 15, 101 + i % 5, 106 + (i / 5) % 35 FROM n
"""
_REQUESTS = """
INSERT INTO requests (id, request_id, at, series, end_user, session, tags, requested_model, dialect, operation, error,
 finish_reason, status, is_stream, provenance, price_state, input, cache_read, cache_write, output, reasoning, cost, duration_us,
 first_byte_us, overhead_us, attempts, first_entry, entries, charged)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
SELECT i, 'req_' || i, :start + i * :step, 1 + abs(random()) % :series,
 CASE abs(random()) % 3 WHEN 0 THEN 0 ELSE 200 + abs(random()) % 50000 END,
 CASE abs(random()) % 4 WHEN 0 THEN 200 + abs(random()) % 50000 ELSE 0 END,
 CASE abs(random()) % 3 WHEN 0 THEN 151 + abs(random()) % 10 ELSE 0 END,
 106, 146 + abs(random()) % 3, 149, CASE abs(random()) % 50 WHEN 0 THEN 141 + abs(random()) % 5 ELSE 0 END, 0,
 200, abs(random()) % 2, 0, 0, abs(random()) % 5000, abs(random()) % 2000, 0, abs(random()) % 800, 0, abs(random()) % 9000000,
 100000 + abs(random()) % 9000000, 50000, 300, 1, i * 2, 2, 0 FROM n
"""
_ROLLUPS = """
INSERT INTO rollups (grain, start, series, requests, errors, input, cache_read, cache_write, output, reasoning, cost, estimated,
 unknown_costs, fallbacks, charged)
SELECT :grain, at / 1000000000 / :size * :size AS begins, series, count(*), sum(error <> 0), sum(input), sum(cache_read), 0,
 sum(output), 0, sum(cost), 0, 0, 0, sum(cost) FROM requests WHERE at >= :since GROUP BY begins, series
"""
_LATENCIES = """
INSERT INTO latencies (grain, start, series, measure, bucket, n)
SELECT :grain, at / 1000000000 / :size * :size AS begins, series, measure,
 CASE measure WHEN 0 THEN 110 + duration_us / 400000 WHEN 1 THEN 90 + id % 15 ELSE 55 + id % 10 END AS bucket, count(*)
FROM requests, (SELECT 0 AS measure UNION ALL SELECT 1 UNION ALL SELECT 2) WHERE at >= :since
GROUP BY begins, series, measure, bucket
"""
_ALL_LATENCIES = """
INSERT INTO all_latencies (grain, start, measure, bucket, n)
SELECT grain, start, measure, bucket, sum(n) FROM latencies GROUP BY grain, start, measure, bucket
"""

_FILLING = "INSERT INTO facet_filling (next, last) VALUES (1, :rows)"
"""As the migration of an old database leaves it: the gateway then makes these sums of the facts."""


def main() -> None:
    """Make the rows, ask, and show what it took."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    console = Console()
    with tempfile.TemporaryDirectory() as directory, closing(Store.open(sqlite_url(Path(directory)), SystemClock())) as store:
        store.migrate()
        fill(store, rows, console)
        size = sum(path.stat().st_size for path in Path(directory).iterdir())
        console.print(f"{rows:,} requests over {DAYS} days, {size / 1e9:.2f} GB")
        console.print(measured(store))


def fill(store: Store, rows: int, console: Console) -> None:
    """Requests, and the sums of them that are kept."""
    now_s = SystemClock.wall_ns() // NS_PER_S
    start = (now_s - DAYS * _DAY_S) * NS_PER_S
    step = DAYS * _DAY_S * NS_PER_S // rows
    engine = writing(store._engine)  # noqa: SLF001 - rows that no store would write
    steps = [
        ("labels", _LABELS, {}),
        ("series", _SERIES_ROWS, {"series": _SERIES}),
        ("requests", _REQUESTS, {"rows": rows, "start": start, "step": step, "series": _SERIES}),
    ]
    for grain, (size, days) in enumerate(((60, 7), (3_600, DAYS), (_DAY_S, DAYS), (7 * _DAY_S, DAYS))):
        facts = {"grain": grain, "size": size, "since": (now_s - days * _DAY_S) * NS_PER_S}
        steps += [(f"sums of {size} s", _ROLLUPS, facts), (f"latencies of {size} s", _LATENCIES, facts)]
    steps.append(("latencies of all", _ALL_LATENCIES, {}))
    for name, statement, parameters in steps:
        begun = time.monotonic()
        with engine.begin() as connection:
            connection.execute(text(statement), parameters)
        console.print(f"made {name} in {time.monotonic() - begun:.0f} s")
    begun = time.monotonic()
    with engine.begin() as connection:
        connection.execute(text(_FILLING), {"rows": rows})
    n_pieces = 0
    while store.ledger.fill_facets():
        n_pieces += 1
    console.print(f"made facets in {time.monotonic() - begun:.0f} s, {n_pieces} pieces")
    begun, n_pieces, longest = time.monotonic(), 0, 0.0
    while True:
        piece = time.monotonic()
        if not store.ledger.sum_up_late():
            break
        n_pieces, longest = n_pieces + 1, max(longest, time.monotonic() - piece)
    console.print(f"made late sums in {time.monotonic() - begun:.0f} s, {n_pieces} pieces of {longest * 1_000:.0f} ms at most")


def measured(store: Store) -> Table:
    """Every kind of question."""
    table = Table("question", "time", "ms")
    for name, ask in questions(store):
        table.add_row(*name, f"{slowest(ask) * 1_000:,.0f}")
    return table


def questions(store: Store) -> list[tuple[tuple[str, str], Callable[[], object]]]:
    """Names and what asks them."""
    now_s = SystemClock.wall_ns() // NS_PER_S
    found: list[tuple[tuple[str, str], Callable[[], object]]] = []
    for label, days, interval in (("24 h", 1, "hour"), ("7 days", 7, "day"), ("90 days", DAYS, "day")):
        begin = now_s - days * _DAY_S
        for dimension in DIMENSIONS:
            query = UsageQuery(begin, now_s, "none", (dimension,))
            found.append(((f"usage by {dimension}", label), lambda query=query: usage(store.ledger, query)))
        for dimension in LATE_FACETS:
            query = UsageQuery(begin, now_s, "none", (dimension,), top=MAX_TOP)
            found.append(((f"the first {MAX_TOP} by {dimension}", label), lambda query=query: usage(store.ledger, query)))
        for what, times in (("usage of all", "none"), ("usage of all, over time", interval)):
            query = UsageQuery(begin, now_s, times)
            found.append(((what, label), lambda query=query: usage(store.ledger, query)))
        by_two = UsageQuery(begin, now_s, interval, ("team", "model"))
        found.append((("usage by team and model, over time", label), lambda query=by_two: usage(store.ledger, query)))
        one = UsageQuery(begin, now_s, interval, (), {"end_user": ("somebody-777",)})
        found.append((("usage of an end user, over time", label), lambda query=one: usage(store.ledger, query)))
        page = RequestsQuery(begin, now_s, {}, 51, None, None, None, None, None)
        found.append((("requests, first page", label), lambda query=page: requests_page(store.ledger, query)))
        of_team = RequestsQuery(begin, now_s, {"team": ("team-45",), "error": ("error-142",)}, 51, None, None, None, None, None)
        found.append((("requests of a team that failed", label), lambda query=of_team: requests_page(store.ledger, query)))
    found.append((("one request", ""), lambda: request_detail(store.ledger, "req_7777")))
    return found


def slowest(ask: Callable[[], object]) -> float:
    """Seconds of the slowest of three."""
    times = []
    for _ in range(_TIMES):
        begun = time.monotonic()
        ask()
        times.append(time.monotonic() - begun)
    return max(times)


if __name__ == "__main__":
    main()
