"""A bucket gets the rows of a gateway as a user starts it, and neither what was asked nor with which key."""

from __future__ import annotations

import io

import pytest
from pyarrow import parquet
from tests.control.s3_server import ACCESS_KEY, REGION, SECRET_KEY, s3_server

PATIENCE_S = 30


@pytest.fixture
def s3():
    with s3_server() as server:
        yield server


def test_rows_come_as_parquet_and_hold_no_prompt_no_answer_and_no_key(start_gateway, s3):
    aws = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
    bucket = {"bucket": "logs", "endpoint": s3.base, "region": REGION, "prefix": "wb", "every": "1s", "aws": aws}
    gateway = start_gateway({"providers": {"demo": {}}, "logs": [{"name": "lake", "s3": bucket}]})
    key = (gateway.data_dir / "first.key").read_text().strip()
    body = {"model": "demo/echo", "messages": [{"role": "user", "content": "a planted prompt"}]}
    reply = gateway.request("POST", "/v1/chat/completions", body, key=key)
    assert reply.status == 200
    content = s3.came.get(timeout=PATIENCE_S)
    (row,) = parquet.read_table(io.BytesIO(content)).to_pylist()
    assert (row["request_id"], row["model"]) == (reply.headers["x-weighbridge-request-id"], "echo")
    for secret in ("planted", key, SECRET_KEY, ACCESS_KEY):
        assert secret not in str(row)
        assert secret.encode() not in content
    assert {path.rpartition("/")[0][:15] for path in s3.objects} == {"/logs/wb/dt=202"}
