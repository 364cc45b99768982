from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.rates import (
    Bracket,
    ListedModel,
    MatchKind,
    ModelMatch,
    Period,
    PriceBook,
    PriceRule,
    PriceState,
    RateCard,
    Rates,
)
from weighbridge.core.terms import Operation, Provenance
from weighbridge.pipeline.duplex import SessionObserver

PRICES = PriceBook(rules=(PriceRule("*", own=(Bracket(Rates(input=1_000_000, output=10_000_000)),), source="tests"),))
HANDSHAKE = (
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ("x-other", "1"),
)
REQUEST_HEADERS = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-key", "abc=="),
    ("sec-websocket-version", "13"),
]


def frame(payload, opcode=0x81):
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return bytes([opcode]) + length + payload


def response_done(n_input, n_output):
    usage = b'{"total_tokens":%d,"input_tokens":%d,"output_tokens":%d}' % (n_input + n_output, n_input, n_output)
    return frame(b'{"type":"response.done","response":{"status":"completed","usage":%b}}' % usage)


class Session:
    def __init__(self, world):
        self.world = world
        self.reply = world.will_reply(status=101, headers=HANDSHAKE)
        self.client = world.client("GET", "/v1/realtime?model=gpt-4o", headers=REQUEST_HEADERS, is_upgrade=True)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.world.gateway.handle(self.client))
        await self.reply.attached.wait()
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_):
        self.reply.pipe.sink.on_end()
        await self.task

    def provider_says(self, data):
        self.reply.pipe.sink.on_data(data)

    def client_says(self, data):
        self.client.pipe.sink.on_data(data)


async def test_bytes_pass_both_ways_untouched(world):
    async with Session(world) as session:
        session.client_says(b"\x81\x85abcdefghi\xff")
        session.provider_says(frame(b'{"type":"session.created"}'))
        session.provider_says(b"\x82\x03\x00\xff\x01")
    assert session.reply.pipe.written == b"\x81\x85abcdefghi\xff"
    assert session.client.pipe.written == frame(b'{"type":"session.created"}') + b"\x82\x03\x00\xff\x01"


async def test_handshake_passes_and_says_who_serves(world):
    async with Session(world) as session:
        pass
    assert session.client.status == 101
    fields = session.client.fields
    assert fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert (fields["upgrade"], fields["connection"]) == ("websocket", "Upgrade")
    assert (fields["x-weighbridge-provider"], fields["x-weighbridge-model"]) == ("openai", "gpt-4o")
    assert "x-other" not in fields


async def test_usage_of_every_response_is_added_up(world):
    async with Session(world) as session:
        events = response_done(10, 5) + frame(b'{"type":"ping"}') + response_done(7, 3)
        for byte in events:
            session.provider_says(bytes([byte]))
    record = world.record
    assert (record.usage.total_input, record.usage.total_output) == (17, 8)
    assert (record.status, record.operation, record.is_stream, record.error) == (101, Operation.REALTIME, True, None)
    assert record.reply_bytes == len(events)
    assert record.attempts[0].usage == record.usage
    assert record.attempts[0].status == 101


@pytest.mark.parametrize("side", ["client", "provider"])
@pytest.mark.parametrize("is_broken", [False, True])
async def test_session_is_settled_once_when_either_side_closes(world, side, is_broken):
    session = Session(world)
    await session.__aenter__()
    sinks = [session.client.pipe.sink, session.reply.pipe.sink]
    first, second = sinks if side == "client" else sinks[::-1]
    assert world.sink.records == []
    if is_broken:
        first.on_error(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "x"))
    else:
        first.on_end()
    await session.task
    second.on_end()
    assert len(world.sink.records) == 1
    assert session.client.pipe.is_closed
    assert session.reply.pipe.is_closed
    assert not session.client.is_ended


async def test_cancelled_session_keeps_its_status_and_usage(world):
    session = Session(world)
    await session.__aenter__()
    session.provider_says(response_done(4, 2))
    session.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await session.task
    record = world.record
    assert (record.status, record.error, record.usage.total_output) == (101, "client_closed", 2)
    assert session.reply.pipe.is_closed


async def test_slow_side_slows_the_other_down(world):
    async with Session(world) as session:
        assert session.client.pipe.source is session.reply.pipe
        assert session.reply.pipe.source is session.client.pipe


async def test_refused_handshake_is_relayed_like_any_reply(world):
    body = b'{"error":{"message":"no"}}'
    world.will_reply(body, status=403, length=len(body))
    client = await world.ask("GET", "/v1/realtime?model=gpt-4o", headers=REQUEST_HEADERS, is_upgrade=True)
    assert (client.status, client.body) == (403, body)


