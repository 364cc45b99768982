from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import msgspec
import pytest

from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.rates import Bracket, PriceBook, PriceRule, Rates
from weighbridge.core.routes import RetryPolicy, Route, RouteTarget, StrategyName, plain_route
from weighbridge.core.terms import Deployment, Dialect, Provenance, Usage, WireFormat
from weighbridge.pipeline import attempts
from weighbridge.pipeline.exchange import Exchange
from weighbridge.providers.base import AuthStyle, CallPath

CLAUDE = {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}
POLICY = RetryPolicy(max_attempts=4, backoff_ns=0)
TWO = (plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3")),)
MIXED = (plain_route("two", Deployment("openai", "gpt-4o"), Deployment("anthropic", "claude-4")),)
PRICES = PriceBook(rules=(PriceRule("*/*", own=(Bracket(Rates(input=1_000_000, output=1_000_000)),), source="test"),))
CHAT = {"model": "two", "messages": [{"role": "user", "content": "Hello"}]}
USAGE = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
GOOD = encode_json(
    {
        "id": "chatcmpl-1",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
)
EMPTY = GOOD.replace(b'"Hi"', b'""')
FILTERED = EMPTY.replace(b'"stop"', b'"content_filter"')
FAILED = b'{"error":{"message":"boom","type":"server_error","code":null}}'
ODD = b'{"answer":42}'


def chunk(delta, finish=None, **facts):
    body = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **facts}
    return b"data: " + encode_json(body) + b"\n\n"


ROLE = chunk({"role": "assistant", "content": ""})
WORD = chunk({"content": "Hi"})
CALL = chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": ""}}]})
STOP = chunk({}, "stop")
DONE = b"data: [DONE]\n\n"
ERROR_EVENT = b'data: {"error":{"message":"overloaded","type":"overloaded_error","code":503}}\n\n'


def error(status, message="no", kind="server_error", **headers):
    body = encode_json({"error": {"message": message, "type": kind, "param": None, "code": None}})
    return [body], {"status": status, "headers": (("content-type", "application/json"), *headers.items()), "length": len(body)}


def broken(kind=ErrorKind.PROVIDER_UNREACHABLE):
    return GatewayError(kind, "The provider could not be reached.")


@pytest.fixture
def two(build):
    return build(routes=TWO, retry=POLICY)


@pytest.fixture
def mixed(build):
    """Two targets, one of which has to be translated for."""

    def built(routes):
        claude = build.provider(
            "anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, formats=CLAUDE, native_formats=frozenset(CLAUDE)
        )
        return build(providers=(build.provider("openai", {Dialect.OPENAI: "/v1"}), claude), routes=routes, retry=POLICY)

    return built


def asked(world):
    return [request.origin.host.split(".")[1] for request in world.upstream.requests]


def kinds(world):
    return [attempt.error for attempt in world.record.attempts]


# --- what is followed by another attempt


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (408, "provider_timeout"),
        (409, "provider_conflict"),
        (429, "rate_limit_exceeded"),
        (500, "provider_internal"),
        (502, "provider_internal"),
        (503, "provider_overloaded"),
        (504, "provider_timeout"),
        (529, "provider_overloaded"),
        (401, "provider_authentication"),
        (403, "provider_permission"),
        (404, "provider_not_found"),
    ],
)
async def test_a_providers_error_is_answered_by_the_next_target(two, status, kind):
    chunks, facts = error(status)
    two.will_reply(*chunks, **facts)
    two.will_reply(GOOD, length=len(GOOD))
    client = await two.chat(model="two")
    assert (client.status, client.body) == (200, GOOD)
    assert asked(two) == ["openai", "groq"]
    assert kinds(two) == [kind, None]
    assert two.record.error is None
    assert (two.record.provider, two.record.model) == ("groq", "llama-3")


