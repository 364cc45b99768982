from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.anthropic_messages.vocabulary import (
    arguments_object,
    read_citation,
    read_citations,
    read_server_tool,
    safe_id,
    sendable_citation,
    tool_kind,
    write_citation,
)
from weighbridge.wire.conversation import Citation, ServerToolKind


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("web_search_20260318", ServerToolKind.WEB_SEARCH),
        ("web_fetch_tool_result", ServerToolKind.WEB_FETCH),
        ("bash_code_execution_tool_result", ServerToolKind.CODE_EXECUTION),
        ("mcp_toolset", ServerToolKind.MCP),
        ("computer_20251124", ServerToolKind.COMPUTER),
        ("bash_20250124", ServerToolKind.OTHER),
        ("compaction", ServerToolKind.OTHER),
    ],
)
def test_a_tool_is_known_by_the_beginning_of_its_word(word, kind):
    assert tool_kind(word) is kind


@given(st.text(max_size=20))
def test_every_id_becomes_one_that_the_api_takes(call_id):
    safe = safe_id(call_id)
    assert safe
    assert set(safe) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert safe_id(call_id) == safe
    assert safe_id(safe) == safe


def test_ids_that_look_alike_stay_apart():
    assert safe_id("call.1") != safe_id("call:1")
    assert safe_id("toolu_01") == "toolu_01"


def test_arguments_keep_their_spelling():
    raw = arguments_object('{"x": 1.50, "x": 12345678901234567890}')
    assert raw is not None
    assert bytes(raw) == b'{"x": 1.50, "x": 12345678901234567890}'


def test_no_arguments_are_an_empty_object():
    raw = arguments_object("")
    assert raw is not None
    assert bytes(raw) == b"{}"


@pytest.mark.parametrize("text", ["[1]", '"x"', "null", '{"x": 1', '{"x": tru}', "{'x': 1}", "{" * 3000, '{"a":' * 3000])
def test_what_is_no_object_is_told(text):
    assert arguments_object(text) is None


def test_citations_name_their_source_whatever_their_kind():
    page = {
        "type": "web_search_result_location",
        "url": "https://a.example",
        "title": "A",
        "cited_text": "x",
        "encrypted_index": "E",
    }
    passage = {"type": "char_location", "document_title": "D", "cited_text": "y", "start_char_index": 3, "file_id": None}
    assert read_citations([page, passage, 7]) == (
        Citation("anthropic", page, "https://a.example", "A", "x"),
        Citation("anthropic", passage, None, "D", "y"),
    )
    assert read_citations(None) == ()


def test_what_only_replies_have_is_not_sent_back():
    citation = read_citation({"type": "char_location", "cited_text": "y", "file_id": None})
    assert sendable_citation(citation) == {"type": "char_location", "cited_text": "y"}


def test_another_vendors_citation_is_shown_as_a_page_and_never_sent_to_anthropic():
    foreign = Citation("openai", {"type": "url_citation"}, "https://a.example", "A")
    shown = write_citation(foreign)
    assert shown is not None
    assert (shown["type"], shown["url"]) == ("web_search_result_location", "https://a.example")
    assert sendable_citation(foreign) is None
    assert sendable_citation(read_citation(shown)) is None
    assert write_citation(Citation("openai", {})) is None


def test_a_search_tells_what_it_asked_for():
    part = read_server_tool({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tides"}})
    assert (part.kind, part.id, part.query) == (ServerToolKind.WEB_SEARCH, "srvtoolu_1", "tides")
