from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.routing.queue import FairQueue


def drained(queue):
    return [waiter for _ in range(len(queue)) if (waiter := queue.take()) is not None]


def test_a_key_with_many_requests_does_not_keep_others_waiting():
    queue = FairQueue()
    for n in range(4):
        queue.offer(0, "many", f"m{n}")
    queue.offer(0, "one", "o")
    queue.offer(0, "two", "t0")
    queue.offer(0, "two", "t1")
    assert drained(queue) == ["m0", "o", "t0", "m1", "t1", "m2", "m3"]
    assert queue.take() is None


def test_a_higher_priority_goes_first():
    queue = FairQueue()
    queue.offer(0, "a", "low")
    queue.offer(5, "b", "high")
    queue.offer(-5, "c", "lowest")
    assert drained(queue) == ["high", "low", "lowest"]


def test_who_stops_waiting_is_not_taken():
    queue = FairQueue()
    queue.offer(0, "a", "x")
    queue.offer(0, "a", "y")
    assert queue.remove(0, "a", "x")
    assert not queue.remove(0, "a", "x")
    assert not queue.remove(1, "b", "z")
    assert drained(queue) == ["y"]
    assert not queue.remove(0, "a", "y")


@given(st.lists(st.tuples(st.integers(-2, 2), st.sampled_from("abc"), st.booleans()), max_size=60))
def test_everybody_who_waits_is_taken_once(steps):
    queue, waiting = FairQueue(), []
    for n, (priority, key, takes) in enumerate(steps):
        if takes:
            taken = queue.take()
            assert (taken is None) == (not waiting)
            if taken is not None:
                assert taken[0] == max(each[0] for each in waiting)
                waiting.remove(taken)
        else:
            waiter = (priority, key, n)
            queue.offer(priority, key, waiter)
            waiting.append(waiter)
        assert len(queue) == len(waiting)
