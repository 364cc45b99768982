"""Streams: paced as the provider paces them, and honest when they break off."""

from __future__ import annotations

import asyncio
import http.client

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.testing import Fault

ASKED = {"stream": True, "stream_options": {"include_usage": True}}


def event(text):
    return b"data: " + encode_json({"choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"


USAGE_EVENT = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":16}}\n\n'
DONE = b"data: [DONE]\n\n"


class Stream:
    """A stream as its client reads it: what is there, and no more."""

    def __init__(self, gateway, key, path, body):
        self._connection = gateway.connection()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "anthropic-version": "2023-06-01"}
        self._connection.request("POST", path, encode_json(body), headers)
        self._reply = None

    @property
    def reply(self):
        """The reply; asking for it waits for the head."""
        if self._reply is None:
            self._reply = self._connection.getresponse()
        return self._reply

    @property
    def request_id(self):
        return self.reply.headers["x-weighbridge-request-id"]

    def read(self, nbytes):
        """Exactly so many bytes: it would time out if the gateway held some of them back."""
        return self.reply.read(nbytes)

    def rest(self):
        """All that comes until the end, and whether the end was a proper one."""
        try:
            return self.reply.read(), True
        except http.client.IncompleteRead as cut:
            return cut.partial, False

    def leave(self):
        if self._reply is not None:
            self._reply.close()
        self._connection.close()


@pytest.fixture
def open_stream(gateway, keys):
    opened = []

    def open_one(model="hand/m", path="/v1/chat/completions", text="x", **fields):
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | (ASKED | fields)
        opened.append(Stream(gateway, keys.app, path, body))
        return opened[-1]

    yield open_one
    for stream in opened:
        stream.leave()


# --- pace: each event is sent only after the one before has been read, so that nothing can have been held back


def test_each_event_arrives_before_the_next_one_is_sent(open_stream, hand):
    stream = open_stream()
    with hand.exchange() as exchange:
        exchange.start_stream()
        for text in ("one", "two", "three", DONE.decode()):
            exchange.send_chunk(event(text))
            assert stream.read(len(event(text))) == event(text)
        exchange.end_stream()
        assert stream.rest() == (b"", True)


def test_half_an_event_arrives_before_its_other_half_is_sent(open_stream, hand):
    stream = open_stream()
    with hand.exchange() as exchange:
        exchange.start_stream()
        for half in (event("one")[:9], event("one")[9:]):
            exchange.send_chunk(half)
            assert stream.read(len(half)) == half
        exchange.end_stream()
        assert stream.rest() == (b"", True)


def test_events_are_not_held_back_by_the_search_for_the_usage_chunk(open_stream, hand):
    stream = open_stream(stream_options={"include_usage": False})
    with hand.exchange() as exchange:
        assert b'"include_usage":true' in exchange.body
        exchange.start_stream()
        for text in ("one", "two"):
            exchange.send_chunk(event(text))
            assert stream.read(len(event(text))) == event(text)
        exchange.send_chunk(USAGE_EVENT)
        exchange.send_chunk(DONE)
        exchange.end_stream()
        assert stream.rest() == (DONE, True)


def test_the_request_reaches_the_provider_before_it_has_answered_anything(open_stream, hand):
    stream = open_stream()
    with hand.exchange() as exchange:
        assert exchange.head.startswith(b"POST /v1/chat/completions HTTP/1.1")
        exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        assert stream.rest() == (b"{}", True)


# --- usage


def test_the_withheld_usage_is_in_the_record_all_the_same(gateway, open_stream, openai_provider):
    stream = open_stream(model="gpt-4o-mini", text="one two", stream_options={"include_usage": False})
    body, is_whole = stream.rest()
    assert is_whole
    assert b'"choices":[]' not in body
    assert body.endswith(DONE)
    record = gateway.record_of(stream.request_id)
    assert (record["status"], record["usage"]["output"], record["usage"]["provenance"]) == (200, 2, "reported")
    assert record["finish_reason"] == "stop"
    assert "stream_options.include_usage" in record["edits"]


# --- a client that leaves


def test_a_client_that_leaves_is_seen_by_the_provider_and_in_the_record(gateway, open_stream, hand):
    stream = open_stream()
    with hand.exchange() as exchange:
        exchange.start_stream()
        exchange.send_chunk(event("one"))
        assert stream.read(len(event("one"))) == event("one")
        request_id = stream.request_id
        stream.leave()
        exchange.wait_until_left()
    record = gateway.record_of(request_id)
    assert (record["error"], record["provider"], record["model"]) == ("client_closed", "hand", "m")


def test_what_a_client_had_that_left_is_counted_by_the_tokenizer(gateway, open_stream, openai_provider):
    openai_provider.faults.add(Fault.hang_after(chunks=12))
    words = "one two three four five six seven eight nine ten"
    stream = open_stream(model="gpt-4o-mini", text=words)
    request_id = stream.request_id
    came = b""
    while b"eight" not in came:
        came += stream.read(1)
    stream.leave()
    usage = gateway.record_of(request_id)["attempts"][0]["usage"]
    assert usage["provenance"] == "counted"
    assert 7 <= usage["output"] <= 12
    assert 10 <= usage["input"] <= 20


def test_a_client_that_leaves_a_hanging_provider_ends_the_providers_work(gateway, open_stream, openai_provider):
    openai_provider.faults.add(Fault.hang_after(chunks=2))
    stream = open_stream(model="gpt-4o-mini", text="one two three")
    request_id = stream.request_id
    stream.leave()
    openai_provider.journal.wait_until(lambda journal: journal.last.reply.client_left)
    assert gateway.record_of(request_id)["error"] == "client_closed"


def test_a_client_that_leaves_before_any_reply_ends_the_providers_work(gateway, open_stream, hand):
    stream = open_stream(model="hand/nobody-waits")
    with hand.exchange() as exchange:
        stream.leave()
        exchange.wait_until_left()
    line = gateway.stdout.wait_for(lambda lines: next((line for line in lines if "nobody-waits" in line), None))
    assert decode_json(line.encode())["error"] == "client_closed"


# --- a provider that breaks off: never a proper end


@pytest.fixture
async def sdks(gateway, keys, openai_provider, anthropic_provider, gemini_provider):
    """Streams one answer to a text with each vendor's SDK and returns it; its exceptions come through."""
    google = genai.Client(api_key=keys.app, http_options=types.HttpOptions(base_url=gateway.base_url))
    async with (
        openai.AsyncOpenAI(api_key=keys.app, base_url=f"{gateway.base_url}/v1", max_retries=0) as openai_client,
        anthropic.AsyncAnthropic(api_key=keys.app, base_url=gateway.base_url, max_retries=0) as anthropic_client,
    ):

        async def chat(text):
            asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], "stream": True}
            chunks = [chunk async for chunk in await openai_client.chat.completions.create(**asked)]
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

        async def responses(text):
            stream = await openai_client.responses.create(model="gpt-4.1", input=text, stream=True)
            events = [event async for event in stream]
            if events[-1].type == "error":
                raise openai.APIError(events[-1].message, None, body=None)
            return events[-1].response.output_text

        async def messages(text):
            asked = {"model": "claude-sonnet-5", "max_tokens": 99, "messages": [{"role": "user", "content": text}]}
            async with anthropic_client.messages.stream(**asked) as stream:
                return (await stream.get_final_message()).content[0].text

        async def content(text):
            return await asyncio.to_thread(
                lambda: "".join(
                    chunk.text for chunk in google.models.generate_content_stream(model="gemini-2.5-flash", contents=text)
                )
            )

        yield {
            "chat": (chat, openai_provider, openai.APIError),
            "responses": (responses, openai_provider, openai.APIError),
            "messages": (messages, anthropic_provider, anthropic.APIError),
            "content": (content, gemini_provider, errors.APIError),
        }
    google.close()


