from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.wire.anthropic_messages.request_reader import read_request
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import AnswerFormat, CacheBreakpoint, FormatKind, ReasoningWish, Role, Text, Turn
from weighbridge.wire.receipt import Receipt

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
HELLO = [{"role": "user", "content": "hello"}]
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


def read(receipt=None, /, **fields):
    body = json.dumps({"model": "claude-x", "messages": HELLO, **fields}).encode()
    return read_request(body, RequestContext("of-the-path"), receipt or Receipt())


def refused(**fields):
    with pytest.raises(GatewayError) as caught:
        read(**fields)
    return caught.value.param


def test_the_plain_fields():
    conversation = read(
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop_sequences=["END"],
        stream=True,
        service_tier="auto",
        metadata={"user_id": "u"},
        cache_control={"type": "ephemeral"},
    )
    assert (conversation.model, conversation.stream, conversation.max_output_tokens) == ("claude-x", True, 9)
    assert (conversation.temperature, conversation.top_p, conversation.top_k, conversation.stop) == (0.5, 0.9, 4, ("END",))
    assert (conversation.service_tier, conversation.user, conversation.cache) == ("auto", "u", CacheBreakpoint())
    assert conversation.turns == (Turn(Role.USER, (Text("hello"),)),)


def test_the_path_names_the_model_where_the_body_does_not():
    receipt = Receipt()
    body = json.dumps({"messages": HELLO, "anthropic_version": "bedrock-2023-05-31"}).encode()
    conversation = read_request(body, RequestContext("of-the-path", stream=True), receipt)
    assert (conversation.model, conversation.stream, receipt.edits()) == ("of-the-path", True, [])


def test_the_system_prompt_is_the_first_turn():
    assert read(system="be brief").turns[0] == Turn(Role.SYSTEM, (Text("be brief"),))
    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]
    assert read(system=blocks).turns[0] == Turn(Role.SYSTEM, (Text("a"), Text("b", CacheBreakpoint())))
    assert len(read(system=[]).turns) == 1


def test_a_turn_has_a_part_even_if_it_says_nothing():
    assert read(messages=[{"role": "user", "content": []}]).turns == (Turn(Role.USER, (Text(""),)),)


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, ReasoningWish(None, 2048, is_enabled=True)),
        ({"thinking": {"type": "disabled"}}, ReasoningWish(is_enabled=False)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, ReasoningWish(is_adaptive=True, summary="omitted")),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, ReasoningWish(is_adaptive=True, summary="auto")),
        ({"output_config": {"effort": "high"}}, ReasoningWish("high")),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, ReasoningWish("max", is_adaptive=True)),
        ({}, None),
    ],
)
def test_wishes_for_thinking(fields, wish):
    assert read(**fields).reasoning == wish


@pytest.mark.parametrize("fields", [{"output_config": {"format": None}}, {"output_format": None}, {}])
def test_no_wish_for_a_format(fields):
    assert read(**fields).answer_format is None


def test_both_spellings_of_a_schema():
    wish = {"type": "json_schema", "schema": SCHEMA}
    expected = AnswerFormat(FormatKind.JSON_SCHEMA, SCHEMA)
    assert read(output_config={"format": wish}).answer_format == expected
    assert read(output_format=wish).answer_format == expected


def test_what_nobody_else_has_is_kept_under_its_name():
    conversation = read(container="c", mcp_servers=[{"name": "m"}], speed="fast", output_config={"task_budget": {"total": 9}})
    assert conversation.vendor == {
        "container": "c",
        "mcp_servers": [{"name": "m"}],
        "speed": "fast",
        "output_config": {"task_budget": {"total": 9}},
    }
    assert conversation.vendor_origin == "anthropic"


def test_what_is_not_known_is_told():
    receipt = Receipt()
    read(receipt, frequency_penalty=1, metadata={"user_id": "u", "x": 1}, messages=[{"role": "user", "content": "a", "name": "n"}])
    assert sorted(receipt.edits()) == ["dropped:frequency_penalty", "dropped:messages[0].name", "dropped:metadata.x"]


def test_what_is_wrong_is_named():
    assert refused(messages=None) == "messages"
    assert refused(messages=["Invalid content"]) == "messages[0]"
    assert refused(messages=[{"role": "robot", "content": "x"}]) == "messages[0].role"
    assert refused(messages=[{"role": "user"}]) == "messages[0].content"
    assert refused(max_tokens="many") == "max_tokens"
    assert refused(thinking={"type": "deep"}) == "thinking.type"
    assert refused(output_config={"format": {"type": "yaml"}}) == "output_config.format.type"
    assert refused(output_format={"type": "json_schema"}) == "output_format.schema"


def test_what_is_no_json_is_refused():
    with pytest.raises(GatewayError):
        read_request(b"{", RequestContext("m"), Receipt())


def recorded_requests():
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["has_request"] == "yes"]
    for row in rows:
        is_claude_on_bedrock = row["wire"] == "bedrock-invoke" and "anthropic" in row["model"]
        if row["wire"] not in {"anthropic-messages", "anthropic-count-tokens"} and not is_claude_on_bedrock:
            continue
        body = json.loads((RECORDINGS / row["path"]).read_bytes())["request"].get("body")
        if isinstance(body, dict) and "messages" in body:
            yield row["path"], row["status"], body


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded exchanges are not beside this checkout")
def test_recorded_requests_are_read_without_loss():
    count = 0
    for path, status, body in recorded_requests():
        if status != "200" and body["messages"] == ["Invalid content"]:
            continue
        receipt = Receipt()
        conversation = read_request(json.dumps(body).encode(), RequestContext("of-the-path"), receipt)
        assert receipt.entries(conversation)
        assert receipt.losses == [], path
        count += 1
    assert count > 55
