from __future__ import annotations

import asyncio
import gzip
import re

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.auth.presented_key import KEY_HEADERS
from weighbridge.core.codec import decode_json
from weighbridge.core.routes import plain_route
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deployment, Dialect, Operation

CHAT = b'{"model":"gpt-4o","messages":[]}'
FORM_TYPE = ("content-type", "multipart/form-data; boundary=B")


def form(*fields):
    parts = [f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    return "".join(parts).encode() + b"--B--\r\n"


async def edits_of(world, target, body, headers=()):
    client = await world.ask("POST", target, body, headers)
    assert client.status == 200, client.body
    assert ",".join(world.sink.records[-1].edits) or client.fields["x-weighbridge-edits"] == "none"
    return client.fields["x-weighbridge-edits"]


# --- headers

HEADER_NAME = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True).map(str.encode)
PRIVATE = [
    *sorted(KEY_HEADERS),
    *b"cookie connection keep-alive te trailer transfer-encoding upgrade proxy-authorization proxy-connection host expect".split(),
    *b"x-forwarded-for x-forwarded-ssl x-forwarded-anything forwarded via x-real-ip x-weighbridge-provider x-litellm-tags".split(),
    *b"x-portkey-config helicone-user-id cf-aig-metadata x-bf-vk cf-connecting-ip content-length".split(),
]
NAMED = [b"anthropic-version", b"anthropic-beta", b"openai-organization", b"user-agent", b"x-stainless-lang", b"accept", b"x-b3"]
HEADER_VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20).map(
    lambda text: text.encode("latin-1")
)
HEADERS = st.lists(st.tuples(st.one_of(HEADER_NAME, st.sampled_from(PRIVATE), st.sampled_from(NAMED)), HEADER_VALUE), max_size=12)
FORBIDDEN_PREFIXES = (b"x-forwarded-", b"x-weighbridge-", b"x-litellm-", b"x-portkey-", b"helicone-", b"cf-aig-", b"x-bf-")
_WORLDS = []


@pytest.fixture(autouse=True)
def _worlds(build):
    _WORLDS[:] = [build]


@given(HEADERS)
def test_private_headers_never_reach_a_provider_and_all_others_do(headers):
    headers = [(name, b"x-dropped, close" if name == b"connection" else value) for name, value in headers]
    # What these mean for the way of a request has tests of its own.
    aside = {b"x-weighbridge-provider", b"content-encoding", b"sec-websocket-protocol", b"anthropic-version"}
    headers = [pair for pair in headers if pair[0] not in aside]

    async def send():
        world = _WORLDS[0](auth_required=False)
        client = await world.ask("POST", "/v1/chat/completions", CHAT, [(n.decode(), v) for n, v in headers], auth=False)
        assert client.status == 200
        return world.sent_headers

    sent = asyncio.run(send())
    is_named = any(name == b"connection" for name, _ in headers)
    expected = [
        (name, value)
        for name, value in headers
        if name not in PRIVATE and not name.startswith(FORBIDDEN_PREFIXES) and not (is_named and name == b"x-dropped")
    ]
    own = [(b"host", b"api.openai.example"), (b"authorization", b"Bearer sk-of-openai")]
    assert sent == own + expected


async def test_headers_that_connection_names_are_dropped(world):
    headers = [("connection", "X-Foo, keep-alive"), ("x-foo", "1"), ("connection", "close"), ("x-bar", "2")]
    await world.ask("POST", "/v1/chat/completions", CHAT, headers)
    names = [name for name, _ in world.sent_headers]
    assert b"x-foo" not in names
    assert b"x-bar" in names


async def test_configured_headers_override_the_clients(build):
    azure = build.provider(
        "openai", {Dialect.OPENAI: "/v1"}, headers=(("OpenAI-Organization", Secret("org-ours")), ("X-Extra", Secret("yes")))
    )
    world = build(providers=(azure,), routes=())
    await world.ask("POST", "/v1/chat/completions", CHAT, [("openai-organization", "org-theirs")])
    values = [value for name, value in world.sent_headers if name == b"openai-organization"]
    assert values == [b"org-ours"]
    assert (b"x-extra", b"yes") in world.sent_headers


