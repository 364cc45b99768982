"""Faults on the wire, seen by raw sockets: what arrives, how it ends, what is billed."""

from __future__ import annotations

import asyncio
import gzip
import time

import brotli
import openai
import pytest
import zstandard

from weighbridge.core.codec import encode_json
from weighbridge.testing import Fault, Faults, SimulatedOpenAI


@pytest.fixture
async def provider():
    async with SimulatedOpenAI() as provider:
        yield provider


def chat(*, stream, text="one two three", **asked):
    body = encode_json({"model": "gpt-4.1", "messages": [{"role": "user", "content": text}], "stream": stream, **asked})
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x:{port}\r\nauthorization: Bearer sk-sim-1\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def exchange(provider, request):
    """All that comes until the server ends the connection. Raises ConnectionResetError on RST."""
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def finished(provider, count=1):
    await provider.journal.until(lambda journal: journal.finished == count)
    return provider.journal.last.reply


def billed_output(provider):
    return [item.usage.output for item in provider.invoice().items]


async def test_a_close_before_the_head_sends_nothing_and_bills_nothing(provider):
    provider.faults.add(Fault.close_before_head(), times=1)
    assert await exchange(provider, chat(stream=False)) == b""
    assert (await finished(provider)).ending == "cut"
    assert provider.invoice().items == ()


async def test_a_reset_is_a_reset(provider):
    provider.faults.add(Fault.close_before_head(reset=True))
    with pytest.raises(ConnectionResetError):
        await exchange(provider, chat(stream=False))


async def test_a_cut_after_chunks_has_no_last_chunk_and_bills_what_was_sent(provider):
    provider.faults.add(Fault.cut_after(chunks=2))
    data = await exchange(provider, chat(stream=True))
    assert data.count(b"data: ") == 2
    assert not data.endswith(b"0\r\n\r\n")
    await finished(provider)
    assert billed_output(provider) == [1]


@pytest.mark.parametrize("nbytes", [0, 1, 5, 100, 301])
async def test_a_cut_after_bytes_is_exact_even_within_chunk_framing(provider, nbytes):
    provider.faults.add(Fault.cut_after(nbytes=nbytes))
    data = await exchange(provider, chat(stream=True))
    assert len(data.partition(b"\r\n\r\n")[2]) == nbytes
    reply = await finished(provider)
    assert reply.wire_bytes == len(data)
    assert data.partition(b"\r\n\r\n")[2].partition(b"\r\n")[2].startswith(reply.body[:50])


async def test_a_hang_ends_when_the_client_leaves(provider):
    provider.faults.add(Fault.hang_after(chunks=1))
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(chat(stream=True))
    received = await reader.readuntil(b"\n\n")
    writer.close()
    reply = await finished(provider)
    assert reply.client_left
    assert reply.wire_bytes >= len(received)
    assert billed_output(provider) == [0]


async def test_a_hang_ends_when_the_server_closes():
    async with SimulatedOpenAI() as provider:
        provider.faults.add(Fault.hang_before_head())
        _, writer = await asyncio.open_connection("127.0.0.1", provider.port)
        writer.write(chat(stream=False))
        await provider.journal.until(lambda journal: len(journal) == 1)
    assert provider.journal.last.reply.ending == "server closed"
    assert provider.invoice().items == ()
    writer.close()


async def test_a_client_that_leaves_a_paced_stream_is_billed_what_it_was_sent(provider):
    provider.faults.add(Fault.pace(every_ms=20))
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(chat(stream=True, text="word " * 500))
    for _ in range(3):
        await reader.readuntil(b"\n\n")
    writer.close()
    assert (await finished(provider)).client_left
    assert 2 <= billed_output(provider)[0] < 500


async def test_a_paced_stream_keeps_its_schedule(provider):
    provider.faults.add(Fault.pace(every_ms=10))
    provider.faults.add(Fault.connection_close())
    start = time.monotonic()
    data = await exchange(provider, chat(stream=True, text="word " * 10))
    assert data.count(b"data: ") >= 13
    assert time.monotonic() - start >= 0.12


async def test_a_drip_changes_the_pace_and_not_the_bytes(provider):
    await exchange_whole(provider)
    provider.faults.add(Fault.drip(nbytes=7, every_ms=0.01))
    await exchange_whole(provider)
    first, second = provider.journal.entries
    assert first.reply.body == second.reply.body


async def exchange_whole(provider, *, stream=True, **asked):
    with provider.faults.on(Fault.connection_close()):
        data = await exchange(provider, chat(stream=stream, **asked))
    await finished(provider, len(provider.journal))
    return data


async def test_malformed_sse_stands_within_a_stream_that_goes_on(provider):
    provider.faults.add(Fault.malformed_sse(at=1))
    data = await exchange_whole(provider)
    assert b'data: {"broken": \n\n' in data
    assert b"[DONE]" in data


