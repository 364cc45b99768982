"""A gateway as a user starts it archives what its store has kept long enough, and tells of it."""

from __future__ import annotations

import io
import json
from contextlib import closing

import pytest
from pyarrow import parquet
from tests.control.s3_server import ACCESS_KEY, REGION, SECRET_KEY, s3_server
from tests.storage.test_ledger_store import settled

from weighbridge.core.clock import SystemClock
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.store import Store

DAY_NS = 86_400 * 10**9
PATIENCE_S = 30


@pytest.fixture
def s3():
    with s3_server() as server:
        yield server


def test_old_requests_go_into_the_bucket_at_the_next_start(start_gateway, s3, tmp_path):
    aws = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
    bucket = {"bucket": "cold", "endpoint": s3.base, "region": REGION, "prefix": "wb", "aws": aws}
    config = {"providers": {"demo": {}}, "ledger": {"archive": {"s3": bucket}}}
    gateway = start_gateway(config)
    data_dir, key = gateway.data_dir, (gateway.data_dir / "admin.key").read_text().strip()
    gateway.stop()
    with closing(Store.open(sqlite_url(data_dir), SystemClock())) as store:
        old = SystemClock.wall_ns() - 40 * DAY_NS
        store.ledger.move("j_old", 0, 100, [settled(n, start_wall_ns=old + n, user="ada") for n in range(3)])
    gateway = start_gateway(config)
    (rows,) = [parquet.read_table(io.BytesIO(s3.came.get(timeout=PATIENCE_S))).to_pylist()]
    assert [row["request_id"] for row in rows] == ["req_0", "req_1", "req_2"]
    assert {row["user"] for row in rows} == {"ada"}
    told = gateway.request("GET", "/metrics", key=key).body.decode()
    assert "weighbridge_archive_rows_total" in told
    assert json.loads(gateway.request("GET", "/admin/v1/requests?from=-60d", key=key).body)["data"] != []