async def test_subprotocols_without_an_upgrade_are_dropped_for_they_may_hold_a_key(world):
    headers = [("sec-websocket-protocol", f"openai-insecure-api-key.{world.key}")]
    await world.ask("POST", "/v1/chat/completions", CHAT, headers, auth=False)
    assert b"sec-websocket-protocol" not in dict(world.sent_headers)


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/v1/messages", (b"x-api-key", b"sk-ant-of-anthropic")),
        ("/v1beta/models/gemini-pro:generateContent", (b"x-goog-api-key", b"AIza-of-gemini")),
        ("/v1/chat/completions", (b"authorization", b"Bearer gsk-of-groq")),
    ],
)
async def test_each_provider_gets_its_own_key_where_it_wants_it(world, target, line):
    model = {"/v1/messages": "claude-4"}.get(target, "groq/llama-3")
    await world.ask("POST", target, {"model": model} if "gemini" not in target else {})
    assert line in world.sent_headers


async def test_websocket_handshake_is_made_anew_without_compression_and_without_the_key(world):
    headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "abc=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{world.key}, v2"),
    ]
    await world.ask("GET", "/v1/realtime?model=gpt-4o", headers=headers, auth=False, is_upgrade=True)
    sent = world.sent_headers
    assert sent[-3:] == [(b"sec-websocket-protocol", b"realtime, v2"), (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    assert (b"sec-websocket-key", b"abc==") in sent
    assert b"sec-websocket-extensions" not in dict(sent)
    assert world.record.edits == ("sec-websocket-extensions",)


# --- the path and the query


@pytest.mark.parametrize(
    ("target", "body", "line"),
    [
        ("/v1/chat/completions?a=1&key=x&b=%20", {"model": "gpt-4o"}, "/v1/chat/completions?a=1&b=%20"),
        ("/groq/v1/chat/completions", {"model": "x"}, "/openai/v1/chat/completions"),
        ("/groq/chat/completions", {"model": "x"}, "/openai/v1/chat/completions"),
        ("/groq/openai/v1/chat/completions", {"model": "x"}, "/openai/v1/chat/completions"),
        ("/groq/openai/v1/other/thing", {}, "/openai/v1/other/thing"),
        ("/groq/v2/other", {}, "/openai/v2/other"),
        ("/v1/messages?beta=true", {"model": "claude-4"}, "/v1/messages?beta=true"),
        ("/v1beta/models/gemini-pro:generateContent", {}, "/v1beta/models/gemini-pro:generateContent"),
        ("/v1/models/gemini-pro:generateContent", {}, "/v1/models/gemini-pro:generateContent"),
        ("/v1/models/gemini-pro:streamGenerateContent?alt=sse", {}, "/v1/models/gemini-pro:streamGenerateContent?alt=sse"),
        ("/gemini/v1/models/x:generateContent", {}, "/v1/models/x:generateContent"),
        ("/gemini/v1beta/models/x:generateContent", {}, "/v1beta/models/x:generateContent"),
        ("/gemini/v1/cachedContents", {}, "/v1/cachedContents"),
        ("/gemini/v1beta/cachedContents", {}, "/v1beta/cachedContents"),
        ("/v1beta/openai/chat/completions", {"model": "gemini-pro"}, "/v1beta/openai/chat/completions"),
        ("/v1/files", {}, "/v1/files"),
        ("/v1/batches/b_1/cancel", {}, "/v1/batches/b_1/cancel"),
    ],
)
async def test_path_towards_the_provider(world, target, body, line):
    assert (await world.ask("POST", target, body)).status == 200
    assert world.request_line == f"POST {line} HTTP/1.1"
    assert world.record.edits == ()


async def test_version_in_a_gemini_base_url_is_not_changed_by_the_client(build):
    gemini = build.provider("gemini", {Dialect.GEMINI: "/v1alpha"})
    world = build(providers=(gemini,), routes=())
    await world.ask("POST", "/v1/models/x:generateContent", {})
    assert world.request_line == "POST /v1alpha/models/x:generateContent HTTP/1.1"


async def test_model_in_the_path_is_replaced_in_place(build):
    world = build(routes=(plain_route("fast", Deployment("gemini", "gemini-flash")),))
    assert await edits_of(world, "/v1beta/models/fast:countTokens?x=1", {}) == "model"
    assert world.request_line == "POST /v1beta/models/gemini-flash:countTokens?x=1 HTTP/1.1"


async def test_provider_prefix_in_the_path_is_taken_off(world):
    assert await edits_of(world, "/v1beta/models/gemini%2Fgemini-pro:generateContent", {}) == "model"
    assert world.request_line == "POST /v1beta/models/gemini-pro:generateContent HTTP/1.1"


async def test_inner_models_follow_the_path(build):
    world = build(routes=(plain_route("embed", Deployment("gemini", "embedding-1")),))
    body = b'{ "requests": [ {"model" : "models/embed", "content": {"model": "models/embed"}},\n{"content":{}, "model":"embed"} ] }'
    assert await edits_of(world, "/v1beta/models/embed:batchEmbedContents", body) == "model"
    expected = body.replace(b'{"model" : "models/embed"', b'{"model" : "models/embedding-1"').replace(
        b'"model":"embed"', b'"model":"embedding-1"'
    )
    assert world.sent_body == expected


async def test_model_in_the_query_is_replaced(world):
    await world.ask("GET", "/v1/realtime?model=openai/gpt-4o&intent=x", is_upgrade=True)
    assert world.request_line == "GET /v1/realtime?model=gpt-4o&intent=x HTTP/1.1"
    assert world.record.edits == ("model",)


@pytest.mark.parametrize(
    "target", ["/openai/deployments/{m}/chat/completions?api-version=1", "/v1/engines/{m}/completions", "/engines/{m}/completions"]
)
@pytest.mark.parametrize("body", [b'{"messages":[]}', b'{"model":"other","messages":[]}'])
async def test_model_of_a_hosted_path_moves_into_the_body(world, target, body):
    assert await edits_of(world, target.format(m="gpt-4o"), body) == "model"
    path = world.request_line.split()[1].partition("?")[0]
    assert path == ("/v1/chat/completions" if "deployments" in target else "/v1/completions")
    assert decode_json(world.sent_body) == {"model": "gpt-4o", "messages": []}


async def test_model_of_a_hosted_path_moves_into_a_form(world):
    target = "/openai/deployments/whisper-1/audio/transcriptions"
    assert await edits_of(world, target, form(("prompt", "x")), [FORM_TYPE]) == "model"
    assert world.sent_body == (b'--B\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n' + form(("prompt", "x")))
    assert await edits_of(world, target, form(("model", "other"), ("prompt", "x")), [FORM_TYPE]) == "model"
    assert world.sent_body == form(("model", "whisper-1"), ("prompt", "x"))
    assert world.request_line == "POST /v1/audio/transcriptions HTTP/1.1"


async def test_hosted_path_without_a_body_is_refused(world):
    assert (await world.ask("POST", "/openai/deployments/gpt-4o/chat/completions")).status == 400
    assert world.upstream.requests == []


# --- the body


@pytest.mark.parametrize(
    "target", ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/moderations"]
)
async def test_body_without_splices_is_the_clients_own(world, target):
    body = b'{ "x":1.0e0 , "model" : "gpt\\u002d4o","x":1,\n"u":"\\ud83d" }'
    assert await edits_of(world, target, body) == "none"
    assert world.sent_body == body


async def test_only_the_model_is_replaced_under_a_routes_name(world):
    body = b'{"a":{"model":"smart"}, "model" : "smart" ,"n":1.50,"m":"smart"}'
    assert await edits_of(world, "/v1/chat/completions", body) == "model"
    assert world.sent_body == b'{"a":{"model":"smart"}, "model" : "gpt-4o" ,"n":1.50,"m":"smart"}'


async def test_provider_prefix_is_taken_off(world):
    assert await edits_of(world, "/v1/messages", b'{"model":"anthropic/claude-4","max_tokens":1}') == "model"
    assert world.sent_body == b'{"model":"claude-4","max_tokens":1}'


@pytest.mark.parametrize("first", ["gpt-4o", "gpt-4o-mini"])
async def test_duplicates_of_the_model_all_name_the_one_that_was_admitted(world, first):
    body = b'{"model":"%b","x":1,"mod\\u0065l":"gpt-4o"}' % first.encode()
    assert await edits_of(world, "/v1/chat/completions", body) == "model"
    assert world.sent_body == b'{"model":"gpt-4o","x":1,"mod\\u0065l":"gpt-4o"}'


async def test_form_field_is_replaced_in_place(world):
    body = form(("prompt", "openai/whisper-1"), ("model", "openai/whisper-1"))
    assert await edits_of(world, "/v1/audio/transcriptions", body, [FORM_TYPE]) == "model"
    assert world.sent_body == form(("prompt", "openai/whisper-1"), ("model", "whisper-1"))


async def test_form_without_splices_is_the_clients_own(world):
    body = form(("model", "whisper-1"))
    assert await edits_of(world, "/v1/audio/transcriptions", body, [FORM_TYPE]) == "none"
    assert world.sent_body == body


USAGE_ASKED = "stream_options.include_usage,accept-encoding"

CODINGS = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("coding", CODINGS)
async def test_compressed_body_without_splices_stays_compressed(world, coding):
    body = CODINGS[coding](CHAT)
    assert await edits_of(world, "/v1/chat/completions", body, [("content-encoding", coding)]) == "none"
    assert world.sent_body == body
    assert (b"content-encoding", coding.encode()) in world.sent_headers


@pytest.mark.parametrize("coding", CODINGS)
async def test_compressed_body_with_a_splice_goes_out_decoded(world, coding):
    body = CODINGS[coding](CHAT.replace(b"gpt-4o", b"smart"))
    assert await edits_of(world, "/v1/chat/completions", body, [("content-encoding", coding)]) == "model,content-encoding"
    assert world.sent_body == CHAT
    assert b"content-encoding" not in dict(world.sent_headers)
    assert world.upstream.requests[0].body_length == len(CHAT)


async def test_upload_is_streamed_untouched(world):
    await world.ask("POST", "/v1/files", b"\x00\xff" * 100, [("content-encoding", "gzip")])
    assert world.sent_body == b"\x00\xff" * 100
    assert world.upstream.requests[0].body_length == 200
    assert (b"content-encoding", b"gzip") in world.sent_headers


async def test_chunked_upload_stays_of_unknown_length(world):
    await world.ask("POST", "/v1/files", b"abc", is_chunked=True)
    assert world.upstream.requests[0].body_length is None


async def test_request_without_a_body_has_none(world):
    await world.ask("GET", "/v1/responses/resp_1")
    assert (world.sent_body, world.upstream.requests[0].body_length) == (b"", 0)


# --- usage of streams

ASKED = b'{"model":"gpt-4o","stream":true,"stream_options":%b}'


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (b"null", b'{"include_usage":true}'),
        (b"{}", b'{"include_usage":true}'),
        (b'{ "include_usage" : false }', b'{ "include_usage" : true }'),
        (b'{"include_usage":null}', b'{"include_usage":true}'),
        (b'{"include_obfuscation":false}', b'{"include_usage":true,"include_obfuscation":false}'),
    ],
)
@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/completions"])
async def test_usage_is_asked_for_in_place(world, target, options, sent):
    assert await edits_of(world, target, ASKED % options) == USAGE_ASKED
    assert world.sent_body == ASKED % sent


