from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Dialect, WireFormat
from weighbridge.providers.base import CallPath

FORMATS = {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}
PATH = "/v1/responses"


def answer(text):
    return encode_json(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )


@pytest.fixture
def world(build):
    made = build.provider
    return build(
        providers=(
            made("anthropic", {Dialect.ANTHROPIC: ""}, formats=FORMATS),
            made("openai", {Dialect.OPENAI: "/v1"}),
        )
    )


async def ask(world, text, **fields):
    world.will_reply(answer(f"answer to {text}"))
    return await world.ask("POST", PATH, {"model": "anthropic/m", "input": text} | fields)


def sent_texts(world):
    messages = decode_json(world.sent_body)["messages"]
    return [m["content"] if isinstance(m["content"], str) else m["content"][0]["text"] for m in messages]


async def test_a_next_turn_goes_on_from_what_was_said_before(world):
    first = (await ask(world, "one")).json
    second = (await ask(world, "two", previous_response_id=first["id"])).json
    assert sent_texts(world) == ["one", "answer to one", "two"]
    assert second["previous_response_id"] == first["id"]
    await ask(world, [{"role": "user", "content": "three"}], previous_response_id=second["id"])
    assert sent_texts(world) == ["one", "answer to one", "two", "answer to two", "three"]


async def test_keeping_is_no_loss_and_not_keeping_is_obeyed(world):
    kept = await ask(world, "one", store=True)
    assert kept.fields["x-weighbridge-edits"] == "translated:openai-responses>anthropic-messages"
    first = (await ask(world, "one", store=False)).json
    refused = await world.ask("POST", PATH, {"model": "anthropic/m", "input": "x", "previous_response_id": first["id"]})
    assert (refused.status, refused.json["error"]["code"]) == (400, "previous_response_not_found")
    assert refused.json["error"]["param"] == "previous_response_id"


async def test_a_kept_response_is_fetched_listed_and_deleted_by_its_own_key(world):
    first = (await ask(world, "one")).json
    asked = len(world.upstream.requests)
    assert (await world.ask("GET", f"{PATH}/{first['id']}")).json == first
    items = (await world.ask("GET", f"{PATH}/{first['id']}/input_items")).json
    assert [item["content"] for item in items["data"]] == ["one"]
    deleted = (await world.ask("DELETE", f"{PATH}/{first['id']}")).json
    assert deleted == {"id": first["id"], "object": "response", "deleted": True}
    assert len(world.upstream.requests) == asked
    assert world.responses.kept == {}


async def test_what_is_not_kept_here_is_asked_of_the_provider(world):
    await world.ask("GET", f"{PATH}/resp_theirs")
    assert world.request_line == f"GET {PATH}/resp_theirs HTTP/1.1"


async def test_a_stream_is_kept_too(world):
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1}}
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "said"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    world.will_stream(*(b"data: " + encode_json(event) + b"\n\n" for event in events))
    await world.ask("POST", PATH, {"model": "anthropic/m", "input": "one", "stream": True})
    ((_, response_id),) = world.responses.kept
    await ask(world, "two", previous_response_id=response_id)
    assert sent_texts(world) == ["one", "said", "two"]


async def test_a_reply_that_broke_off_is_not_kept(world):
    world.will_stream(b'data: {"type":"message_start","message":{"id":"msg_1","content":[],"usage":{}}}\n\n')
    await world.ask("POST", PATH, {"model": "anthropic/m", "input": "one", "stream": True})
    assert world.responses.kept == {}


async def test_every_settled_answer_has_one_record(world):
    first = (await ask(world, "one")).json
    await world.ask("GET", f"{PATH}/{first['id']}")
    assert [record.status for record in world.sink.records] == [200, 200]
