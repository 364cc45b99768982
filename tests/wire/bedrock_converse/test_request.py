"""A whole request to Converse, judged by the service's own description where botocore is installed."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.wire.bedrock_converse import OUTBOUND
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import (
    AnswerFormat,
    CacheBreakpoint,
    ChoiceMode,
    Conversation,
    Document,
    FormatKind,
    FunctionTool,
    Image,
    MediaBytes,
    Reasoning,
    ReasoningWish,
    Role,
    Seal,
    SealKind,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

CLAUDE, NOVA = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-lite-v1:0"
ASK = Turn(Role.USER, (Text("hi"),))


def request(model=CLAUDE, quirks=NO_QUIRKS, turns=(ASK,), **fields):
    receipt = Receipt()
    body = decode_json(OUTBOUND.write_request(Conversation(model, turns, **fields), TargetContext(model, quirks), receipt))
    return body, receipt


RICH = {
    "turns": (
        Turn(Role.SYSTEM, (Text("be brief", cache=CacheBreakpoint("1h")),)),
        Turn(
            Role.USER,
            (Text("look"), Image(MediaBytes("iVBORw0KGgo=", "image/png")), Document(plain_text="x", name="a", cites=True)),
        ),
        Turn(Role.ASSISTANT, (Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "Er==")), ToolCall("c", "f", '{"a":1}'))),
        Turn(Role.USER, (ToolResult("c", (Text("42"),), is_error=False),)),
    ),
    "tools": (FunctionTool("f", "does f", {"type": "object"}, strict=True, cache=CacheBreakpoint()),),
    "tool_choice": ToolChoice(ChoiceMode.AUTO),
    "max_output_tokens": 4000,
    "stop": ("END",),
    "answer_format": AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object"}, "City", "a city"),
    "reasoning": ReasoningWish(budget_tokens=2048),
    "metadata": {"team": "blue", "bad key é": "x", "deep": {"a": 1}},
    "service_tier": "priority",
}


def test_every_kind_of_thing_has_its_place():
    body, receipt = request(**RICH)
    assert body["inferenceConfig"] == {"maxTokens": 4000, "stopSequences": ["END"]}
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert body["outputConfig"]["textFormat"]["structure"]["jsonSchema"] == {
        "schema": '{"type":"object"}',
        "name": "City",
        "description": "a city",
    }
    assert body["requestMetadata"] == {"team": "blue"}
    assert body["serviceTier"] == {"type": "priority"}
    assert "model" not in body
    assert receipt.edits() == ["dropped:metadata.bad key é", "dropped:metadata.deep"]


@pytest.mark.parametrize("fields", [{}, RICH, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}])
def test_the_service_takes_what_is_written(fields):
    loaders = pytest.importorskip("botocore.loaders", reason="the AWS extra is not installed")
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    service = ServiceModel(loaders.Loader().load_service_model("bedrock-runtime", "service-2"))
    body, _ = request(**fields)
    shape = service.operation_model("Converse").input_shape
    if "outputConfig" not in shape.members:
        pytest.skip("an older description of the service")
    assert ParamValidator().validate(body | {"modelId": CLAUDE}, shape).generate_report() == ""


def test_the_same_request_is_written_byte_for_byte_the_same():
    one = OUTBOUND.write_request(Conversation(CLAUDE, **RICH), TargetContext(CLAUDE), Receipt())
    assert one == OUTBOUND.write_request(Conversation(CLAUDE, **RICH), TargetContext(CLAUDE), Receipt())


def test_thinking_claude_is_neither_sampled_nor_forced():
    body, receipt = request(
        reasoning=ReasoningWish(budget_tokens=2048),
        temperature=0.2,
        top_p=0.5,
        top_k=3,
        tools=(FunctionTool("f"),),
        tool_choice=ToolChoice(ChoiceMode.REQUIRED),
    )
    assert "inferenceConfig" not in body
    assert body["toolConfig"]["toolChoice"] == {"auto": {}}
    assert receipt.edits() == ["dropped:temperature", "dropped:top_p", "widened:tool_choice", "dropped:top_k"]


def test_thinking_claude_takes_what_changes_nothing():
    body, receipt = request(reasoning=ReasoningWish(budget_tokens=2048), temperature=1, top_p=0.99)
    assert body["inferenceConfig"] == {"temperature": 1, "topP": 0.99}
    assert receipt.losses == []


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (CLAUDE, {"top_k": 5}),
        (NOVA, {"inferenceConfig": {"topK": 5}}),
        ("cohere.command-r-v1:0", {"k": 5}),
    ],
)
def test_top_k_goes_where_the_vendor_wants_it(model, fields):
    assert request(model, top_k=5)[0]["additionalModelRequestFields"] == fields


def test_top_k_for_an_unknown_model_is_dropped():
    body, receipt = request("arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/x", top_k=5)
    assert "additionalModelRequestFields" not in body
    assert receipt.edits() == ["dropped:top_k"]


def test_nova_at_its_highest_effort_gets_no_bounds():
    body, receipt = request(
        "us.amazon.nova-2-lite-v1:0", reasoning=ReasoningWish(effort="high"), max_output_tokens=10, temperature=0.1
    )
    assert "inferenceConfig" not in body
    assert receipt.edits() == ["dropped:max_output_tokens", "dropped:temperature"]


def test_a_schema_for_a_model_that_obeys_none_becomes_an_instruction():
    body, receipt = request(NOVA, answer_format=AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object"}))
    assert "outputConfig" not in body
    assert '{"type":"object"}' in body["system"][-1]["text"]
    assert receipt.edits() == ["widened:answer_format"]


def test_temperatures_above_one_are_cut_and_tiers_are_translated():
    body, receipt = request(temperature=1.5, service_tier="standard_only")
    assert (body["inferenceConfig"], body["serviceTier"]) == ({"temperature": 1}, {"type": "default"})
    assert receipt.edits() == ["widened:temperature"]
    body, receipt = request(service_tier="scale")
    assert ("serviceTier" in body, receipt.edits()) == (False, ["dropped:service_tier"])
    assert request(service_tier="auto")[1].losses == []


def test_what_converse_cannot_say_is_named():
    _, receipt = request(seed=1, n=2, user="u", logit_bias={"1": 2}, vendor={"container": "c"}, vendor_origin="anthropic")
    assert receipt.edits() == ["dropped:container", "dropped:seed", "dropped:n", "dropped:logit_bias", "dropped:user"]


def test_converses_own_fields_are_said_again():
    vendor = {
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "additionalModelRequestFields": {"anthropic_beta": ["x"]},
        "nonsense": 1,
    }
    body, receipt = request(top_k=5, vendor=vendor, vendor_origin="bedrock")
    assert body["guardrailConfig"] == vendor["guardrailConfig"]
    assert body["additionalModelRequestFields"] == {"anthropic_beta": ["x"], "top_k": 5}
    assert receipt.edits() == ["dropped:nonsense"]


def test_quirks_of_a_provider_are_applied():
    body, receipt = request(
        quirks=Quirks(refuses=("temperature",), max_stop=1, renames={"requestMetadata": "meta"}),
        temperature=0.5,
        stop=("a", "b"),
        metadata={"a": "b"},
    )
    assert body["inferenceConfig"] == {"stopSequences": ["a"]}
    assert body["meta"] == {"a": "b"}
    assert receipt.edits() == ["dropped:temperature", "widened:stop"]
