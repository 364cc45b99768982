from __future__ import annotations

from types import SimpleNamespace

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Operation
from weighbridge.pipeline.beside import models_beside
from weighbridge.wire.envelope import Envelope

PICTURES = {"type": "image_generation"}


def beside(fields, operation):
    return models_beside(Envelope.read(encode_json(fields)), operation)


@pytest.mark.parametrize(
    ("tools", "advice"),
    [
        ([{"type": "advisor_20260301", "name": "advisor", "model": "m", "max_uses": 2, "max_tokens": 900}], [("m", 2, 900, None)]),
        ([{"type": "advisor_20260301", "model": "m", "max_uses": "many"}, {"name": "f"}, 7], [("m", 4, 8_192, None)]),
        ([{"name": "advisor_", "type": "custom"}], []),
        ("advisor_", []),
        ([], []),
    ],
)
def test_an_adviser_is_asked_as_often_as_its_tool_allows(tools, advice):
    assert beside({"tools": tools}, Operation.MESSAGES) == advice


@pytest.mark.parametrize(
    ("fields", "pictures"),
    [
        ({"tools": [PICTURES]}, [("gpt-image-1", 4, 6_540, 32_000)]),
        ({"tools": [PICTURES], "max_tool_calls": 1}, [("gpt-image-1", 1, 6_540, 32_000)]),
        (
            {"tools": [PICTURES | {"model": "gpt-image-1-mini", "quality": "low", "size": "1024x1024"}], "max_tool_calls": 2},
            [("gpt-image-1-mini", 2, 572, 32_000)],
        ),
        ({"tools": [PICTURES | {"model": "gpt-image-2", "quality": "low"}]}, [("gpt-image-2", 4, 16_684, 32_000)]),
        ({"tools": [{"type": "function", "name": "image_generation"}]}, []),
        ({"tools": [{"type": "web_search"}]}, []),
        ({}, []),
    ],
)
def test_as_many_pictures_may_be_made_as_tools_may_be_called(fields, pictures):
    assert beside(fields, Operation.RESPONSES) == pictures


def test_a_tool_whose_type_is_written_with_escapes_is_found_as_well():
    body = b'{"tools":[{"type":"\\u0069mage_generation"}]}'
    assert models_beside(Envelope.read(body), Operation.RESPONSES)[0].model == "gpt-image-1"


def test_tools_that_are_nested_too_deep_run_nothing():
    tools = b'[{"type":"advisor_1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]"
    assert models_beside(SimpleNamespace(raw=lambda _name: tools), Operation.MESSAGES) == []