@pytest.mark.parametrize("kind", [ErrorKind.PROVIDER_UNREACHABLE, ErrorKind.PROVIDER_TIMEOUT, ErrorKind.PROVIDER_BROKE_OFF])
async def test_a_provider_that_gives_no_answer_is_followed_by_the_next(two, kind):
    two.upstream.script.append(broken(kind))
    two.will_reply(GOOD, length=len(GOOD))
    client = await two.chat(model="two")
    assert (client.status, client.body) == (200, GOOD)
    assert kinds(two) == [kind.value, None]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (EMPTY, "provider_empty"),
        (FAILED, "provider_internal"),
        (b"<html>oops</html>", "provider_malformed"),
        (GOOD[:40], "provider_malformed"),
        (ODD, "provider_malformed"),
        (b'{"choices":[]}', "provider_malformed"),
        (GOOD.replace(b'"stop"', b'"error"').replace(b"Hi", b""), "provider_internal"),
    ],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_200_that_is_no_answer_is_followed_by_the_next(two, body, kind, in_pieces):
    reply = two.will_reply(*([body[:7], body[7:]] if in_pieces else [body]), length=len(body))
    if not in_pieces:
        reply.whole = body
    two.will_reply(GOOD, length=len(GOOD))
    client = await two.chat(model="two")
    assert (client.status, client.body) == (200, GOOD)
    assert kinds(two) == [kind, None]


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([ERROR_EVENT], "provider_overloaded"),
        ([ROLE, ERROR_EVENT], "provider_overloaded"),
        ([ROLE, STOP, DONE], "provider_empty"),
        ([ROLE], "provider_broke_off"),
        ([], "provider_broke_off"),
    ],
)
async def test_a_stream_that_fails_before_its_first_token_is_followed_by_the_next(two, chunks, kind):
    two.will_stream(*chunks)
    two.will_stream(ROLE, WORD, STOP, DONE)
    client = await two.chat(model="two", stream=True, stream_options={"include_usage": True})
    assert (client.status, client.body) == (200, ROLE + WORD + STOP + DONE)
    assert kinds(two) == [kind, None]


async def test_a_translated_target_answers_for_a_forwarded_one_and_the_other_way_round(mixed):
    anthropic = encode_json(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-4",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 5, "output_tokens": 1},
        }
    )
    world = mixed(MIXED)
    chunks, facts = error(503)
    world.will_reply(*chunks, **facts)
    world.will_reply(anthropic, length=len(anthropic))
    client = await world.chat(model="two")
    assert client.json["choices"][0]["message"]["content"] == "Hi"
    assert client.fields["x-weighbridge-edits"].startswith("translated:")
    world = mixed((plain_route("two", *reversed(MIXED[0].deployments)),))
    world.upstream.script.append(broken())
    world.will_reply(GOOD, length=len(GOOD))
    client = await world.chat(model="two")
    assert client.body == GOOD
    assert client.fields["x-weighbridge-edits"] == "model"


# --- what is not


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_request_that_is_wrong_is_told_so_once_and_in_the_providers_own_bytes(two, status):
    chunks, facts = error(status, "Unknown parameter: 'x'.", "invalid_request_error")
    two.will_reply(*chunks, **facts)
    client = await two.chat(model="two")
    assert (client.status, client.body) == (status, chunks[0])
    assert asked(two) == ["openai"]
    assert two.record.attempts[0].error is not None
    assert two.record.status == status


@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
async def test_an_honest_tool_call_without_arguments_is_an_answer(two, finish):
    body = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "now", "arguments": ""}}],
    }
    reply = encode_json({"id": "x", "model": "m", "choices": [{"index": 0, "message": body, "finish_reason": finish}]})
    two.will_reply(reply, length=len(reply))
    assert (await two.chat(model="two")).body == reply
    two.will_stream(ROLE, CALL, chunk({}, finish), DONE)
    assert (await two.chat(model="two", stream=True, stream_options={"include_usage": True})).status == 200
    assert asked(two) == ["openai", "openai"]


async def test_an_answer_cut_by_its_bound_is_an_answer_though_it_says_nothing(two):
    reply = EMPTY.replace(b'"stop"', b'"length"')
    two.will_reply(reply, length=len(reply))
    assert (await two.chat(model="two")).body == reply
    assert asked(two) == ["openai"]


async def test_nothing_is_asked_twice_once_the_caller_has_a_token(two):
    two.will_stream(ROLE, WORD, error=broken(ErrorKind.PROVIDER_BROKE_OFF))
    client = await two.chat(model="two", stream=True, stream_options={"include_usage": True})
    assert client.body.startswith(ROLE + WORD)
    assert b"[DONE]" not in client.body
    assert client.is_aborted
    assert asked(two) == ["openai"]
    assert two.record.error == "provider_broke_off"


async def test_a_content_policy_is_not_shopped_around_unless_that_is_allowed(build):
    for allowed, who in ((False, ["openai"]), (True, ["openai", "groq"])):
        world = build(routes=TWO, retry=msgspec.structs.replace(POLICY, on_content_policy=allowed))
        world.will_reply(FILTERED, length=len(FILTERED))
        world.will_reply(GOOD, length=len(GOOD))
        client = await world.chat(model="two")
        assert asked(world) == who
        assert client.body == (GOOD if allowed else FILTERED)


