"""Model lists, token counts and errors as the Anthropic SDK sees them."""

import anthropic
import pytest

from weighbridge.providers.demo import MODEL_NAMES

USER = [{"role": "user", "content": "Hello, demo!"}]


def test_models_are_listed(anthropic_client):
    assert [model.id for model in anthropic_client.models.list()] == list(MODEL_NAMES)
    assert anthropic_client.models.retrieve("echo").created_at.year == 2026
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.models.retrieve("none")


def test_counted_tokens_are_those_that_a_message_reports(anthropic_client):
    counted = anthropic_client.messages.count_tokens(model="echo", messages=USER, system="Be brief.")
    reply = anthropic_client.messages.create(model="echo", max_tokens=9, messages=USER, system="Be brief.")
    assert counted.input_tokens == reply.usage.input_tokens == 3 + 3 + 3


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_error_model_raises_the_sdks_exception_for_the_status(anthropic_client, status, error, kind, stream):
    messages = [{"role": "user", "content": f"fail with {status}"}]
    with pytest.raises(error) as caught:
        anthropic_client.messages.create(model="error", max_tokens=9, messages=messages, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.body["error"]["type"] == kind
    assert caught.value.body["request_id"] == caught.value.response.headers["request-id"]
    assert ("retry-after" in caught.value.response.headers) == (status in {429, 529})


@pytest.mark.parametrize("options", [{"messages": []}, {"max_tokens": 0}, {"messages": "Hi"}])
def test_bad_input_is_an_invalid_request(anthropic_client, options):
    with pytest.raises(anthropic.BadRequestError):
        anthropic_client.messages.create(**{"model": "echo", "max_tokens": 9, "messages": USER, **options})


def test_unknown_paths_and_models_are_not_found(anthropic_client):
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.post("/v1/nothing", body={}, cast_to=object)
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.messages.create(model="none", max_tokens=9, messages=USER)


def test_embedding_model_does_not_chat(anthropic_client):
    with pytest.raises(anthropic.BadRequestError):
        anthropic_client.messages.create(model="embed", max_tokens=9, messages=USER)
