"""Takes rows of settled exchanges to where they are kept: a webhook, a table of ClickHouse, a bucket. In batches, off every path.

What waits is on disk (`telemetry/log_spool.py`), and each sink has its own, so that one which is away keeps no other from getting
its rows. A batch that is tried again is the same batch with the same name, so that a receiver can tell that it has it already.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from weighbridge.config.compile import parse_base
from weighbridge.config.proxies import ProxyRules
from weighbridge.control.alert_sender import signature
from weighbridge.control.log_objects import LogObjects
from weighbridge.core.clock import NS_PER_S, NS_PER_US
from weighbridge.core.erasure import Erasure
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import Clock, Rng, Upstream, UpstreamRequest
from weighbridge.core.terms import Deadlines, Record, Tls
from weighbridge.telemetry.log_rows import SinkTarget, is_of_erased, lines_of
from weighbridge.telemetry.log_spool import Batch, Spool

MAX_BATCH_BYTES: Final = 4_000_000
_NO_BOUND: Final = 1_000_000_000
"""Lines of a bucket's object: its bytes bound it."""
_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_REFUSALS: Final = 5
"""Of one batch by a 4xx, after which it is given up: it would be refused for ever, and keep all others waiting."""
_LAST_S: Final = 5.0
"""For what waits when the gateway stops; the rest is sent after the next start."""
_DEADLINES: Final = Deadlines(
    connect_ns=5 * NS_PER_S, first_byte_ns=20 * NS_PER_S, between_bytes_ns=20 * NS_PER_S, total_ns=30 * NS_PER_S
)
_GOOD: Final = range(200, 300)
_MAY_PASS: Final = frozenset((408, 425, 429))


