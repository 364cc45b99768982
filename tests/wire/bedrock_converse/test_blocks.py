"""Blocks of an answer."""

from __future__ import annotations

from weighbridge.wire.bedrock_converse.blocks import citation_of, picture, redacted_seal, server_call, server_result, signature_seal
from weighbridge.wire.conversation import Citation, Image, MediaBytes, Seal, SealKind, ServerTool


def test_a_citation_says_where_it_is_from_and_keeps_its_own_words():
    document = {"title": "facts", "sourceContent": [{"text": "a"}, {"text": "b"}], "location": {"documentChar": {"start": 0}}}
    assert citation_of(document) == Citation("bedrock", document, None, "facts", "ab")
    web = {"location": {"web": {"url": "https://example.com/a", "domain": "example.com"}}}
    assert citation_of(web) == Citation("bedrock", web, "https://example.com/a", "example.com")
    assert citation_of({"location": 5, "sourceContent": [5]}) == Citation("bedrock", {"location": 5, "sourceContent": [5]})


def test_only_claude_signs():
    assert signature_seal("Er==") == Seal("anthropic", SealKind.SIGNATURE, "Er==")
    assert signature_seal("") is None


def test_withheld_thinking_is_claudes_text_in_awss_base64():
    assert redacted_seal("RXVZQg==") == Seal("anthropic", SealKind.REDACTED, "EuYB")
    assert redacted_seal("/////w==") == Seal("bedrock", SealKind.REDACTED, "/////w==")
    assert redacted_seal("no base64") == Seal("bedrock", SealKind.REDACTED, "no base64")


def test_steps_of_bedrocks_own_tools_keep_their_blocks():
    call = {"toolUse": {"name": "nova_grounding", "toolUseId": "t", "input": {"query": "q"}, "type": "server_tool_use"}}
    assert server_call(call) == ServerTool("bedrock", "web_search", call, "t", "q")
    result = {"toolResult": {"toolUseId": "t", "type": "nova_grounding_result"}}
    assert server_result(result) == ServerTool("bedrock", "web_search", result, "t")
    assert server_call({"toolUse": {}}) == ServerTool("bedrock", "other", {"toolUse": {}})


def test_a_picture_without_bytes_is_none():
    assert picture("jpeg", {"bytes": "/9j/"}) == Image(MediaBytes("/9j/", "image/jpeg"))
    assert picture("", {"s3Location": {}}) is None
