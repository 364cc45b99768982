from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.pipeline.said import Graft, Said, may_be_followed
from weighbridge.wire.events import (
    ArgumentsDelta,
    Ended,
    Finished,
    FinishReason,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageReported,
)

TEXT = PartStarted(0, 0, PartKind.TEXT)
STOP = Finished(0, FinishReason.STOP)


def said(*events):
    so_far = Said(writer=None)
    so_far.take(events)
    return so_far


@pytest.mark.parametrize(
    ("events", "can"),
    [
        ([], True),
        ([Started(), TEXT, TextDelta(0, 0, "Hi")], True),
        ([TEXT, TextDelta(0, 0, "Hi"), PartEnded(0, 0)], True),
        ([PartStarted(0, 0, PartKind.REASONING), ReasoningDelta(0, 0, "Hm")], False),
        ([PartStarted(0, 0, PartKind.REASONING), PartEnded(0, 0), PartStarted(0, 1, PartKind.TEXT)], True),
        ([PartStarted(0, 0, PartKind.TOOL_CALL), ArgumentsDelta(0, 0, "{")], False),
        ([PartStarted(0, 0, PartKind.TOOL_CALL), PartEnded(0, 0)], False),
        ([PartStarted(1, 0, PartKind.TEXT)], False),
        ([TEXT, TextDelta(0, 0, "Hi"), PartEnded(0, 0), STOP], False),
    ],
)
def test_only_plain_text_that_has_not_ended_can_be_gone_on_with(events, can):
    assert said(*events).can_go_on is can


def test_the_rest_joins_the_text_that_was_open():
    graft = Graft(said(TEXT, TextDelta(0, 0, "Once upon a ")))
    rest = [Started(), PartStarted(0, 0, PartKind.TEXT), TextDelta(0, 0, "time there was"), PartEnded(0, 0), STOP, Ended()]
    assert graft.take(rest) == [TextDelta(0, 0, "time there was"), PartEnded(0, 0), STOP, Ended()]


def test_parts_that_follow_get_the_next_numbers_and_thoughts_none():
    graft = Graft(said(TEXT, TextDelta(0, 0, "x")))
    call = PartStarted(0, 1, PartKind.TOOL_CALL, call_id="c", name="f")
    thought = [PartStarted(0, 0, PartKind.REASONING), ReasoningDelta(0, 0, "Hm"), PartEnded(0, 0)]
    called = [call, ArgumentsDelta(0, 1, "{}"), PartEnded(0, 1), STOP]
    assert graft.take([*thought, *called]) == [PartEnded(0, 0), *called]


def test_before_any_text_the_second_answer_is_the_whole_answer():
    graft = Graft(said(Started()))
    usage = UsageReported(Usage(input=1))
    assert graft.take([TEXT, TextDelta(0, 0, "Hello"), PartEnded(0, 0), usage, STOP]) == [
        TEXT,
        TextDelta(0, 0, "Hello"),
        PartEnded(0, 0),
        usage,
        STOP,
    ]


def test_who_begins_anew_is_no_continuation():
    graft = Graft(said(TEXT, TextDelta(0, 0, "Once upon a time there was a king")))
    with pytest.raises(GatewayError) as caught:
        graft.take([TEXT, TextDelta(0, 0, "Once upon a time in the west")])
    assert caught.value.kind is ErrorKind.PROVIDER_BROKE_OFF


def test_only_a_providers_failure_is_followed():
    assert may_be_followed(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, ""))
    assert not may_be_followed(GatewayError(ErrorKind.CLIENT_CLOSED, ""))
