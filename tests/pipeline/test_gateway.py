from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.auth.presented_key import KEY_HEADERS
from weighbridge.auth.virtual_keys import KeysDelta, digest_of
from weighbridge.core.codec import decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import plain_route
from weighbridge.core.terms import Dialect, Operation
from weighbridge.pipeline.plan import Limits, Plan
from weighbridge.telemetry.access_log import AccessLog, LogFormat
from weighbridge.telemetry.record_lines import RecordLines

OTHER = "wb-" + "o" * 43
CHAT = {"model": "gpt-4o", "messages": []}


def code_of(client):
    return client.json["error"]["code"]


async def status_with(world, headers, target="/v1/chat/completions"):
    client = await world.ask("POST", target, CHAT, headers, auth=False)
    return client.status


# --- authentication


@pytest.mark.parametrize(
    "header",
    [
        "x-weighbridge-key",
        "x-litellm-api-key",
        "x-portkey-api-key",
        "helicone-auth",
        "cf-aig-authorization",
        "x-bf-vk",
        "otari-key",
    ],
)
@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer  "])
async def test_key_in_a_gateways_header_wins_over_the_vendors(world, header, scheme):
    assert await status_with(world, [("authorization", "Bearer sk-own"), (header, scheme + world.key)]) == 200


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "x-goog-api-key", "api-key"])
async def test_key_where_each_vendors_sdk_puts_it(world, header):
    prefix = "Bearer " if header == "authorization" else ""
    assert await status_with(world, [(header, prefix + world.key)]) == 200


async def test_wrong_key_in_a_gateways_header_is_not_rescued_by_another(world):
    assert await status_with(world, [("authorization", f"Bearer {world.key}"), ("x-litellm-api-key", OTHER)]) == 401


async def test_key_in_the_query(world):
    assert await status_with(world, [], f"/v1/chat/completions?key={world.key}") == 200
    assert world.request_line == "POST /v1/chat/completions HTTP/1.1"


async def test_no_key_is_refused_with_a_way_to_give_one(world):
    client = await world.ask("POST", "/v1/chat/completions", CHAT, auth=False)
    assert (client.status, code_of(client)) == (401, "missing_api_key")
    assert client.fields["www-authenticate"] == "Bearer"
    assert client.fields["x-should-retry"] == "false"
    assert world.record.key_id == ""


async def test_unknown_key_is_asked_for_once_until_keys_change(world):
    for _ in range(3):
        assert await status_with(world, [("authorization", f"Bearer {OTHER}")]) == 401
    assert world.key_source.asked == [digest_of(OTHER.encode())]
    world.gateway.swap_keys(KeysDelta(1))
    assert await status_with(world, [("authorization", f"Bearer {OTHER}")]) == 401
    assert len(world.key_source.asked) == 2


async def test_known_key_never_asks_the_store(world):
    await world.chat()
    assert world.key_source.asked == []


async def test_key_made_a_moment_ago_works_at_once(world):
    world.key_source.keys[digest_of(OTHER.encode())] = world.virtual_key(OTHER, id="key_new")
    assert await status_with(world, [("authorization", f"Bearer {OTHER}")]) == 200
    assert world.record.key_id == "key_new"


async def test_key_that_comes_by_a_delta_works_and_a_revoked_one_stops(world):
    world.gateway.swap_keys(KeysDelta(1, (world.virtual_key(OTHER, id="key_2"),), (digest_of(world.key.encode()),)))
    assert await status_with(world, [("authorization", f"Bearer {OTHER}")]) == 200
    assert (await world.chat()).status == 401


async def test_a_blocked_key_is_told_so_and_works_again_with_the_next_delta(world, build):
    blocked = build.virtual_key(is_blocked=True)
    world.gateway.swap_keys(KeysDelta(1, (blocked,), ()))
    client = await world.chat()
    assert (client.status, code_of(client)) == (403, "blocked_api_key")
    world.gateway.swap_keys(KeysDelta(2, (build.virtual_key(),), ()))
    assert (await world.chat()).status == 200


@pytest.mark.parametrize("from_store", [False, True])
async def test_expired_key_is_refused(build, from_store):
    expired = build.virtual_key(expires_wall_ns=1_800_000_000_000_000_000)
    world = build(keys=() if from_store else (expired,))
    world.key_source.keys[expired.digest] = expired
    client = await world.chat()
    assert (client.status, code_of(client)) == (401, "expired_api_key")
    world.clock.wall -= 1
    assert (await world.chat()).status == 200


async def test_without_authentication_anybody_may_call(build):
    world = build(auth_required=False)
    assert await status_with(world, []) == 200
    assert world.record.key_id == "anonymous"


