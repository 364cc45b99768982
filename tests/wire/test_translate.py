from __future__ import annotations

import pytest

from weighbridge.core.terms import Operation, WireFormat
from weighbridge.wire.translate import DIALECT_OF, FORMAT_OF, INBOUND, OUTBOUND, best_format

F = WireFormat


def test_every_format_belongs_to_a_dialect_and_stands_on_some_side():
    assert set(DIALECT_OF) == set(WireFormat)
    assert set(INBOUND) | set(OUTBOUND) == set(WireFormat)


def test_every_operation_that_is_translated_can_be_read_and_answered():
    assert set(FORMAT_OF.values()) == set(INBOUND)
    assert FORMAT_OF[Operation.GENERATE] is FORMAT_OF[Operation.STREAM_GENERATE]


@pytest.mark.parametrize("caller", list(INBOUND))
@pytest.mark.parametrize("spoken", list(OUTBOUND))
def test_a_provider_with_one_format_is_asked_in_it(caller, spoken):
    assert best_format(caller, (spoken,)) is spoken


@pytest.mark.parametrize("caller", sorted(set(INBOUND) & set(OUTBOUND)))
def test_a_callers_own_format_is_taken_wherever_it_stands(caller):
    assert best_format(caller, tuple(OUTBOUND)) is caller
    assert best_format(caller, tuple(reversed(OUTBOUND))) is caller


def test_the_providers_best_goes_first_but_chat_is_asked_in_chat():
    best_first = (F.OPENAI_RESPONSES, F.OPENAI_CHAT)
    assert best_format(F.ANTHROPIC_MESSAGES, best_first) is F.OPENAI_RESPONSES
    assert best_format(F.ANTHROPIC_MESSAGES, tuple(reversed(best_first))) is F.OPENAI_CHAT
    assert best_format(F.OPENAI_COMPLETIONS, best_first) is F.OPENAI_CHAT


def test_a_provider_that_speaks_nothing_of_ours_cannot_be_asked():
    assert best_format(F.OPENAI_CHAT, ()) is None
    assert best_format(F.OPENAI_CHAT, (F.OPENAI_COMPLETIONS,)) is None
