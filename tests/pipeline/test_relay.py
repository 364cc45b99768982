from __future__ import annotations

import asyncio
import gzip
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError

DELTA = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}\n\n'
DONE = b"data: [DONE]\n\n"
OWN = {
    "x-weighbridge-request-id": "req_1",
    "x-weighbridge-provider": "openai",
    "x-weighbridge-model": "gpt-4o",
    "x-weighbridge-edits": "none",
    "x-weighbridge-config-version": "7",
}
_WORLDS = []


@pytest.fixture(autouse=True)
def _worlds(build):
    _WORLDS[:] = [build]


# --- the head


async def test_gateway_says_on_every_reply_what_it_did(world):
    client = await world.chat()
    fields = client.fields
    assert {name: fields[name] for name in OWN} == OWN
    assert int(fields["x-weighbridge-overhead-us"]) == world.record.overhead_ns // 1000


async def test_providers_headers_come_back_in_order_and_unchanged(world):
    kept = [
        ("content-type", "application/json"),
        ("anthropic-ratelimit-requests-remaining", "7"),
        ("x-ratelimit-reset-tokens", "6m0s"),
        ("retry-after", "3"),
        ("retry-after-ms", "2500"),
        ("x-request-id", "abc"),
        ("request-id", "def"),
        ("openai-processing-ms", "12"),
        ("x-dup", "1"),
        ("x-dup", "2"),
        ("x-should-retry", "false"),
    ]
    dropped = [
        ("set-cookie", "a=1"),
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("alt-svc", "h3"),
        ("strict-transport-security", "max-age=1"),
        ("x-weighbridge-model", "lie"),
        ("x-weighbridge-edits", "lie"),
        ("x-weighbridge-request-id", "lie"),
    ]
    world.will_reply(b"{}", headers=[*dropped, *kept], length=2)
    client = await world.chat()
    passed = [(name.decode(), value.decode()) for name, value in client.lines if not name.startswith(b"x-weighbridge-")]
    assert passed == kept
    assert b"lie" not in client.raw_head


async def test_headers_that_the_provider_names_in_connection_are_dropped(world):
    world.will_reply(b"{}", headers=(("x-hop", "1"), ("connection", "close, X-Hop"), ("x-kept", "2")), length=2)
    fields = (await world.chat()).fields
    assert "x-hop" not in fields
    assert fields["x-kept"] == "2"


async def test_name_of_a_model_cannot_break_the_head(world):
    client = await world.chat(model="openai/gpt\r\nx-evil: 1 é")
    assert client.fields["x-weighbridge-model"] == "gpt%0D%0Ax-evil: 1 %C3%A9"
    assert "x-evil" not in client.fields


@pytest.mark.parametrize("status", [200, 201, 400, 401, 404, 429, 500, 529])
async def test_status_and_body_are_the_providers(world, status):
    world.will_reply(b'{"a": 1.0}\n', status=status, length=11)
    client = await world.chat()
    assert (client.status, client.body, client.length) == (status, b'{"a": 1.0}\n', 11)


async def test_head_waits_for_the_first_byte(world):
    reply = world.will_stream(is_open=True)
    client = world.client("POST", "/v1/chat/completions", {"model": "gpt-4o", "stream": True})
    task = asyncio.create_task(world.gateway.handle(client))
    await reply.attached.wait()
    assert not client.has_started
    reply.sink.on_data(DELTA)
    assert (client.has_started, client.body) == (True, DELTA)
    reply.sink.on_end()
    await task


async def test_reply_without_a_body_is_a_reply(world):
    world.will_reply(length=0, status=202)
    client = await world.chat()
    assert (client.status, client.body, client.length, client.is_ended) == (202, b"", 0, True)


async def test_reply_to_head_keeps_the_length_that_it_would_have(world):
    world.will_reply(length=1234)
    client = await world.ask("HEAD", "/v1/files/f_1/content")
    assert (client.length, client.body, client.is_ended) == (1234, b"", True)


# --- the body


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(0, 200), max_size=5), st.booleans(), st.booleans())
def test_bytes_come_back_as_they_came_however_they_are_cut(body, cuts, knows_length, is_stream):
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    chunks = [body[start:end] for start, end in pairwise(edges) if start < end]

    async def relay():
        world = _WORLDS[0]()
        headers = (("content-type", "text/event-stream" if is_stream else "application/json"),)
        world.will_reply(*chunks, headers=headers, length=len(body) if knows_length else None)
        client = await world.chat(stream=is_stream, stream_options={"include_usage": True})
        return client, world.record

    client, record = asyncio.run(relay())
    assert (client.body, client.is_ended) == (body, True)
    assert record.reply_bytes == len(body)