async def test_many_unknown_keys_take_bounded_memory(world, monkeypatch):
    monkeypatch.setattr("weighbridge.pipeline.gateway._MAX_UNKNOWN_KEYS", 3)
    for number in range(10):
        await status_with(world, [("authorization", f"Bearer wb-{number}")])
    assert len(world.gateway._unknown_keys) <= 3


# --- what a key may use


@pytest.mark.parametrize(
    ("models", "asked", "status"),
    [
        ((), "gpt-4o", 200),
        (("gpt-4o",), "gpt-4o", 200),
        (("gpt-4o",), "gpt-4o-mini", 403),
        (("gpt-*",), "gpt-4o-mini", 200),
        (("openai/gpt-4o",), "gpt-4o", 200),
        (("openai/*",), "openai/gpt-9", 200),
        (("groq/*",), "gpt-4o", 403),
        (("smart",), "smart", 200),
        (("smart",), "gpt-4o", 403),
        (("openai/gpt-4o",), "smart", 200),
    ],
)
async def test_key_is_held_to_its_models(build, models, asked, status):
    world = build(keys=(build.virtual_key(models=models),))
    client = await world.chat(model=asked)
    assert client.status == status
    assert len(world.upstream.requests) == (status == 200)
    if status == 403:
        assert code_of(client) == "model_not_allowed"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/groq/beta/fast"),
        ("POST", "/v1/batches"),
        ("POST", "/v1/realtime/client_secrets"),
        ("POST", "/v1/messages/batches"),
    ],
)
async def test_limited_key_may_not_use_models_that_the_gateway_cannot_see(build, method, target):
    world = build(keys=(build.virtual_key(models=("gpt-4o",)),))
    assert (await world.ask(method, target, CHAT)).status == 403
    assert world.upstream.requests == []


async def test_key_for_a_whole_provider_may_use_it_raw(build):
    world = build(keys=(build.virtual_key(models=("groq/*",)),))
    assert (await world.ask("POST", "/groq/beta/fast", CHAT)).status == 200


async def test_limited_key_may_use_files(build):
    world = build(keys=(build.virtual_key(models=("gpt-4o",)),))
    assert (await world.ask("POST", "/v1/files", b"x")).status == 200


# --- admission


@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/messages", "/v1beta/models/gemini-pro:generateContent"])
async def test_full_sink_admits_nobody_in_any_dialect(world, target):
    world.sink.is_full = True
    client = await world.ask("POST", target, CHAT)
    assert client.status == 503
    assert (client.fields["retry-after"], client.fields["x-should-retry"]) == ("1", "true")
    error = client.json["error"]
    assert error.get("type") in ("server_error", "overloaded_error") or error["status"] == "UNAVAILABLE"
    assert world.upstream.requests == []


async def test_refusals_for_want_of_room_do_not_take_up_room(world):
    world.sink.is_full = True
    await world.chat()
    await world.ask("GET", "/v1/models")
    assert world.sink.records == []


async def test_request_under_way_is_recorded_although_the_sink_has_filled_up(world):
    reply = world.will_reply(is_open=True)
    task = asyncio.create_task(world.chat())
    await reply.attached.wait()
    world.sink.is_full = True
    reply.sink.on_end()
    await task
    assert world.record.status == 200


async def test_request_beyond_the_limit_in_flight_is_refused_and_room_comes_back(build):
    world = build(limits=Limits(max_in_flight=1, queue_timeout_ns=0))
    world.upstream.script.append(None)
    first = asyncio.create_task(world.chat())
    await world.upstream.asked.wait()
    assert (await world.chat()).status == 503
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await world.chat()).status == 200
    assert world.gateway.in_flight == 0


# --- one version for one request


async def test_request_keeps_the_version_that_it_began_with(world):
    reply = world.will_reply(is_open=True)
    client = world.client("POST", "/v1/chat/completions", CHAT)
    client_task = asyncio.create_task(world.gateway.handle(client))
    await reply.attached.wait()
    world.gateway.swap(Plan(8, (), (), ()))
    reply.sink.on_data(b"{}")
    reply.sink.on_end()
    await client_task
    assert client.fields["x-weighbridge-config-version"] == "7"
    assert world.record.config_version == 7
    assert (await world.chat()).status == 401


async def test_swap_while_the_body_is_read_changes_nothing_for_this_request(world):
    client = world.client("POST", "/v1/chat/completions", CHAT)
    task = asyncio.create_task(world.gateway.handle(client))
    await asyncio.sleep(0)
    world.gateway.swap(Plan(8, (), (plain_route("gpt-4o"),), ()))
    await task
    assert (client.status, client.fields["x-weighbridge-config-version"]) == (200, "7")


# --- errors in the caller's dialect


