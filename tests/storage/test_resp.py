from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.storage.resp import Fault, command, read_reply


def test_a_command_is_told_with_the_lengths_of_its_parts():
    assert command(b"GET", b"a\r\nb") == b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n"


def wire(value):
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"$-1\r\n" if value is None else b"*%d\r\n" % len(value) + b"".join(map(wire, value))


replies = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=30), lambda inner: st.lists(inner, max_size=5), max_leaves=12
)


@given(st.lists(replies, min_size=1, max_size=4), st.data())
def test_replies_are_read_as_they_were_told_and_never_before_they_came_whole(values, data):
    whole = b"".join(map(wire, values))
    cut = data.draw(st.integers(0, len(whole)))
    found, start = [], 0
    for end in (cut, len(whole)):
        while (reply := read_reply(whole[:end], start)) is not None:
            found.append(reply[0])
            start = reply[1]
    assert found == values
    assert start == len(whole)


def test_a_refusal_has_a_word_and_a_sentence():
    reply, _ = read_reply(b"-NOSCRIPT No matching script.\r\n", 0)
    assert isinstance(reply, Fault)
    assert (reply.code, str(reply)) == ("NOSCRIPT", "NOSCRIPT No matching script.")


def test_nothing_is_an_array_too():
    assert read_reply(b"*-1\r\n+OK\r\n", 0) == (None, 5)
    assert read_reply(b"*-1\r\n+OK\r\n", 5) == (b"OK", 10)


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad Request\r\n", b":1x\r\n", b"$x\r\n", b"*x\r\n", b"$1\r\nabc", b"$2000000\r\n", b"+" + b"a" * 1_000_001],
)
def test_what_is_no_reply_is_told_from_one_that_has_not_come_whole(data):
    with pytest.raises(ValueError, match=r"."):
        read_reply(data, 0)