every_sdk = pytest.mark.parametrize("endpoint", ["chat", "responses", "messages", "content"])


@every_sdk
@pytest.mark.parametrize("chunks", [1, 2])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_stream_raises_in_every_sdk(sdks, endpoint, chunks, reset):
    ask, provider, error = sdks[endpoint]
    provider.faults.add(Fault.cut_after(chunks=chunks, reset=reset))
    with pytest.raises(error):
        await ask("one two three")
    provider.faults.clear()
    assert await ask("one two three") == "one two three"


@every_sdk
async def test_a_connection_that_ends_before_the_head_raises_in_every_sdk(sdks, endpoint):
    ask, provider, error = sdks[endpoint]
    provider.faults.add(Fault.close_before_head())
    with pytest.raises(error):
        await ask("one")


@every_sdk
async def test_a_slow_drip_changes_nothing(sdks, endpoint):
    ask, provider, _ = sdks[endpoint]
    provider.faults.add(Fault.drip(nbytes=97, every_ms=1))
    assert await ask("one two three") == "one two three"


@every_sdk
async def test_a_huge_stream_arrives_whole(sdks, endpoint):
    ask, provider, _ = sdks[endpoint]
    provider.faults.add(Fault.huge(megabytes=0.3))
    provider.faults.add(Fault.rechunked(nbytes=7_001))
    assert len(await ask("one")) >= 300_000


