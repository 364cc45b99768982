"""Realtime sessions under a hard budget, over fakes of the gateway's ports: a slice is held before each response."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.conftest import Pipe
from tests.pipeline.test_duplex import HANDSHAKE, REQUEST_HEADERS, frame
from tests.pipeline.test_own_keys import own

from weighbridge.core.allowances import Allowances, Budget, Prepaid, Scope, ScopeKind, Unit
from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.model_sizes import SizeRule
from weighbridge.core.rates import Bracket, PriceBook, PriceRule, PriceState, Rates, Tariff
from weighbridge.core.tasks import Drive
from weighbridge.core.terms import Provenance
from weighbridge.ledger.pricing import Extent
from weighbridge.ledger.tariffs import TariffRule
from weighbridge.ledger.terms import Started
from weighbridge.limits.leases import Granted
from weighbridge.pipeline.session_gate import SessionGate
from weighbridge.pipeline.slices import Slice, Slices
from weighbridge.wire.websocket import FrameReader, Opcode, encode_frame

PRICES = PriceBook(rules=(PriceRule("*", own=(Bracket(Rates(input=1_000_000, output=10_000_000)),)),))
SIZES = (SizeRule("*", max_output_tokens=100, context_window=2_000, source="tests"),)
SLICE = 2_000 * 1_000 + 100 * 10_000
"""Nano-dollars: 3,000,000."""
USED = 200 * 1_000 + 20 * 10_000
"""What a response of 200 and 20 tokens costs: 400,000."""
MASK = b"\x01\x02\x03\x04"
REFUSED = frame(b'{"type":"error","event_id":"e","error":{"code":"x","event_id":null}}')
CREATED = frame(b'{"type":"response.created","response":{"id":"r"}}')
BYE = encode_frame(Opcode.CLOSE, b"\x03\xe8", mask=MASK)
UP = encode_frame(Opcode.TEXT, b'{"type":"input_audio_buffer.append","audio":"AAAA"}', mask=MASK)


def done(n_input=200, n_output=20):
    usage = {"total_tokens": n_input + n_output, "input_tokens": n_input, "output_tokens": n_output}
    return frame(encode_json({"type": "response.done", "response": {"status": "completed", "usage": usage}}))


def asks(event_id=None, **more):
    event = {"type": "response.create", **({} if event_id is None else {"event_id": event_id}), **more}
    return encode_frame(Opcode.TEXT, encode_json(event), mask=MASK)


class Session:
    """A session that has been opened; `amount` is what the key's budget has."""

    def __init__(self, build, amount, **plan):
        budgets = (Budget("b", Scope(ScopeKind.KEY, "*"), amount),)
        self.world = build(**{"prices": PRICES, "sizes": SIZES, "allowances": Allowances(budgets), **plan})
        self.reply = self.world.will_reply(status=101, headers=HANDSHAKE)
        self.client = self.world.client("GET", "/v1/realtime?model=gpt-4o", headers=REQUEST_HEADERS, is_upgrade=True)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.world.gateway.handle(self.client))
        await self.reply.attached.wait()
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_):
        if not self.task.done():
            self.client.pipe.sink.on_end()
        await self.task

    def provider_says(self, data):
        self.reply.pipe.sink.on_data(data)

    def client_says(self, data):
        self.client.pipe.sink.on_data(data)

    @property
    def held(self):
        """What all budgets have: spent, and held."""
        names = {hold.counter for item in self.world.journal.items if isinstance(item, Started) for hold in item.holds}
        return tuple(map(sum, zip(*[self.world.table.level(name) for name in names], strict=True)))

    @property
    def is_listened_to(self):
        return not self.client.pipe.is_paused

    @property
    def told(self):
        """What the client got, as messages."""
        return FrameReader(masked=False).feed(self.client.pipe.written)


@pytest.fixture
def session_of(build):
    return lambda amount, **plan: Session(build, amount, **plan)


async def test_a_slice_is_held_before_anything_is_asked_and_what_was_used_at_the_end(session_of):
    async with session_of(100 * SLICE) as session:
        assert session.held == (0, SLICE)
        session.client_says(asks())
        assert session.held == (0, 2 * SLICE)
        session.provider_says(CREATED)
        assert session.held == (0, 2 * SLICE)
        session.provider_says(done())
        assert session.held == (0, USED + SLICE)
    assert session.held == (USED, 0)
    assert session.world.record.cost_nanousd == USED
    assert session.world.record.usage.provenance is Provenance.REPORTED