@pytest.mark.parametrize(
    ("method", "target", "headers", "is_dialect"),
    [
        ("POST", "/v1/chat/completions", [], lambda error: "param" in error["error"]),
        ("POST", "/v1/messages", [], lambda error: error["type"] == "error"),
        ("GET", "/v1/messages", [], lambda error: error["type"] == "error"),
        ("GET", "/v1/nothing", [("anthropic-version", "2023-06-01")], lambda error: error["type"] == "error"),
        ("POST", "/v1beta/models/x:generateContent", [], lambda error: error["error"]["status"] == "UNAUTHENTICATED"),
        ("GET", "/v1beta/nothing", [], lambda error: error["error"]["status"] == "NOT_FOUND"),
        ("GET", "/v1/nothing", [("x-goog-api-key", "x")], lambda error: error["error"]["status"] == "NOT_FOUND"),
        ("GET", "/v1beta/openai/nothing", [], lambda error: "param" in error["error"]),
    ],
)
async def test_refusal_is_in_the_callers_dialect(world, method, target, headers, is_dialect):
    client = await world.ask(method, target, headers=headers, auth=False)
    assert is_dialect(client.json)
    assert client.fields["x-weighbridge-request-id"] == world.record.request_id


def test_refusal_of_a_request_that_never_reached_the_gateway(world):
    error = GatewayError(ErrorKind.HEADERS_TOO_LARGE, "Too much.")
    status, lines, body = world.gateway.render_refusal(error, world.client("POST", "/v1/messages"))
    assert (status, decode_json(body)["type"]) == (431, "error")
    assert b"x-weighbridge-request-id: req_1\r\n" in lines
    status, _, body = world.gateway.render_refusal(error, None)
    assert (status, "param" in decode_json(body)["error"]) == (431, True)


# --- no credential anywhere

NAMES = st.one_of(
    st.sampled_from(sorted(KEY_HEADERS)),
    st.sampled_from([b"cookie", b"x-forwarded-for", b"sec-websocket-protocol", b"x-weighbridge-tag", b"connection", b"x-custom"]),
)


@given(places=st.lists(NAMES, min_size=1, max_size=4), in_query=st.booleans(), fails=st.booleans(), is_upgrade=st.booleans())
def test_gateways_key_goes_nowhere(places, in_query, fails, is_upgrade):
    asyncio.run(_key_goes_nowhere(places, in_query=in_query, fails=fails, is_upgrade=is_upgrade))


async def _key_goes_nowhere(places, *, in_query, fails, is_upgrade):
    world = _WORLDS[0]()
    if fails:
        world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_TIMEOUT, "Late."))
    forms = {
        b"connection": "close",
        b"x-custom": "kept",
        b"sec-websocket-protocol": f"realtime, openai-insecure-api-key.{world.key}",
    }
    headers = [(name.decode(), forms.get(name, f"Bearer {world.key}")) for name in places]
    target = f"/v1/chat/completions?{'a=b&key=' + world.key if in_query else 'a=b'}"
    client = await world.ask("POST", target, CHAT, headers, auth=False, is_upgrade=is_upgrade)
    secret = world.key.encode()
    for request in world.upstream.requests:
        assert secret not in request.head
    assert secret not in client.raw_head + client.body
    assert world.key not in repr(world.record)
    for log_format in (LogFormat.JSON, LogFormat.CONSOLE):
        stream = _Stream()
        AccessLog(stream, log_format).write(RecordLines.of(world.sink.records))
        assert secret not in stream.written


class _Stream:
    written = b""

    def write(self, data):
        self.written += data

    def flush(self):
        pass


_WORLDS = []


@pytest.fixture(autouse=True)
def _worlds(build):
    # hypothesis builds a world for each example, and function-scoped fixtures live for one
    _WORLDS[:] = [build]


# --- local answers and the control plane are reached before any of this


async def test_control_path_is_forwarded_without_a_key_and_without_an_account(world):
    client = await world.ask("GET", "/admin/keys", auth=False)
    assert client.status == 200
    assert world.upstream.requests[0].origin.scheme == "unix"
    assert world.sink.records == []


@pytest.mark.parametrize("target", ["/adminx", "/v1/admin/keys", "/dashboardx", "/admin%2Fkeys", "//admin", "/Admin"])
async def test_other_path_never_reaches_the_control_plane(world, target):
    client = await world.ask("GET", target)
    assert client.status in (400, 404)
    assert world.upstream.requests == []


async def test_gateway_without_a_control_plane_has_no_such_paths(build):
    world = build(control=None)
    assert (await world.ask("GET", "/admin/keys")).status == 404


async def test_raw_call_is_accounted_for_as_raw(world):
    client = await world.ask("POST", "/groq/beta/fast", {"anything": 1})
    assert client.status == 200
    assert world.request_line == "POST /openai/v1/beta/fast HTTP/1.1"
    assert (world.record.operation, world.record.provider, world.record.dialect) == (Operation.RAW, "groq", Dialect.OPENAI)
