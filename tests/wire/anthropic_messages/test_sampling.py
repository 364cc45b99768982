from __future__ import annotations

import pytest

from weighbridge.wire.anthropic_messages.sampling import write_sampling
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt


def write(quirks=NO_QUIRKS, *, is_thinking=False, **fields):
    receipt, body = Receipt(), {}
    write_sampling(Conversation("m", (), **fields), "claude-x", quirks, receipt, body, is_thinking=is_thinking)
    return body, receipt.edits()


def test_what_fits_goes_as_it_is():
    assert write(temperature=0.3, top_k=5, stop=("END",)) == ({"temperature": 0.3, "top_k": 5, "stop_sequences": ["END"]}, [])
    assert write(top_p=0.9) == ({"top_p": 0.9}, [])


def test_a_temperature_above_one_is_one():
    assert write(temperature=1.7) == ({"temperature": 1}, ["widened:temperature"])


@pytest.mark.parametrize(
    ("temperature", "top_p", "body", "lost"),
    [
        (0.3, 1, {"temperature": 0.3}, []),
        (1, 0.5, {"top_p": 0.5}, []),
        (0.3, 0.5, {"temperature": 0.3}, ["dropped:top_p"]),
    ],
)
def test_temperature_and_top_p_exclude_each_other(temperature, top_p, body, lost):
    assert write(temperature=temperature, top_p=top_p) == (body, lost)


def test_thinking_takes_no_temperature():
    assert write(is_thinking=True, temperature=0.3, top_k=5) == ({}, ["dropped:temperature", "dropped:top_k"])
    assert write(is_thinking=True, temperature=1) == ({}, [])
    assert write(is_thinking=True, top_p=0.97) == ({"top_p": 0.97}, [])
    assert write(is_thinking=True, top_p=0.5) == ({}, ["dropped:top_p"])


def test_some_models_take_none():
    fixed = Quirks(fixed_sampling=("claude-x*",))
    assert write(fixed, temperature=0.3, top_p=0.97, top_k=2) == ({}, ["dropped:temperature", "dropped:top_k", "dropped:top_p"])
    assert write(fixed, temperature=1, top_p=1) == ({"top_p": 1}, [])


def test_blank_stops_are_left_out():
    assert write(stop=("\n", "", "END")) == ({"stop_sequences": ["END"]}, ["dropped:stop"])
    assert write(stop=("\n",)) == ({}, ["dropped:stop"])


def test_no_more_stops_than_are_taken():
    assert write(Quirks(max_stop=1), stop=("a", "b")) == ({"stop_sequences": ["a"]}, ["dropped:stop"])
