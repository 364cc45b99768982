from __future__ import annotations

import asyncio

import pytest

from weighbridge.core.secret import Secret
from weighbridge.credentials import keeper as module
from weighbridge.credentials.authorizers import FixedLines, Token
from weighbridge.credentials.keeper import Keeper
from weighbridge.credentials.renewal import Fresh, Renewal
from weighbridge.providers.cloud_accounts import AwsAccount, EntraAccount, GoogleAccount


@pytest.fixture
def fetched(monkeypatch, clock):
    """What was fetched, by account; each account's tokens are made here instead of at a cloud."""
    log: list[object] = []

    def authorizer_for(account, clock):
        if isinstance(account, AwsAccount):
            return FixedLines(b"x")

        def fetch() -> Fresh[bytes]:
            log.append(account)
            if account == EntraAccount(scope="broken"):
                raise OSError("no route")
            return Fresh(b"authorization: Bearer %d\r\n" % len(log), clock.wall_ns() + 3600 * 10**9)

        return Token(Renewal(fetch, clock=clock, what="test"))

    monkeypatch.setattr(module, "authorizer_for", authorizer_for)
    return log


async def settled(keeper: Keeper) -> None:
    for _, one in keeper._held.values():
        if one.renewal is not None and one.renewal._running is not None:
            await one.renewal._running


async def test_what_is_configured_is_fetched_at_once_and_found_by_name(clock, fetched) -> None:
    keeper = Keeper(clock=clock)
    keeper.apply({"vertex": GoogleAccount(), "bedrock": AwsAccount("eu-west-1", api_key=Secret("k"))})
    await settled(keeper)
    assert fetched == [GoogleAccount()]
    assert keeper.find("vertex").ready()
    assert keeper.find("bedrock").ready()
    assert keeper.find("openai") is None
    keeper.close()


async def test_a_reload_keeps_what_did_not_change(clock, fetched) -> None:
    keeper = Keeper(clock=clock)
    keeper.apply({"vertex": GoogleAccount(), "azure": EntraAccount()})
    await settled(keeper)
    vertex, azure = keeper.find("vertex"), keeper.find("azure")
    keeper.apply({"vertex": GoogleAccount(), "azure": EntraAccount(scope="other")})
    await settled(keeper)
    assert keeper.find("vertex") is vertex
    assert keeper.find("azure") is not azure
    keeper.apply({})
    assert keeper.find("vertex") is None
    assert len(fetched) == 3
    keeper.close()


async def test_the_sweep_renews_before_the_end(clock, fetched) -> None:
    keeper = Keeper(clock=clock, sweep_s=0)
    keeper.apply({"vertex": GoogleAccount()})
    await settled(keeper)
    clock.pass_s(3400)
    while len(fetched) < 2:
        await asyncio.sleep(0)
    await settled(keeper)
    assert keeper.find("vertex").header_lines(b"GET", b"h", b"/", []) == b"authorization: Bearer 2\r\n"
    keeper.close()


async def test_nothing_is_fetched_after_the_close(clock, fetched) -> None:
    keeper = Keeper(clock=clock, sweep_s=0)
    keeper.apply({"vertex": GoogleAccount()})
    await settled(keeper)
    keeper.close()
    clock.pass_s(3400)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(fetched) == 1


async def test_problems_are_told_by_provider(clock, fetched) -> None:
    keeper = Keeper(clock=clock)
    keeper.apply({"azure": EntraAccount(scope="broken"), "vertex": GoogleAccount()})
    await settled(keeper)
    assert keeper.problems() == {"azure": "test credentials: OSError: no route"}
    keeper.close()


async def test_without_accounts_there_is_no_timer(clock) -> None:
    keeper = Keeper(clock=clock)
    keeper.apply({})
    assert keeper._timer is None
    keeper.apply({"bedrock": AwsAccount("eu-west-1", api_key=Secret("k"))})
    assert keeper._timer is None
    keeper.close()