async def test_usage_is_asked_for_where_options_are_absent(world):
    assert await edits_of(world, "/v1/chat/completions", b'{"model":"gpt-4o","stream":true}') == USAGE_ASKED
    assert world.sent_body == b'{"stream_options":{"include_usage":true},"model":"gpt-4o","stream":true}'


async def test_clients_own_wish_for_usage_is_left_alone(world):
    body = ASKED % b'{"include_usage":true}'
    assert await edits_of(world, "/v1/chat/completions", body, [("accept-encoding", "gzip")]) == "none"
    assert world.sent_body == body
    assert (b"accept-encoding", b"gzip") in world.sent_headers


async def test_text_is_asked_for_only_where_a_chunk_must_be_withheld(world):
    edits = await edits_of(world, "/v1/chat/completions", b'{"model":"gpt-4o","stream":true}', [("accept-encoding", "gzip, br")])
    assert edits == USAGE_ASKED
    assert (b"accept-encoding", b"identity") in world.sent_headers


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1/chat/completions", b'{"model":"gpt-4o","stream":false}'),
        ("/v1/chat/completions", b'{"model":"gpt-4o","stream":null}'),
        ("/v1/responses", b'{"model":"gpt-4o","stream":true}'),
        ("/v1/messages", b'{"model":"claude-4","stream":true}'),
    ],
)
async def test_usage_is_asked_for_nowhere_else(world, target, body):
    assert await edits_of(world, target, body, [("accept-encoding", "gzip")]) == "none"
    assert world.sent_body == body
    assert (b"accept-encoding", b"gzip") in world.sent_headers


