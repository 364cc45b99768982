from __future__ import annotations

from weighbridge.core.secret import Secret
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.attempt import credential_name
from weighbridge.pipeline.plan import Plan
from weighbridge.pipeline.target import Target
from weighbridge.providers.base import AuthStyle, Credential


def target_with(build, n_keys, name="openai"):
    credentials = tuple(Credential(f"{name}#{n}", Secret(f"sk-{n}")) for n in range(1, n_keys + 1))
    return Target(build.provider(name, {Dialect.OPENAI: "/v1"}, credentials=credentials), Dialect.OPENAI, "gpt-4o", 1)


def test_credential_has_a_name_and_where_there_is_none_nothing(build):
    assert credential_name(target_with(build, 2), 1) == "openai#2"
    assert credential_name(target_with(build, 0), 0) == ""


async def test_each_request_uses_the_next_key_and_its_record_says_which(build):
    credentials = (Credential("openai#1", Secret("sk-1")), Credential("openai#2", Secret("sk-2")))
    world = build(providers=(build.provider("openai", {Dialect.OPENAI: "/v1"}, credentials=credentials),), routes=())
    for _ in range(3):
        await world.chat()
    used = [dict(line.split(b": ", 1) for line in r.head.split(b"\r\n")[1:-1])[b"authorization"] for r in world.upstream.requests]
    assert used == [b"Bearer sk-1", b"Bearer sk-2", b"Bearer sk-1"]
    assert [record.attempts[0].credential for record in world.sink.records] == ["openai#1", "openai#2", "openai#1"]


async def test_turns_go_on_over_a_swap(build):
    credentials = (Credential("openai#1", Secret("sk-1")), Credential("openai#2", Secret("sk-2")))
    world = build(providers=(build.provider("openai", {Dialect.OPENAI: "/v1"}, credentials=credentials),), routes=())
    await world.chat()
    world.gateway.swap(Plan(8, world.plan.providers, (), world.plan.keys))
    await world.chat()
    assert world.sink.records[1].attempts[0].credential == "openai#2"


async def test_provider_without_a_key_gets_none(build):
    local = build.provider("local", {Dialect.OPENAI: "/v1"}, AuthStyle.NONE)
    world = build(providers=(local,), routes=())
    await world.chat(model="anything")
    assert b"authorization" not in dict(world.sent_headers)
    assert world.record.attempts[0].credential == ""