async def test_a_response_that_the_provider_begins_by_itself_is_held_too(session_of):
    async with session_of(100 * SLICE) as session:
        session.provider_says(CREATED)
        assert session.held == (0, 2 * SLICE)
        session.provider_says(done() + CREATED)
        assert session.held == (0, USED + 2 * SLICE)
        session.provider_says(done())
    assert session.held == (2 * USED, 0)


async def test_bytes_pass_untouched_as_long_as_there_is_room(session_of):
    async with session_of(100 * SLICE) as session:
        for byte in UP + asks():
            session.client_says(bytes([byte]))
        session.provider_says(CREATED + done())
    assert session.reply.pipe.written == UP + asks()
    assert session.client.pipe.written == CREATED + done()


async def test_with_one_slice_left_the_client_waits_for_what_its_response_leaves(session_of):
    async with session_of(SLICE + 2 * USED) as session:
        session.client_says(asks())
        assert not session.is_listened_to
        session.client_says(UP)
        assert session.reply.pipe.written == asks()
        session.provider_says(CREATED + done())
        assert session.is_listened_to
        assert session.reply.pipe.written == asks() + UP
    assert session.held == (USED, 0)


async def test_the_session_ends_with_an_error_event_and_a_code_when_the_budget_has_no_more(session_of):
    session = session_of(SLICE + USED - 1)
    await session.__aenter__()
    session.client_says(asks())
    session.provider_says(CREATED + done())
    created, answered, error, close = session.told
    assert (created.payload, answered.payload) == (CREATED[2:], done()[4:] if len(done()) > 127 else done()[2:])
    event = decode_json(error.payload)
    assert (event["type"], event["error"]["code"]) == ("error", "budget_exceeded")
    assert "another response" in event["error"]["message"]
    assert (close.close_code, close.payload[2:]) == (1008, b"budget_exceeded")
    assert session.reply.pipe.is_closed
    session.client_says(UP)  # too late
    session.client.pipe.sink.on_end()
    await session.task
    assert session.reply.pipe.written == asks()
    record = session.world.record
    assert (record.status, record.error, record.cost_nanousd) == (101, "budget_exceeded", USED)
    assert session.held == (USED, 0)


async def test_the_error_waits_for_the_end_of_the_providers_message(session_of):
    session = session_of(SLICE + USED - 1)
    await session.__aenter__()
    session.client_says(asks())
    rest = frame(b'{"type":"rate_limits.updated"}')
    session.provider_says(CREATED + done() + rest[:5])
    assert b"budget_exceeded" not in session.client.pipe.written
    session.provider_says(rest[5:])
    assert [message.opcode for message in session.told[-2:]] == [Opcode.TEXT, Opcode.CLOSE]
    assert session.told[-3].payload == rest[2:]
    session.client.pipe.sink.on_end()
    await session.task


async def test_more_responses_at_once_than_there_is_room_for_end_the_session_before_any_is_asked(session_of):
    session = session_of(3 * SLICE - 1)
    await session.__aenter__()
    session.client_says(asks() * 3)
    assert session.reply.pipe.written == b""
    assert session.told[-1].close_code == 1008
    session.client.pipe.sink.on_end()
    await session.task
    assert session.held == (0, 0)
    assert session.world.record.cost_nanousd == 0


async def test_responses_that_run_beside_one_another_hold_a_slice_each(session_of):
    async with session_of(4 * SLICE) as session:
        session.client_says(asks() * 3)
        session.provider_says(CREATED * 3)
        assert session.held == (0, 4 * SLICE)
        assert session.is_listened_to
        session.client_says(asks())  # the fourth uses what was held for it, and leaves none for a fifth
        assert not session.is_listened_to
        session.provider_says(CREATED + done())
        assert session.is_listened_to is (USED + 4 * SLICE <= 4 * SLICE)
        session.provider_says(done() * 3)
        assert session.is_listened_to
    assert session.held == (4 * USED, 0)


async def test_a_response_that_the_provider_refuses_gives_its_slice_back_when_nothing_else_is_under_way(session_of):
    async with session_of(100 * SLICE) as session:
        session.provider_says(CREATED)
        session.client_says(asks())
        session.provider_says(REFUSED)
        assert session.held == (0, 3 * SLICE)  # the error may be about something else
        session.provider_says(done())
        assert session.held == (0, USED + SLICE)
    assert session.held == (USED, 0)


async def test_speech_may_be_answered_beside_what_is_asked_for_and_needs_a_slice_of_its_own(session_of):
    session = session_of(2 * SLICE - 1)
    await session.__aenter__()
    session.client_says(UP)
    session.client_says(asks())
    assert session.reply.pipe.written == UP
    assert session.told[-1].close_code == 1008
    session.client.pipe.sink.on_end()
    await session.task
    async with session_of(2 * SLICE) as session:
        session.client_says(UP)
        session.client_says(asks())
        assert session.reply.pipe.written == UP + asks()


