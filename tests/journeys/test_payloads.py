"""What was asked and answered is kept by a gateway that was told to, in every dialect, and by no other."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from tests.journeys.conftest import PATIENCE_S, configured

SECRET = "sk-proj-AbCdEfGhIjKlMnOpQrSt"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"planted-question {SECRET}"}]}
MESSAGE = {"model": "claude-sonnet-5", "max_tokens": 64, "messages": CHAT["messages"]}
CONTENT = {"contents": [{"role": "user", "parts": [{"text": f"planted-question {SECRET}"}]}]}
GEMINI = "/v1beta/models/gemini-2.5-flash"
ASKED = [
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", CHAT | {"stream": True}),
    ("/v1/chat/completions", CHAT | {"model": "anthropic/claude-sonnet-5", "stream": True}),
    ("/v1/responses", {"model": "gpt-4.1", "input": f"planted-question {SECRET}", "stream": True}),
    ("/v1/messages", MESSAGE),
    ("/v1/messages", MESSAGE | {"stream": True}),
    (f"{GEMINI}:generateContent", CONTENT),
    (f"{GEMINI}:streamGenerateContent?alt=sse", CONTENT),
    (f"{GEMINI}:streamGenerateContent", CONTENT),
]


def files_with(directory, name):
    found = []
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and name in path.read_bytes():
                found.append(path.name)
    return found


@pytest.fixture
def gateway(upstreams, start_gateway):
    return start_gateway(configured(upstreams) | {"payloads": {"keep": "7d"}})


def payload_of(gateway, reply):
    """Once it is in the store, as the request is."""
    key = (gateway.data_dir / "admin.key").read_text().strip()
    path = f"/admin/v1/requests/{reply.headers['x-weighbridge-request-id']}/payload"
    deadline = time.monotonic() + PATIENCE_S
    while (found := gateway.request("GET", path, key=key)).status != 200:
        assert time.monotonic() < deadline, found.body
    return gateway.admin(path.removeprefix("/admin/v1"))


def test_every_dialect_whole_and_streamed_without_the_secret(gateway):
    for path, body in ASKED:
        reply = gateway.request("POST", path, body, headers={"anthropic-version": "2023-06-01"})
        assert reply.status == 200, (path, reply.body)
        kept = payload_of(gateway, reply)
        assert "planted-question [secret]" in kept["request"], path
        assert SECRET not in kept["request"] + kept["reply"], path
        assert kept["reply_bytes"] == len(reply.body), path
        assert len(kept["reply"].split()) > 1, (path, kept)
    assert files_with(gateway.data_dir, SECRET.encode()) == []
    told = gateway.request("GET", "/metrics", key=(gateway.data_dir / "admin.key").read_text().strip()).body.decode()
    assert f"weighbridge_payloads_kept_total {len(ASKED)}" in told.replace(".0", "")


def test_whoever_forbids_it_or_is_erased_is_not_kept(gateway):
    forbidden = gateway.request("POST", "/v1/chat/completions", CHAT, headers={"x-weighbridge-payload": "omit"})
    asked = gateway.request("POST", "/v1/chat/completions", CHAT | {"user": "ann"})
    payload_of(gateway, asked)
    gateway.weighbridge("erase", "--end-user", "ann", "--yes")
    key = (gateway.data_dir / "admin.key").read_text().strip()
    for reply in (forbidden, asked):
        path = f"/admin/v1/requests/{reply.headers['x-weighbridge-request-id']}/payload"
        assert gateway.request("GET", path, key=key).status == 404


def test_a_gateway_that_was_told_nothing_keeps_nothing(upstreams, start_gateway):
    gateway = start_gateway(configured(upstreams))
    reply = gateway.request("POST", "/v1/chat/completions", CHAT)
    gateway.record_of(reply.headers["x-weighbridge-request-id"])
    gateway.stop()
    assert files_with(gateway.data_dir, b"planted-question") == []
