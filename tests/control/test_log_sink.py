from __future__ import annotations

import json
import random
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from tests.storage.test_ledger_store import attempt, record

from weighbridge.config.proxies import ProxyRules
from weighbridge.control.alert_sender import signature
from weighbridge.control.log_sink import LogSink
from weighbridge.core.clock import SystemClock
from weighbridge.core.erasure import Erasure, SubjectKind, digest_of_name
from weighbridge.core.secret import Secret
from weighbridge.http.client import HttpClient
from weighbridge.pipeline.plan import Limits
from weighbridge.telemetry.log_rows import Redaction, SinkTarget


class Receiver:
    """A real server: what came, and with which statuses it answers next."""

    def __init__(self):
        self.requests = []
        self.statuses = []
        self.base = ""

    async def take(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((str(request.rel_url), headers, await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    @property
    def rows(self):
        return [json.loads(line) for _, _, body in self.requests for line in body.splitlines()]


@pytest.fixture
async def receiver():
    found = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.base = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    yield found
    await runner.cleanup()


@asynccontextmanager
async def sink_of(tmp_path, url, **facts):
    client = HttpClient(clock=SystemClock(), limits=Limits())
    target = SinkTarget("hook", Secret(url), **facts)
    yield LogSink(target, tmp_path, "host_1", client, ProxyRules(), SystemClock(), random.Random(1))
    await client.close()


async def test_rows_come_signed_to_a_webhook_and_add_up(receiver, tmp_path):
    secret = Secret("whsec-0123456789")
    async with sink_of(tmp_path, f"{receiver.base}/in?a=1", secret=secret, headers=(("x-token", Secret("t-1")),)) as sink:
        sink.offer([record(n, attempt(1_000 + n)) for n in range(3)])
        await sink.flush()
        assert (sink.n_sent, sink.spool.n_bytes) == (3, 0)
    ((path, headers, body),) = receiver.requests
    assert (path, headers["x-token"], headers["content-type"]) == ("/in?a=1", "t-1", "application/x-ndjson")
    assert headers["x-weighbridge-batch"].startswith("host_1.")
    seconds, _, signed = headers["x-weighbridge-signature"].partition(",v1=")
    assert signed == signature(secret, int(seconds.removeprefix("t=")), body)
    assert sum(row["cost_nanousd"] for row in receiver.rows) == 3_003


async def test_clickhouse_is_told_table_format_and_a_token_that_a_second_try_repeats(receiver, tmp_path):
    receiver.statuses = [503]
    user = (("x-clickhouse-user", Secret("wb")), ("x-clickhouse-key", Secret("pw")))
    async with sink_of(tmp_path, receiver.base, table="logs.requests", headers=user) as sink:
        sink.offer([record(1)])
        await sink.flush()
        assert sink.n_sent == 0
        sink.offer([record(2)])  # which is another batch
        await sink.flush()
        assert sink.n_sent == 2
    (failed, again, other) = receiver.requests
    asked = [parse_qs(urlsplit(path).query) for path, _, _ in receiver.requests]
    assert asked[0]["query"] == ["INSERT INTO logs.requests FORMAT JSONEachRow"]
    assert (failed[0], failed[2]) == (again[0], again[2])
    assert asked[0]["insert_deduplication_token"] != asked[2]["insert_deduplication_token"]
    assert (other[1]["x-clickhouse-user"], other[1]["x-clickhouse-key"]) == ("wb", "pw")


async def test_a_receiver_that_is_away_loses_nothing_and_a_new_start_sends_it(receiver, tmp_path, capfd):
    async with sink_of(tmp_path, "http://127.0.0.1:1/in") as sink:
        sink.offer([record(n) for n in range(5)])
        await sink.flush()
        await sink.flush()
        await sink.stop()
        assert sink.n_sent == 0
    assert capfd.readouterr().err.count("does not take rows") == 1  # told once
    async with sink_of(tmp_path, f"{receiver.base}/in") as sink:
        await sink.flush()
    assert [row["request_id"] for row in receiver.rows] == [f"req_{n}" for n in range(5)]


async def test_no_start_uses_the_name_of_a_batch_again(receiver, tmp_path):
    for n in range(2):
        async with sink_of(tmp_path, receiver.base, table="logs.requests") as sink:
            sink.offer([record(n)])
            await sink.flush()
    tokens = {parse_qs(urlsplit(path).query)["insert_deduplication_token"][0] for path, _, _ in receiver.requests}
    assert len(tokens) == 2  # else ClickHouse would take the second batch for the first


async def test_a_batch_that_is_refused_for_good_keeps_no_other_waiting_and_is_counted(receiver, tmp_path):
    receiver.statuses = [400] * 5
    async with sink_of(tmp_path, receiver.base, batch_lines=2) as sink:
        sink.offer([record(n) for n in range(4)])
        for _ in range(5):
            await sink.flush()
        assert (sink.n_refused, sink.n_sent) == (2, 2)
    assert len(receiver.requests) == 6


async def test_a_receiver_that_wants_to_be_left_alone_is_asked_again_later(receiver, tmp_path):
    receiver.statuses = [429] * 7
    async with sink_of(tmp_path, receiver.base) as sink:
        sink.offer([record(1)])
        for _ in range(8):
            await sink.flush()
        assert (sink.n_refused, sink.n_sent) == (0, 1)


async def test_waits_grow_to_a_minute_and_no_further(receiver, tmp_path):
    async with sink_of(tmp_path, "http://127.0.0.1:1/") as sink:
        sink.offer([record(1)])
        waits = []
        for _ in range(12):
            await sink.flush()
            waits.append(sink._pause_s())
        assert waits[0] <= 2.0
        assert 30.0 <= waits[-1] <= 60.0


async def test_only_what_was_asked_for_leaves(receiver, tmp_path):
    redaction = Redaction(frozenset(("end_user",)), frozenset(("team",)), "salt")
    async with sink_of(tmp_path, receiver.base, only_errors=True, redaction=redaction) as sink:
        sink.offer([record(1), record(2, error="timeout", end_user="planted-person")])
        await sink.flush()
    (row,) = receiver.rows
    assert (row["request_id"], row["end_user"]) == ("req_2", "")
    assert row["team"] not in ("", "search")
    assert b"planted-person" not in receiver.requests[0][2]


async def test_a_disk_that_is_full_is_counted_and_stops_nobody(tmp_path, monkeypatch):
    async with sink_of(tmp_path, "http://127.0.0.1:1/") as sink:
        monkeypatch.setattr(sink.spool, "_write", lambda _lines: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        sink.offer([record(1), record(2)])
        assert sink.n_lost == 2


def erasure_of(name):
    return Erasure("era_1", record(0).start_wall_ns + 1, SubjectKind.END_USER, b"s", digest_of_name(name, b"s"))


async def test_rows_of_whoever_is_erased_are_not_sent_any_more(receiver, tmp_path):
    receiver.statuses = [503]
    async with sink_of(tmp_path, receiver.base) as sink:
        sink.offer([record(n, end_user="ann" if n % 2 else "bob") for n in range(4)])
        await sink.flush()  # which fails: the batch waits
        sink.erase([erasure_of("ann")])
        await sink.flush()
        assert sink.n_sent == 2
    assert [row["end_user"] for row in receiver.rows[4:]] == ["bob", "bob"]


async def test_while_they_cannot_be_taken_out_nothing_is_sent(receiver, tmp_path, capfd):
    async with sink_of(tmp_path, receiver.base) as sink:
        sink.offer([record(1, end_user="ann"), record(2, end_user="bob")])
        (kept,) = sink.spool._files
        away = kept.rename(kept.with_suffix(".away"))
        sink.erase([erasure_of("ann")])
        await sink.flush()
        assert receiver.requests == []
        away.rename(kept)
        await sink.flush()
    assert [row["end_user"] for row in receiver.rows] == ["bob"]
    assert "held back" in capfd.readouterr().err
