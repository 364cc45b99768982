"""A bucket as a log sink: a real server that checks signatures, and objects that pyarrow reads."""

from __future__ import annotations

import io
import random
import sys
from contextlib import asynccontextmanager

import pytest
from pyarrow import parquet
from tests.control.s3_server import s3_server
from tests.control.test_object_store import account
from tests.storage.test_ledger_store import attempt, record

from weighbridge.config.proxies import ProxyRules
from weighbridge.control.log_sink import LogSink
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import GatewayError
from weighbridge.core.secret import Secret
from weighbridge.http.client import HttpClient
from weighbridge.pipeline.plan import Limits
from weighbridge.providers.cloud_accounts import Bucket
from weighbridge.telemetry.log_rows import Redaction, SinkTarget

HOUR_NS = 3_600 * NS_PER_S


class SetClock:
    """A clock that a test moves."""

    def __init__(self):
        self.wall = 1_800_000_000 * NS_PER_S

    def wall_ns(self):
        return self.wall

    now_ns = wall_ns


@pytest.fixture
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def sink_of(tmp_path, s3, clock):
    @asynccontextmanager
    async def opened(**facts):
        client = HttpClient(clock=clock, limits=Limits())
        bucket = Bucket(f"{s3.base}/logs", "wb/", account())
        target = SinkTarget("lake", Secret(""), bucket=bucket, **facts)
        yield LogSink(target, tmp_path, "host_1", client, ProxyRules(), clock, random.Random(1))
        await client.close()

    return opened


def rows(s3):
    tables = [parquet.read_table(io.BytesIO(content)) for _, content in sorted(s3.objects.items())]
    return [row for table in tables for row in table.to_pylist()]


async def test_rows_are_found_by_day_and_hour_and_add_up(s3, sink_of):
    async with sink_of() as sink:
        sink.offer([record(n, attempt(1_000 + n), start_wall_ns=1_800_000_000 * NS_PER_S + n * HOUR_NS) for n in range(3)])
        await sink.flush()
        assert (sink.n_sent, sink.spool.n_bytes) == (3, 0)
    folders = [name.rpartition("/")[0] for name in sorted(s3.objects)]
    assert folders == [f"/logs/wb/dt=2027-01-15/hour={hour:02}" for hour in (8, 9, 10)]
    assert len({name.rpartition("/")[2] for name in s3.objects}) == 1
    assert sum(row["cost_nanousd"] for row in rows(s3)) == 3_003


async def test_a_batch_that_comes_twice_is_written_over_itself(s3, sink_of):
    """The storage has done what it was asked, and its answer did not arrive: also over a new start, and with more rows since."""
    s3.statuses, s3.is_done_nevertheless = [500, 500], True
    async with sink_of() as sink:
        sink.offer([record(n) for n in range(3)])
        await sink.flush()
        await sink.flush()
        assert sink.n_sent == 0
    async with sink_of() as sink:
        sink.offer([record(3)])
        await sink.flush()
        assert sink.n_sent == 4
    assert len(s3.asked) == 4
    assert sorted(row["request_id"] for row in rows(s3)) == [f"req_{n}" for n in range(4)]


async def test_of_a_batch_that_went_in_part_no_row_is_there_twice(s3, sink_of):
    s3.statuses = [0, 503]
    async with sink_of() as sink:
        sink.offer([record(n, start_wall_ns=1_800_000_000 * NS_PER_S + n * HOUR_NS) for n in range(2)])
        await sink.flush()
        assert (sink.n_sent, len(s3.objects)) == (0, 1)
        await sink.flush()
    assert sorted(row["request_id"] for row in rows(s3)) == ["req_0", "req_1"]


async def test_rows_wait_until_they_are_an_object_or_have_waited_long_enough(s3, sink_of, clock):
    async with sink_of(object_bytes=2_000, every_ns=300 * NS_PER_S) as sink:
        sink.offer([record(1)])
        await sink.flush()
        clock.wall += 299 * NS_PER_S
        await sink.flush()
        assert not s3.objects
        clock.wall += NS_PER_S
        await sink.flush()
        assert len(s3.objects) == 1
        for n in range(2, 12):
            sink.offer([record(n)])
        await sink.flush()
        waits = sink.spool.n_bytes
        assert 0 < waits < 2_000
        assert len(s3.objects) > 3
        await sink.stop()  # what waits goes when the gateway ends
        assert sink.spool.n_bytes == 0
    assert sorted(int(row["request_id"][4:]) for row in rows(s3)) == list(range(1, 12))


async def test_what_a_bucket_refuses_waits_until_it_is_put_right(s3, sink_of, capfd):
    s3.statuses = [403] * 9
    async with sink_of() as sink:
        sink.offer([record(1)])
        for _ in range(9):
            await sink.flush()
        assert (sink.n_refused, sink.n_sent, sink.n_lost) == (0, 0, 0)
        await sink.flush()
        assert sink.n_sent == 1
    told = capfd.readouterr().err
    assert told.count("does not take rows") == 1
    assert "the status 403 (SlowDown)" in told


async def test_only_what_was_asked_for_leaves(s3, sink_of):
    redaction = Redaction(frozenset(("end_user",)), frozenset(("team",)), "salt")
    async with sink_of(only_errors=True, redaction=redaction) as sink:
        told = record(2, error="timeout", detail="planted-detail", end_user="planted-person", team="planted-team")
        sink.offer([record(1), told])
        await sink.flush()
    (row,) = rows(s3)
    assert (row["request_id"], row["end_user"]) == ("req_2", "")
    assert row["team"] not in ("", "planted-team")
    assert "planted" not in str(row)


async def test_without_the_library_no_sink_begins(sink_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(GatewayError, match="Parquet needs the extra `parquet`"):
        async with sink_of():
            pass
