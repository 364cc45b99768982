from __future__ import annotations

from weighbridge.control.target_board import TargetBoard
from weighbridge.routing.health_events import (
    BreakerClosed,
    BreakerOpened,
    KeyCleared,
    KeyParked,
    KeyRested,
    KeyStatus,
    TargetState,
    TargetStatus,
)
from weighbridge.routing.provider_key import KeyState

NOW = 10**18


def status(name, **facts):
    key = KeyStatus("openai#1", KeyState(facts.pop("key", "well")), "", facts.pop("key_retry_ns", 0), 1)
    usual = {
        "state": "closed",
        "reason": "",
        "retry_in_ns": 0,
        "pace": 1.0,
        "in_flight": 1,
        "n_lately": 10,
        "n_failed": 1,
        "n_slow": 0,
        "first_token_ns": 0,
        "total_ns": 100,
        "headroom": 1.0,
    }
    facts = {**usual, **facts}
    return TargetStatus(id=name, **{**facts, "state": TargetState(facts["state"])}, keys=(key,))


def test_a_new_worker_is_told_what_is_held_against_whom_and_has_not_run_out():
    board = TargetBoard()
    opened = BreakerOpened("a/m", NOW + 5, "down")
    rested = KeyRested("b", "b#1", "m", NOW + 9, 1, KeyState.RESTING, "rate_limited")
    parked = KeyParked("c", "c#1", "", NOW - 5, 1, "refused")
    board.heard([BreakerOpened("a/m", NOW + 3, "down"), opened, rested, parked, BreakerOpened("d/m", NOW + 9, "down")])
    board.heard([BreakerClosed("d/m")])
    assert board.held(NOW) == [opened, rested, parked]
    assert board.held(NOW + 6) == [rested, parked]
    board.heard([KeyCleared("c", "c#1", "")])
    assert board.held(NOW + 20) == []


def test_of_several_workers_pictures_the_worst_state_and_the_sums_are_told():
    board = TargetBoard()
    board.saw(0, [status("a/m", first_token_ns=100), status("b/m")])
    board.saw(1, [status("a/m", state="open", reason="down", retry_in_ns=7, pace=0.1, key="resting", key_retry_ns=5, headroom=0.5)])
    first, second = board.statuses()
    assert (first.id, first.state, first.reason, first.retry_in_ns) == ("a/m", TargetState.OPEN, "down", 7)
    assert (first.in_flight, first.n_lately, first.n_failed, first.pace, first.headroom) == (2, 20, 2, 0.1, 0.5)
    assert (first.first_token_ns, first.total_ns) == (100, 100)
    assert [(key.name, key.state, key.in_flight) for key in first.keys] == [("openai#1", KeyState.RESTING, 2)]
    assert second.id == "b/m"


def test_a_workers_newer_picture_takes_the_place_of_the_older():
    board = TargetBoard()
    board.saw(0, [status("a/m", in_flight=5)])
    board.saw(0, [status("a/m", in_flight=1)])
    assert board.statuses()[0].in_flight == 1
