from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.content_coding import MAX_DECODED_BYTES, MAX_MEMBERS, MAX_ZSTD_WINDOW_BYTES, decode_body, decoder_for


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate (raw)": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}
STORED, LAST = b"\x00\x00\x00\xff\xff", b"\x01\x00\x00\xff\xff"
"""Empty blocks of bare deflate: five bytes in, none out."""
compressing = pytest.mark.parametrize("coding", [coding for coding in ENCODERS if coding != "identity"])


def encoding(coding: str) -> str:
    return coding.partition(" ")[0]


def decode(content_encoding: str, wire: bytes, step: int = 1 << 30, **limits: int) -> bytes:
    decoder = decoder_for(content_encoding, **limits)
    assert decoder is not None
    pieces = [decoder.feed(wire[start : start + step]) for start in range(0, len(wire), step)]
    return b"".join([*pieces, decoder.finish()])


@given(
    st.sampled_from(list(ENCODERS)), st.binary(max_size=300) | st.binary(max_size=8).map(lambda b: b * 5000), st.integers(1, 400)
)
def test_any_split_decodes_to_the_body(coding: str, body: bytes, step: int) -> None:
    wire = ENCODERS[coding](body)
    assert decode(encoding(coding), wire, step) == body
    assert decode_body(encoding(coding), wire) == body


@given(st.lists(st.sampled_from(["gzip", "br", "zstd", "deflate"]), max_size=3), st.binary(max_size=100), st.integers(1, 50))
def test_stacked_codings_are_undone_in_reverse_order(codings: list[str], body: bytes, step: int) -> None:
    wire = body
    for coding in codings:
        wire = ENCODERS[coding](wire)
    assert decode(" , ".join(codings), wire, step) == body


def flushed(coding: str, body: bytes) -> bytes:
    """What a server sends of a stream that goes on."""
    if coding == "gzip":
        deflate = zlib.compressobj(wbits=31)
        return deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH)
    if coding == "br":
        compressor = brotli.Compressor()
        return bytes(compressor.process(body) + compressor.flush())
    frame = zstandard.ZstdCompressor().compressobj()
    return frame.compress(body) + frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_flushed_event_of_a_compressed_stream_is_out_at_once(coding: str) -> None:
    decoder = decoder_for(coding)
    assert decoder is not None
    assert decoder.feed(flushed(coding, b"data: 1\n\n")) == b"data: 1\n\n"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("step", [1, 1000])
def test_members_one_after_another_are_one_body(coding: str, step: int) -> None:
    assert decode(coding, ENCODERS[coding](b"one ") + ENCODERS[coding](b"") + ENCODERS[coding](b"two"), step) == b"one two"


@pytest.mark.parametrize("name", ["compress", "aws-chunked", "gzip, unknown", "gzip;q=1", "gzip, gzip, gzip, gzip", "é"])
def test_unknown_codings_have_no_decoder(name: str) -> None:
    assert decoder_for(name) is None
    with pytest.raises(GatewayError) as caught:
        decode_body(name, b"x")
    assert caught.value.kind is ErrorKind.UNSUPPORTED_MEDIA_TYPE


@pytest.mark.parametrize("name", ["", "identity", b"", b" Identity ,", "identity, identity, identity, identity"])
def test_identity_in_all_its_spellings_changes_nothing(name: str | bytes) -> None:
    decoder = decoder_for(name)
    assert decoder is not None
    assert decoder.feed(b"x") == b"x"
    assert decoder.finish() == b""


def test_names_are_case_insensitive_and_may_be_bytes() -> None:
    assert decode_body(b"GZip, BR", brotli.compress(gzip.compress(b"x"))) == b"x"


@compressing
@pytest.mark.parametrize("step", [1, 64, 1 << 30])
def test_bomb_is_refused_at_the_limit(coding: str, step: int) -> None:
    wire = ENCODERS[coding](bytes(3_000_000))
    assert len(decode(encoding(coding), wire, step, limit=3_000_000)) == 3_000_000
    with pytest.raises(GatewayError) as caught:
        decode(encoding(coding), wire, step, limit=2_999_999)
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED


@compressing
def test_request_bomb_is_too_large_and_not_provider_trouble(coding: str) -> None:
    with pytest.raises(GatewayError) as caught:
        decode_body(encoding(coding), ENCODERS[coding](bytes(1_000_000)), limit=1000)
    assert caught.value.kind is ErrorKind.PAYLOAD_TOO_LARGE


BOMB_MEMORY = """
import resource, sys
from weighbridge.core.errors import GatewayError
from weighbridge.wire.content_coding import decoder_for
wire = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decoder_for(sys.argv[1], limit=1_000_000).feed(wire)
except GatewayError:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_bomb_of_150_megabytes_in_one_chunk_takes_little_memory(coding: str) -> None:
    body = bytes(150_000_000)
    wire = (
        brotli.compress(body, quality=1)
        if coding == "br"
        else ENCODERS[coding](body)
        if coding == "zstd"
        else gzip.compress(body, 1)
    )
    run = subprocess.run([sys.executable, "-c", BOMB_MEMORY, coding], input=wire, capture_output=True, check=True)
    assert int(run.stdout) < 60  # MB; the library and its window included


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_number_of_members_is_bounded(coding: str) -> None:
    member = ENCODERS[coding](b"x")
    assert decode(coding, member * MAX_MEMBERS) == b"x" * MAX_MEMBERS
    with pytest.raises(GatewayError):
        decode(coding, member * (MAX_MEMBERS + 1))


def test_outer_coding_that_is_a_bomb_of_nothing_is_bounded_as_well() -> None:
    wire = gzip.compress(zlib.compress(b"x") + bytes(200_000))
    with pytest.raises(GatewayError, match="larger than 100000"):
        decode("deflate, gzip", gzip.compress(STORED * 20_000 + LAST), limit=100_000)
    with pytest.raises(GatewayError, match="not in its declared"):
        decode("deflate, gzip", wire)


@compressing
def test_broken_off_body_is_noticed_at_its_end(coding: str) -> None:
    decoder = decoder_for(encoding(coding))
    assert decoder is not None
    decoder.feed(ENCODERS[coding](b"hello" * 100)[:-1])
    with pytest.raises(GatewayError) as caught:
        decoder.finish()
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED


@compressing
def test_body_without_a_byte_is_complete(coding: str) -> None:
    assert decode(encoding(coding), b"") == b""


@compressing
@pytest.mark.parametrize("step", [1, 1000])
def test_bytes_behind_the_end_are_corrupt(coding: str, step: int) -> None:
    with pytest.raises(GatewayError):
        decode(encoding(coding), ENCODERS[coding](b"hello") + b"xyz", step)


@given(st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, zstd"]), st.binary(max_size=50))
def test_random_bytes_never_raise_anything_else(coding: str, body: bytes) -> None:
    try:
        decoded = decode_body(coding, body)
    except GatewayError as error:
        outcome: object = error.kind
    else:
        outcome = type(decoded)
    assert outcome in {ErrorKind.INVALID_REQUEST, bytes}


def test_zstd_window_beyond_what_http_allows_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    wire = compressor.compress(bytes(MAX_ZSTD_WINDOW_BYTES + 1)) + compressor.flush()
    with pytest.raises(GatewayError):
        decode("zstd", wire)


def test_default_limit_holds_a_whole_request() -> None:
    assert len(decode("gzip", gzip.compress(bytes(MAX_DECODED_BYTES), 1))) == MAX_DECODED_BYTES


def test_importing_the_module_imports_no_codec() -> None:
    code = "import sys, weighbridge.wire.content_coding; sys.exit(bool({'brotli', 'zstandard'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
