"""What a client sends is what the provider gets, and what the provider sends is what the client gets, byte for byte.

The declared splices are the only exception, and `x-weighbridge-edits` names each of them.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json
from weighbridge.testing import After, Piece, StaticReply

EXAMPLES = settings(max_examples=120)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# --- JSON as somebody else's encoder may write it: raw text, since an encoder of ours would tidy it up

BLANK = st.text(" \t\r\n", max_size=3)
NUMBER = st.sampled_from(
    ["0", "-0", "1.0", "1.10", "1e5", "1E+05", "-1.5e-10", "0.1000", "12345678901234567890123", "1e400", "5e-324", "100000.0"]
)
CHARACTER = st.one_of(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'),
    st.sampled_from(['\\"', "\\\\", "\\/", "\\b", "\\n", "\\u0041", "\\u00e9", "\\uD83D\\uDE00", "\\ud83d", "\\u0000", "é", "😀"]),
)
STRING = st.lists(CHARACTER, max_size=8).map(lambda parts: f'"{"".join(parts)}"')
SCALAR = st.one_of(NUMBER, STRING, st.sampled_from(["true", "false", "null"]))


def joined(opening, parts, closing):
    return opening + ",".join(parts) + closing


VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.lists(st.tuples(BLANK, inner, BLANK).map("".join), max_size=3).map(lambda parts: joined("[", parts, "]")),
        st.lists(st.tuples(BLANK, STRING, BLANK, inner).map(lambda t: f"{t[0]}{t[1]}{t[2]}:{t[3]}"), max_size=3).map(
            lambda parts: joined("{", parts, "}")
        ),
    ),
    max_leaves=8,
)
FIELD_NAME = st.one_of(
    st.sampled_from(["messages", "temperature", "tools", "x", "metadata", "model_", "Model"]), STRING.map(lambda s: s[1:-1])
)
FIELD = st.tuples(BLANK, FIELD_NAME, BLANK, BLANK, VALUE, BLANK).map(lambda t: f'{t[0]}"{t[1]}"{t[2]}:{t[3]}{t[4]}{t[5]}')


def is_neutral(field):
    """Whether it leaves alone what the gateway reads: the model, and whether to stream."""
    return re.match(r'\s*"(model|stream|stream_options)"', field) is None


FIELDS = st.lists(FIELD.filter(is_neutral), max_size=5)
MODEL_FIELD = st.tuples(BLANK, BLANK, BLANK).map(lambda t: f'{t[0]}"model"{t[1]}:{t[2]}"NAME"')


@st.composite
def bodies(draw):
    """A JSON object with duplicate keys, odd numbers and blanks, and `NAME` for its model."""
    fields = draw(FIELDS)
    fields.insert(draw(st.integers(0, len(fields))), draw(MODEL_FIELD))
    return (draw(BLANK) + joined("{", fields, draw(BLANK) + "}") + draw(BLANK)).encode()


def post(gateway, body, path="/fixed/v1/chat/completions", **headers):
    return gateway.request("POST", path, body, headers=headers)


def received(static_provider):
    return static_provider.requests[-1]


# --- requests


@EXAMPLES
@given(body=bodies())
def test_a_request_for_the_providers_own_name_is_untouched(gateway, upstreams, body):
    sent = body.replace(b"NAME", b"some-model")
    reply = post(gateway, sent)
    assert reply.status == 200, reply.body
    assert received(upstreams.static).body == sent
    assert reply.headers["x-weighbridge-edits"] == "none"


@EXAMPLES
@given(body=bodies(), name=st.sampled_from([b"still", b"fixed/model-behind-the-route"]))
def test_a_model_under_another_name_changes_exactly_these_bytes(gateway, upstreams, body, name):
    reply = post(gateway, body.replace(b"NAME", name), path="/v1/chat/completions")
    assert reply.status == 200, reply.body
    assert received(upstreams.static).body == body.replace(b"NAME", b"model-behind-the-route")
    assert reply.headers["x-weighbridge-edits"] == "model"


def chunked(pieces):
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@settings(max_examples=40)
@given(body=bodies(), cuts=st.lists(st.integers(1, 40), max_size=6))
def test_a_chunked_request_arrives_as_the_same_bytes(gateway, upstreams, keys, body, cuts):
    body, pieces = body.replace(b"NAME", b"some-model"), []
    rest = body
    for cut in cuts:
        pieces, rest = [*pieces, rest[:cut]], rest[cut:]
    connection = gateway.connection()
    connection.putrequest("POST", "/fixed/v1/chat/completions")
    for name, value in {"authorization": f"Bearer {keys.app}", "content-type": "application/json"}.items():
        connection.putheader(name, value)
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders(chunked([piece for piece in [*pieces, rest] if piece]))
    assert connection.getresponse().read() == b"{}"
    connection.close()
    assert received(upstreams.static).body == body


def test_five_megabytes_arrive_with_the_same_hash(gateway, static_provider):
    text = ("é\\u00e9 \\\\ 0.10 " * 400_000)[:5_000_000]
    body = b'{ "messages":[{"role":"user","content":"%b"}] ,"model" : "still"}' % text.encode()
    assert len(body) > 5_000_000
    reply = post(gateway, body, path="/v1/chat/completions")
    assert (reply.status, reply.headers["x-weighbridge-edits"]) == (200, "model")
    assert received(static_provider).sha256 == sha256(body.replace(b'"still"', b'"model-behind-the-route"'))


def test_deep_nesting_arrives(gateway, static_provider):
    body = b'{"model":"fixed/m","x":' + b"[" * 500 + b"1.0" + b"]" * 500 + b"}"
    assert post(gateway, body, path="/v1/chat/completions").status == 200
    assert received(static_provider).body == body.replace(b"fixed/m", b"m")


def test_of_a_model_named_twice_both_are_spliced(gateway, static_provider):
    body = b'{"model":"still", "x":{"model":"still"}, "model":"still"}'
    assert post(gateway, body, path="/v1/chat/completions").status == 200
    name = b'"model-behind-the-route"'
    assert received(static_provider).body == b'{"model":%b, "x":{"model":"still"}, "model":%b}' % (name, name)


@pytest.mark.parametrize(
    ("coding", "encode", "decode"),
    [
        ("gzip", gzip.compress, gzip.decompress),
        ("br", brotli.compress, brotli.decompress),
        ("zstd", zstandard.compress, zstandard.decompress),
        ("deflate", zlib.compress, zlib.decompress),
    ],
)
def test_an_encoded_request_stays_encoded_unless_a_splice_needs_its_text(gateway, static_provider, coding, encode, decode):
    body = b'{"model" : "some-model","temperature":1.00}'
    reply = post(gateway, encode(body), **{"content-encoding": coding})
    assert (reply.status, reply.headers["x-weighbridge-edits"]) == (200, "none")
    assert received(static_provider).body == encode(body)
    assert received(static_provider).header("content-encoding") == coding
    spliced = post(gateway, encode(body.replace(b"some-model", b"still")), "/v1/chat/completions", **{"content-encoding": coding})
    assert set(spliced.headers["x-weighbridge-edits"].split(",")) == {"model", "content-encoding"}
    assert received(static_provider).body == body.replace(b"some-model", b"model-behind-the-route")
    assert received(static_provider).header("content-encoding") is None


def test_an_injected_stream_option_is_the_only_difference_and_is_named(gateway, static_provider):
    body = b'{"model":"m", "stream" : true, "temperature":1.0}'
    reply = post(gateway, body)
    assert set(reply.headers["x-weighbridge-edits"].split(",")) >= {"stream_options.include_usage"}
    sent = received(static_provider).body
    assert decode_json(sent) == {**decode_json(body), "stream_options": {"include_usage": True}}
    inserted = re.search(rb',?\s*"stream_options":\{"include_usage":true\},?', sent)[0]
    assert sent.replace(inserted, b"") == body


def test_a_stream_that_asks_for_its_usage_is_untouched(gateway, static_provider):
    body = b'{"model":"m", "stream" : true, "stream_options" :{ "include_usage":true }}'
    reply = post(gateway, body)
    assert reply.headers["x-weighbridge-edits"] == "none"
    assert received(static_provider).body == body


@settings(max_examples=30)
@given(content=st.binary(max_size=5_000))
def test_a_raw_upload_is_untouched(gateway, upstreams, content):
    reply = post(gateway, content, "/fixed/v1/anything/else?x=1&y=%20", **{"content-type": "application/octet-stream"})
    assert reply.status == 200
    request = received(upstreams.static)
    assert (request.body, request.target) == (content, b"/v1/anything/else?x=1&y=%20")
    assert request.header("content-type") == "application/octet-stream"


def test_a_form_keeps_every_byte_but_the_models_name(gateway, static_provider):
    binary = bytes(range(256)) * 300
    form = (
        b'--sep\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n%b\r\n'
        b'--sep\r\ncontent-disposition:form-data;  name="model"\r\n\r\n%b\r\n--sep--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=sep"}
    reply = post(gateway, form % (binary, b"still"), "/v1/audio/transcriptions", **headers)
    assert reply.status == 200, reply.body
    assert reply.headers["x-weighbridge-edits"] == "model"
    assert received(static_provider).body == form % (binary, b"model-behind-the-route")


# --- what may not reach a provider


def test_no_key_of_ours_no_cookie_and_no_hop_by_hop_header_reaches_the_provider(gateway, keys, static_provider):
    private = {
        "cookie": "session=1",
        "te": "trailers",
        "connection": "keep-alive, x-of-this-hop",
        "x-of-this-hop": "1",
        "keep-alive": "timeout=5",
        "proxy-authorization": "Basic eDp5",
        "x-forwarded-for": "192.0.2.1",
        "x-weighbridge-provider": "fixed",
        "x-api-key": keys.app,
    }
    kept = {
        "openai-organization": "org-1",
        "anthropic-beta": "b-1",
        "x-of-tomorrow": "yes",
        "user-agent": "journey/1.0",
        "traceparent": "00-1",
    }
    assert post(gateway, b'{"model":"m"}', **private, **kept).status == 200
    request = received(static_provider)
    names = [name.decode().lower() for name, _ in request.headers]
    assert not set(names) & (set(private) - {"connection"})
    assert {name: request.header(name) for name in kept} == kept
    assert request.header("connection") in {None, "keep-alive"}
    assert request.header("authorization") == "Bearer sk-fixed"
    assert request.header("host") == static_provider.origin.removeprefix("http://")
    assert len(names) == len(set(names))
    everything = b"".join(b"%b:%b\n" % pair for pair in request.headers) + request.target + request.body
    assert b"wb-" not in everything


# --- replies


def reply_with(static_provider, head, *pieces, after=After.KEEP):
    static_provider.reply_for = lambda _: StaticReply(head, tuple(Piece(piece) for piece in pieces), after)


@EXAMPLES
@given(
    body=st.one_of(VALUE.map(str.encode), st.binary(max_size=2_000)),
    status=st.sampled_from([200, 201, 400, 404, 418, 429, 500, 529]),
)
def test_a_whole_reply_arrives_untouched_whatever_it_is(gateway, upstreams, body, status):
    upstreams.static.reply_for = lambda _: StaticReply.whole(body, status=f"{status} Whatever")
    reply = post(gateway, b'{"model":"m"}')
    assert (reply.status, reply.body) == (status, body)
    assert reply.headers["content-length"] == str(len(body))


EVENTS = (
    b": a comment\n\n"
    b'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}\n\n'
    b'event: odd\r\nid: 7\r\ndata: {"choices":[{"index":0,"delta":{"content":"\xc3\xa9\\u00e9"}}]}\r\n\r\n'
    b'data:{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
    b"data: [DONE]\n\n"
)


def cut_at(data, places):
    edges = [0, *sorted({place % len(data) for place in places} - {0}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@EXAMPLES
@given(places=st.lists(st.integers(0, 10_000), max_size=30))
def test_a_stream_arrives_untouched_however_it_was_chunked(gateway, upstreams, places):
    upstreams.static.reply_for = lambda _: StaticReply.stream(cut_at(EVENTS, places))
    reply = post(gateway, b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}')
    assert (reply.status, reply.body) == (200, EVENTS)


@settings(max_examples=60)
@given(places=st.lists(st.integers(0, 10_000), max_size=30))
def test_only_the_usage_event_is_withheld_from_a_stream_that_did_not_ask(gateway, upstreams, places):
    upstreams.static.reply_for = lambda _: StaticReply.stream(cut_at(EVENTS, places))
    reply = post(gateway, b'{"model":"m","stream":true}')
    usage_event = re.search(rb'data: \{"choices":\[\],"usage".*?\n\n', EVENTS)[0]
    assert reply.body == EVENTS.replace(usage_event, b"")


@pytest.mark.parametrize(
    ("coding", "encode"), [("gzip", gzip.compress), ("br", brotli.compress), ("zstd", zstandard.compress), ("x-unheard-of", bytes)]
)
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "audio/mpeg"])
def test_an_encoded_reply_stays_encoded(gateway, static_provider, coding, encode, kind):
    encoded = encode(EVENTS)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-encoding: {coding}\r\ntransfer-encoding: chunked\r\n\r\n"
    half = len(encoded) // 2
    reply_with(static_provider, head.encode(), chunked([encoded[:half], encoded[half:]]))
    reply = post(gateway, b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}', **{"accept-encoding": coding})
    assert received(static_provider).header("accept-encoding") == coding
    assert (reply.headers["content-encoding"], reply.body) == (coding, encoded)


def test_a_huge_binary_reply_arrives_with_the_same_hash(gateway, static_provider):
    audio = bytes(range(256)) * 80_000
    static_provider.reply_for = lambda _: StaticReply.whole(audio, content_type="audio/mpeg")
    reply = post(gateway, b'{"model":"m"}', "/fixed/v1/audio/speech")
    assert (sha256(reply.body), reply.headers["content-type"]) == (sha256(audio), "audio/mpeg")


def test_a_reply_that_ends_with_its_connection_is_whole(gateway, static_provider):
    reply_with(static_provider, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b'{"a":', b"1.0}", after=After.CLOSE)
    assert post(gateway, b'{"model":"m"}').body == b'{"a":1.0}'


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_reply_without_a_body_passes(gateway, static_provider, status):
    reply_with(static_provider, f"HTTP/1.1 {status}\r\nx-from: provider\r\n\r\n".encode())
    reply = gateway.request("GET", "/fixed/v1/anything")
    assert (f"{reply.status}", reply.headers["x-from"], reply.body) == (status[:3], "provider", b"")


def test_the_providers_headers_pass_in_order_and_those_of_its_connection_do_not(gateway, static_provider):
    passing = [
        ("openai-processing-ms", "12"),
        ("x-ratelimit-remaining-tokens", "99"),
        ("anthropic-ratelimit-requests-limit", "50"),
        ("retry-after", "7"),
        ("x-request-id", "req_1"),
        ("cf-ray", "abc"),
        ("vary", "Origin"),
        ("vary", "X-Origin"),
        ("x-of-tomorrow", "\xfcml\xe4ut"),
    ]
    held = [
        ("set-cookie", "a=b"),
        ("connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("strict-transport-security", "max-age=1"),
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*held, *passing])
    reply_with(static_provider, f"HTTP/1.1 429 Slow Down\r\n{lines}content-length: 2\r\n\r\n".encode("latin-1"), b"{}")
    reply = post(gateway, b'{"model":"m"}')
    names = {name for name, _ in passing}
    assert [pair for pair in reply.pairs if pair[0] in names] == passing
    assert not {name for name, _ in held} - {"connection", "keep-alive"} & set(reply.headers)
