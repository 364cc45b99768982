from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect, ModelPlace, Operation
from weighbridge.wire.endpoints import Match, match

CONFIGURED = {"openai", "anthropic", "gemini", "groq"}


def find(method: str, path: str, *, prefers: Dialect | None = None, providers: set[str] = CONFIGURED) -> Match:
    return match(method.encode(), path.encode(), providers=providers, prefers=prefers)


def refusal(method: str, path: str) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        find(method, path)
    return caught.value


@pytest.mark.parametrize(
    ("method", "path", "dialect", "operation", "place", "relative"),
    [
        ("POST", "/v1/chat/completions", "openai", "chat", "body", "/chat/completions"),
        ("GET", "/v1/chat/completions/chatcmpl-1", "openai", "raw", "nowhere", "/chat/completions/chatcmpl-1"),
        ("GET", "/v1/chat/completions/c-1/messages", "openai", "raw", "nowhere", "/chat/completions/c-1/messages"),
        ("POST", "/v1/completions", "openai", "completions", "body", "/completions"),
        ("POST", "/v1/responses", "openai", "responses", "body", "/responses"),
        ("POST", "/v1/responses/compact", "openai", "responses", "body", "/responses/compact"),
        ("POST", "/v1/responses/input_tokens", "openai", "count_tokens", "body", "/responses/input_tokens"),
        ("GET", "/v1/responses/resp_1", "openai", "responses.stored", "nowhere", "/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel", "openai", "responses.stored", "nowhere", "/responses/resp_1/cancel"),
        ("GET", "/v1/responses/r/input_items", "openai", "responses.stored", "nowhere", "/responses/r/input_items"),
        ("POST", "/v1/embeddings", "openai", "embeddings", "body", "/embeddings"),
        ("GET", "/v1/models", "openai", "models", "nowhere", "/models"),
        ("POST", "/v1/images/edits", "openai", "images", "form", "/images/edits"),
        ("POST", "/v1/audio/speech", "openai", "audio", "body", "/audio/speech"),
        ("POST", "/v1/audio/transcriptions", "openai", "audio", "form", "/audio/transcriptions"),
        ("GET", "/v1/files/file-1/content", "openai", "files", "nowhere", "/files/file-1/content"),
        ("POST", "/v1/uploads/up-1/parts", "openai", "files", "nowhere", "/uploads/up-1/parts"),
        ("POST", "/v1/batches/b-1/cancel", "openai", "batches.stored", "nowhere", "/batches/b-1/cancel"),
        ("GET", "/v1/realtime", "openai", "realtime", "query", "/realtime"),
        ("POST", "/v1/realtime/client_secrets", "openai", "raw", "nowhere", "/realtime/client_secrets"),
        ("POST", "/api/v1/chat/completions", "openai", "chat", "body", "/chat/completions"),
        ("POST", "/v1beta/openai/chat/completions", "openai", "chat", "body", "/chat/completions"),
        ("POST", "/v1/messages", "anthropic", "messages", "body", "/messages"),
        ("POST", "/v1/messages/count_tokens", "anthropic", "count_tokens", "body", "/messages/count_tokens"),
        ("GET", "/v1/messages/batches/b/results", "anthropic", "message_batches.stored", "nowhere", "/messages/batches/b/results"),
        ("GET", "/v1beta/models", "gemini", "models", "nowhere", "/models"),
        # What vendors' SDKs ask for besides, at the same base URL.
        ("POST", "/v1/conversations", "openai", "raw", "nowhere", "/conversations"),
        ("GET", "/v1/conversations/c-1/items", "openai", "raw", "nowhere", "/conversations/c-1/items"),
        ("POST", "/v1/vector_stores/vs-1/search", "openai", "files", "nowhere", "/vector_stores/vs-1/search"),
        ("POST", "/v1/fine_tuning/jobs", "openai", "raw", "nowhere", "/fine_tuning/jobs"),
        ("DELETE", "/v1/videos/v-1", "openai", "raw", "nowhere", "/videos/v-1"),
        ("POST", "/v1beta/cachedContents", "gemini", "raw", "nowhere", "/cachedContents"),
        ("PATCH", "/v1beta/cachedContents/c-1", "gemini", "raw", "nowhere", "/cachedContents/c-1"),
        ("GET", "/v1beta/files/f-1:download", "gemini", "files", "nowhere", "/files/f-1:download"),
        ("POST", "/upload/v1beta/files", "gemini", "files", "nowhere", "/upload/v1beta/files"),
        ("POST", "/v1beta/models/veo:predictLongRunning", "gemini", "raw", "nowhere", "/models/veo:predictLongRunning"),
        ("GET", "/v1beta/models/veo/operations/o-1", "gemini", "raw", "nowhere", "/models/veo/operations/o-1"),
    ],
)
def test_each_operation_is_found_under_its_public_path(method, path, dialect, operation, place, relative) -> None:
    found = find(method, path)
    assert found.endpoint.dialect is Dialect(dialect)
    assert found.endpoint.operation is Operation(operation)
    assert found.endpoint.model_place is ModelPlace(place)
    assert found.path == relative
    assert found.provider is None