async def test_each_chunk_leaves_as_it_comes(world):
    reply = world.will_stream(is_open=True)
    client = world.client(
        "POST", "/v1/chat/completions", {"model": "gpt-4o", "stream": True, "stream_options": {"include_usage": True}}
    )
    task = asyncio.create_task(world.gateway.handle(client))
    await reply.attached.wait()
    for n in range(1, 4):
        reply.sink.on_data(DELTA)
        assert client.body == DELTA * n
    reply.sink.on_end()
    await task


async def test_slow_client_slows_the_provider_down(world):
    reply = world.will_reply(b"{}", length=2)
    client = await world.chat()
    assert client.source is reply


async def test_compressed_reply_passes_compressed_and_is_metered(world):
    body = gzip.compress(b'{"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}')
    world.will_reply(body, headers=(("content-type", "application/json"), ("content-encoding", "gzip")), length=len(body))
    client = await world.chat()
    assert client.body == body
    assert world.record.usage.output == 4


# --- the usage chunk


@given(st.lists(st.integers(0, len(DELTA + USAGE + DONE)), max_size=6))
def test_usage_that_the_client_did_not_ask_for_is_read_and_withheld(cuts):
    stream = DELTA + USAGE + DONE
    edges = [0, *sorted(cuts), len(stream)]

    async def relay():
        world = _WORLDS[0]()
        world.will_stream(*[stream[a:b] for a, b in pairwise(edges) if a < b])
        return await world.chat(stream=True), world.record

    client, record = asyncio.run(relay())
    assert client.body == DELTA + DONE
    assert (record.usage.input, record.usage.output) == (9, 4)
    assert record.reply_bytes == len(client.body)
    assert record.edits == ("stream_options.include_usage", "accept-encoding")


async def test_usage_that_the_client_asked_for_comes(world):
    world.will_stream(DELTA, USAGE, DONE)
    client = await world.chat(stream=True, stream_options={"include_usage": True})
    assert client.body == DELTA + USAGE + DONE


async def test_stream_without_a_last_blank_line_is_not_cut_short(world):
    world.will_stream(DELTA, b"data: [DONE]")
    client = await world.chat(stream=True)
    assert client.body == DELTA + b"data: [DONE]"
    assert world.record.reply_bytes == len(client.body)


async def test_length_of_a_filtered_stream_is_not_the_providers(world):
    stream = DELTA + USAGE + DONE
    world.will_stream(stream, length=len(stream))
    client = await world.chat(stream=True)
    assert (client.length, client.body) == (None, DELTA + DONE)


async def test_error_instead_of_a_stream_is_relayed_untouched(world):
    body = b'{"choices":[],"usage":{}}'
    world.will_reply(body, status=400, length=len(body))
    client = await world.chat(stream=True)
    assert (client.status, client.body, client.length) == (400, body, len(body))


async def test_stream_that_is_no_success_is_relayed_untouched(world):
    world.will_stream(DELTA, USAGE, status=500)
    client = await world.chat(stream=True)
    assert (client.status, client.body) == (500, DELTA + USAGE)


async def test_stream_that_broke_off_after_a_withheld_chunk_only_is_an_honest_error(world):
    world.will_stream(USAGE, error=GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "Broke off."))
    client = await world.chat(stream=True)
    assert (client.status, client.json["error"]["code"]) == (502, "provider_broke_off")
    assert world.record.usage.output == 4


async def test_half_an_event_does_not_swallow_the_error(world):
    world.will_stream(DELTA, b'data: {"choi', error=GatewayError(ErrorKind.PROVIDER_TIMEOUT, "Too slow."))
    client = await world.chat(stream=True, stream_options={"include_usage": True})
    cut, error = client.body.removeprefix(DELTA).split(b"\n\n", 1)
    assert cut == b'data: {"choi'
    assert error.startswith(b'data: {"error":')
    assert b"DONE" not in client.body


# --- the results of a message batch

BATCH = b'{"id":"b1","results_url":"https://api.anthropic.com/v1/messages/batches/b1/results"}'
VERSION = [("anthropic-version", "2023-06-01"), ("accept-encoding", "gzip")]


async def test_the_url_of_a_batchs_results_leads_to_the_gateway_and_the_edit_is_named(world):
    world.will_reply(BATCH[:40], BATCH[40:], length=len(BATCH))
    client = await world.ask("GET", "/v1/messages/batches/b1", headers=VERSION)
    assert client.body == b'{"id":"b1","results_url":"/v1/messages/batches/b1/results"}'
    assert client.length == len(client.body)
    assert client.fields["x-weighbridge-edits"] == "accept-encoding,results_url"


async def test_the_length_that_a_head_request_asks_for_is_the_providers(world):
    world.will_reply(length=len(BATCH))
    client = await world.ask("HEAD", "/v1/messages/batches/b1", headers=VERSION)
    assert (client.length, client.body) == (len(BATCH), b"")