@pytest.mark.parametrize("is_bounded", [False, True])
async def test_client_that_left_before_the_handshake_leaves_no_session_at_the_provider(build, is_bounded):
    world = build(prices=PRICES, allowances=Allowances((Budget("b", Scope(ScopeKind.GATEWAY), 10**15, is_hard=is_bounded),)))
    reply = world.will_reply(status=101, headers=HANDSHAKE)
    client = world.client("GET", "/v1/realtime?model=gpt-4o", headers=REQUEST_HEADERS, is_upgrade=True)
    client.has_left = True
    await world.gateway.handle(client)
    assert reply.pipe is None
    assert reply.is_aborted
    assert world.record.error == "client_closed"


async def test_switch_of_protocols_that_nobody_asked_for_is_refused(world):
    reply = world.will_reply(status=101, headers=HANDSHAKE)
    client = await world.chat()
    assert (client.status, client.json["error"]["code"]) == (502, "provider_malformed")
    assert reply.is_aborted
    assert len(world.sink.records) == 1


def test_frame_that_breaks_the_protocol_ends_the_reading_only():
    observer = SessionObserver()
    observer.feed(response_done(1, 1))
    observer.feed(b"\xff\xff\xff")
    observer.feed(response_done(1, 1))
    assert observer.meter.usage.total_output == 1


@given(st.binary(max_size=300))
def test_no_bytes_can_make_reading_along_fail(data):
    observer = SessionObserver()
    observer.feed(data)
    assert observer.meter.usage.provenance in Provenance


async def test_what_was_written_down_of_a_session_is_charged_at_the_price_of_the_model_that_did(build):
    rates = {"gpt-4o": 32_000, "gpt-4o-transcribe": 6_000}
    cards = {name: RateCard(name, (Period((Bracket(Rates(input=rate, output=rate)),)),)) for name, rate in rates.items()}
    lists = tuple(ListedModel(ModelMatch(MatchKind.EQUALS, name), card) for name, card in cards.items())
    world = build(prices=PriceBook({"openai": lists}, {"openai": ("openai",)}))
    async with Session(world) as session:
        asked = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
        session.provider_says(frame(encode_json({"type": "session.updated", "session": asked})))
        heard = {"type": "tokens", "input_tokens": 6, "output_tokens": 2, "total_tokens": 8}
        kind = "conversation.item.input_audio_transcription.completed"
        session.provider_says(frame(encode_json({"type": kind, "usage": heard})))
        session.provider_says(response_done(10, 5))
    (attempt,) = world.record.attempts
    assert attempt.cost_nanousd == 15 * 32 + 8 * 6
    assert [part.model for part in attempt.apart] == ["gpt-4o-transcribe"]


BY_TIME = PriceBook(rules=(PriceRule("*", own=(Bracket(Rates(audio_hour=3_000_000_000_000)),), source="tests"),))


async def test_a_session_that_is_charged_by_time_takes_as_long_as_it_lasts(build):
    world = build(prices=BY_TIME)
    async with Session(world):
        world.clock.now += 90_000_000_000
    (attempt,) = world.record.attempts
    assert attempt.usage.audio_ms == pytest.approx(90_000, abs=1)
    assert attempt.cost_nanousd == pytest.approx(75_000_000, abs=1_000)
    assert (attempt.price_state, attempt.usage.provenance) == (PriceState.ESTIMATED, Provenance.ESTIMATED)


async def test_a_session_that_is_charged_by_time_and_tells_it_is_charged_that(build):
    world = build(prices=BY_TIME)
    async with Session(world) as session:
        world.clock.now += 90_000_000_000
        kind = "conversation.item.input_audio_transcription.completed"
        session.provider_says(frame(encode_json({"type": kind, "usage": {"type": "duration", "seconds": 6}})))
    (attempt,) = world.record.attempts
    assert (attempt.usage.audio_ms, attempt.cost_nanousd, attempt.price_state) == (6_000, 5_000_000, PriceState.KNOWN)


async def test_nothing_bounds_a_session_that_is_charged_by_time(build):
    budget = Budget("per-key", Scope(ScopeKind.KEY, "*"), 10**12)
    world = build(prices=BY_TIME, allowances=Allowances((budget,)))
    client = await world.ask("GET", "/v1/realtime?model=gpt-4o", headers=REQUEST_HEADERS, is_upgrade=True)
    assert (client.status, client.json["error"]["code"]) == (403, "cannot_be_bounded")
