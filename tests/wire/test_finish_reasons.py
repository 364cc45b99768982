"""Why an answer ended, in each dialect's words."""

from __future__ import annotations

import pytest

from weighbridge.wire.events import FinishReason
from weighbridge.wire.finish_reasons import (
    READ_ANTHROPIC,
    READ_GEMINI,
    READ_OPENAI_CHAT,
    READ_RESPONSES_INCOMPLETE,
    WRITE_ANTHROPIC,
    WRITE_GEMINI,
    WRITE_OPENAI_CHAT,
    WRITE_RESPONSES_INCOMPLETE,
)

WRITERS = {"openai": WRITE_OPENAI_CHAT, "anthropic": WRITE_ANTHROPIC, "gemini": WRITE_GEMINI}
READERS = {"openai": READ_OPENAI_CHAT, "anthropic": READ_ANTHROPIC, "gemini": READ_GEMINI}
TOLD_APART = (FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER)


@pytest.mark.parametrize("dialect", WRITERS)
def test_every_reason_has_a_word(dialect):
    assert set(WRITERS[dialect]) == set(FinishReason)


@pytest.mark.parametrize("dialect", WRITERS)
def test_every_word_that_is_written_is_known(dialect):
    assert set(WRITERS[dialect].values()) <= set(READERS[dialect])


@pytest.mark.parametrize("dialect", WRITERS)
def test_a_cut_answer_never_reads_as_a_whole_one(dialect):
    for reason in (FinishReason.LENGTH, FinishReason.CONTEXT_LENGTH, FinishReason.CONTENT_FILTER):
        assert READERS[dialect][WRITERS[dialect][reason]] is not FinishReason.STOP


@pytest.mark.parametrize("dialect", ["openai", "gemini"])
@pytest.mark.parametrize("reason", TOLD_APART)
def test_the_usual_reasons_are_read_as_they_were_written(dialect, reason):
    assert READERS[dialect][WRITERS[dialect][reason]] is reason


def test_anthropic_is_read_as_it_was_written_in_all_it_can_tell_apart():
    for word, reason in READ_ANTHROPIC.items():
        assert WRITE_ANTHROPIC[reason] == word


@pytest.mark.parametrize("dialect", WRITERS)
def test_a_cut_never_looks_like_an_end(dialect):
    written = WRITERS[dialect]
    natural = written[FinishReason.STOP]
    for reason in (FinishReason.LENGTH, FinishReason.CONTEXT_LENGTH, FinishReason.CONTENT_FILTER):
        assert written[reason] != natural


def test_a_responses_end_without_a_reason_is_complete():
    assert set(WRITE_RESPONSES_INCOMPLETE) == {FinishReason.LENGTH, FinishReason.CONTEXT_LENGTH, FinishReason.CONTENT_FILTER}
    for word, reason in READ_RESPONSES_INCOMPLETE.items():
        assert WRITE_RESPONSES_INCOMPLETE[reason] == word
