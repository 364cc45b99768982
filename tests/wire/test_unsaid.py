"""What a target cannot say."""

from __future__ import annotations

from weighbridge.core.errors import ErrorKind
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.unsaid import drop_unsaid, drop_vendor_fields, limited_stops, nothing_to_answer, without_refused


def test_only_what_asks_for_something_is_dropped():
    receipt = Receipt()
    conversation = Conversation("m", (), n=1, seed=7, logprobs=False, parallel_tool_calls=False, presence_penalty=0.0)
    drop_unsaid(conversation, ("n", "seed", "logprobs", "parallel_tool_calls", "presence_penalty", "user"), receipt)
    assert receipt.edits() == ["dropped:seed", "widened:parallel_tool_calls"]


def test_what_a_provider_refuses_is_taken_out_and_named():
    receipt = Receipt()
    conversation = Conversation("m", (), n=2, seed=7, stop=("a",))
    kept = without_refused(conversation, Quirks(refuses=("n", "stop", "user", "no_such_field")), receipt)
    assert (kept.n, kept.stop, kept.seed) == (None, (), 7)
    assert receipt.edits() == ["dropped:n", "dropped:stop"]


def test_a_provider_that_refuses_nothing_costs_nothing():
    conversation = Conversation("m", (), n=2)
    assert without_refused(conversation, NO_QUIRKS, Receipt()) is conversation


def test_another_vendors_fields_are_dropped_by_name():
    receipt = Receipt()
    drop_vendor_fields(Conversation("m", (), vendor={"container": 1}, vendor_origin="anthropic"), receipt)
    assert receipt.edits() == ["dropped:container"]


def test_stop_sequences_beyond_the_bound_are_left_out_and_blank_ones_always():
    receipt = Receipt()
    conversation = Conversation("m", (), stop=("a", "", "b", "c"))
    assert limited_stops(conversation, 2, receipt) == ["a", "b"]
    assert receipt.edits() == ["widened:stop"]
    assert limited_stops(conversation, 0, Receipt()) == ["a", "b", "c"]


def test_a_request_without_a_message_is_the_callers_fault():
    assert nothing_to_answer().kind is ErrorKind.INVALID_REQUEST