@pytest.mark.parametrize("options", [b'"x"', b"[]", b"1"])
async def test_options_of_the_wrong_type_are_refused(world, options):
    client = await world.ask("POST", "/v1/chat/completions", ASKED % options)
    assert (client.status, client.json["error"]["param"]) == (400, "stream_options")


# --- every body, but for its splices

BLANK = st.sampled_from(["", " ", "\n", "\t "])
NUMBER = st.sampled_from(["0", "-0", "1.0", "1e5", "1E+05", "0.10", "-1.5e-07", "12345678901234567890123"])
STRING = st.sampled_from(['""', '"model"', '"smart"', r'"\u00e9"', '"é"', r'"\ud83d"', r'"a\/b"', r'"\\\"model\":"', '"😀"'])
VALUE = st.recursive(
    st.one_of(NUMBER, STRING, st.sampled_from(["true", "false", "null"])),
    lambda inner: st.one_of(
        st.tuples(BLANK, st.lists(inner, max_size=3)).map(lambda p: "[" + p[0] + ("," + p[0]).join(p[1]) + "]"),
        st.tuples(BLANK, st.lists(st.tuples(STRING, inner), max_size=3)).map(
            lambda p: "{" + ",".join(f"{p[0]}{k}:{p[0]}{v}" for k, v in p[1]) + "}"
        ),
    ),
    max_leaves=8,
)
OTHER_MEMBER = st.tuples(st.sampled_from(['"messages"', '"temperature"', '"x"', r'"mode\u006c2"', '"é"', '""']), VALUE, BLANK)
MODEL_KEY = st.sampled_from(['"model"', r'"mod\u0065l"', r'"\u006dodel"'])