async def test_an_error_lets_no_question_through_for_which_there_is_no_slice(session_of):
    session = session_of(2 * SLICE - 1)
    await session.__aenter__()
    session.client_says(asks())
    session.client_says(asks())
    session.provider_says(REFUSED)
    assert session.reply.pipe.written == asks()
    assert session.told[-1].close_code == 1008  # what it waits for may never come
    session.client.pipe.sink.on_end()
    await session.task


async def test_what_the_provider_begins_beyond_what_is_held_ends_the_session_at_once(session_of):
    session = session_of(2 * SLICE - 1)
    await session.__aenter__()
    session.provider_says(CREATED)
    assert not session.is_listened_to
    session.provider_says(CREATED)
    assert session.reply.pipe.is_closed
    assert session.told[-1].close_code == 1008
    session.client.pipe.sink.on_end()
    await session.task


async def test_a_response_that_does_not_say_what_it_took_counts_for_its_slice(session_of):
    async with session_of(100 * SLICE) as session:
        session.provider_says(CREATED + done())
        session.provider_says(CREATED + frame(b'{"type":"response.done","response":{"status":"failed","usage":null}}'))
        assert session.held == (0, USED + 2 * SLICE)
    assert session.held == (USED + SLICE, 0)


async def test_what_a_transcription_took_is_held_as_soon_as_it_is_told(session_of):
    async with session_of(100 * SLICE) as session:
        usage = {"type": "tokens", "total_tokens": 220, "input_tokens": 200, "output_tokens": 20}
        kind = "conversation.item.input_audio_transcription.completed"
        session.provider_says(frame(encode_json({"type": kind, "usage": usage})))
        assert session.held == (0, USED + SLICE)


async def test_a_response_that_nobody_saw_end_counts_for_its_slice(session_of):
    async with session_of(100 * SLICE) as session:
        session.provider_says(CREATED + done() + CREATED)
    assert session.held == (USED + SLICE, 0)
    (attempt,) = session.world.record.attempts
    assert (attempt.cost_nanousd, attempt.price_state, attempt.usage.provenance) == (USED, PriceState.KNOWN, Provenance.DERIVED)


async def test_of_a_first_response_that_nobody_saw_end_nothing_is_known(session_of):
    async with session_of(100 * SLICE) as session:
        session.provider_says(CREATED)
    assert session.held == (SLICE, 0)
    (attempt,) = session.world.record.attempts
    assert (attempt.cost_nanousd, attempt.reserved_nanousd) == (None, SLICE)


async def test_a_session_in_which_nothing_was_answered_costs_nothing(session_of):
    async with session_of(100 * SLICE) as session:
        session.client_says(UP)
    assert session.held == (0, 0)
    assert session.world.record.cost_nanousd == 0


async def test_what_a_crash_leaves_is_what_was_used_and_the_slices_that_were_held(session_of):
    async with session_of(100 * SLICE) as session:
        session.client_says(asks())
        session.provider_says(CREATED + done())
        session.client_says(asks())
        *_, last = [item for item in session.world.journal.items if isinstance(item, Started)]
        assert last.reserved_nanousd == USED + 2 * SLICE
        assert {item.attempt for item in session.world.journal.items if isinstance(item, Started)} == {0}
        session.provider_says(done())


@pytest.mark.parametrize(("side", "error"), [("client", "invalid_request"), ("provider", "provider_malformed")])
async def test_a_side_that_cannot_be_read_ends_a_session_whose_budget_must_hold(session_of, side, error):
    session = session_of(100 * SLICE)
    await session.__aenter__()
    (session.client_says if side == "client" else session.provider_says)(b"\xff" * 20)
    assert session.reply.pipe.is_closed
    session.client.pipe.sink.on_end()
    await session.task
    assert session.world.record.error == error
    assert [message.close_code for message in session.told[-1:]] == ([1002] if side == "client" else [])
    assert session.held == (0, 0)


async def test_a_budget_of_tokens_is_held_in_slices_too(session_of):
    budgets = (Budget("t", Scope(ScopeKind.GATEWAY), 5_000, Unit.TOKENS),)
    async with session_of(0, allowances=Allowances(budgets)) as session:
        assert session.held == (0, 2_100)
        session.provider_says(CREATED + done())
        assert session.held == (0, 220 + 2_100)
    assert session.held == (220, 0)


