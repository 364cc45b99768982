"""Where passages come from."""

from __future__ import annotations

import pytest

from weighbridge.wire.conversation import Citation, ServerToolKind
from weighbridge.wire.gemini_generate.grounding import GroundingWriter, fetch_step, read_grounding, read_recitations, search_step

WEB = {"web": {"uri": "https://a.b", "title": "A"}}
BOOK = {"retrievedContext": {"title": "B", "text": "a source"}}
TEXT = "Grüße aus Paris. Mehr."


def support(start, end, *numbers, text=""):
    segment = {"endIndex": end} | ({"startIndex": start} if start else {}) | ({"text": text} if text else {})
    return {"segment": segment, "groundingChunkIndices": list(numbers)}


def test_places_are_counted_in_characters():
    metadata = {"groundingChunks": [WEB, BOOK], "groundingSupports": [support(0, 7, 0), support(8, 18, 0, 1)]}
    citations = read_grounding(metadata, TEXT)
    assert [(c.url, c.title, c.cited_text, c.start, c.end) for c in citations] == [
        ("https://a.b", "A", None, 0, 5),
        ("https://a.b", "A", None, 6, 16),
        (None, "B", "a source", 6, 16),
    ]


def test_the_passage_itself_decides_where_it_stands():
    (citation,) = read_grounding({"groundingChunks": [WEB], "groundingSupports": [support(0, 5, 0, text="Mehr.")]}, TEXT)
    assert (citation.start, citation.end) == (17, 22)
    (citation,) = read_grounding({"groundingChunks": [WEB], "groundingSupports": [support(0, 5, 0, text="elsewhere")]}, TEXT)
    assert (citation.start, citation.end) == (None, None)


@pytest.mark.parametrize(
    "metadata",
    [None, "x", {}, {"groundingChunks": "x"}, {"groundingChunks": [WEB], "groundingSupports": [support(0, 5, 7, -1, "x")]}],
)
def test_grounding_of_any_shape_is_survived(metadata):
    assert read_grounding(metadata, TEXT) == []


def test_sources_without_passages_are_cited_as_a_whole():
    (citation,) = read_grounding({"groundingChunks": [WEB]}, TEXT)
    assert (citation.url, citation.start) == ("https://a.b", None)


def test_recitations_are_citations():
    metadata = {"citations": [{}, {"uri": "https://c.d", "startIndex": 0, "endIndex": 7, "license": "mit"}, "x"]}
    (citation,) = read_recitations(metadata, TEXT)
    assert (citation.url, citation.start, citation.end) == ("https://c.d", 0, 5)


def test_a_search_is_a_step_with_its_query():
    step = search_step({"webSearchQueries": ["", "paris"], "groundingChunks": [WEB]})
    assert (step.kind, step.query) == (ServerToolKind.WEB_SEARCH, "paris")
    assert search_step({"groundingChunks": [BOOK]}).kind is ServerToolKind.FILE_SEARCH
    assert search_step({}) is None


def test_a_page_that_was_read_is_a_step():
    assert fetch_step({"urlMetadata": []}).kind is ServerToolKind.WEB_FETCH
    assert fetch_step(None) is None


def test_citations_become_passages_of_the_whole_answer():
    writer = GroundingWriter()
    first, second = "Grüße.", " Aus Paris."
    writer.add((Citation("anthropic", {}, "https://a.b", "A"),), first, 0)
    placed = Citation("openai", {}, "https://a.b", "A", None, 1, 4)
    writer.add((placed, placed, Citation("anthropic", {}, None, "B", "said")), second, len(first.encode()))
    metadata = writer.metadata(first + second)
    assert metadata["groundingChunks"] == [WEB, {"retrievedContext": {"title": "B", "text": "said"}}]
    assert metadata["groundingSupports"] == [
        {"segment": {"startIndex": 0, "endIndex": 8, "text": "Grüße."}, "groundingChunkIndices": [0]},
        {"segment": {"startIndex": 9, "endIndex": 12, "text": "Aus"}, "groundingChunkIndices": [0]},
        {"segment": {"startIndex": 8, "endIndex": 19, "text": " Aus Paris."}, "groundingChunkIndices": [1]},
    ]


def test_what_was_written_is_read_at_the_same_places():
    writer = GroundingWriter()
    writer.add((Citation("openai", {}, "https://a.b", "A", None, 6, 15),), TEXT, 0)
    (citation,) = read_grounding(writer.metadata(TEXT), TEXT)
    assert (citation.url, citation.title, citation.start, citation.end) == ("https://a.b", "A", 6, 15)


def test_a_source_of_googles_is_said_in_its_own_words():
    writer = GroundingWriter()
    writer.add((Citation("gemini", {"groundingChunk": {"retrieved_context": {"ragChunk": {}}}}),), "a", 0)
    assert writer.metadata("a")["groundingChunks"] == [{"retrievedContext": {"ragChunk": {}}}]


def test_nothing_cited_is_nothing_said():
    assert GroundingWriter().metadata("a") is None
