from __future__ import annotations

from tests.storage.test_ledger_store import WALL_NS, attempt, settled

from weighbridge.core.erasure import SubjectKind
from weighbridge.storage.payload_store import NewPayload, PayloadText
from weighbridge.storage.transactions import Act

HOUR_NS = 3_600 * 10**9


def new(number, *, end_user="", at=WALL_NS, request='{"messages":[]}'):
    text = PayloadText(
        request,
        15,
        request_is_whole=True,
        reply="Hi \u2602",
        reply_bytes=900,
        reply_is_whole=False,
        reply_type="text/event-stream",
    )
    return NewPayload(f"req_{number}", at, end_user, "", text)


def test_what_is_kept_is_found_until_its_time_is_over(store):
    assert store.payloads.keep([new(1), new(2)], HOUR_NS) == 2
    found, expires_wall_ns = store.payloads.find("req_1")
    assert (found.request, found.reply, found.reply_type) == ('{"messages":[]}', "Hi \u2602", "text/event-stream")
    assert (found.request_is_whole, found.reply_is_whole, found.reply_bytes) == (True, False, 900)
    assert expires_wall_ns == WALL_NS + HOUR_NS
    store._clock.wall = WALL_NS + HOUR_NS
    assert store.payloads.find("req_1") is None
    assert not store.payloads.has("req_2")
    assert store.payloads.sweep() == 2
    assert store.payloads.sweep() == 0


def test_one_of_a_request_is_enough(store):
    store.payloads.keep([new(1)], HOUR_NS)
    assert store.payloads.keep([new(1, request="other"), new(3)], HOUR_NS) == 1
    assert store.payloads.find("req_1").text.request == '{"messages":[]}'


def test_of_whoever_is_erased_nothing_stays_and_nothing_comes_late(store):
    store.ledger.move("j_1", 0, 9, [settled(n, attempt(1), end_user=who) for n, who in enumerate(("ann", "bob"), 1)])
    store.payloads.keep([new(1, end_user="ann", request="planted-question"), new(2, end_user="bob")], HOUR_NS)
    store._clock.wall = WALL_NS + 10**9
    store.erasures.erase(SubjectKind.END_USER, "ann", Act("tests"))
    assert [store.payloads.has(f"req_{n}") for n in (1, 2)] == [False, True]
    late = [new(7, end_user="ann"), new(8, end_user="ann", at=WALL_NS + 2 * 10**9), new(9, end_user="bob")]
    assert store.payloads.keep(late, HOUR_NS) == 2
    assert [store.payloads.has(f"req_{n}") for n in (7, 8, 9)] == [False, True, True]
