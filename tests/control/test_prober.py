from __future__ import annotations

import msgspec
import pytest
from tests.control.test_live_models import Clock, Reply, Upstream, provider

from weighbridge.control.prober import Prober
from weighbridge.core.clock import NS_PER_S, SystemClock
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import HealthRules, plain_route
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deployment, Dialect, Origin
from weighbridge.http.client import HttpClient
from weighbridge.pipeline.plan import Limits, Plan
from weighbridge.providers.base import AuthStyle, Base, Credential
from weighbridge.routing.health_events import (
    BreakerClosed,
    BreakerOpened,
    KeyCleared,
    KeyParked,
    KeyStatus,
    TargetState,
    TargetStatus,
)
from weighbridge.routing.provider_key import KeyState
from weighbridge.testing import Fault, SimulatedOpenAI, running

EVERY = 30 * NS_PER_S
AWAY = GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "Cannot connect.")


def status(key_state=KeyState.WELL, model="seen"):
    key = KeyStatus("x#1", key_state, "", 0, 0)
    return TargetStatus(f"x/{model}", TargetState.CLOSED, "", 0, 1.0, 0, 0, 0, 0, 0, 0, 1.0, (key,))


class Probed:
    """A prober over a script of answers, and what it tells."""

    def __init__(self, *replies, targets=(), **facts):
        self.upstream = Upstream(*replies)
        self.clock = Clock()
        self.told = []
        self.targets = list(targets)
        known = provider(models=("gpt-5",), probe_ns=EVERY, **facts)
        routes = (plain_route("smart", Deployment("x", "mini"), Deployment("y", "other")),)
        self.plan = Plan(1, (known,), routes)
        self.prober = Prober(
            self.upstream,
            self.clock,
            plan=lambda: self.plan,
            targets=lambda: self.targets,
            tell=self.told.extend,
        )

    async def look(self, times=1):
        for _ in range(times):
            await self.prober.look()
            self.clock.now += EVERY
        return self.told


async def test_a_provider_is_asked_when_it_is_due_and_no_sooner():
    probed = Probed(Reply())
    await probed.prober.look()
    probed.clock.now += EVERY - 1
    await probed.prober.look()
    assert len(probed.upstream.requests) == 1
    probed.clock.now += 1
    await probed.prober.look()
    assert len(probed.upstream.requests) == 2
    assert probed.told == []


@pytest.mark.parametrize("answer", [AWAY, Reply(b"{}", 503)])
async def test_one_that_fails_twice_in_a_row_is_not_asked_by_requests_until_it_answers(answer):
    probed = Probed(answer, answer, answer, Reply(), targets=[status()])
    assert await probed.look() == []
    await probed.look()
    assert {event.target for event in probed.told} == {"x/mini", "x/gpt-5", "x/seen"}
    assert all(isinstance(event, BreakerOpened) and "a probe" in event.reason for event in probed.told)
    assert {event.until_wall_ns for event in probed.told} == {1 + EVERY + 3 * EVERY}
    await probed.look()  # still away: held on
    assert len(probed.told) == 6
    await probed.look()
    assert probed.told[6:] == [BreakerClosed(name) for name in ("x/mini", "x/gpt-5", "x/seen")]
    await probed.look()
    assert len(probed.told) == 9  # once


async def test_one_failure_among_answers_is_nothing():
    assert await Probed(AWAY, Reply(), AWAY, Reply()).look(4) == []


@pytest.mark.parametrize("answer", [Reply(b"{}", 404), Reply(b"{}", 429), Reply(b"{}", 403), Reply(b"[]"), Reply(b"x", pieces=1)])
async def test_whoever_answers_at_all_is_there(answer):
    assert await Probed(answer).look(3) == []


async def test_a_key_that_is_refused_is_parked_and_cleared_when_it_works_again():
    probed = Probed(Reply(b"{}", 401), Reply(b"{}", 401), Reply(), targets=[status()])
    (parked,) = await probed.look()
    assert parked == KeyParked("x", "x#1", "", 1 + EVERY, 1, parked.reason)
    probed.targets = [status(KeyState.PARKED)]
    assert await probed.look() == [parked]  # it is parked already
    assert (await probed.look())[1:] == [KeyCleared("x", "x#1", "")]


async def test_each_key_is_asked_and_one_that_is_away_makes_no_outage():
    keys = tuple(Credential(f"x#{n}", Secret(f"sk-{n}")) for n in (1, 2))
    probed = Probed(Reply(b"{}", 500), Reply(), Reply(b"{}", 500), Reply(), credentials=keys)
    assert await probed.look(2) == []
    assert [b"sk-1" in request.head for request in probed.upstream.requests] == [True, False] * 2


async def test_what_the_configuration_switches_off_is_not_told():
    probed = Probed(Reply(b"{}", 401))
    probed.plan = msgspec.structs.replace(probed.plan, health=HealthRules(breakers=False, keys=False))
    assert await probed.look(3) == []
    probed = Probed(AWAY)
    probed.plan = msgspec.structs.replace(probed.plan, health=HealthRules(breakers=False))
    assert await probed.look(3) == []


async def test_what_is_not_to_be_probed_any_more_is_let_go():
    probed = Probed(AWAY)
    await probed.look(2)
    n_opened = len(probed.told)
    probed.plan = Plan(2, ())
    await probed.look()
    assert [type(event) for event in probed.told[n_opened:]] == [BreakerClosed] * n_opened


@pytest.mark.parametrize("facts", [{"lists_models": ""}, {"auth": AuthStyle.AWS}, {"probe_ns": 0}])
async def test_what_cannot_be_asked_or_is_not_to_be_is_left_alone(facts):
    probed = Probed(AWAY)
    (known,) = probed.plan.providers
    probed.plan = msgspec.structs.replace(probed.plan, providers=(msgspec.structs.replace(known, **facts),))
    await probed.look(3)
    assert probed.upstream.requests == []


async def test_over_real_sockets_an_outage_and_its_end_are_seen():
    told = []
    with running(SimulatedOpenAI()) as simulated:
        bases = {Dialect.OPENAI: Base(Origin("http", "127.0.0.1", simulated.port), "/v1")}
        keys = (Credential("x#1", Secret(simulated.keys[0])), Credential("x#2", Secret("sk-wrong")))
        known = provider(models=("gpt-5",), bases=bases, credentials=keys, probe_ns=1)
        client = HttpClient(clock=SystemClock(), limits=Limits())
        prober = Prober(client, SystemClock(), plan=lambda: Plan(1, (known,)), targets=list, tell=told.extend)
        await prober.look()
        assert [(type(event), event.credential) for event in told] == [(KeyParked, "x#2")]
        told.clear()
        with simulated.faults.on(Fault.close_before_head()):
            await prober.look()
            await prober.look()
        assert [type(event) for event in told] == [BreakerOpened]
        await prober.look()
        assert BreakerClosed("x/gpt-5") in told
        await client.close()
