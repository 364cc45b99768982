"""What a caller's configuration says about the answer."""

from __future__ import annotations

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import AnswerFormat, AudioWish, FormatKind, ReasoningWish
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.config_reader import read_output
from weighbridge.wire.receipt import Receipt

SCHEMA = {"type": "object", "properties": {"next": {"$ref": "#"}}}


def read(**fields):
    return read_output(Fields(fields, "generationConfig"), Receipt())


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({}, None),
        ({"responseMimeType": "text/plain"}, AnswerFormat(FormatKind.TEXT)),
        ({"responseMimeType": "application/json"}, AnswerFormat(FormatKind.JSON)),
        ({"responseJsonSchema": SCHEMA, "responseMimeType": "application/json"}, AnswerFormat(FormatKind.JSON_SCHEMA, SCHEMA)),
        ({"responseSchema": {"type": "STRING"}}, AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "string"})),
    ],
)
def test_a_format_is_a_type_and_a_schema(fields, wish):
    assert read(**fields).answer_format == wish


def test_a_type_that_only_google_has_is_kept_for_google():
    output = read(responseMimeType="text/x.enum", responseSchema={"type": "STRING", "enum": ["A"]})
    assert output.vendor == {"responseMimeType": "text/x.enum"}
    assert output.answer_format.schema == {"type": "string", "enum": ["A"]}


def test_modalities_are_words_or_numbers():
    assert read(responseModalities=["TEXT", 2, "audio", "MODALITY_UNSPECIFIED"]).modalities == ("text", "image", "audio")


@pytest.mark.parametrize(
    ("speech", "wish"),
    [
        ({"voice_config": {"prebuiltVoiceConfig": {"voice_name": "Kore"}}}, AudioWish("Kore")),
        ({"languageCode": "de", "voiceConfig": {}}, AudioWish({"languageCode": "de", "voiceConfig": {}})),
    ],
)
def test_a_voice_is_a_name_or_the_vendors_object(speech, wish):
    assert read(speechConfig=speech).audio == wish


def test_thinking_and_what_only_google_knows_are_read():
    output = read(thinkingConfig={"thinking_budget": 5}, imageConfig={"aspectRatio": "1:1"}, mediaResolution=None)
    assert output.reasoning == ReasoningWish(budget_tokens=5)
    assert output.vendor == {"imageConfig": {"aspectRatio": "1:1"}}


def test_a_schema_of_another_type_is_refused_by_its_path():
    with pytest.raises(GatewayError) as refused:
        read(responseSchema="x")
    assert refused.value.param == "generationConfig.responseSchema"