async def test_who_pays_in_advance_is_charged_what_the_responses_cost(session_of):
    allowances = Allowances((), (), (Prepaid("key:key_1", 100 * SLICE),))
    tariffs = (TariffRule(Scope(ScopeKind.GATEWAY), Tariff(markup_ppm=500_000)),)
    async with session_of(0, allowances=allowances, tariffs=tariffs) as session:
        assert session.held[1] >= SLICE * 3 // 2
        session.provider_says(CREATED + done())
    assert session.held == (USED * 3 // 2, 0)


@pytest.mark.parametrize("counts", [True, False])
async def test_a_session_with_a_customers_own_key_is_held_by_budgets_that_count_those(session_of, build, counts):
    budget = Budget("b", Scope(ScopeKind.GATEWAY), SLICE + USED - 1, counts_own_keys=counts)
    facts = {"own_keys": (own(),), "keys": (build.virtual_key(organisation="acme"),), "allowances": Allowances((budget,))}
    session = session_of(0, **facts)
    await session.__aenter__()
    session.client_says(asks() * 2)
    assert session.reply.pipe.is_closed is counts
    session.client.pipe.sink.on_end()
    await session.task
    assert session.world.record.attempts[0].is_own_key


async def test_a_soft_budget_reads_along_and_stops_nothing(session_of):
    budget = msgspec.structs.replace(Budget("b", Scope(ScopeKind.KEY, "*"), 1), is_hard=False)
    async with session_of(0, allowances=Allowances((budget,))) as session:
        session.client_says(asks() * 5)
        session.provider_says(done() * 5)
    assert session.held == (5 * USED, 0)


class SharedBudget:
    """Other hosts: what they leave this one, a part at each question."""

    def __init__(self, world, *parts):
        self.world = world
        self.parts = list(parts)

    async def ask(self, wants):
        part = self.parts.pop(0) if self.parts else 0
        for want in wants:
            self.world.lend(want.counter, part)
        return [Granted(want.counter, part, 0, part) for want in wants]


async def test_a_session_asks_other_hosts_for_the_next_slice_and_waits_for_it(session_of):
    session = session_of(100 * SLICE, has_leases=True)
    session.world.lessor.of = SharedBudget(session.world, SLICE, SLICE)
    async with session:
        session.client_says(asks())
        assert not session.is_listened_to
        while not session.is_listened_to:
            await asyncio.sleep(0)
        assert session.held[1] == 2 * SLICE
        session.provider_says(CREATED + done())


async def test_a_session_for_which_other_hosts_have_nothing_ends(session_of):
    session = session_of(100 * SLICE, has_leases=True)
    session.world.lessor.of = SharedBudget(session.world, SLICE)
    await session.__aenter__()
    session.client_says(asks())
    session.provider_says(CREATED + done())
    while not session.reply.pipe.is_closed:
        await asyncio.sleep(0)
    assert session.told[-1].close_code == 1008
    session.client.pipe.sink.on_end()
    await session.task
    assert session.world.record.cost_nanousd == USED


async def test_a_client_that_answers_the_close_is_let_go_at_once(session_of):
    session = session_of(SLICE + USED - 1)
    await session.__aenter__()
    session.client_says(asks())
    session.client_says(UP)  # not listened to any more
    session.provider_says(CREATED + done())
    await asyncio.sleep(0)
    assert session.is_listened_to
    session.client_says(BYE)
    async with asyncio.timeout(1):
        await session.task
    assert session.client.pipe.is_closed


async def test_a_session_that_was_ended_is_booked_so_although_its_client_leaves_then(session_of):
    session = session_of(SLICE + USED - 1)
    await session.__aenter__()
    session.client_says(asks())
    session.provider_says(CREATED + done())
    await asyncio.sleep(0)
    session.task.cancel()  # as the connection does it when the client is gone
    await session.task
    assert (session.world.record.error, session.world.record.cost_nanousd) == ("budget_exceeded", USED)


async def test_what_comes_when_the_session_is_over_holds_nothing(session_of):
    async with session_of(100 * SLICE) as session:
        session.provider_says(CREATED + done())
    session.provider_says(CREATED)
    session.client_says(asks())
    assert session.held == (USED, 0)
    assert session.client.pipe.written == CREATED + done()
    assert session.reply.pipe.written == b""


async def test_a_session_may_end_before_anybody_has_waited(session_of):
    """As a connection to the provider that is open already lets it: nothing before has made the request a task."""
    session = session_of(3 * SLICE - 1)
    session.client.early = asks() * 3 + BYE
    session.client.whole_body = lambda _limit: b""
    ended = asyncio.get_running_loop().create_future()

    async def send(_request):
        return session.reply

    session.world.upstream.send = send
    loop = asyncio.get_running_loop()
    drive = Drive(loop, session.world.gateway.handle(session.client), None, lambda _, error: ended.set_result(error))
    loop.call_soon(drive.start)
    assert await ended is None
    assert session.told[-1].close_code == 1008
    assert session.world.record.error == "budget_exceeded"


async def test_a_client_that_does_not_close_is_left_after_a_moment(session_of, monkeypatch):
    monkeypatch.setattr("weighbridge.pipeline.duplex._FAREWELL_S", 0)
    session = session_of(SLICE + USED - 1)
    await session.__aenter__()
    session.client_says(asks())
    session.provider_says(CREATED + done())
    await session.task
    assert session.client.pipe.is_closed


async def test_a_client_that_floods_while_nobody_listens_is_left(session_of):
    session = session_of(SLICE + 2 * USED)
    await session.__aenter__()
    session.client_says(asks())
    session.client_says(b"\x00" * (1024 * 1024 + 1))
    assert session.told[-1].close_code == 1008
    session.client.pipe.sink.on_end()
    await session.task


class Model:
    """A provider that handles what it was sent in order and whenever it likes, and what all of its responses have cost.

    `c`: an event that asks; `a`: speech that it answers by itself, unless a response to speech is under way or what an earlier one
    took is still on its way to us; `x`: one that it refuses. Every response costs a whole slice or a part of it.
    """

    def __init__(self, amount):
        self.amount = amount
        self.held = SLICE
        self.client, self.provider = Pipe(None), Pipe(None)
        each = Slice(Extent(2_000, 100), SLICE)
        slices = Slices(each, lambda usage: usage.total_input * 1_000 + usage.total_output * 10_000, self._hold)
        self.gate = SessionGate(slices, "req", lambda: None, lambda: False)
        self.gate.connect(self.client, self.provider)
        self.reader = FrameReader(masked=True)
        self.n_read = self.spent = self.n_begun = 0
        self.is_speaking = False
        self.unsaid = []

    def _hold(self, nanousd, _tokens):
        if nanousd > self.amount:
            return False
        self.held = nanousd
        return True

    def handle(self):
        """Take the next of the client's events."""
        while self.n_read < len(self.provider.written):
            byte = self.provider.written[self.n_read : self.n_read + 1]
            self.n_read += 1
            if messages := self.reader.feed(byte):
                kind = decode_json(messages[0].payload)["type"]
                if kind == "response.create" or (kind == "input_audio_buffer.append" and not self.is_speaking and not self.unsaid):
                    self.n_begun += 1
                    self.is_speaking = self.is_speaking or kind != "response.create"
                    self.unsaid.append(CREATED)
                else:
                    self.unsaid.append(REFUSED)
                return

    def end(self, n_input):
        """A response is done."""
        if self.n_begun:
            self.n_begun -= 1
            self.is_speaking = self.is_speaking and self.n_begun > 0
            self.spent += n_input * 1_000 + 100 * 10_000
            self.unsaid.append(done(n_input, 100))

    def say(self):
        """What it has to say comes through."""
        if self.unsaid:
            self.gate.from_provider(self.unsaid.pop(0))


EVENTS = {"c": asks(), "a": UP, "x": encode_frame(Opcode.TEXT, b'{"type":"nonsense"}', mask=MASK)}
STEPS = st.one_of(
    st.text("cax", min_size=1, max_size=4), st.sampled_from(["handle", "say", "say", "handle"]), st.integers(1, 2_000)
)


def played(model, steps):
    for step in steps:
        if isinstance(step, int):
            model.end(step)
        elif step in {"handle", "say"}:
            getattr(model, step)()
        elif not model.client.is_paused:
            model.gate.from_client(b"".join(map(EVENTS.__getitem__, step)))
        if model.gate.error is not None:
            return
        yield


@given(st.integers(SLICE, 6 * SLICE), st.lists(STEPS, max_size=60))
def test_whatever_client_and_provider_do_what_is_under_way_is_held(amount, steps):
    steps = [step.replace("x", "c") if isinstance(step, str) and step not in {"handle", "say"} else step for step in steps]
    model = Model(amount)
    for _ in played(model, steps):
        assert model.spent + model.n_begun * SLICE <= model.held <= amount


@given(st.integers(SLICE, 6 * SLICE), st.lists(STEPS, max_size=60))
def test_no_session_waits_for_what_will_not_come(amount, steps):
    model = Model(amount)
    for _ in played(model, steps):
        assert model.held <= amount
    for _ in range(200):
        model.handle()
        model.end(1)
        model.say()
    assert model.gate.error is not None or not model.client.is_paused
