"""A caller's `generationConfig`, field by field. https://ai.google.dev/api/generate-content#generationconfig"""

from __future__ import annotations

from typing import Final, NamedTuple

from weighbridge.wire.conversation import AnswerFormat, AudioWish, FormatKind, ReasoningWish
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.schemas import json_schema
from weighbridge.wire.gemini_generate.thinking import read_thinking
from weighbridge.wire.gemini_generate.vocabulary import enum_word, message
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.receipt import Receipt

_MODALITIES: Final = {1: "TEXT", 2: "IMAGE", 3: "AUDIO"}
_OWN: Final = (
    "mediaResolution", "imageConfig", "audioTimestamp", "routingConfig", "modelSelectionConfig", "modelConfig",
    "enableAffectiveDialog", "enableEnhancedCivicAnswers", "translationConfig", "audioTranscriptionConfig", "responseFormat",
)  # fmt: skip
"""Fields that nobody else has."""
_JSON: Final = "application/json"


class Output(NamedTuple):
    """What an answer shall look like."""

    answer_format: AnswerFormat | None
    reasoning: ReasoningWish | None
    modalities: tuple[str, ...]
    audio: AudioWish | None
    vendor: JsonObject
    """Fields of the configuration that nobody else has."""


def read_output(config: Fields, receipt: Receipt) -> Output:
    """Everything but the plain numbers, which `request_reader.py` takes."""
    vendor: JsonObject = {name: value for name in _OWN if (value := config.value(name)) is not None}
    thinking = message(config, "thinkingConfig")
    return Output(
        _answer_format(config, vendor),
        None if thinking is None else read_thinking(thinking, receipt),
        _modalities(config.array("responseModalities")),
        _audio(config.value("speechConfig")),
        vendor,
    )


def _answer_format(config: Fields, vendor: JsonObject) -> AnswerFormat | None:
    media_type = config.text("responseMimeType")
    whole, subset = config.json_object("responseJsonSchema"), config.json_object("responseSchema")
    schema = whole if whole is not None else None if subset is None else json_schema(subset)
    if media_type is not None and media_type not in (_JSON, "text/plain"):
        vendor["responseMimeType"] = media_type
    if schema is not None:
        return AnswerFormat(FormatKind.JSON_SCHEMA, schema)
    if media_type == _JSON:
        return AnswerFormat(FormatKind.JSON)
    return AnswerFormat(FormatKind.TEXT) if media_type == "text/plain" else None


def _modalities(values: list[Json] | None) -> tuple[str, ...]:
    words = (enum_word(value, _MODALITIES) for value in values or ())
    return tuple(word.lower() for word in words if word is not None)


def _audio(speech: Json) -> AudioWish | None:
    """A prebuilt voice by its name; anything else as the object that it is."""
    if speech is None:
        return None
    return AudioWish(_voice_name(speech) or speech)


def _voice_name(speech: Json) -> str | None:
    for name in (("voiceConfig", "voice_config"), ("prebuiltVoiceConfig", "prebuilt_voice_config"), ("voiceName", "voice_name")):
        if not isinstance(speech, dict) or len(speech) != 1:
            return None
        speech = speech.get(name[0], speech.get(name[1]))
    return speech if isinstance(speech, str) else None