@pytest.mark.parametrize(
    ("path", "operation", "model"),
    [
        ("/v1beta/models/gemini-2.5-pro:generateContent", "generate", "gemini-2.5-pro"),
        ("/v1beta/models/demo/echo:generateContent", "generate", "demo/echo"),
        ("/v1beta/models/demo%2Fecho:streamGenerateContent", "stream_generate", "demo%2Fecho"),
        ("/v1beta/models/org/model:free:countTokens", "count_tokens", "org/model:free"),
        ("/v1/models/gemini-2.5-pro:embedContent", "embed", "gemini-2.5-pro"),
        ("/gemini/v1beta/models/m:batchEmbedContents", "embed", "m"),
        ("/genai/v1beta/models/m:generateContent", "generate", "m"),
        ("/v1beta/tunedModels/mine:generateContent", "generate", "mine"),
        ("/openai/deployments/my-dep/chat/completions", "chat", "my-dep"),
        ("/openai/deployments/my-dep/audio/transcriptions", "audio", "my-dep"),
        ("/engines/davinci/completions", "completions", "davinci"),
        ("/v1/engines/davinci/completions", "completions", "davinci"),
    ],
)
def test_a_model_in_the_path_is_found_where_it_stands(path, operation, model) -> None:
    found = find("POST", path)
    assert found.endpoint.operation is Operation(operation)
    assert found.endpoint.model_place is ModelPlace.PATH
    assert found.model_span is not None
    assert found.path[slice(*found.model_span)] == model


def test_a_single_model_may_have_slashes_and_colons() -> None:
    found = find("GET", "/v1/models/ft:gpt-4o:org/x::id")
    assert found.endpoint.operation is Operation.MODELS
    assert found.path[slice(*found.model_span)] == "ft:gpt-4o:org/x::id"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/claude-x", "/v1/files", "/v1/files/file_1"])
def test_shared_paths_are_those_of_the_dialect_that_the_headers_show(path) -> None:
    assert find("GET", path).endpoint.dialect is Dialect.OPENAI
    for dialect in (Dialect.ANTHROPIC, Dialect.GEMINI):
        assert find("GET", path, prefers=dialect).endpoint.dialect is dialect


def test_what_google_alone_has_is_there_under_both_roots_for_its_sdk() -> None:
    for root in ("/v1", "/v1beta"):
        for method, path in (("POST", "/cachedContents"), ("GET", "/batches/b-1"), ("POST", "/models/veo:predict")):
            found = find(method, root + path, prefers=Dialect.GEMINI)
            assert (found.endpoint.dialect, found.endpoint.operation, found.path) == (Dialect.GEMINI, Operation.RAW, path)
    assert find("POST", "/v1/chat/completions", prefers=Dialect.GEMINI).endpoint.operation is Operation.CHAT


