from __future__ import annotations

from copy import deepcopy

import pytest

from weighbridge.wire.anthropic_messages.cache_marks import limit_cache_marks
from weighbridge.wire.receipt import Receipt

MARK = {"cache_control": {"type": "ephemeral"}}


def text(words, *, is_marked=True):
    return {"type": "text", "text": words, **(MARK if is_marked else {})}


def body(count):
    blocks = [text(str(i)) for i in range(count)]
    return {"system": "s", "messages": [{"role": "user", "content": "x"}, {"role": "user", "content": blocks}]}


@pytest.mark.parametrize("count", [0, 1, 4])
def test_as_many_as_are_taken_stay(count):
    before, receipt = body(count), Receipt()
    after = deepcopy(before)
    limit_cache_marks(after, receipt)
    assert (after, receipt.edits()) == (before, [])


def test_the_last_ones_stay():
    receipt = Receipt()
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("in")], **MARK}
    request = {
        "tools": [{"name": "f", **MARK}],
        "system": [text("s")],
        "messages": [{"role": "user", "content": [result, text("a"), text("b", is_marked=False), text("c")]}],
        **MARK,
    }
    limit_cache_marks(request, receipt)
    assert receipt.edits() == ["dropped:turns.cache"]
    assert request["tools"] == [{"name": "f"}]
    assert request["system"] == [text("s", is_marked=False)]
    assert result["content"] == [text("in", is_marked=False)]
    assert "cache_control" in result
    assert request["messages"][0]["content"][1:] == [text("a"), text("b", is_marked=False), text("c")]
    assert "cache_control" in request