@pytest.mark.parametrize(
    ("model", "path", "ends"),
    [
        ("gpt-4o-mini", "/v1/chat/completions", (b"[DONE]", b'"finish_reason":"stop"')),
        ("gpt-4.1", "/v1/responses", (b"response.completed",)),
        ("claude-sonnet-5", "/v1/messages", (b"message_stop", b"end_turn")),
        ("gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", (b'"STOP"',)),
    ],
)
def test_a_cut_stream_ends_with_an_error_event_and_without_a_proper_end(
    gateway, keys, openai_provider, anthropic_provider, gemini_provider, model, path, ends
):
    text = {"role": "user", "content": "one two three"}
    body = {
        "chat": {"model": model, "messages": [text], **ASKED},
        "resp": {"model": model, "input": "one two three", "stream": True},
        "mess": {"model": model, "max_tokens": 99, "messages": [text], "stream": True},
    }.get(path[4:8], {"contents": [{"role": "user", "parts": [{"text": "one two three"}]}]})
    for provider in (openai_provider, anthropic_provider, gemini_provider):
        provider.faults.add(Fault.cut_after(chunks=2))
    stream = Stream(gateway, keys.app, path, body)
    data, is_whole = stream.rest()
    assert not is_whole
    assert b"error" in data.rstrip().rpartition(b"\n\n")[2]
    assert not [end for end in ends if end in data]
    record = gateway.record_of(stream.request_id)
    assert record["error"] == "provider_broke_off"
    stream.leave()


def test_a_whole_reply_that_is_cut_short_never_looks_whole(gateway, open_stream, hand):
    stream = open_stream(stream=False)
    with hand.exchange() as exchange:
        exchange.send(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"id":"x"')
        assert stream.read(9) == b'{"id":"x"'
    assert stream.rest() == (b"", False)
    assert gateway.record_of(stream.request_id)["error"] == "provider_broke_off"


# --- deadlines


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/chat/completions", {"model": "hasty-openai/gpt-4.1"}, "provider_timeout"),
        ("/v1/messages", {"model": "hasty-anthropic/claude-opus-5"}, "timeout_error"),
        ("/v1beta/models/hasty-gemini/gemini-2.5-pro:generateContent", {}, "DEADLINE_EXCEEDED"),
    ],
)
def test_a_provider_that_hangs_before_its_head_is_504_in_the_callers_dialect(
    gateway, openai_provider, anthropic_provider, gemini_provider, path, body, kind
):
    for provider in (openai_provider, anthropic_provider, gemini_provider):
        provider.faults.add(Fault.hang_before_head())
    reply = gateway.request("POST", path, body)
    assert reply.status == 504
    error = decode_json(reply.body)["error"]
    assert kind in {error.get("code"), error.get("type"), error.get("status")}
    record = gateway.record_of(reply.headers["x-weighbridge-request-id"])
    assert (record["status"], record["error"]) == (504, "provider_timeout")


