from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_S
from weighbridge.wire.provider_error_bodies import MAX_MESSAGE_CHARS, read_error_body, scrubbed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "detail", "details", "metadata", "raw", "status", "param"]), inner
        )
    ),
    max_leaves=12,
)


def read(value: object):
    return read_error_body(json.dumps(value).encode())


def test_openai() -> None:
    found = read(
        {"error": {"message": "No such parameter.", "type": "invalid_request_error", "param": "n", "code": "unknown_parameter"}}
    )
    assert (found.message, found.code, found.type, found.param) == (
        "No such parameter.",
        "unknown_parameter",
        "invalid_request_error",
        "n",
    )
    assert found.words == ("unknown_parameter", "invalid_request_error")


def test_azure_says_more_within() -> None:
    found = read(
        {
            "error": {
                "message": "Filtered.",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        }
    )
    assert found.words == ("ResponsibleAIPolicyViolation", "content_filter")
    assert found.status == 400


def test_anthropic() -> None:
    found = read({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"})
    assert (found.message, found.type, found.words) == ("Overloaded", "overloaded_error", ("overloaded_error",))


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: [error]])
def test_google_as_an_object_and_in_an_array(wrap) -> None:
    details = [{"@type": "ErrorInfo", "reason": "API_KEY_INVALID"}, {"@type": "RetryInfo", "retryDelay": "26s"}]
    found = read(wrap({"error": {"code": 429, "message": "Later.", "status": "RESOURCE_EXHAUSTED", "details": details}}))
    assert (found.message, found.status, found.type) == ("Later.", 429, "RESOURCE_EXHAUSTED")
    assert found.words == ("API_KEY_INVALID", "RESOURCE_EXHAUSTED")
    assert found.retry_after_ns == 26 * NS_PER_S


def test_an_error_that_is_json_in_a_sentence_is_read_too() -> None:
    inner = json.dumps({"error": {"message": "Deep.", "status": "NOT_FOUND"}})
    found = read({"error": {"message": inner, "code": 404}})
    assert (found.message, found.status) == ("Deep.", 404)
    assert "NOT_FOUND" in found.words


def test_openrouter_passes_on_what_the_provider_said() -> None:
    raw = json.dumps({"error": {"message": "Overloaded", "type": "overloaded_error"}})
    found = read(
        {
            "error": {
                "code": 502,
                "message": "Provider returned error",
                "metadata": {"raw": raw, "error_type": "provider_overloaded"},
            }
        }
    )
    assert found.message == "Provider returned error: Overloaded"
    assert found.words == ("provider_overloaded", "overloaded_error")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "Bedrock and Cohere."}, "Bedrock and Cohere."),
        ({"Message": "IAM."}, "IAM."),
        ({"error": "Ollama."}, "Ollama."),
        ({"code": "invalid-argument", "error": "xAI."}, "xAI."),
        ({"detail": "FastAPI."}, "FastAPI."),
        ({"object": "error", "message": "Mistral.", "type": "invalid_model", "param": None, "code": "1500"}, "Mistral."),
        ({"object": "error", "message": {"detail": [{"loc": ["body", "n"], "msg": "wrong"}]}}, "n: wrong"),
        ({"error": {"message": None}, "message": "Beside."}, "Beside."),
        ({"error_code": 17, "error_msg": "Baidu."}, "Baidu."),
        ({"errors": [{"code": 5007, "message": "Cloudflare."}], "success": False}, "Cloudflare."),
        ({"detail": {"status": "quota_exceeded", "message": "ElevenLabs."}}, "ElevenLabs."),
        ({"title": "Replicate.", "status": 402}, "Replicate."),
        ("Bare.", "Bare."),
    ],
)
def test_shapes_without_ceremony(body, message) -> None:
    assert read(body).message == message


def test_fastapi_names_the_field() -> None:
    found = read({"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Field required", "type": "missing"}]})
    assert (found.message, found.param) == ("messages.0.role: Field required", "messages.0.role")


def test_of_a_page_only_the_title_is_shown() -> None:
    page = b"<html><head><title>502 Bad\nGateway</title></head><body><center>nginx at 10.0.0.7</center></body></html>"
    assert read_error_body(page).message == "502 Bad Gateway"
    assert read_error_body(b"<h1>x</h1>").message == ""


def test_plain_text_is_cut_short() -> None:
    assert read_error_body(b"upstream  connect\n error").message == "upstream connect error"
    assert len(read_error_body(b"word " * 1000).message) < 310


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Incorrect API key provided: my-secret. Look.", "Incorrect API key provided: ***. Look."),
        ("Incorrect API key provided: sk-proj-abc123XYZ.", "Incorrect API key provided: ***."),
        ("Your api key: ****-key is invalid", "Your api key: *** is invalid"),
        ("bad key <not-a-r****key> here", "bad key *** here"),
        ("use sk-ant-api03-AbCdEf123456 please", "use *** please"),
        ("AIzaSyA1234567890abcdef is blocked", "*** is blocked"),
        ("AKIAIOSFODNN7EXAMPLE is not known", "*** is not known"),
        ("header 'Authorization: Bearer abcdefgh123456' was sent", "header 'Authorization: Bearer ***' was sent"),
        ("x-amz-security-token:IQoJb3JpZ2luX2VjEAAaCXVz host:x", "x-amz-security-token:*** host:x"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc-_ there", "got *** there"),
        ("key 0123456789abcdef0123456789abcdef is wrong", "key *** is wrong"),
        ("User: arn:aws:iam::123456789012:user/bob may not", "User: arn:aws:iam::***:user/bob may not"),
    ],
)
def test_what_looks_like_a_key_is_not_passed_on(text, left) -> None:
    assert scrubbed(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "Previous response with id 'resp_05500b38c2cd9bfc00691c7c9d222481a3b595421266dab424' not found.",
        "ref: 96164522-08b2-4cbf-886e-e5a38961a688",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081",
        "Supported models are ['g2-20250421-0156pm-voyage-2-series-preloading', 'voyage-large-2-instruct'].",
        "models/gemini-2.5-flash is not found for API version v1beta",
        "tool call ids must match ^[a-zA-Z0-9_-]+$",
    ],
)
def test_what_is_no_key_stays(text) -> None:
    assert scrubbed(text) == text


def test_a_sentence_is_bounded() -> None:
    assert len(read({"error": {"message": "word " * 10_000}}).message) <= MAX_MESSAGE_CHARS + 1


@given(JSON)
def test_no_json_raises(value) -> None:
    found = read(value)
    assert isinstance(found.message, str)
    assert all(isinstance(word, str) and word for word in found.words)


@given(st.binary(max_size=200))
def test_no_bytes_raise(body) -> None:
    assert isinstance(read_error_body(body).message, str)


def test_masked_keys_are_found_at_the_end_of_a_long_text() -> None:
    assert scrubbed("word " * 300 + "abc***def") == "word " * 300 + "***"


def test_deep_nesting_ends() -> None:
    assert read_error_body(b'{"error":' * 300 + b'"x"' + b"}" * 300) is not None
    assert read_error_body(b"[" * 100_000) is not None