@pytest.mark.parametrize(
    ("path", "provider"),
    [
        ("/openai/v1/chat/completions", "openai"),
        ("/openai/chat/completions", "openai"),
        ("/anthropic/v1/messages", "anthropic"),
        ("/anthropic/messages", "anthropic"),
        ("/gemini/v1beta/models/m:generateContent", "gemini"),
    ],
)
def test_a_mount_pins_the_provider_of_its_name_only_if_it_is_configured(path, provider) -> None:
    assert find("POST", path).provider == provider
    assert find("POST", path, providers={"groq"}).provider is None


def test_azure_deployments_are_not_pinned_to_the_vendor_openai() -> None:
    assert find("POST", "/openai/deployments/d/embeddings").provider is None


def test_what_a_provider_has_beyond_the_table_passes_raw() -> None:
    for path, rest, provider in (
        ("/groq/anything/else", "/anything/else", "groq"),
        ("/openai/v1/organization/costs", "/organization/costs", "openai"),
        ("/anthropic/v1/organizations/me", "/organizations/me", "anthropic"),
        ("/gemini/v1beta/models/m:predict", "/models/m:predict", "gemini"),
    ):
        found = find("POST", path)
        assert (found.endpoint.operation, found.path, found.provider) == (Operation.RAW, rest, provider)


def test_an_unknown_path_is_not_found() -> None:
    for path in ("/v1/nothing", "/unknown/v1/chat/completions", "/", "/groq", "/v1beta/models/m:guess", "/v1/organization/costs"):
        assert refusal("POST", path).kind is ErrorKind.NOT_FOUND, path
    assert refusal("GET", "/v1/cachedContents").kind is ErrorKind.NOT_FOUND  # Google's, and not under this root


def test_a_wrong_method_is_told_the_right_ones() -> None:
    error = refusal("PUT", "/v1/chat/completions")
    assert error.kind is ErrorKind.METHOD_NOT_ALLOWED
    assert "GET, POST" in error.public
    assert refusal("POST", "/v1/batches/b-1").kind is ErrorKind.METHOD_NOT_ALLOWED
    assert refusal("GET", "/v1beta/models/m:generateContent").kind is ErrorKind.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "path",
    [
        "/groq/../openai/v1/files",
        "/groq/./x",
        "/groq/..",
        "/groq/..;/x",
        "/groq//x",
        "//v1/chat/completions",
        "/groq/%2e%2e/x",
        "/groq/%2E./x",
        "/groq/a%252fb",
        "/groq/a%5cb",
        "/groq/a\\b",
        "/groq/a%00",
        "/groq/a\x00b",
        "/groq/a b",
        "/groq/a%zz",
        "/groq/a%2",
        "/groq/a%2fb",
        "/groq/é",
        "/groq/x#y",
        "v1/chat/completions",
        "",
        "/v1beta/models/..%2f..%2fx:generateContent",
        "/v1beta/models/..:generateContent",
        "/v1beta/models/%2fx:generateContent",
    ],
)
def test_a_path_that_servers_read_in_different_ways_is_refused(path) -> None:
    assert refusal("POST", path).kind is ErrorKind.INVALID_REQUEST


@given(
    st.binary(max_size=60), st.sampled_from([b"GET", b"POST", b"\xff"]), st.sampled_from([None, Dialect.ANTHROPIC, Dialect.GEMINI])
)
def test_no_path_can_do_more_than_be_refused(path, method, prefers) -> None:
    for prefix in (b"", b"/v1/", b"/groq/", b"/v1beta/models/"):
        with suppress(GatewayError):
            found = match(method, prefix + path, providers=CONFIGURED, prefers=prefers)
            assert found.path.startswith("/")
            assert ".." not in found.path.split("/")