def test_a_stream_that_hangs_ends_with_an_error_event(gateway, open_stream, openai_provider):
    openai_provider.faults.add(Fault.hang_after(chunks=2))
    stream = open_stream(model="hasty-openai/gpt-4.1", text="one two three")
    data, is_whole = stream.rest()
    assert not is_whole
    assert decode_json(data.rstrip().rpartition(b"data: ")[2])["error"]["code"] == "provider_timeout"
    openai_provider.journal.wait_until(lambda journal: journal.last.reply.client_left)


# --- a provider that is no HTTP server, or says nothing


def test_a_malformed_head_is_502(gateway, openai_provider):
    openai_provider.faults.add(Fault.malformed_head())
    reply = gateway.chat(model="gpt-4o-mini")
    assert (reply.status, decode_json(reply.body)["error"]["code"]) == (502, "provider_malformed")


def test_a_content_length_that_is_too_long_is_a_reply_that_broke_off(gateway, open_stream, openai_provider):
    openai_provider.faults.add(Fault.wrong_content_length(by=5))
    stream = open_stream(model="gpt-4o-mini", stream=False, stream_options=None)
    _, is_whole = stream.rest()
    assert not is_whole
    assert gateway.record_of(stream.request_id)["error"] == "provider_broke_off"


def test_a_content_length_that_is_too_short_does_not_spoil_the_next_reply(gateway, openai_provider):
    openai_provider.faults.add(Fault.wrong_content_length(by=-5), times=1)
    cut = gateway.chat("hello", model="gpt-4o-mini")
    assert (cut.status, cut.headers["content-length"]) == (200, str(len(cut.body)))
    for text in ("one", "two"):
        reply = gateway.chat(text, model="gpt-4o-mini")
        assert decode_json(reply.body)["choices"][0]["message"]["content"] == text


@pytest.mark.parametrize("fault", [Fault.empty_content(), Fault.empty_body()])
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_200_that_says_nothing_passes_untouched(gateway, openai_provider, fault, is_stream):
    openai_provider.faults.add(fault)
    reply = gateway.chat(model="gpt-4o-mini", **(ASKED if is_stream else {}))
    openai_provider.journal.wait_until(lambda journal: journal.finished == len(journal))
    assert (reply.status, reply.body) == (200, openai_provider.journal.last.reply.body)


def test_garbage_between_events_passes_untouched(gateway, openai_provider):
    openai_provider.faults.add(Fault.malformed_sse(at=1))
    reply = gateway.chat("one two", model="gpt-4o-mini", **ASKED)
    openai_provider.journal.wait_until(lambda journal: journal.finished == len(journal))
    assert reply.body == openai_provider.journal.last.reply.body
    assert gateway.record_of(reply.headers["x-weighbridge-request-id"])["usage"]["output"] == 2


def test_a_connection_that_the_provider_closes_after_each_reply_is_not_used_again(gateway, openai_provider):
    openai_provider.faults.add(Fault.connection_close())
    assert [gateway.chat("x", model="gpt-4o-mini").status for _ in range(5)] == [200] * 5


def test_ten_megabytes_arrive_whole(gateway, openai_provider):
    openai_provider.faults.add(Fault.huge(megabytes=10))
    reply = gateway.chat("x", model="gpt-4o-mini")
    openai_provider.journal.wait_until(lambda journal: journal.finished == len(journal))
    assert reply.body == openai_provider.journal.last.reply.body
    assert len(reply.body) > 10_000_000
