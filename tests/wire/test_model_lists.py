from __future__ import annotations

import importlib
import json
from types import ModuleType

import anthropic
import httpx
import openai
import pytest
from google import genai

from weighbridge.core.terms import Dialect
from weighbridge.wire.model_lists import ModelEntry, render_model, render_models

MODELS = [ModelEntry("gpt-x", "openai", 1_700_000_000), ModelEntry("demo/echo", "demo")]


# The Anthropic SDK moved to httpx2, the successor of httpx; the other two take httpx.
ANTHROPIC_HTTPX = importlib.import_module(anthropic.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])


def serving(dialect: Dialect, http: ModuleType = httpx) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        is_list = request.url.path.endswith("/models")
        content = render_models(dialect, MODELS) if is_list else render_model(dialect, MODELS[0])
        return http.Response(200, headers={"content-type": "application/json"}, content=content)

    return http.Client(transport=http.MockTransport(answer))


def test_the_openai_sdk_lists_the_models() -> None:
    with serving(Dialect.OPENAI) as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, _strict_response_validation=True)
        found = list(client.models.list())
        one = client.models.retrieve("gpt-x")
    assert [(model.id, model.owned_by, model.created) for model in found] == [
        ("gpt-x", "openai", 1_700_000_000),
        ("demo/echo", "demo", 0),
    ]
    assert one == found[0]


def test_the_anthropic_sdk_lists_the_models_and_stops_after_one_page() -> None:
    with serving(Dialect.ANTHROPIC, ANTHROPIC_HTTPX) as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http, _strict_response_validation=True)
        page = client.models.list()
        one = client.models.retrieve("gpt-x")
    assert [model.id for model in page] == ["gpt-x", "demo/echo"]
    assert (page.first_id, page.last_id, page.has_more) == ("gpt-x", "demo/echo", False)
    assert one.created_at.isoformat() == "2023-11-14T22:13:20+00:00"


def test_the_google_sdk_lists_the_models() -> None:
    with serving(Dialect.GEMINI) as http:
        options = genai.types.HttpOptions(base_url="http://gateway", httpx_client=http)
        client = genai.Client(api_key="k", http_options=options)
        found = list(client.models.list())
        one = client.models.get(model="gpt-x")
    assert [model.name for model in found] == ["models/gpt-x", "models/demo/echo"]
    assert "generateContent" in one.supported_actions


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_empty_list_is_a_list(dialect) -> None:
    body = json.loads(render_models(dialect, []))
    assert body["models" if dialect is Dialect.GEMINI else "data"] == []