class LogSink:
    """One for each sink of the configuration. Raises `OSError` where its spool cannot be had, and `GatewayError` NOT_IMPLEMENTED
    where it needs an extra that is not installed."""

    def __init__(
        self, target: SinkTarget, directory: Path, host: str, upstream: Upstream, rules: ProxyRules, clock: Clock, rng: Rng
    ) -> None:
        self.name = target.name
        self._target = target
        self._host = host
        self._upstream = upstream
        self._rules = rules
        self._clock = clock
        self._rng = rng
        self.spool = Spool(directory / target.name, target.spool_bytes, clock.wall_ns() // NS_PER_US)
        self._objects = LogObjects(target.bucket, upstream, rules, clock) if target.bucket is not None else None
        self._waits_since_ns: int | None = None
        self._failures = 0
        self._refusals = 0
        self._batch: Batch | None = None
        self._erasures: list[Erasure] = []
        self.n_sent = 0
        self.n_refused = 0
        """Lines that the receiver will never take."""
        self.n_lost = 0
        """Lines that could not be kept on disk, or be read there again."""

    def offer(self, records: Sequence[Record]) -> None:
        """Exchanges that have been settled. May be called from any thread."""
        target = self._target
        wanted = [record for record in records if record.error] if target.only_errors else records
        if not wanted:
            return
        try:
            self.spool.append(lines_of(wanted, target.redaction), target.batch_lines)
        except OSError as error:
            self.n_lost += len(wanted)
            sys.stderr.write(f"Rows for the log sink '{self.name}' cannot be kept, and are lost: {error.strerror}\n")

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        while True:
            await asyncio.sleep(self._pause_s())
            await self.flush()

    async def stop(self) -> None:
        """Send what waits, as far as a few seconds allow."""
        try:
            async with asyncio.timeout(_LAST_S):
                await self.flush(ends=True)
        except TimeoutError:
            return

    def erase(self, erasures: Sequence[Erasure]) -> None:
        """Take what waits of them out, before anything more is sent."""
        self._erasures += erasures

    async def flush(self, *, ends: bool = False) -> None:
        """Send what waits, as long as the receiver takes it; to a bucket what is enough for an object, or all if the gateway
        `ends`."""
        while await self._is_clean() and (self._batch is not None or ends or self._is_due()):
            if self._batch is None:
                self._batch = await asyncio.to_thread(self.spool.take, *self._bounds())
            if self._batch is None or (self._batch.body and not await self._deliver(self._batch)):  # of erased ones nothing is left
                return
            await asyncio.to_thread(self.spool.done, self._batch)
            self._batch = self._waits_since_ns = None

    def _bounds(self) -> tuple[int, int]:
        target = self._target
        return (target.batch_lines, MAX_BATCH_BYTES) if self._objects is None else (_NO_BOUND, target.object_bytes)

    def _is_due(self) -> bool:
        """Whether what waits is enough, or has waited long enough."""
        if self._objects is None or self.spool.n_bytes >= self._target.object_bytes:
            return True
        now_ns = self._clock.now_ns()
        if self._waits_since_ns is None and self.spool.n_bytes:
            self._waits_since_ns = now_ns
        return self._waits_since_ns is not None and now_ns - self._waits_since_ns >= self._target.every_ns

    async def _is_clean(self) -> bool:
        """Whether nothing waits any more of whoever was erased."""
        if not self._erasures:
            return True
        erasures, self._erasures = self._erasures, []
        self._batch = None  # it may have them in it
        try:
            await asyncio.to_thread(self.spool.keep_only, lambda line: not any(is_of_erased(line, each) for each in erasures))
        except OSError as error:
            self._erasures += erasures
            sys.stderr.write(f"What waits for the log sink '{self.name}' cannot be changed, and is held back: {error.strerror}\n")
            return False
        return True

    def _pause_s(self) -> float:
        if not self._failures:
            return _PAUSE_S
        return min(_LONGEST_PAUSE_S, _PAUSE_S * 2.0 ** min(self._failures, 10)) * (0.5 + 0.5 * self._rng.random())

    async def _deliver(self, batch: Batch) -> bool:
        """Whether a batch is dealt with: taken, or given up."""
        if self._objects is not None:
            status, problem = await self._objects.put(self._name_of(batch), batch.body)
        else:
            status, problem = await self._post(batch)
        if status in _GOOD:
            if self._failures:
                sys.stderr.write(f"The log sink '{self.name}' takes rows again.\n")
            self._failures = self._refusals = 0
            n_unreadable = self._objects.n_unreadable if self._objects is not None else 0
            self.n_sent += batch.n_lines - n_unreadable
            self.n_lost += n_unreadable
            return True
        if not self._failures:
            sys.stderr.write(f"The log sink '{self.name}' does not take rows, which wait on disk: {problem}\n")
        self._failures += 1
        # What a bucket refuses has to do with keys and permissions, never with the rows: those wait until it is put right.
        if self._objects is None and 400 <= status < 500 and status not in _MAY_PASS:
            self._refusals += 1
            if self._refusals >= _REFUSALS:
                sys.stderr.write(f"The log sink '{self.name}' has refused {batch.n_lines} rows for good: {problem}\n")
                self._refusals = 0
                self.n_refused += batch.n_lines
                return True
        return False

    async def _post(self, batch: Batch) -> tuple[int, str]:
        """The status of the answer (0: none), and what is wrong."""
        target = self._target
        url = target.url.reveal()
        parts = urlsplit(url)
        base = parse_base(url, tls=Tls(), proxy=None, rules=self._rules)
        query = "&".join(part for part in (parts.query, self._query(batch)) if part)
        path = f"{parts.path or '/'}?{query}" if query else parts.path or "/"
        lines = [
            b"POST %b HTTP/1.1" % path.encode(),
            b"host: %b" % parts.netloc.encode(),
            b"content-type: application/x-ndjson",
            b"x-weighbridge-batch: %b" % self._name_of(batch).encode(),
            *(b"%b: %b" % (name.encode(), value.reveal().encode()) for name, value in target.headers),
        ]
        if target.secret is not None:
            seconds = self._clock.wall_ns() // NS_PER_S
            lines.append(b"x-weighbridge-signature: t=%d,v1=%b" % (seconds, signature(target.secret, seconds, batch.body).encode()))
        head = b"".join([line + b"\r\n" for line in lines])
        try:
            reply = await self._upstream.send(
                UpstreamRequest(b"POST", base.origin, head, [batch.body], len(batch.body), _DEADLINES)
            )
        except GatewayError as error:
            return 0, error.public.rstrip(".")
        status = reply.status
        reply.abort()
        return status, f"it answers with the status {status}"

    def _query(self, batch: Batch) -> str:
        """What ClickHouse is told in its URL (https://clickhouse.com/docs/interfaces/http)."""
        table = self._target.table
        if not table:
            return ""
        return urlencode(
            {
                "query": f"INSERT INTO {table} FORMAT JSONEachRow",
                "date_time_input_format": "best_effort",
                "input_format_skip_unknown_fields": 1,
                "insert_deduplication_token": self._name_of(batch),
            }
        )

    def _name_of(self, batch: Batch) -> str:
        return f"{self._host}.{batch.name}"
