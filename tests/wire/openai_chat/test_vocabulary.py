from __future__ import annotations

import pytest

from weighbridge.wire.conversation import Citation, Reasoning, Seal, SealKind
from weighbridge.wire.openai_chat.vocabulary import (
    made_call_id,
    native_text,
    read_annotations,
    read_details,
    read_signature,
    read_thinking_blocks,
    sealed_text,
    search_citations,
    write_annotation,
    write_details,
    write_signature,
)

SEALS = [
    Seal("anthropic", SealKind.SIGNATURE, "sig"),
    Seal("anthropic", SealKind.REDACTED, "r"),
    Seal("openai", SealKind.ENCRYPTED, "e"),
    Seal("gemini", SealKind.SIGNATURE, "c2ln"),
    Seal("xai", SealKind.ENCRYPTED, "x"),
    Seal("azure", SealKind.ENCRYPTED, "a"),
]
FOREIGN = Seal("bedrock", SealKind.SIGNATURE, "b")


@pytest.mark.parametrize("seal", [*SEALS, FOREIGN])
def test_every_seal_survives_the_way_to_a_caller_and_back(seal):
    part = Reasoning("t", ("s",), seal, "id")
    assert read_details(list(write_details(part, 3, sealed_text(seal)))) == [part]


@pytest.mark.parametrize("seal", SEALS)
def test_a_seal_whose_vendor_has_a_name_is_written_as_it_is(seal):
    assert (sealed_text(seal), native_text(seal)) == (seal.text, seal.text)


def test_another_seal_is_wrapped_for_callers_and_for_providers_none():
    assert sealed_text(FOREIGN) != FOREIGN.text
    assert native_text(FOREIGN) is None


def test_details_that_a_client_added_up_are_read_by_their_fields():
    added = {"type": "reasoning.summary", "summary": "s", "data": "e", "format": "openai-responses-v1", "index": 0}
    assert read_details([added]) == [Reasoning(summary=("s",), seal=Seal("openai", SealKind.ENCRYPTED, "e"))]


def test_a_seal_of_nobody_known_is_nobodys():
    (read,) = read_details([{"type": "reasoning.text", "text": "t", "signature": "s", "format": "unknown"}])
    assert read.seal == Seal("", SealKind.SIGNATURE, "s")
    (read,) = read_details([{"type": "reasoning.text", "text": "t", "signature": "s", "format": None}])
    assert read.seal == Seal("anthropic", SealKind.SIGNATURE, "s")


def test_details_and_blocks_of_any_shape_are_read_without_error():
    assert read_details([None, 5, {"index": "x", "text": 5}]) == [Reasoning()]
    assert read_thinking_blocks([None, {"type": "thinking", "thinking": None}]) == [Reasoning()]


def test_signatures_of_calls_go_both_ways():
    for seal in (SEALS[3], FOREIGN):
        assert read_signature(write_signature(seal)) == seal
    assert read_signature({"google": {}}) is None
    assert read_signature(None) is None


def test_made_ids_differ_between_replies_and_are_short_enough_for_openai():
    assert made_call_id("a", 0) != made_call_id("b", 0)
    assert len(made_call_id("x" * 100, 99)) <= 40


def test_annotations_of_this_format_stay_as_they_are():
    raw = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 1, "end_index": 2}}
    (citation,) = read_annotations([raw])
    assert (citation.url, citation.title, citation.start, citation.end) == ("https://a.example", "A", 1, 2)
    assert write_annotation(citation, 0, 9) is raw
    assert write_annotation(citation, 5, 9)["url_citation"]["start_index"] == 6


def test_a_citation_without_an_address_has_no_annotation():
    assert write_annotation(Citation("anthropic", {}, title="a file"), 0, 9) is None


def test_perplexitys_sources_are_citations():
    (found,) = search_citations(
        {"search_results": [{"url": "https://a.example", "title": "A"}], "citations": ["https://a.example"]}
    )
    assert (found.url, found.title) == ("https://a.example", "A")
    assert search_citations({"citations": ["https://b.example", 5]})[0].url == "https://b.example"
    assert search_citations({}) == ()
