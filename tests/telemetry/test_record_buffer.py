from __future__ import annotations

import pytest

from weighbridge.telemetry.record_buffer import FLUSH_S, MAX_BATCH, MAX_OUTSTANDING, RecordBuffer


class Timer:
    def __init__(self, delay_s, callback):
        self.delay_s = delay_s
        self.callback = callback
        self.is_cancelled = False

    def cancel(self):
        self.is_cancelled = True


class Loop:
    """The one call of an event loop that the buffer makes."""

    def __init__(self):
        self.timers = []

    def call_later(self, delay_s, callback):
        self.timers.append(Timer(delay_s, callback))
        return self.timers[-1]


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def sent():
    return []


@pytest.fixture
def buffer(loop, sent):
    return RecordBuffer(sent.append, loop)


def test_records_wait_a_moment_for_company(buffer, loop, sent):
    for record in "abc":
        buffer.offer(record)
    (timer,) = loop.timers
    assert (timer.delay_s, sent) == (FLUSH_S, [])
    timer.callback()
    assert sent == [["a", "b", "c"]]


def test_next_record_waits_anew(buffer, loop, sent):
    buffer.offer("a")
    loop.timers[0].callback()
    buffer.offer("b")
    assert len(loop.timers) == 2
    loop.timers[1].callback()
    assert sent == [["a"], ["b"]]


def test_full_batch_does_not_wait(buffer, loop, sent):
    for number in range(MAX_BATCH):
        buffer.offer(number)
    assert sent == [list(range(MAX_BATCH))]
    assert loop.timers[0].is_cancelled


def test_flush_of_nothing_sends_nothing(buffer, sent):
    buffer.flush()
    assert sent == []


def test_nothing_is_lost_or_sent_twice_and_the_order_stays(buffer, sent):
    for number in range(3 * MAX_BATCH + 7):
        buffer.offer(number)
    buffer.flush()
    buffer.flush()
    assert [number for batch in sent for number in batch] == list(range(3 * MAX_BATCH + 7))


def test_buffer_is_full_while_too_much_is_outstanding_and_still_takes_what_is_under_way(buffer, sent):
    for number in range(MAX_OUTSTANDING - 1):
        buffer.offer(number)
    assert not buffer.is_full
    buffer.offer("last")
    assert buffer.is_full
    buffer.offer("under way")
    buffer.flush()
    assert sent[-1][-1] == "under way"
    assert buffer.is_full


def test_room_comes_back_when_records_are_taken(buffer, sent):
    for number in range(MAX_OUTSTANDING):
        buffer.offer(number)
    buffer.flush()
    buffer.taken(len(sent[0]))
    assert not buffer.is_full
