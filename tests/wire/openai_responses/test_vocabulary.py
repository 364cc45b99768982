"""Ids, kinds, citations."""

from __future__ import annotations

import pytest

from weighbridge.wire.conversation import Citation, Role, ServerToolKind
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.openai_chat.vocabulary import read_annotations as read_chat_annotations
from weighbridge.wire.openai_responses.vocabulary import (
    bounded_call_id,
    given_id,
    is_own,
    is_own_id,
    may_be_seal_id,
    own_id,
    read_annotation,
    read_annotations,
    role_of,
    seal_id,
    server_tool,
    tool_kind,
    write_annotation,
)


def test_an_id_of_ours_is_known_again_and_means_nothing_to_a_provider() -> None:
    made = own_id("msg", "req_1", 2)
    assert made == "msg_wb_req_1_2"
    assert is_own_id(made)
    assert given_id(made) is None
    assert given_id("rs_68c3509b") == "rs_68c3509b"
    assert given_id("") is None


def test_the_id_of_a_seal_is_known_again_or_lost() -> None:
    assert may_be_seal_id(seal_id("r", 1))
    assert may_be_seal_id(None)
    assert not may_be_seal_id(own_id("rs", "r", 1))
    assert given_id(seal_id("r", 1)) is None


def test_a_long_call_id_is_cut_the_same_way_every_time() -> None:
    assert bounded_call_id("call_1") == "call_1"
    long = "x" * 80
    assert len(bounded_call_id(long)) == 64
    assert bounded_call_id(long) == bounded_call_id(long) != bounded_call_id(long + "y")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("web_search_preview_2025_03_11", ServerToolKind.WEB_SEARCH),
        ("x_search_call", ServerToolKind.WEB_SEARCH),
        ("file_search", ServerToolKind.FILE_SEARCH),
        ("code_interpreter_call", ServerToolKind.CODE_EXECUTION),
        ("mcp_approval_request", ServerToolKind.MCP),
        ("computer_use_preview", ServerToolKind.COMPUTER),
        ("local_shell", ServerToolKind.OTHER),
    ],
)
def test_tools_of_the_vendor_have_a_kind(word: str, kind: ServerToolKind) -> None:
    assert tool_kind(word) is kind


def test_an_item_of_the_vendor_keeps_its_words() -> None:
    raw: JsonObject = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "tides"}}
    tool = server_tool(raw)
    assert (tool.id, tool.query, tool.raw) == ("ws_1", "tides", raw)


def test_results_and_approvals_come_from_the_caller() -> None:
    assert role_of("computer_call_output") is Role.USER
    assert role_of("mcp_approval_response") is Role.USER
    assert role_of("additional_tools") is Role.DEVELOPER
    assert role_of("web_search_call") is Role.ASSISTANT


def test_a_citation_of_openai_goes_back_unchanged() -> None:
    raw: JsonObject = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 1, "end_index": 4}
    citation = read_annotation(raw)
    assert (citation.url, citation.title, citation.start, citation.end) == ("https://a.example", "A", 1, 4)
    assert write_annotation(citation, 9) is raw


def test_a_citation_of_chat_is_written_as_this_format_has_it() -> None:
    """Chat, the same vendor's, puts the address into an object of its own."""
    cited: JsonObject = {"url": "https://a.example", "title": "A", "start_index": 1, "end_index": 4}
    (citation,) = read_chat_annotations([{"type": "url_citation", "url_citation": cited}])
    assert write_annotation(citation, 9) == {"type": "url_citation", **cited}
    assert not is_own(citation)


def test_a_citation_of_another_vendor_becomes_a_page_or_nothing() -> None:
    page = Citation("anthropic", {}, "https://a.example")
    assert write_annotation(page, 7) == {
        "type": "url_citation",
        "url": "https://a.example",
        "title": "",
        "start_index": 0,
        "end_index": 7,
    }
    assert write_annotation(Citation("anthropic", {}, None, "A document"), 7) is None


def test_what_is_no_list_of_annotations_cites_nothing() -> None:
    assert read_annotations("x") == ()
    assert read_annotations([1, {"type": "file_citation", "filename": "a.txt"}])[0].title == "a.txt"
