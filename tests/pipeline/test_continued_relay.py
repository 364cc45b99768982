from __future__ import annotations

import msgspec
import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import RetryPolicy, Route, RouteTarget
from weighbridge.core.terms import Deployment, Dialect, WireFormat
from weighbridge.providers.base import AuthStyle, CallPath
from weighbridge.wire.sse import SseReader

WORDS = ["The ", "lazy ", "dog ", "sleeps ", "in ", "the ", "warm ", "sun."]
CLAUDE = {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}
CHAT = {WireFormat.OPENAI_CHAT: CallPath("/chat/completions")}
TARGETS = {"openai": Deployment("openai", "gpt-4o"), "anthropic": Deployment("anthropic", "claude-4")}
ASKED = {"model": "two", "max_tokens": 50, "stream": True, "messages": [{"role": "user", "content": "Tell me."}]}


def event(body, name=""):
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + encode_json(body) + b"\n\n"


def chat_chunk(delta, finish=None):
    return event({"id": "c1", "model": "gpt-4o", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def openai_stream(words):
    return [
        chat_chunk({"role": "assistant", "content": ""}),
        *(chat_chunk({"content": word}) for word in words),
        chat_chunk({}, "stop"),
        b"data: [DONE]\n\n",
    ]


def anthropic_stream(words):
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "claude-4", "content": [], "usage": {"input_tokens": 3}}
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in words]
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    return [event(each, each["type"]) for each in events]


STREAMS = {"openai": openai_stream, "anthropic": anthropic_stream}
ENDS = {"openai": b"data: [DONE]\n\n", "anthropic": b"event: message_stop"}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


@pytest.fixture
def world_of(build):
    def built(*names, midstream=True, **policy):
        openai = build.provider("openai", {Dialect.OPENAI: "/v1"}, formats=CHAT, native_formats=frozenset(CHAT))
        claude = build.provider(
            "anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, formats=CLAUDE, native_formats=frozenset(CLAUDE)
        )
        # Of two at one provider the second is another model.
        targets = tuple(
            RouteTarget(Deployment(name, TARGETS[name].model + "-b" * names[:place].count(name)))
            for place, name in enumerate(names)
        )
        retry = RetryPolicy(**{"max_attempts": 4, "backoff_ns": 0, **policy})
        route = Route("two", targets, continues_midstream=midstream, retry=retry)
        return build(providers=(openai, claude), routes=(route,), retry=retry)

    return built


def broken():
    return GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer.")


def text_of(caller, body):
    """What a client that reads the stream to its end has in its hands, each event being whole."""
    reader = SseReader()
    words = []
    for each in [*reader.feed(body), *reader.finish()]:
        if not each.is_dispatched or each.data == b"[DONE]":
            continue
        document = decode_json(each.data)
        if caller == "openai":
            words += [choice["delta"].get("content") or "" for choice in document.get("choices", ())]
        elif document["type"] == "content_block_delta":
            words.append(document["delta"].get("text", ""))
    return "".join(words)


async def ask(world, caller):
    return await world.ask("POST", PATHS[caller], ASKED)


@pytest.mark.parametrize("caller", ["openai", "anthropic"])
@pytest.mark.parametrize("first", ["openai", "anthropic"])
@pytest.mark.parametrize("second", ["openai", "anthropic"])
async def test_a_text_that_breaks_off_at_any_event_is_continued_without_repeating(world_of, caller, first, second):
    whole = STREAMS[first](WORDS)
    for cut in range(len(whole)):
        said = WORDS[: max(0, cut - (1 if first == "openai" else 2))]
        world = world_of(first, second)
        world.will_stream(*whole[:cut], error=broken())
        world.will_stream(*STREAMS[second](WORDS[len(said) :]))
        client = await ask(world, caller)
        if len(said) == len(WORDS) and not client.is_ended:
            # All has been said, and its end may have been too: nobody can tell, so it is an error and no end.
            assert ENDS[caller] not in client.body
            continue
        assert text_of(caller, client.body) == "".join(WORDS), (cut, client.body)
        assert client.is_ended
        assert ENDS[caller] in client.body
        assert len(world.record.attempts) == 2


async def test_what_the_second_model_repeats_is_left_out(world_of):
    world = world_of("openai", "openai")
    world.will_stream(*openai_stream(WORDS)[:5], error=broken())
    world.will_stream(*openai_stream(["lazy dog sle", "eps in the warm sun."]))
    client = await ask(world, "openai")
    assert text_of("openai", client.body) == "".join(WORDS)


async def test_the_second_model_is_told_what_was_said_and_to_go_on(world_of):
    world = world_of("openai", "anthropic")
    world.will_stream(*openai_stream(WORDS)[:4], error=broken())
    world.will_stream(*anthropic_stream(WORDS[3:]))
    client = await ask(world, "openai")
    sent = decode_json(world.upstream.bodies[1])
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    assert "The lazy dog " in str(sent["messages"][1])
    assert sent["model"] == "claude-4"
    assert b": continued by anthropic/claude-4\n\n" in client.body
    assert "continued" in world.record.edits
    assert [(a.provider, a.error) for a in world.record.attempts] == [("openai", "provider_broke_off"), ("anthropic", None)]