async def test_what_is_too_long_for_one_target_goes_to_the_next(two):
    body = encode_json({"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}})
    two.will_reply(body, status=400, length=len(body))
    two.will_reply(GOOD, length=len(GOOD))
    assert (await two.chat(model="two")).status == 200
    assert kinds(two) == ["context_length_exceeded", None]


async def test_an_outcome_that_may_have_been_billed_is_not_repeated_where_that_is_forbidden(build):
    world = build(routes=TWO, retry=msgspec.structs.replace(POLICY, retries_ambiguous=False))
    world.upstream.script.append(broken(ErrorKind.PROVIDER_BROKE_OFF))
    assert (await world.chat(model="two")).status == 502
    assert asked(world) == ["openai"]


async def test_an_upload_that_has_gone_is_not_sent_again(two):
    chunks, facts = error(503)
    two.will_reply(*chunks, **facts)
    client = await two.ask("POST", "/v1/files", b"--x", (("content-type", "multipart/form-data; boundary=x"),))
    assert (client.status, client.body) == (503, chunks[0])
    assert len(two.upstream.requests) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/batches", {"input_file_id": "f"}),
        ("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": {"model": "claude-4", "max_tokens": 9}}]}),
    ],
)
async def test_a_batch_is_not_made_twice(build, path, body):
    world = build(routes=(), retry=POLICY)
    chunks, facts = error(500)
    world.will_reply(*chunks, **facts)
    assert (await world.ask("POST", path, body)).status == 500
    assert len(world.upstream.requests) == 1


# --- bounds


async def test_a_target_without_a_next_one_is_asked_again_up_to_the_bound(build):
    world = build(routes=(), retry=POLICY)
    chunks, facts = error(500)
    for _ in range(6):
        world.will_reply(*chunks, **facts)
    client = await world.chat()
    assert (client.status, client.body) == (500, chunks[0])
    assert len(world.upstream.requests) == 4
    assert len(world.record.attempts) == 4


async def test_a_hint_that_is_too_long_is_passed_on_and_not_waited_for(build):
    world = build(routes=(), retry=POLICY)
    chunks, facts = error(429, "Slow down.", "rate_limit_error", **{"retry-after": "60"})
    world.will_reply(*chunks, **facts)
    client = await world.chat()
    assert (client.status, client.fields["retry-after"], client.body) == (429, "60", chunks[0])
    assert len(world.upstream.requests) == 1


async def test_a_short_hint_is_waited_for(build, monkeypatch):
    world = build(routes=(), retry=POLICY)
    chunks, facts = error(429, "Slow down.", "rate_limit_error", **{"retry-after-ms": "20"})
    world.will_reply(*chunks, **facts)
    world.will_reply(GOOD, length=len(GOOD))
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        world.clock.now += int(seconds * NS_PER_S)

    monkeypatch.setattr(attempts, "asyncio", SimpleNamespace(sleep=sleep))
    assert (await world.chat()).body == GOOD
    assert 0.02 <= sum(waits) < 0.03


async def test_with_one_attempt_allowed_whatever_comes_is_forwarded_as_it_is(build):
    world = build(routes=TWO)
    world.will_reply(EMPTY, length=len(EMPTY))
    assert (await world.chat(model="two")).body == EMPTY
    assert asked(world) == ["openai"]


