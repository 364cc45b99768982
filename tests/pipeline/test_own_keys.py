"""Customers' own provider keys: used for their own requests and nobody else's, with a health of their own, and never replaced by
the gateway's keys unless they say so."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pipeline.test_bookkeeper import ANSWER, COST, PRICES

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.model_sizes import SizeRule
from weighbridge.core.own_keys import Owner, OwnerKind, OwnKey
from weighbridge.core.routes import RetryPolicy, Route, RouteTarget, StrategyName
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deployment, Dialect, VirtualKey
from weighbridge.ledger.terms import Settled
from weighbridge.providers.base import AuthStyle

RETRY = RetryPolicy(max_attempts=3, backoff_ns=0)
GOOD = encode_json({"id": "x", "model": "m", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
TWO = Route("two", (RouteTarget(Deployment("openai", "gpt-4o")), RouteTarget(Deployment("groq", "llama-3"))), retry=RETRY)
ACME = Owner(OwnerKind.ORGANISATION, "acme")
SEARCH = Owner(OwnerKind.TEAM, "search")
MINE = Owner(OwnerKind.KEY, "key_1")
GATEWAYS = ("sk-of-openai", "sk-ant-of-anthropic", "AIza-of-gemini", "gsk-of-groq")


def own(owner=ACME, provider="openai", secret="sk-brought-by-acme", number=1, **facts):
    return OwnKey(f"pkey_{number}", owner, provider, Secret(secret) if secret else None, "acme", **facts)


@pytest.fixture
def world_of(build):
    def built(*keys, key=None, routes=(TWO,), **facts):
        key = build.virtual_key(team="search", organisation="acme") if key is None else key
        return build(own_keys=keys, keys=(key,), routes=routes, retry=RETRY, **facts)

    return built


def refuse(world, status, code="x", **headers):
    body = encode_json({"error": {"message": "Incorrect key", "type": code, "code": code}})
    world.will_reply(body, status=status, length=len(body), headers=(("content-type", "application/json"), *headers.items()))


def answer(world):
    world.will_reply(GOOD, length=len(GOOD))


def sent_keys(world):
    """The keys that requests were sent with, in their order."""
    found = []
    for request in world.upstream.requests:
        fields = dict(line.split(b": ", 1) for line in request.head.split(b"\r\n")[1:-1])
        value = fields.get(b"authorization", b"").removeprefix(b"Bearer ")
        found.append((value or fields.get(b"x-api-key") or fields.get(b"x-goog-api-key", b"")).decode())
    return found


def credentials(world):
    return [attempt.credential for attempt in world.sink.records[-1].attempts]


# --- whose ----------------------------------------------------------------------------------------------------------


async def test_a_request_is_sent_with_its_organisations_own_key_and_booked_as_that(world_of):
    world = world_of(own())
    answer(world)
    client = await world.chat(model="two")
    assert client.body == GOOD
    assert sent_keys(world) == ["sk-brought-by-acme"]
    assert credentials(world) == ["own:pkey_1"]
    assert world.record.attempts[0].is_own_key
    assert (world.record.provider, world.record.model) == ("openai", "gpt-4o")
    assert client.fields["x-weighbridge-own-key"] == "organisation"


@pytest.mark.parametrize(
    ("keys", "used"),
    [
        ((own(ACME, number=1), own(SEARCH, secret="sk-teams", number=2), own(MINE, secret="sk-keys", number=3)), "sk-keys"),
        ((own(SEARCH, secret="sk-teams", number=2), own(ACME, number=1)), "sk-teams"),
        ((own(ACME, number=1), own(Owner(OwnerKind.TEAM, "other"), secret="sk-others")), "sk-brought-by-acme"),
    ],
)
async def test_the_nearest_owners_key_is_used(world_of, keys, used):
    world = world_of(*keys)
    answer(world)
    await world.chat(model="two")
    assert sent_keys(world) == [used]


async def test_several_keys_of_one_owner_take_turns(world_of):
    world = world_of(own(number=1, secret="sk-first"), own(number=2, secret="sk-second"))
    for _ in range(4):
        answer(world)
        await world.chat(model="two")
    assert sorted(sent_keys(world)) == ["sk-first", "sk-first", "sk-second", "sk-second"]


_OWNERS = st.sampled_from(
    [Owner(OwnerKind.KEY, f"key_{n}") for n in range(3)]
    + [Owner(OwnerKind.TEAM, name) for name in ("a", "b")]
    + [Owner(OwnerKind.ORGANISATION, name) for name in ("a", "b")]
)
_BROUGHT = st.lists(st.tuples(_OWNERS, st.sampled_from(["openai", "gemini", "groq"]), st.booleans(), st.booleans()), max_size=8)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # it is a class, of which each example makes its own world
@given(
    brought=_BROUGHT,
    place=st.tuples(st.sampled_from(["key_0", "key_1", "key_2"]), st.sampled_from(["", "a", "b"]), st.sampled_from(["", "a", "b"])),
    model=st.sampled_from(["two", "openai/gpt-4o", "groq/llama-3", "gemini/gemini-2"]),
    status=st.sampled_from([200, 401, 403, 429, 500]),
)
def test_nobodys_key_is_ever_used_for_anybody_else_nor_the_gateways_in_its_place(build, brought, place, model, status):
    key_id, team, organisation = place
    keys = [
        OwnKey(f"pkey_{n}", owner, provider, Secret(f"sk-{n}-brought") if readable else None, falls_back=falls_back)
        for n, (owner, provider, readable, falls_back) in enumerate(brought)
    ]
    mine = [Owner(OwnerKind.KEY, key_id), Owner(OwnerKind.TEAM, team), Owner(OwnerKind.ORGANISATION, organisation)]
    key = VirtualKey(key_id, "k", digest_of(build.key.encode()), team=team, organisation=organisation)
    world = build(own_keys=tuple(keys), keys=(key,), routes=(TWO,), retry=RETRY)
    for _ in range(3):
        answer(world) if status == 200 else refuse(world, status, **{"retry-after": "120"})
    asyncio.run(world.chat(model=model))
    of_mine = {f"sk-{n}-brought" for n, each in enumerate(keys) if each.owner in mine}
    assert set(sent_keys(world)) <= of_mine | set(GATEWAYS)
    asked = {"two": {"openai", "groq"}}.get(model, {model.partition("/")[0]})
    nearest = {}
    for owner in mine:
        for provider in {each.provider for each in keys if each.owner == owner}:
            nearest.setdefault(provider, [each for each in keys if each.owner == owner and each.provider == provider])
    used = [each for provider in asked & nearest.keys() for each in nearest[provider]]
    if used and any(not each.falls_back for each in used):
        assert not set(sent_keys(world)) & set(GATEWAYS)


# --- what else goes along -----------------------------------------------------------------------------------------------


async def test_it_goes_where_the_provider_wants_it_and_without_headers_of_the_gateways_account(build):
    headers = (
        ("openai-organization", Secret("org-gateway")),
        ("authorization", Secret("Bearer sk-in-a-header")),
        ("x-team", Secret("t")),
    )
    openai = build.provider("openai", {Dialect.OPENAI: "/v1"}, headers=headers)
    anthropic = build.provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.NONE, credentials=(), key_auth=AuthStyle.X_API_KEY)
    keys = (own(provider="openai"), own(provider="anthropic", secret="sk-ant-brought", number=2))
    world = build(own_keys=keys, keys=(build.virtual_key(organisation="acme"),), providers=(openai, anthropic), routes=())
    await world.chat(model="openai/gpt-4o")
    sent = dict(world.sent_headers)
    assert sent[b"authorization"] == b"Bearer sk-brought-by-acme"
    assert sent[b"x-team"] == b"t"
    assert b"openai-organization" not in sent
    await world.ask("POST", "/v1/messages", {"model": "anthropic/claude-4", "max_tokens": 5, "messages": []})
    assert dict(world.sent_headers)[b"x-api-key"] == b"sk-ant-brought"


async def test_files_and_other_requests_without_a_model_go_to_the_customers_account(world_of):
    world = world_of(own())
    await world.ask("GET", "/v1/files")
    assert sent_keys(world) == ["sk-brought-by-acme"]


async def test_a_stream_and_a_realtime_session_are_sent_with_it(world_of):
    world = world_of(own())
    world.will_stream(b'data: {"id":"x","choices":[]}\n\n', b"data: [DONE]\n\n")
    assert (await world.chat(model="two", stream=True)).status == 200
    refuse(world, 401)
    upgrade = (("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "x"), ("sec-websocket-version", "13"))
    client = await world.ask("GET", "/v1/realtime?model=openai/gpt-4o", headers=upgrade, is_upgrade=True)
    assert sent_keys(world) == ["sk-brought-by-acme"] * 2
    assert client.json["error"]["code"] == "own_key_failed"


async def test_what_the_request_itself_says_of_providers_still_counts(world_of):
    keys = (own(), own(provider="groq", secret="gsk-brought", number=2))
    world = world_of(*keys)
    answer(world)
    await world.chat(model="two", provider={"only": ["groq"]})
    assert sent_keys(world) == ["gsk-brought"]


async def test_an_explanation_says_whose_keys_would_be_used(world_of):
    world = world_of(own())
    told = (await world.ask("POST", "/v1/explain", {"model": "two", "messages": []})).json
    assert [(each["target"], each.get("own_key")) for each in told["candidates"]] == [("openai/gpt-4o", True)]


async def test_what_is_known_of_its_model_counts_for_it_too(world_of):
    sizes = (SizeRule("openai/gpt-4o", max_output_tokens=20_000, source="its page"),)
    world = world_of(own(), sizes=sizes)
    told = (await world.ask("POST", "/v1/explain", {"model": "two", "messages": []})).json
    assert [(each["own_key"], each["output_bound"]["tokens"]) for each in told["candidates"]] == [(True, 20_000)]


# --- when it fails ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (403, "permission_denied"), (429, "insufficient_quota")])
async def test_a_key_that_fails_is_told_as_the_callers_and_no_other_is_used(world_of, status, code):
    world = world_of(own())
    refuse(world, status, code)
    client = await world.chat(model="two")
    assert sent_keys(world) == ["sk-brought-by-acme"]
    assert client.status == status
    assert client.json["error"]["code"] == "own_key_failed"
    assert client.json["error"]["message"].startswith("Your own key for 'openai' (it ends in acme) was used")
    assert "Incorrect key" in client.json["error"]["message"]


async def test_the_error_is_in_the_callers_dialect(world_of):
    world = world_of(own(provider="anthropic", secret="sk-ant-brought"))
    refuse(world, 401)
    body = {"model": "anthropic/claude-4", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    client = await world.ask("POST", "/v1/messages", body)
    assert (client.json["type"], client.json["error"]["type"]) == ("error", "authentication_error")
    assert "Your own key for 'anthropic'" in client.json["error"]["message"]


async def test_a_provider_that_fails_is_no_fault_of_the_key_and_told_as_ever(world_of):
    world = world_of(own())
    for _ in range(3):
        refuse(world, 500)
    client = await world.chat(model="two")
    assert set(sent_keys(world)) == {"sk-brought-by-acme"}
    assert client.json["error"]["code"] != "own_key_failed"


async def test_one_that_says_so_is_followed_by_the_gateways_keys(world_of):
    world = world_of(own(falls_back=True))
    refuse(world, 401)
    answer(world)
    client = await world.chat(model="two")
    assert client.body == GOOD
    assert sent_keys(world) == ["sk-brought-by-acme", "sk-of-openai"]
    assert credentials(world) == ["own:pkey_1", "openai#1"]
    assert "x-weighbridge-own-key" not in client.fields


async def test_of_several_targets_one_strict_key_keeps_the_gateways_out(world_of):
    keys = (own(falls_back=True), own(provider="groq", secret="gsk-brought", number=2))
    world = world_of(*keys)
    for _ in range(2):
        refuse(world, 401)
    await world.chat(model="two")
    assert sent_keys(world) == ["sk-brought-by-acme", "gsk-brought"]


async def test_one_that_cannot_be_read_refuses_and_is_never_passed_over(world_of):
    world = world_of(own(secret=None, falls_back=True), own(SEARCH, provider="groq", secret="gsk-brought", number=2))
    client = await world.chat(model="openai/gpt-4o")
    assert client.status == 503
    assert client.json["error"]["code"] == "own_key_unreadable"
    assert world.upstream.requests == []
    answer(world)
    await world.chat(model="two")  # which has another target with an own key
    assert sent_keys(world) == ["gsk-brought"]


async def test_a_provider_without_own_keys_is_asked_with_the_gateways(world_of):
    world = world_of(own())
    answer(world)
    await world.chat(model="groq/llama-3")
    assert sent_keys(world) == ["gsk-of-groq"]


# --- a health of its own ------------------------------------------------------------------------------------------------


async def test_what_is_held_against_it_concerns_nobody_else(build):
    second = "wb-" + "s" * 43
    keys = (build.virtual_key(organisation="acme"), build.virtual_key(second, id="key_2", name="second"))
    world = build(own_keys=(own(),), keys=keys, retry=RETRY, routes=())
    refuse(world, 429, "rate_limit", **{"retry-after": "120"})
    assert (await world.chat(model="openai/gpt-4o")).json["error"]["code"] == "own_key_failed"
    client = await world.chat(model="openai/gpt-4o")
    assert client.json["error"]["code"] == "own_key_rests"
    assert client.fields["retry-after"] == "120"
    answer(world)
    others = await world.ask(
        "POST",
        "/v1/chat/completions",
        {"model": "openai/gpt-4o", "messages": []},
        (("authorization", f"Bearer {second}"),),
        auth=False,
    )
    assert others.body == GOOD
    assert sent_keys(world) == ["sk-brought-by-acme", "sk-of-openai"]
    told = {status.id: status.state.value for status in world.gateway.fleet.health.statuses(world.clock.now_ns())}
    assert told == {"openai/gpt-4o": "closed", "openai~organisation:acme/gpt-4o": "resting"}
    world.clock.now += 120 * NS_PER_S
    answer(world)
    assert (await world.chat(model="openai/gpt-4o")).body == GOOD


async def test_one_that_was_refused_is_tried_with_each_request_since_only_its_owner_can_mend_it(world_of):
    world = world_of(own())
    for _ in range(2):
        refuse(world, 401)
        assert (await world.chat(model="two")).json["error"]["code"] == "own_key_failed"
    answer(world)
    assert (await world.chat(model="two")).body == GOOD


async def test_a_key_that_is_taken_away_is_not_used_again_and_what_was_held_against_it_is_forgotten(world_of):
    world = world_of(own())
    refuse(world, 429, "insufficient_quota")
    await world.chat(model="openai/gpt-4o")
    world.gateway.swap_own_keys(())
    answer(world)
    await world.chat(model="openai/gpt-4o")
    assert sent_keys(world)[-1] == "sk-of-openai"
    world.gateway.swap_own_keys((own(),))
    answer(world)
    assert (await world.chat(model="openai/gpt-4o")).body == GOOD
    assert sent_keys(world)[-1] == "sk-brought-by-acme"


async def test_keys_and_a_configuration_that_change_leave_it_in_use(world_of):
    world = world_of(own())
    world.gateway.swap(msgspec.structs.replace(world.plan, version=8))
    answer(world)
    client = await world.chat(model="two")
    assert sent_keys(world) == ["sk-brought-by-acme"]
    assert client.fields["x-weighbridge-config-version"] == "8"


async def test_the_order_of_a_strategy_stands(world_of):
    route = Route("two", TWO.targets, retry=RETRY, strategy=StrategyName.ROUND_ROBIN)
    world = world_of(own(), own(provider="groq", secret="gsk-brought", number=2), routes=(route,))
    for _ in range(4):
        answer(world)
        await world.chat(model="two")
    assert sorted(sent_keys(world)) == ["gsk-brought", "gsk-brought", "sk-brought-by-acme", "sk-brought-by-acme"]


# --- budgets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [True, False])
async def test_a_budget_of_dollars_counts_them_unless_it_says_otherwise(build, counts):
    budget = Budget("b", Scope(ScopeKind.GATEWAY), 1_000_000_000, counts_own_keys=counts)
    keys = (build.virtual_key(organisation="acme"),)
    world = build(own_keys=(own(),), keys=keys, prices=PRICES, allowances=Allowances((budget,)))
    world.will_reply(ANSWER, length=len(ANSWER))
    assert (await world.chat(max_tokens=100)).status == 200
    spent = [charge.amount for item in world.journal.items if isinstance(item, Settled) for charge in item.charges]
    assert spent == ([COST] if counts else [])
    world.gateway.swap_own_keys(())
    world.will_reply(ANSWER, length=len(ANSWER))
    await world.chat(max_tokens=100)
    assert [charge.amount for charge in world.journal.items[-1].charges] == [COST]
