"""Pieces of a response that are complete in themselves."""

from __future__ import annotations

import pytest

from weighbridge.wire.conversation import Image, MediaUrl, ServerTool
from weighbridge.wire.events import Failed
from weighbridge.wire.gemini_generate.chunk import ReplyPart
from weighbridge.wire.gemini_generate.response_pieces import read_error, unix_seconds, whole_part


def test_a_file_is_a_part_by_its_type():
    part = ReplyPart(file_data={"fileUri": "gs://a/b", "mimeType": "image/png"})
    assert whole_part(part) == Image(MediaUrl("gs://a/b", "image/png"))


def test_a_step_keeps_its_signature():
    step = whole_part(ReplyPart(tool_call={"toolType": "URL_CONTEXT", "id": "a"}, thought_signature="QUJD"))
    raw = {"toolCall": {"toolType": "URL_CONTEXT", "id": "a"}, "thoughtSignature": "QUJD"}
    assert step == ServerTool("gemini", "web_fetch", raw, "a")


@pytest.mark.parametrize("part", [ReplyPart(), ReplyPart(file_data="x"), ReplyPart(executable_code=[1]), ReplyPart(text="a")])
def test_any_other_part_is_none(part):
    assert whole_part(part) is None


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        ({"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}, Failed("m", "RESOURCE_EXHAUSTED", "", 429)),
        ({"code": "429", "message": "m"}, Failed("m")),
        ({"code": 8, "message": "m"}, Failed("m")),
        ("broken", Failed("broken")),
        ([], Failed("")),
    ],
)
def test_an_error_of_any_shape_is_told(error, failed):
    assert read_error(error) == failed


@pytest.mark.parametrize(("text", "seconds"), [("1970-01-01T00:01:40Z", 100), ("yesterday", 0), (None, 0), (7, 0)])
def test_the_time_is_known_or_zero(text, seconds):
    assert unix_seconds(text) == seconds