async def test_a_stream_that_says_nothing_for_long_is_let_through(build):
    world = build(routes=(), retry=msgspec.structs.replace(POLICY, first_event_ns=NS_PER_S // 100))
    reply = world.will_stream(ROLE, is_open=True)
    handling = asyncio.ensure_future(world.ask("POST", "/v1/chat/completions", {"model": "gpt-4o", "messages": [], "stream": True}))
    await reply.attached.wait()
    while not any(event[0] == "start" for event in world.events):
        await asyncio.sleep(0.001)
    reply.sink.on_data(WORD)
    reply.sink.on_data(STOP + DONE)
    reply.sink.on_end()
    assert (await handling).body == ROLE + WORD + STOP + DONE


# --- what is told


async def test_the_last_providers_own_error_is_what_the_caller_gets(two):
    for status in (500, 503, 502, 529):
        chunks, facts = error(status, f"number {status}")
        two.will_reply(*chunks, **facts)
    client = await two.chat(model="two")
    assert client.status == 529
    assert b"number 529" in client.body
    assert two.record.error == "provider_overloaded"


async def test_an_empty_answer_is_given_as_it_came_when_nobody_has_a_better_one(two):
    for _ in range(4):
        two.will_reply(EMPTY, length=len(EMPTY))
    client = await two.chat(model="two")
    assert (client.status, client.body) == (200, EMPTY)
    assert two.record.error == "provider_empty"


async def test_json_of_an_unknown_shape_is_given_as_it_came_and_what_is_no_json_is_an_error(two):
    for body in (ODD, ODD, b"<html>", b"<html>"):
        two.will_reply(body, length=len(body))
    assert (await two.chat(model="two")).body == ODD
    assert (await two.chat(model="two")).status == 502


async def test_header_and_record_tell_who_was_asked_and_why_that_was_not_the_end(two):
    chunks, facts = error(503)
    two.will_reply(*chunks, **facts)
    two.will_reply(GOOD, length=len(GOOD))
    client = await two.chat(model="two")
    assert client.fields["x-weighbridge-attempts"] == "2"
    assert client.fields["x-weighbridge-failed-attempts"] == "openai/gpt-4o;provider_overloaded"
    assert client.fields["x-weighbridge-provider"] == "groq"
    first, second = two.record.attempts
    assert (first.provider, first.status, first.error) == ("openai", 503, "provider_overloaded")
    assert (second.provider, second.status, second.error) == ("groq", 200, None)
    assert first.end_ns < second.end_ns


async def test_a_reply_of_the_first_attempt_says_nothing_of_attempts(two):
    two.will_reply(GOOD, length=len(GOOD))
    assert "x-weighbridge-attempts" not in (await two.chat(model="two")).fields


async def test_each_attempt_keeps_what_it_has_used(two):
    two.will_reply(EMPTY, length=len(EMPTY))
    two.will_reply(GOOD, length=len(GOOD))
    await two.chat(model="two")
    first, second = two.record.attempts
    assert first.usage == second.usage == Usage(input=9, output=1)
    assert first.usage.provenance is Provenance.REPORTED


async def test_an_attempt_that_nobody_answered_has_unknown_usage(two):
    two.upstream.script.append(broken(ErrorKind.PROVIDER_TIMEOUT))
    two.will_reply(GOOD, length=len(GOOD))
    await two.chat(model="two")
    assert two.record.attempts[0].usage.provenance is Provenance.UNKNOWN


async def test_time_lost_on_others_is_not_our_overhead(build):
    world = build(routes=TWO, retry=POLICY)

    async def slow(request):
        world.clock.now += 3 * NS_PER_S
        raise broken()

    real = world.upstream.send
    world.upstream.send = slow
    world.gateway._attempts._upstream = world.upstream

    async def second(request):
        world.upstream.send = real
        return await slow(request)

    world.upstream.send = second
    world.will_reply(GOOD, length=len(GOOD))
    await world.chat(model="two")
    assert world.record.overhead_ns < NS_PER_S
    assert world.record.duration_ns > 3 * NS_PER_S


async def test_a_target_that_cannot_be_asked_this_is_passed_over(mixed):
    world = mixed((plain_route("two", *reversed(MIXED[0].deployments), strict=True),))
    world.will_reply(GOOD, length=len(GOOD))
    client = await world.chat(model="two", logit_bias={"50256": -100})
    assert client.body == GOOD
    assert asked(world) == ["openai"]
    assert [attempt.provider for attempt in world.record.attempts] == ["openai"]


async def test_a_client_that_leaves_while_the_next_attempt_waits_is_settled_once(build):
    world = build(routes=(), retry=msgspec.structs.replace(POLICY, backoff_ns=30 * NS_PER_S, max_backoff_ns=30 * NS_PER_S))
    chunks, facts = error(500)
    world.will_reply(*chunks, **facts)
    handling = asyncio.ensure_future(world.chat())
    await world.upstream.asked.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert world.record.error == "client_closed"
    assert kinds(world) == ["provider_internal"]


# --- what is left of a provider's rate limit


def headroom(left):
    return (
        ("content-type", "application/json"),
        ("x-ratelimit-limit-requests", "100"),
        ("x-ratelimit-remaining-requests", str(left)),
    )


@pytest.mark.parametrize("is_nested", [False, True])
async def test_a_route_by_headroom_asks_who_has_the_most_left_of_its_limit(build, is_nested):
    targets = tuple(RouteTarget(Deployment(*each)) for each in (("openai", "gpt-4o"), ("groq", "llama-3")))
    by_headroom = Route("inner" if is_nested else "two", targets, strategy=StrategyName.MOST_HEADROOM)
    outer = (Route("two", (RouteTarget(route="inner"),)),) if is_nested else ()
    world = build(routes=(by_headroom, *outer))
    for left in (90, 10):
        world.will_reply(GOOD, headers=headroom(left), length=len(GOOD))
        await world.chat(model="two")
    first, second = (record.provider for record in world.sink.records)
    assert {first, second} == {"openai", "groq"}
    for _ in range(4):
        world.will_reply(GOOD, headers=headroom(80), length=len(GOOD))
        await world.chat(model="two")
    assert {record.provider for record in world.sink.records[2:]} == {first}


async def test_nobody_looks_at_heads_where_no_route_goes_by_them(two):
    two.will_reply(GOOD, headers=headroom(1), length=len(GOOD))
    await two.chat(model="two")
    statuses = two.gateway.fleet.health.statuses(0)
    assert {status.headroom for status in statuses} <= {1.0}


@pytest.mark.parametrize("kind", [ErrorKind.PROVIDER_TIMEOUT, ErrorKind.PROVIDER_BROKE_OFF, ErrorKind.PROVIDER_MALFORMED])
async def test_an_error_that_stops_in_its_middle_is_told_as_what_stopped_it(build, kind):
    """Its rest was waited for without an end when the provider fell silent within it."""
    world = build()
    broken = GatewayError(kind, "It stopped.")
    world.will_reply(b'{"error":{"mess', status=429, length=43, error=broken)
    client = await asyncio.wait_for(world.chat(), 5)
    assert (client.status, client.is_ended) == (broken.status, True)
    assert client.json["error"]["message"] == "It stopped."


# --- what is left in memory


def claude_says(text):
    return encode_json(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-4",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": 1},
        }
    )


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([error(500), [claude_says("Hi")]], id="failed over and translated"),
        pytest.param([error(500), error(500, kind="api_error")], id="failed altogether"),
        pytest.param([broken(), broken()], id="nobody reached"),
        pytest.param([[EMPTY], [b"{"]], id="nothing said, then nothing that can be read"),
        pytest.param([[ROLE, WORD, ERROR_EVENT]], id="broke off midstream"),
        pytest.param([[ROLE, WORD, STOP, DONE]], id="streamed under a budget"),
    ],
)
async def test_a_request_that_is_over_leaves_no_cycle_in_memory(build, script):
    budget = Budget("all", Scope(ScopeKind.GATEWAY), 10**12)
    facts = {"models": ("claude-4",), "formats": CLAUDE, "native_formats": frozenset(CLAUDE)}
    claude = build.provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, **facts)
    providers = (build.provider("openai", {Dialect.OPENAI: "/v1"}), claude)
    world = build(providers=providers, routes=MIXED, retry=POLICY, allowances=Allowances((budget,)), prices=PRICES)
    is_stream = len(script) == 1
    for each in script:
        if isinstance(each, GatewayError):
            world.upstream.script.append(each)
            continue
        chunks, facts = each if isinstance(each, tuple) else (each, {})
        (world.will_stream if is_stream else world.will_reply)(*chunks, **facts)
    gc.freeze()  # what was there before is not looked at
    gc.disable()
    try:
        await world.ask("POST", "/v1/chat/completions", {**CHAT, "stream": is_stream})
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Exchange)]
    finally:
        gc.enable()
        gc.unfreeze()
    assert not world.upstream.script


async def test_a_stream_that_no_target_can_be_asked_for_leaves_no_cycle_either(build):
    facts = {"models": ("claude-4",), "formats": CLAUDE, "native_formats": frozenset(CLAUDE)}
    claude = build.provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, **facts)
    budget = Budget("all", Scope(ScopeKind.GATEWAY), 10**12)
    routes = (plain_route("two", Deployment("anthropic", "claude-4")),)
    world = build(providers=(claude,), routes=routes, allowances=Allowances((budget,)), prices=PRICES)
    gc.freeze()
    gc.disable()
    try:
        client = await world.ask("POST", "/v1/chat/completions", {"model": "two", "messages": [], "stream": True})
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Exchange)]
    finally:
        gc.enable()
        gc.unfreeze()
    assert client.status == 400
    assert not world.upstream.requests