@given(
    before=st.lists(OTHER_MEMBER, max_size=4),
    after=st.lists(OTHER_MEMBER, max_size=4),
    key=MODEL_KEY,
    depth=st.sampled_from([0, 0, 200]),
)
def test_nothing_but_the_model_changes_in_any_body(before, after, key, depth):
    deep = [('"deep"', "[" * depth + "]" * depth, "")] if depth else []
    members = [
        *((k, v, b, False) for k, v, b in before),
        (key, "{}", " ", True),
        *((k, v, b, False) for k, v, b in [*after, *deep]),
    ]

    def body(model):
        texts = [f"{b}{k}{b}:{b}{model if is_model else v}{b}" for k, v, b, is_model in members]
        return ("{" + ",".join(texts) + "}").encode()

    async def send(model):
        world = _WORLDS[0]()
        client = await world.ask("POST", "/v1/chat/completions", body(model))
        assert client.status == 200, client.body
        return world.sent_body

    assert asyncio.run(send('"smart"')) == body('"gpt-4o"')
    assert asyncio.run(send('"gpt-4o"')) == body('"gpt-4o"')


async def test_large_body_is_equal_but_for_its_splice(world):
    body = b'{"messages":"%b","model":"smart"}' % (b"x" * 5_000_000)
    await world.ask("POST", "/v1/chat/completions", body)
    assert world.sent_body == body.replace(b'"smart"', b'"gpt-4o"')
    assert world.upstream.requests[0].body_length == len(world.sent_body)


async def test_head_is_framed_for_the_engine(world):
    await world.chat()
    head = world.upstream.requests[0].head
    assert re.fullmatch(rb"POST \S+ HTTP/1\.1\r\n(?:[a-z0-9-]+: [^\r\n]*\r\n)*", head)
    assert not re.search(rb"^(content-length|transfer-encoding):", head, re.MULTILINE)
    assert world.record.operation is Operation.CHAT


async def test_reply_that_will_be_changed_is_asked_for_uncompressed_though_the_client_names_no_coding(world):
    edits = await edits_of(world, "/v1/chat/completions", b'{"model":"gpt-4o","stream":true}')
    assert edits == USAGE_ASKED
    assert (b"accept-encoding", b"identity") in world.sent_headers
