from __future__ import annotations

import msgspec
import pytest

GATEWAY_MODELS = ["smart", "openai/gpt-4o", "openai/gpt-4o-mini", "groq/llama-3"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_needs_no_key_and_leaves_no_record(world, method, path):
    client = await world.ask(method, path, auth=False)
    assert (client.status, client.body) == (200, b'{"status":"ok"}')
    assert client.fields["cache-control"] == "no-store"
    assert world.sink.records == []


async def test_draining_gateway_is_alive_but_not_ready(world):
    world.gateway.is_draining = True
    assert (await world.ask("GET", "/healthz", auth=False)).status == 200
    client = await world.ask("GET", "/readyz", auth=False)
    assert (client.status, client.body) == (503, b'{"status":"draining"}')


async def test_options_lists_methods_and_grants_no_origin_anything(world):
    client = await world.ask("OPTIONS", "/v1/chat/completions", headers=[("origin", "https://evil.example")], auth=False)
    assert (client.status, client.body, client.is_ended) == (204, b"", True)
    assert client.fields == {"allow": "GET, HEAD, POST, DELETE, OPTIONS"}
    assert world.upstream.requests == []


async def test_models_in_openais_shape(world):
    client = await world.ask("GET", "/v1/models")
    assert client.json["object"] == "list"
    assert [model["id"] for model in client.json["data"]] == GATEWAY_MODELS
    assert world.upstream.requests == []


@pytest.mark.parametrize("target", ["/v1/models", "/anthropic/v1/models"])
async def test_models_in_anthropics_shape(build, target):
    world = build(providers=build().plan.providers[:1])
    client = await world.ask("GET", target, headers=[("anthropic-version", "2023-06-01")])
    assert [model["type"] for model in client.json["data"]] == ["model"] * 3
    assert client.json["has_more"] is False


@pytest.mark.parametrize(("target", "headers"), [("/v1/models", [("x-goog-api-key", "")]), ("/v1beta/models", [])])
async def test_models_in_geminis_shape(world, target, headers):
    headers = [(name, world.key) for name, _ in headers]
    client = await world.ask("GET", f"{target}?pageSize=10", headers=headers, auth=not headers)
    assert [model["name"] for model in client.json["models"]] == [f"models/{name}" for name in GATEWAY_MODELS]


@pytest.mark.parametrize("name", ["openai/gpt-4o", "openai%2Fgpt-4o"])
async def test_one_model(world, name):
    assert (await world.ask("GET", f"/v1/models/{name}")).json["id"] == "openai/gpt-4o"
    anthropic = await world.ask("GET", f"/v1/models/{name}", headers=[("anthropic-version", "2023-06-01")])
    assert anthropic.json["type"] == "model"
    gemini = await world.ask("GET", f"/v1/models/{name}", headers=[("x-goog-api-key", world.key)], auth=False)
    assert gemini.json["name"] == "models/openai/gpt-4o"


async def test_unknown_model_is_not_found(world):
    client = await world.ask("GET", "/v1/models/nothing")
    assert (client.status, client.json["error"]["code"]) == (404, "model_not_found")


async def test_key_sees_only_its_models(build):
    world = build(keys=(build.virtual_key(models=("openai/*",)),))
    client = await world.ask("GET", "/v1/models")
    assert [model["id"] for model in client.json["data"]] == ["openai/gpt-4o", "openai/gpt-4o-mini"]
    assert (await world.ask("GET", "/v1/models/groq/llama-3")).status == 404


async def test_models_need_a_key(world):
    assert (await world.ask("GET", "/v1/models", auth=False)).status == 401


async def test_list_is_settled_before_it_is_sent(world):
    client = await world.ask("GET", "/v1/models")
    assert [event for event, _ in world.events] == ["record", "start", "end"]
    assert (world.record.status, world.record.reply_bytes) == (200, len(client.body))
    assert client.fields["x-weighbridge-request-id"] == world.record.request_id


async def test_full_sink_answers_no_list_either(world):
    world.sink.is_full = True
    assert (await world.ask("GET", "/v1/models")).status == 503


@pytest.mark.parametrize(
    ("target", "headers"), [("/groq/v1/models", []), ("/v1/models", [("x-weighbridge-provider", "groq")]), ("/groq/models", [])]
)
async def test_list_pinned_to_a_provider_is_its_own(world, target, headers):
    world.will_reply(b'{"data":[]}', length=11)
    client = await world.ask("GET", target, headers=headers)
    assert client.body == b'{"data":[]}'
    assert world.request_line == "GET /openai/v1/models HTTP/1.1"


async def test_head_asks_for_models_like_get(world):
    client = await world.ask("HEAD", "/v1/models")
    assert client.status == 200
    assert client.length == len(client.body) > 0


class Lister:
    def __init__(self, **names):
        self.lists = names
        self.n_asked = 0

    async def names(self):
        self.n_asked += 1
        return self.lists


def showing(build, lister, **plan):
    """A gateway whose providers are asked for their lists by way of `lister`."""
    providers = tuple(msgspec.structs.replace(each, shows_live=True) for each in build().plan.providers)
    return build(providers=providers, model_lister=lister, **plan)


async def test_what_providers_list_themselves_comes_after_what_is_configured(build):
    world = showing(build, Lister(groq=("llama-3", "llama-4"), openai=("gpt-9",)))
    client = await world.ask("GET", "/v1/models")
    assert [model["id"] for model in client.json["data"]] == [*GATEWAY_MODELS, "groq/llama-4", "openai/gpt-9"]
    assert (await world.ask("GET", "/v1/models/groq/llama-4")).json["owned_by"] == "groq"


async def test_a_key_sees_of_live_lists_what_it_may_use(build):
    world = showing(build, Lister(groq=("llama-4",), openai=("gpt-9",)), keys=(build.virtual_key(models=("openai/gpt-9",)),))
    client = await world.ask("GET", "/v1/models")
    assert [model["id"] for model in client.json["data"]] == ["openai/gpt-9"]


async def test_nobody_is_asked_where_only_what_is_configured_is_to_be_seen(build):
    lister = Lister(groq=("llama-4",))
    world = build(model_lister=lister)
    client = await world.ask("GET", "/v1/models")
    assert [model["id"] for model in client.json["data"]] == GATEWAY_MODELS
    assert lister.n_asked == 0