async def test_half_an_event_is_never_passed_on(world_of):
    world = world_of("openai", "openai")
    chunks = openai_stream(WORDS)
    world.will_stream(*chunks[:3], chunks[3][:20], error=broken())
    world.will_stream(*openai_stream(WORDS[2:]))
    client = await ask(world, "openai")
    assert text_of("openai", client.body) == "".join(WORDS)


async def test_a_third_goes_on_where_the_second_broke_off(world_of):
    world = world_of("openai", "anthropic", "openai")
    world.will_stream(*openai_stream(WORDS)[:3], error=broken())
    world.will_stream(*anthropic_stream(WORDS[2:])[:4], error=broken())
    world.will_stream(*openai_stream(WORDS[4:]))
    client = await ask(world, "anthropic")
    assert text_of("anthropic", client.body) == "".join(WORDS)
    assert len(world.record.attempts) == 3


async def test_when_nobody_goes_on_the_stream_ends_in_an_error_and_never_in_an_end(world_of):
    world = world_of("openai", "anthropic")
    world.will_stream(*openai_stream(WORDS)[:4], error=broken())
    body = encode_json({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    world.will_reply(body, status=529, length=len(body))
    client = await ask(world, "openai")
    assert text_of("openai", client.body.partition(b'data: {"error"')[0]) == "The lazy dog "
    assert b'"error"' in client.body
    assert b"[DONE]" not in client.body
    assert client.is_aborted
    assert [a.error for a in world.record.attempts] == ["provider_broke_off", "provider_overloaded"]


async def test_a_model_that_begins_anew_does_not_go_on(world_of):
    world = world_of("openai", "openai")
    world.will_stream(*openai_stream(WORDS)[:6], error=broken())
    world.will_stream(*openai_stream(["The lazy dog is a kind of animal."]))
    client = await ask(world, "openai")
    assert client.body.count(b"lazy") == 1
    assert b"[DONE]" not in client.body


@pytest.mark.parametrize(
    "facts",
    [
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"logprobs": True},
    ],
)
async def test_what_is_no_plain_text_is_not_continued(world_of, facts):
    world = world_of("openai", "openai")
    world.will_stream(*openai_stream(WORDS)[:4], error=broken())
    client = await world.ask("POST", PATHS["openai"], ASKED | facts)
    assert client.is_aborted
    assert len(world.upstream.requests) == 1


async def test_a_tool_call_is_not_continued(world_of):
    world = world_of("openai", "openai")
    call = {"tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a'}}]}
    world.will_stream(*openai_stream(WORDS)[:3], chat_chunk(call), error=broken())
    client = await ask(world, "openai")
    assert client.is_aborted
    assert len(world.upstream.requests) == 1


async def test_a_thought_is_not_continued(world_of):
    world = world_of("anthropic", "anthropic")
    start, *_ = anthropic_stream([])
    thought = event(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        "content_block_start",
    )
    more = event(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}}, "content_block_delta"
    )
    world.will_stream(start, thought, more, error=broken())
    client = await ask(world, "anthropic")
    assert client.is_aborted
    assert len(world.upstream.requests) == 1


async def test_without_the_option_a_stream_that_breaks_off_is_an_error(world_of):
    world = world_of("openai", "openai", midstream=False)
    world.will_stream(*openai_stream(WORDS)[:4], error=broken())
    client = await ask(world, "openai")
    assert client.is_aborted
    assert len(world.upstream.requests) == 1


async def test_a_stream_that_does_not_break_off_is_forwarded_as_it_came(world_of):
    world = world_of("openai", "openai")
    world.will_stream(*openai_stream(WORDS))
    client = await world.ask("POST", PATHS["openai"], ASKED | {"stream_options": {"include_usage": True}})
    assert client.body == b"".join(openai_stream(WORDS))


async def test_the_bound_on_attempts_holds_for_continuations_too(world_of):
    world = world_of("openai", "openai", "openai", max_attempts=2)
    for _ in range(3):
        world.will_stream(*openai_stream(WORDS)[:3], error=broken())
    client = await ask(world, "openai")
    assert client.is_aborted
    assert len(world.upstream.requests) == 2


def test_the_continuation_asks_for_less_than_the_bound():
    from weighbridge.wire.continuation import going_on
    from weighbridge.wire.conversation import Conversation, Role, Text, Turn

    conversation = Conversation("m", (Turn(Role.USER, (Text("Hi"),)),), max_output_tokens=10)
    assert going_on(conversation, "x" * 16).max_output_tokens == 6
    assert going_on(conversation, "x" * 400).max_output_tokens == 1
    assert going_on(conversation, "") == conversation
    assert msgspec.structs.replace(conversation, max_output_tokens=None) != conversation
