from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.routes import plain_route
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deployment, Dialect, WireFormat
from weighbridge.pipeline.headers import TRANSLATED_TOO
from weighbridge.providers.base import AuthStyle, CallPath

CHAT = {"model": "claude-x", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}], "top_k": 5}
CLAUDE = {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}
REPLY = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-x-1","content":[{"type":"text","text":"Hi"}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2}}'
)


@pytest.fixture
def world(build):
    """One provider for each way to be asked."""
    made = build.provider
    everywhere = {"query": "api-version=1", "from_root": True, "model_in_body": False, "stream_in_body": False}
    hosted = CallPath("/p/{model}:raw", "/p/{model}:rawStream", body_fields={"anthropic_version": "hosted-1"}, **everywhere)
    return build(
        providers=(
            made("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, formats=CLAUDE, native_formats=frozenset(CLAUDE)),
            made("hosted", {Dialect.ANTHROPIC: "/base"}, formats={WireFormat.ANTHROPIC_MESSAGES: hosted}),
            made("groq", {Dialect.OPENAI: "/v1"}, formats={WireFormat.OPENAI_CHAT: CallPath("/chat/completions")}),
            made(
                "custom",
                {Dialect.ANTHROPIC: ""},
                formats=CLAUDE,
                headers=(("user-agent", Secret("ours")), ("anthropic-version", Secret("2099-01-01"))),
            ),
        )
    )


async def ask(world, model, *, target="/v1/chat/completions", body=CHAT, headers=()):
    world.will_reply(REPLY)
    return await world.ask("POST", target, body | {"model": model}, headers)


async def test_a_chat_is_written_as_a_message_to_the_targets_own_path(world):
    client = await ask(world, "anthropic/claude-x")
    assert client.status == 200, client.body
    assert world.request_line == "POST /v1/messages HTTP/1.1"
    sent = decode_json(world.sent_body)
    assert (sent["model"], sent["messages"]) == ("claude-x", [{"role": "user", "content": "Hello"}]) or sent["messages"][0][
        "content"
    ]
    assert client.json["choices"][0]["message"]["content"] == "Hi"


async def test_a_caller_who_speaks_as_the_provider_does_is_forwarded_untouched(world):
    await ask(world, "anthropic/claude-x", target="/v1/messages", body=MESSAGE, headers=[("anthropic-version", "2023-06-01")])
    assert decode_json(world.sent_body) == MESSAGE
    assert dict(world.sent_headers)[b"anthropic-version"] == b"2023-06-01"


async def test_the_header_says_what_was_translated_and_what_was_lost(world):
    client = await ask(world, "anthropic/claude-x", body=CHAT | {"logit_bias": {"5": 1}, "tea": "Earl Grey"})
    edits = client.fields["x-weighbridge-edits"].split(",")
    assert edits[0] == "translated:openai-chat>anthropic-messages"
    assert {"dropped:logit_bias", "dropped:tea"} <= set(edits)


async def test_strict_mode_refuses_what_would_be_lost_by_its_name(world):
    client = await ask(world, "anthropic/claude-x", body=CHAT | {"seed": 1}, headers=[("x-weighbridge-strict", "true")])
    error = client.json["error"]
    assert (client.status, error["code"], error["param"]) == (400, "lossy_translation", "seed")
    assert world.upstream.requests == []


async def test_a_strict_route_refuses_for_all_its_callers(build):
    made = build.provider("anthropic", {Dialect.ANTHROPIC: ""}, formats=CLAUDE)
    world = build(providers=(made,), routes=(plain_route("careful", Deployment("anthropic", "claude-x"), strict=True),))
    client = await world.ask("POST", "/v1/chat/completions", CHAT | {"model": "careful", "seed": 1})
    assert (client.status, client.json["error"]["code"]) == (400, "lossy_translation")


async def test_strict_mode_lets_pass_what_loses_nothing(world):
    assert (await ask(world, "anthropic/claude-x", headers=[("x-weighbridge-strict", "true")])).status == 200


async def test_a_callers_own_words_cannot_break_out_of_the_header(world):
    client = await ask(world, "anthropic/claude-x", body=CHAT | {"a\r\nx-evil: 1,b": 1})
    assert "x-evil" not in client.fields
    assert "dropped:a??x-evil:?1?b" in client.fields["x-weighbridge-edits"]


async def test_many_losses_are_counted_and_not_all_named(world):
    client = await ask(world, "anthropic/claude-x", body=CHAT | {f"field_{n}": n for n in range(100)})
    assert client.fields["x-weighbridge-edits"].endswith(",and:68-more")


async def test_only_headers_that_are_no_dialects_pass(world):
    headers = [("user-agent", "app"), ("openai-beta", "x"), ("x-stainless-lang", "python"), ("traceparent", "00-1-2-01")]
    await ask(world, "anthropic/claude-x", headers=headers)
    sent = dict(world.sent_headers)
    assert (sent[b"user-agent"], sent[b"traceparent"]) == (b"app", b"00-1-2-01")
    assert (sent[b"anthropic-version"], sent[b"accept-encoding"]) == (b"2023-06-01", b"identity")
    assert not {b"openai-beta", b"x-stainless-lang", b"authorization"} & set(sent)
    assert TRANSLATED_TOO.isdisjoint({b"authorization", b"cookie", b"content-encoding", b"content-length"})


async def test_configured_headers_go_before_the_callers_and_our_own(world):
    await ask(world, "custom/claude-x", headers=[("user-agent", "app")])
    names = [name for name, _ in world.sent_headers]
    assert names.count(b"user-agent") == names.count(b"anthropic-version") == 1
    assert dict(world.sent_headers)[b"anthropic-version"] == b"2099-01-01"


@pytest.mark.parametrize(("stream", "verb"), [(False, "raw"), (True, "rawStream")])
async def test_the_vendors_body_at_another_path_keeps_every_value_as_it_was_spelled(world, stream, verb):
    said = b'[{"role":"user","content":"\\u0041"}]'
    body = b'{"model":"hosted/claude x","max_tokens":9,"temperature":1.50,"stream":%b,"messages":' + said + b"}"
    world.will_reply(REPLY)
    await world.ask("POST", "/v1/messages", body % (b"true" if stream else b"false"), [("anthropic-version", "2023-06-01")])
    assert world.request_line == f"POST /base/p/claude%20x:{verb}?api-version=1 HTTP/1.1"
    assert world.sent_body == (
        b'{"max_tokens":9,"temperature":1.50,"messages":[{"role":"user","content":"\\u0041"}],"anthropic_version":"hosted-1"}'
    )


async def test_a_translated_body_gets_the_shape_of_the_path_too(world):
    await ask(world, "hosted/claude-x")
    sent = decode_json(world.sent_body)
    assert "model" not in sent
    assert sent["anthropic_version"] == "hosted-1"


async def test_a_request_that_makes_no_sense_is_refused_in_the_callers_dialect(world):
    client = await ask(world, "anthropic/claude-x", body={"messages": 5})
    assert (client.status, client.json["error"]["param"]) == (400, "messages")
    other = await ask(world, "groq/llama", target="/v1/messages", body={"max_tokens": 1, "messages": "x"})
    assert (other.status, other.json["type"], other.json["error"]["type"]) == (400, "error", "invalid_request_error")


async def test_the_record_names_the_callers_dialect_and_the_translation(world):
    await ask(world, "anthropic/claude-x")
    record = world.record
    assert (record.dialect, record.provider, record.model) == (Dialect.OPENAI, "anthropic", "claude-x")
    assert record.edits[0] == "translated:openai-chat>anthropic-messages"
    assert (record.usage.total_input, record.usage.output, record.finish_reason) == (3, 2, "end_turn")
