"""The real gateway, server and client over a faulty network in virtual time. `make sim SEED=n` replays one run."""

from __future__ import annotations

import gc

import pytest
from tests.simulation.dialogue import MARKER
from tests.simulation.world import World

from weighbridge.core.terms import Record
from weighbridge.http.client_reply import ClientReply
from weighbridge.http.limits import MAX_BUFFERED
from weighbridge.http.server_exchange import ServerExchange
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.relay import Relay
from weighbridge.testing.fake_transport import HIGH_WATER, MAX_READ


def problems(world: World) -> list[str]:
    """Everything that must never happen and did."""
    found = [*map(repr, world.bugs), *world.left_over]
    for provider in world.providers.values():
        found += provider.complaints
    found += books(world)
    booked = {record.request_id: record for record in world.records}
    for marker, seen in world.seen.items():
        found += [f"{marker}: {what}" for what in sight(world, marker)]
        record = booked.get(marker)
        if record is not None and seen.status and seen.status != record.status:
            found.append(f"{marker}: the client saw {seen.status}, the books say {record.status}")
        if record is None and seen.is_of_provider:
            found.append(f"{marker}: the client has a reply that is not in the books")
    return found + memory(world)


def books(world: World) -> list[str]:
    """One Record for each exchange that was begun, and as many attempts as providers saw."""
    settled = [record.request_id for record in world.records]
    found = []
    if sorted(settled) != sorted(world.begun):
        found.append(f"begun and settled differ: {set(world.begun) ^ set(settled)}, {len(world.begun)}, {len(settled)}")
    for record in world.records:
        provider = world.providers[world.asked[record.request_id].provider]
        served = provider.served.get(record.request_id)
        n_seen = served.n_seen if served else 0
        if n_seen > len(record.attempts):
            found.append(f"{record.request_id}: the provider saw it {n_seen} times, the books {len(record.attempts)}")
        found += [f"{record.request_id}: {what}" for what in attempts(record, served)]
    return found


def attempts(record: Record, served) -> list[str]:
    answered = [attempt for attempt in record.attempts if attempt.status]
    if not answered:
        return []
    if served is None or served.n_seen != 1:
        return [f"answered, but the provider saw it {served and served.n_seen} times"]
    found = []
    if answered[-1].status != served.status:
        found.append(f"the books say {answered[-1].status}, the provider {served.status}")
    if record.error is None and not served.is_finished:
        found.append("settled without an error, but the provider did not finish")
    return found


def sight(world: World, marker: str) -> list[str]:
    """What one client saw is a legal prefix of what was meant for it, and looks finished only if it is."""
    seen = world.seen[marker]
    alien = set(MARKER.findall(seen.body + repr(seen.headers).encode())) - {marker.encode()}
    if alien:
        return [f"bytes of {alien}"]
    if not seen.is_of_provider:
        whole = seen.is_whole and (seen.status < 400 or b'"error"' not in seen.body)
        return [f"neither a provider's reply nor an error: {seen}"] if whole else []
    served = world.providers[world.asked[marker].provider].served[marker]
    if seen.status != served.status:
        return [f"the client saw {seen.status}, the provider said {served.status}"]
    expected = served.for_client
    if seen.is_whole:
        if not served.is_finished:
            return ["a broken reply looks whole"]
        return [] if seen.body == expected else [f"other bytes: {seen.body[-300:]!r} for {expected[-300:]!r}"]
    marks = (b'\n\ndata: {"error"', b"\n\nevent: error\ndata: ")
    cut = max(seen.body.rfind(mark) for mark in marks)
    prefix = seen.body if cut < 0 else seen.body[:cut]
    is_cut_error = any(seen.body[len(prefix) :].startswith(mark) for mark in marks) or expected.startswith(seen.body)
    if not expected.startswith(prefix):
        rest = next((n for n in range(len(prefix)) if prefix[n : n + 1] != expected[n : n + 1]), len(prefix))
        start = prefix.rfind(b"\n\n", 0, rest + 2)
        if not any(mark.startswith(prefix[start:]) for mark in marks):
            return [f"no prefix: {prefix[rest - 50 :]!r} for {expected[rest - 50 : rest + 50]!r}"]
    elif not is_cut_error:
        return [f"odd end: {seen.body[len(prefix) :]!r}"]
    return []


def memory(world: World) -> list[str]:
    """No write buffer held more than its high-water mark, one read, and what was held before somebody took it."""
    bound = HIGH_WATER + MAX_READ + MAX_BUFFERED + 1024
    replies = max((transport.peak_buffered for transport in world.listener.accepted), default=0)
    to_providers = [transport for transport in world.loop.network.dialled if transport.get_extra_info("peername")[0] != "gateway"]
    requests = max((transport.peak_buffered for transport in to_providers), default=0)
    found = [f"a reply's buffer held {replies:,} bytes"] if replies > bound else []
    return [*found, f"a request's buffer held {requests:,} bytes"] if requests > bound else found


def test_nothing_is_lost_mixed_up_or_made_up_on_a_faulty_network(sim_seed: int, run: int) -> None:
    found = problems(World(sim_seed).run())
    if found:
        pytest.fail("\n".join(found[:20]), pytrace=False)


def test_without_faults_every_request_is_answered_whole(sim_seed: int) -> None:
    world = World(sim_seed, is_calm=True).run()
    found = problems(world) + [f"{marker}: {seen.status}" for marker, seen in world.seen.items() if not seen.is_whole]
    found += [f"{record.request_id}: {record.status} {record.error}" for record in world.records if record.status != 200]
    assert len(world.records) == len(world.asked)
    if found:
        pytest.fail("\n".join(found[:20]), pytrace=False)


def test_the_same_seed_gives_the_same_run(sim_seed: int) -> None:
    assert World(sim_seed).run().digest() == World(sim_seed).run().digest()


@pytest.mark.parametrize("network", ["calm", "faulty"])
def test_an_exchange_that_is_over_needs_no_garbage_collector(sim_seed: int, network: str) -> None:
    """In a cycle its bodies would stay in memory until a collection, which then takes tens of milliseconds of everybody's time."""
    gc.freeze()  # what was there before is not looked at
    gc.disable()
    try:
        World(sim_seed, is_calm=network == "calm").run()
        left = [thing for thing in gc.get_objects() if isinstance(thing, Exchange | ServerExchange | ClientReply | Relay)]
    finally:
        gc.enable()
        gc.unfreeze()
    assert not left
