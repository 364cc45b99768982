from __future__ import annotations

import asyncio

import pytest

from weighbridge.app import supervisor_client
from weighbridge.app.supervisor_client import KeyQuestions, ModelQuestions, PayloadSender, ResponseQuestions, TokenQuestions
from weighbridge.control.channel import (
    ClaimResponse,
    CountedTokens,
    CountTokens,
    FindKey,
    FindResponse,
    ForgetResponse,
    FoundKey,
    FoundResponse,
    KeepResponse,
    ListedModels,
    ListModels,
)
from weighbridge.core.payloads import Payload
from weighbridge.core.ports import TextSeen, TokensSeen
from weighbridge.core.terms import VirtualKey

KEY = VirtualKey("key_1", "a key", b"digest")


async def asked(sent):
    while not sent:
        await asyncio.sleep(0)
    return sent.pop()


async def test_a_question_gets_its_own_answer():
    sent = []
    keys = KeyQuestions(sent.append)
    first = asyncio.ensure_future(keys.find(b"one"))
    one = await asked(sent)
    second = asyncio.ensure_future(keys.find(b"two"))
    two = await asked(sent)
    assert (one, two) == (FindKey(1, b"one"), FindKey(2, b"two"))
    keys.answered(FoundKey(2, None))
    keys.answered(FoundKey(1, KEY))
    assert (await first, await second) == (KEY, None)


async def test_without_an_answer_in_time_what_was_asked_for_is_unknown(monkeypatch):
    monkeypatch.setattr(supervisor_client, "_QUESTION_S", 0)
    keys = KeyQuestions(lambda _message: None)
    assert await keys.find(b"one") is None
    keys.answered(FoundKey(1, KEY))  # too late, and nobody minds


async def test_responses_are_kept_found_and_forgotten_by_way_of_the_supervisor():
    sent = []
    responses = ResponseQuestions(sent.append)
    responses.keep("key_1", "resp_1", b"content")
    assert sent.pop() == KeepResponse("key_1", "resp_1", b"content")
    found = asyncio.ensure_future(responses.find("key_1", "resp_1"))
    question = await asked(sent)
    assert question == FindResponse(1, "key_1", "resp_1")
    responses.answered(FoundResponse(1, b"content"))
    assert await found == b"content"
    responses.forget("key_1", "resp_1")
    assert sent.pop() == ForgetResponse("key_1", "resp_1")


async def test_what_is_kept_under_a_name_is_claimed_in_one_question():
    sent = []
    responses = ResponseQuestions(sent.append)
    claimed = asyncio.ensure_future(responses.claim("pending"))
    assert await asked(sent) == ClaimResponse(1, "pending")
    responses.answered(FoundResponse(1, b"content"))
    assert await claimed == b"content"


@pytest.mark.parametrize("number", [0, 99])
def test_an_answer_to_no_question_is_nothing(number):
    ResponseQuestions(lambda _message: None).answered(FoundResponse(number, b"x"))


async def test_text_is_counted_by_way_of_the_supervisor_and_each_asker_is_told_once():
    sent, told = [], []
    tokens = TokenQuestions(sent.append)
    seen = TextSeen("gpt-4o", b"{}", b"x", 1)
    tokens.count(seen, told.append)
    assert sent == [CountTokens(1, seen)]
    tokens.answered(CountedTokens(1, TokensSeen(3, 4)))
    tokens.answered(CountedTokens(1, TokensSeen(5, 6)))
    assert told == [TokensSeen(3, 4)]


async def test_a_count_that_takes_too_long_is_done_without(monkeypatch):
    monkeypatch.setattr(supervisor_client, "_COUNT_S", 0)
    told = asyncio.get_running_loop().create_future()
    TokenQuestions(lambda _message: None).count(TextSeen("m", b"", b"x", 1), told.set_result)
    assert await told is None


async def test_when_too_many_texts_are_on_their_way_the_next_is_not_sent(monkeypatch):
    monkeypatch.setattr(supervisor_client, "_MAX_COUNTS", 1)
    sent, told = [], []
    tokens = TokenQuestions(sent.append)
    for _ in range(2):
        tokens.count(TextSeen("m", b"", b"x", 1), told.append)
    assert (len(sent), told) == (1, [None])
    tokens.answered(CountedTokens(1, None))


def test_payloads_do_not_stand_in_the_way_of_records_and_what_was_dropped_is_told():
    sent, backlog = [], [0]
    sender = PayloadSender(sent.append, lambda: backlog[0])
    payload = Payload("req_1", 1, "", "", b"{}", 2, b"{}", 2, "application/json", "")
    sender.keep(payload)
    backlog[0] = 100_000_000
    sender.keep(payload)
    sender.keep(payload)
    backlog[0] = 0
    sender.keep(payload)
    sender.keep(payload)
    assert [message.n_dropped for message in sent] == [0, 2, 0]


async def test_models_are_asked_for_and_without_an_answer_there_are_none(monkeypatch):
    sent = []
    models = ModelQuestions(sent.append)
    names = asyncio.ensure_future(models.names())
    assert await asked(sent) == ListModels(1)
    models.answered(ListedModels(1, {"x": ("a",)}))
    assert await names == {"x": ("a",)}
    monkeypatch.setattr(supervisor_client, "_QUESTION_S", 0)
    assert await models.names() == {}
