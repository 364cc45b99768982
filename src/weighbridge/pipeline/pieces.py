"""What some models charge for besides or instead of tokens: the time of audio, the characters of a text that is spoken, and
rankings.

What goes in bounds both: a text has so many characters, and audio is no longer than its bytes are at the lowest bit rate that
speech is met at. How long it really is is known to whoever decodes it, and told in most replies. For those that tell nothing
(`text`, `srt`) the file says it itself, which is an estimate: it may say anything.
"""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import Final

import msgspec

from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import Operation
from weighbridge.ledger.pricing import NO_PIECES, Pieces, Pricer
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.multipart import find_file

_SLOWEST_BITS_A_MS: Final = 6
"""Opus takes 6 kbit/s at the least (RFC 6716, section 2.1.1); what is slower is not understood."""
_MOST_ELSEWHERE_MS: Final = 3 * 3_600_000
"""Of audio that is not in the request: Mistral takes up to three hours (https://docs.mistral.ai/studio/audio/overview)."""
_ELSEWHERE: Final = (b"file_url", b"file_id", b"http")
_PCM: Final = frozenset((1, 3))
"""WAVE's formats whose bytes are samples."""
_AUDIO: Final = Operation.AUDIO


_DOCUMENTS_A_UNIT: Final = 100
"""A search unit is one query with up to so many (https://cohere.com/pricing)."""
_LEAST_OF_A_CHUNK: Final = 240
"""Tokens, each of a byte at least. Documents beyond 510 tokens are cut into chunks, each of which counts as one, and of which the
query may take half (https://docs.cohere.com/docs/models, https://docs.cohere.com/docs/reranking-best-practices)."""
_RERANK: Final = Operation.RERANK
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def most_pieces(exchange: Exchange, pricer: Pricer) -> Pieces:
    """The most that may be charged for; nothing where that is by tokens alone."""
    if exchange.endpoint.operation is _RERANK:
        return Pieces(search_units=_search_units(exchange)) if pricer.has_fees else NO_PIECES
    if not pricer.counts_pieces:
        return NO_PIECES
    if exchange.endpoint.operation is _AUDIO and exchange.envelope is not None:
        return Pieces(characters=_characters(exchange))
    return Pieces(audio_ms=_most_ms(exchange))


def likely_pieces(exchange: Exchange, most: Pieces) -> Pieces:
    """What it will have been where the provider does not say: never more than the most."""
    if not most.audio_ms:
        return most
    told = _told_by_the_file(exchange)
    return most if told is None else most._replace(audio_ms=min(told, most.audio_ms))


def _search_units(exchange: Exchange) -> int:
    envelope, body = exchange.envelope, exchange.body
    raw = envelope.raw("documents") if envelope is not None else None
    if raw is None or body is None:
        return 1
    try:
        n_documents = len(_decode_list(raw))
    except msgspec.DecodeError:  # no list: the provider will refuse it
        return 1
    return (n_documents + len(body) // _LEAST_OF_A_CHUNK + _DOCUMENTS_A_UNIT - 1) // _DOCUMENTS_A_UNIT


def _characters(exchange: Exchange) -> int:
    envelope = exchange.envelope
    with suppress(GatewayError):
        return len((envelope.string("input") if envelope is not None else None) or "")
    return 0  # no text: the provider will refuse it


def _most_ms(exchange: Exchange) -> int:
    body = exchange.body
    size = exchange.request_bytes if body is None else max(exchange.request_bytes, len(body))
    if exchange.endpoint.operation is not _AUDIO and body is not None and b"audio" not in body:
        return 0
    found = _file_of(exchange)
    if found is not None and (by_samples := _ms_of_samples(found)) is not None:
        return by_samples
    most = size * 8 // _SLOWEST_BITS_A_MS + 1
    if body is not None and found is None and any(word in body for word in _ELSEWHERE):
        return max(most, _MOST_ELSEWHERE_MS)
    return most


def _file_of(exchange: Exchange) -> bytes | None:
    """The audio that a form brings with it."""
    if exchange.form_field is None or exchange.body is None:
        return None
    with suppress(GatewayError):
        return find_file(exchange.header(b"content-type").decode("latin-1"), exchange.body, "file")
    return None


def _ms_of_samples(sound: bytes) -> int | None:
    """How long so many bytes of samples are; None for what is no WAVE file, or a compressed one."""
    if sound[:4] != b"RIFF" or sound[8:16] != b"WAVEfmt " or len(sound) < 36:
        return None
    form, channels = int.from_bytes(sound[20:22], "little"), int.from_bytes(sound[22:24], "little")
    rate, bits = int.from_bytes(sound[24:28], "little"), int.from_bytes(sound[34:36], "little")
    a_second = rate * channels * bits // 8
    return len(sound) * 1_000 // a_second + 1 if form in _PCM and a_second else None


def _told_by_the_file(exchange: Exchange) -> int | None:
    """How long the file says that it is. Some 0.2 ms, once a reply has told nothing."""
    sound = _file_of(exchange)
    if not sound:
        return None
    from tinytag import TinyTag  # noqa: PLC0415 - for this alone

    with suppress(Exception):  # whatever somebody has sent
        seconds = TinyTag.get(file_obj=BytesIO(sound), tags=False).duration
        if seconds and seconds > 0:
            return round(seconds * 1_000)
    return None
