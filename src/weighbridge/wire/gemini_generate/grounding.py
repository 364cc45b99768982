"""Where an answer's passages come from: Google's `groundingMetadata` and `citationMetadata` <-> citations.

https://ai.google.dev/gemini-api/docs/google-search#grounded-response. Google counts in bytes of UTF-8, we in characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.wire.conversation import Citation, ServerTool, ServerToolKind
from weighbridge.wire.gemini_generate.vocabulary import GROUNDING, ORIGIN, URL_CONTEXT, camel
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text

_SOURCES: Final = ("web", "retrievedContext", "maps", "image")


def read_grounding(metadata: object, text: str) -> list[Citation]:
    """The citations of a text: one for each passage and each of its sources; without passages, one for each source."""
    given = as_object(metadata)
    chunks = [as_object(chunk) for chunk in as_list(given.get("groundingChunks"))]
    supports = as_list(given.get("groundingSupports"))
    if not supports:
        return [_citation(chunk, {}, None) for chunk in chunks]
    citations: list[Citation] = []
    for entry in supports:
        support = as_object(entry)
        place = _place(as_object(support.get("segment")), text)
        numbers = as_list(support.get("groundingChunkIndices"))
        cited = (chunks[number] for number in numbers if isinstance(number, int) and 0 <= number < len(chunks))
        citations += [_citation(chunk, support, place) for chunk in cited]
    return citations


def read_recitations(metadata: object, text: str) -> list[Citation]:
    """`citationMetadata`: passages that repeat a source word for word."""
    citations: list[Citation] = []
    for entry in as_list(as_object(metadata).get("citations")):
        raw = as_object(entry)
        url = as_text(raw.get("uri")) or None
        if url is not None or raw.get("title"):
            start, end = _place(raw, text) or (None, None)
            citations.append(Citation(ORIGIN, raw, url, as_text(raw.get("title")) or None, None, start, end))
    return citations


def _citation(chunk: JsonObject, support: JsonObject, place: tuple[int, int] | None) -> Citation:
    source = next((as_object(chunk[kind]) for kind in _SOURCES if kind in chunk), {})
    url = as_text(source.get("uri")) or as_text(source.get("sourceUri")) or None
    title = as_text(source.get("title")) or None
    start, end = place or (None, None)
    raw: JsonObject = {"groundingChunk": chunk, "groundingSupport": support}
    return Citation(ORIGIN, raw, url, title, as_text(source.get("text")) or None, start, end)


def _place(segment: JsonObject, text: str) -> tuple[int, int] | None:
    """Characters of a segment. Its text decides where it is told: several texts of an answer are counted as one."""
    start, end, said = segment.get("startIndex", 0), segment.get("endIndex"), as_text(segment.get("text"))
    if isinstance(start, int) and isinstance(end, int) and 0 <= start <= end:
        if text.isascii():
            first, last = start, end
        else:
            whole = text.encode()
            first, last = len(whole[:start].decode("utf-8", "ignore")), len(whole[:end].decode("utf-8", "ignore"))
        if last <= len(text) and (not said or text[first:last] == said):
            return first, last
    found = text.find(said) if said else -1
    return None if found < 0 else (found, found + len(said))


def search_step(metadata: object) -> ServerTool | None:
    """A search of Google's: it leaves its queries (and the entry point that has to be shown) beside the answer."""
    given = as_object(metadata)
    queries = as_list(given.get("webSearchQueries")) or as_list(given.get("retrievalQueries"))
    query = next((query for query in queries if isinstance(query, str) and query), None)
    if not given:
        return None
    kind = ServerToolKind.WEB_SEARCH
    if any("retrievedContext" in as_object(chunk) for chunk in as_list(given.get("groundingChunks"))):
        kind = ServerToolKind.FILE_SEARCH
    return ServerTool(ORIGIN, kind, {GROUNDING: given}, None, query)


def fetch_step(metadata: object) -> ServerTool | None:
    """Pages that Google read."""
    given = as_object(metadata)
    return ServerTool(ORIGIN, ServerToolKind.WEB_FETCH, {URL_CONTEXT: given}) if given else None


class GroundingWriter:
    """Collects what the texts of one candidate cite. A text without a place of its own is cited as a whole."""

    __slots__ = ("_known", "_numbers", "_segments")

    def __init__(self) -> None:
        self._numbers: dict[tuple[str | None, str | None], int] = {}
        self._known: list[Json] = []
        self._segments: dict[tuple[int, int], list[Json]] = {}

    def add(self, citations: Sequence[Citation], text: str, offset: int) -> None:
        """The citations of one text, which begins `offset` bytes behind the beginning of the answer."""
        for citation in citations:
            start = citation.start if citation.start is not None and citation.end is not None else 0
            end = citation.end if citation.start is not None and citation.end is not None else len(text)
            first = offset + len(text[:start].encode())
            segment = (first, first + len(text[start:end].encode()))
            numbers = self._segments.setdefault(segment, [])
            number = self._number(citation)
            if number not in numbers:
                numbers.append(number)

    def _number(self, citation: Citation) -> int:
        key = (citation.url, citation.title)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._known)
            self._known.append(_source(citation))
        return number

    def metadata(self, answer: str) -> JsonObject | None:
        """`groundingMetadata` for the whole answer; None where nothing was cited."""
        if not self._known:
            return None
        whole = answer.encode()
        supports: list[Json] = [
            {
                "segment": {"startIndex": start, "endIndex": end, "text": whole[start:end].decode("utf-8", "ignore")},
                "groundingChunkIndices": numbers,
            }
            for (start, end), numbers in self._segments.items()
        ]
        return {"groundingChunks": self._known, "groundingSupports": supports}


def _source(citation: Citation) -> JsonObject:
    own = citation.raw.get("groundingChunk") if citation.origin == ORIGIN else None
    if isinstance(own, dict):
        return camel(own)
    title: JsonObject = {} if citation.title is None else {"title": citation.title}
    if citation.url is not None:
        return {"web": {"uri": citation.url, **title}}
    return {"retrievedContext": {**title, "text": citation.cited_text or ""}}