async def test_an_error_event_ends_the_stream_without_done(provider):
    provider.faults.add(Fault.error_event(at=2))
    data = await exchange_whole(provider)
    assert b'data: {"error":' in data
    assert b"[DONE]" not in data
    assert data.endswith(b"0\r\n\r\n")
    assert billed_output(provider) == [1]


async def test_empty_content_is_well_formed_and_billed_as_prompt_only(provider):
    with provider.faults.on(Fault.empty_content()):
        data = await exchange_whole(provider, stream=False)
    assert b'"content": ""' in data
    assert billed_output(provider) == [0]
    with provider.faults.on(Fault.empty_body()):
        assert (await exchange_whole(provider, stream=False)).endswith(b"content-length: 0\r\nconnection: close\r\n\r\n")


@pytest.mark.parametrize("by", [10, -10])
async def test_a_wrong_content_length_is_wrong_by_what_was_asked(provider, by):
    provider.faults.add(Fault.wrong_content_length(by=by))
    head, _, body = (await exchange(provider, chat(stream=False))).partition(b"\r\n\r\n")
    claimed = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert claimed == len(body) + by


async def test_a_malformed_head_is_no_http(provider):
    provider.faults.add(Fault.malformed_head())
    assert await exchange(provider, chat(stream=False)) == b"HTTP/1.1 two hundred\r\nnonsense\r\n\r\n"
    assert provider.invoice().items == ()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("coding", "decode"),
    [
        ("gzip", gzip.decompress),
        ("br", brotli.decompress),
        ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
async def test_an_encoded_reply_decodes_to_the_plain_one(provider, coding, decode, stream):
    await exchange_whole(provider, stream=stream)
    provider.faults.add(Fault.encoded(coding))
    data = await exchange_whole(provider, stream=stream)
    plain, packed = provider.journal.entries
    assert f"content-encoding: {coding}".encode() in data
    assert decode(packed.reply.body) == plain.reply.body


@pytest.mark.parametrize("nbytes", [1, 7, 1_000_000])
async def test_chunks_may_ignore_events(provider, nbytes):
    await exchange_whole(provider)
    provider.faults.add(Fault.rechunked(nbytes=nbytes))
    data = await exchange_whole(provider)
    plain, other = provider.journal.entries
    assert other.reply.body == plain.reply.body
    assert f"\r\n\r\n{min(nbytes, len(plain.reply.body)):x}\r\n".encode() in data


@pytest.mark.parametrize("stream", [False, True])
async def test_a_huge_reply_is_as_huge_as_it_is_billed(provider, stream):
    provider.faults.add(Fault.huge(megabytes=2))
    await exchange_whole(provider, stream=stream)
    assert provider.journal.last.reply.body_bytes > 2_000_000
    assert billed_output(provider) == [500_000]


async def test_a_provider_may_ignore_the_bound_on_its_output(provider):
    await exchange_whole(provider, max_tokens=2)
    provider.faults.add(Fault.boundless())
    await exchange_whole(provider, max_tokens=2)
    bounded, boundless = billed_output(provider)
    assert bounded == 2 < boundless


async def test_a_slow_reader_does_not_make_the_server_run_ahead(provider):
    provider.faults.add(Fault.huge(megabytes=50))
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port, limit=1000)
    writer.write(chat(stream=True))
    await reader.readline()
    assert provider.journal.last.reply.wire_bytes < 25_000_000
    writer.close()
    assert (await finished(provider)).client_left


async def test_times_paths_and_skips_choose_requests():
    faults = Faults()
    faults.add(Fault.status(500), times=2, path="*/embeddings", skip=1)
    taken = [faults.take(path).error_status for path in ("/v1/embeddings", "/v1/models", *["/v1/embeddings"] * 3)]
    assert taken == [None, None, 500, 500, None]


async def test_manners_add_up_and_failures_take_turns():
    faults = Faults()
    faults.add(Fault.status(429), times=1)
    faults.add(Fault.status(503), times=1)
    faults.add(Fault.pace(every_ms=5))
    first, second, third = (faults.take("/") for _ in range(3))
    assert [first.error_status, second.error_status, third.error_status] == [429, 503, None]
    assert first.pace_s == third.pace_s == 0.005
    faults.clear()
    assert faults.take("/") == Fault()


async def test_a_cut_reaches_the_sdk_as_a_connection_error(provider):
    provider.faults.add(Fault.cut_after(chunks=2))
    async with openai.AsyncOpenAI(api_key="sk-sim-1", base_url=provider.base_url, max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="gpt-4.1", messages=[{"role": "user", "content": "one two three"}], stream=True
        )
        with pytest.raises(openai.APIConnectionError):
            [chunk async for chunk in stream]
