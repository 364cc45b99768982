"""What became of each thing that a caller said."""

from __future__ import annotations

from weighbridge.wire.conversation import Conversation
from weighbridge.wire.receipt import Entry, Fate, Receipt


def test_losses_are_named_and_the_rest_is_not():
    receipt = Receipt()
    receipt.mapped("reasoning", "level low")
    receipt.widened("stop", "the first 4 only")
    receipt.dropped("turns[0].parts[1].cache")
    assert receipt.edits() == ["widened:stop", "dropped:turns[0].parts[1].cache"]
    assert receipt.losses == [Entry(Fate.WIDENED, "stop", "the first 4 only"), Entry(Fate.DROPPED, "turns[0].parts[1].cache")]


def test_a_loss_is_not_taken_back_by_what_follows():
    receipt = Receipt()
    receipt.dropped("top_k", "the target has none")
    receipt.mapped("top_k")
    receipt.widened("top_k")
    assert receipt.losses == [Entry(Fate.DROPPED, "top_k", "the target has none")]


def test_a_mapping_may_turn_out_to_be_a_loss():
    receipt = Receipt()
    receipt.mapped("reasoning")
    receipt.widened("reasoning")
    assert receipt.edits() == ["widened:reasoning"]


def test_what_was_said_and_has_no_entry_was_kept():
    receipt = Receipt()
    receipt.dropped("top_k")
    entries = receipt.entries(Conversation("m", (), top_k=1, temperature=0.0, seed=None, stream=True))
    assert entries[-1] == Entry(Fate.DROPPED, "top_k")
    kept = {entry.field for entry in entries[:-1]}
    assert {"model", "stream"} <= kept
    assert kept.isdisjoint({"top_k", "seed", "turns"})


def test_an_empty_receipt_names_nothing():
    assert Receipt().edits() == []
