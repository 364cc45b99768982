from __future__ import annotations

import io
import wave
from types import SimpleNamespace

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.rates import Bracket, Period, RateCard, Rates
from weighbridge.core.terms import Dialect, Endpoint, Operation
from weighbridge.ledger.pricing import NO_PIECES, Pieces, Pricer
from weighbridge.pipeline.pieces import likely_pieces, most_pieces
from weighbridge.wire.envelope import Envelope

HOUR = 3_600_000
BY_TIME = Pricer(RateCard("whisper", (Period((Bracket(Rates(audio_hour=1)),)),)))
BY_FEE = Pricer(RateCard("rank", (Period((Bracket(Rates(request=1)),)),)))
BY_TOKENS = Pricer(RateCard("gpt", (Period((Bracket(Rates(input=1, output=1)),)),)))
FORM_TYPE = b"multipart/form-data; boundary=x"


def form(**parts):
    lines = [
        b'--x\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), data) for name, data in parts.items()
    ]
    return b"".join(lines) + b"--x--\r\n"


def asked(body, *, operation=Operation.AUDIO, is_form=True, is_held=True):
    return SimpleNamespace(
        body=body if is_held else None,
        request_bytes=len(body),
        endpoint=Endpoint(Dialect.OPENAI, operation),
        envelope=None if is_form else Envelope.read(body),
        form_field=object() if is_form else None,
        header=lambda _name: FORM_TYPE,
    )


def samples(seconds, rate=16_000):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"\0\0" * rate * seconds)
    return file.getvalue()


def mp3(n_frames):
    """Frames of 417 bytes at 128 kbit/s, each of which lasts 26 milliseconds."""
    return (b"\xff\xfb\x90\x00" + b"\0" * 413) * n_frames


def test_samples_are_as_long_as_they_are():
    exchange = asked(form(model=b"whisper", file=samples(7)))
    most = most_pieces(exchange, BY_TIME)
    assert 7_000 <= most.audio_ms <= 7_010
    assert likely_pieces(exchange, most).audio_ms == 7_000


def test_audio_is_no_longer_than_at_the_lowest_bit_rate_and_likely_what_its_file_says():
    exchange = asked(form(model=b"whisper", file=mp3(400)))
    most = most_pieces(exchange, BY_TIME)
    assert most.audio_ms >= len(mp3(400)) * 8 // 6
    assert likely_pieces(exchange, most).audio_ms == pytest.approx(10_449, abs=30)


def test_a_file_that_says_that_it_is_longer_than_it_can_be_is_not_believed():
    exchange = asked(form(file=mp3(400)))
    assert likely_pieces(exchange, Pieces(audio_ms=5)).audio_ms == 5


@pytest.mark.parametrize("other", [b"RIFF" + b"\0" * 40, samples(1)[:20] + b"\x50\0" + samples(1)[22:], b"", b"no audio"])
def test_what_is_no_file_of_samples_is_bounded_by_its_bytes(other):
    exchange = asked(form(file=other, model=b"whisper"))
    most = most_pieces(exchange, BY_TIME)
    assert most.audio_ms == len(exchange.body) * 8 // 6 + 1
    assert likely_pieces(exchange, most).audio_ms <= most.audio_ms


def test_samples_in_another_field_shorten_nothing():
    exchange = asked(form(prompt=samples(1), file=mp3(2_000)))
    assert most_pieces(exchange, BY_TIME).audio_ms > len(mp3(2_000)) * 8 // 6


def test_a_body_that_passed_through_is_bounded_by_its_size():
    exchange = asked(form(file=mp3(400)), is_held=False)
    most = most_pieces(exchange, BY_TIME)
    assert most.audio_ms == exchange.request_bytes * 8 // 6 + 1
    assert likely_pieces(exchange, most) == most


def test_audio_that_lies_elsewhere_may_take_hours():
    assert most_pieces(asked(form(model=b"voxtral", file_url=b"https://a.example/b.mp3")), BY_TIME).audio_ms == 3 * HOUR


def test_a_chat_has_as_much_audio_as_it_has_bytes_and_none_if_it_has_none():
    spoken = encode_json({"messages": [{"content": [{"type": "input_audio", "input_audio": "A" * 600}]}]})
    assert most_pieces(asked(spoken, operation=Operation.CHAT, is_form=False), BY_TIME).audio_ms > 600
    written = encode_json({"messages": [{"content": "hello"}]})
    assert most_pieces(asked(written, operation=Operation.CHAT, is_form=False), BY_TIME) == NO_PIECES


def test_characters_are_those_of_the_text_and_not_its_bytes():
    speech = asked(encode_json({"model": "tts-1", "input": "Grüße 🦆"}), is_form=False)
    assert most_pieces(speech, BY_TIME) == Pieces(characters=7)
    assert likely_pieces(speech, Pieces(characters=7)) == Pieces(characters=7)
    assert most_pieces(asked(encode_json({"input": 5}), is_form=False), BY_TIME) == NO_PIECES


@pytest.mark.parametrize(("documents", "units"), [(["a"] * 99, 1), (["a"] * 101, 2), (["a" * 5_000] * 100, 22), ({}, 1)])
def test_a_ranking_has_as_many_units_as_its_documents_and_their_length_may_make(documents, units):
    ranking = asked(encode_json({"query": "q", "documents": documents}), operation=Operation.RERANK, is_form=False)
    assert most_pieces(ranking, BY_FEE) == Pieces(search_units=units)
    assert most_pieces(ranking, BY_TOKENS) is NO_PIECES


def test_who_charges_by_tokens_is_not_looked_at():
    assert most_pieces(asked(b"", is_form=True), BY_TOKENS) is NO_PIECES
