"""Limits that workers share through a real Valkey, at the worker's end of the connection."""

from __future__ import annotations

import asyncio
import re
import signal
import ssl
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest
import trustme
import valkey

from weighbridge.core.clock import SystemClock
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Tls
from weighbridge.http.tls import verifying_context
from weighbridge.limits.shared import Outcome, SharedDraw, SharedLimitsPlace
from weighbridge.limits.table import Draw, Slot
from weighbridge.storage.valkey_limits import ValkeyLimits

MINUTE = 60_000_000_000
GIVEN, REFUSED, UNKNOWN = Outcome.GIVEN, Outcome.REFUSED, Outcome.UNKNOWN


def requests(limit, amount=1, name="requests"):
    return SharedDraw(Slot(name), limit, limit, MINUTE, amount)


def at_a_time(limit, name="concurrent"):
    return SharedDraw(Slot(name), limit, limit, 0, 1)


class Worker:
    """A worker's end."""

    def __init__(self, place, life="j_1", context=None):
        self.said = []
        self.limits = ValkeyLimits(place, life, context, SystemClock(), self.said.append)
        self.running = asyncio.ensure_future(self.limits.run())

    async def ask(self, *draws):
        asked = self.limits.ask(draws)
        await asked.signal
        return asked

    async def outcomes(self, times, *facts):
        return [(await self.ask(requests(*facts))).outcome for _ in range(times)]

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition(self.limits):
                await asyncio.sleep(0.01)


@pytest.fixture
async def worker():
    """Make workers."""
    made = []

    async def make(place, life="j_1", context=None):
        made.append(Worker(place, life, context))
        await made[-1].limits.has_tried.wait()
        return made[-1]

    yield make
    for each in made:
        await each.limits.stop()
        each.running.cancel()
        with suppress(asyncio.CancelledError):
            await each.running


def place_of(server, **facts):
    return SharedLimitsPlace("", 0, str(server.unix_socket_path), **{"member": "host_a", **facts})


def client_of(server):
    return closing(valkey.Valkey(unix_socket_path=str(server.unix_socket_path)))


async def relay(server, context=None):
    """A TCP port in front of a Valkey."""

    async def serve(reader, writer):
        inward, outward = await asyncio.open_unix_connection(server.unix_socket_path)

        async def copy(source, sink):
            with suppress(ConnectionError):
                while data := await source.read(65_536):
                    sink.write(data)
            sink.close()

        await asyncio.gather(copy(reader, outward), copy(inward, writer))

    relaying = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    return relaying, relaying.sockets[0].getsockname()[1]


# --- while it is there ------------------------------------------------------------------------------------------


async def test_workers_have_one_limit_together(worker, valkey_place):
    one, other = await worker(valkey_place), await worker(msgspec.structs.replace(valkey_place, member="host_b"), "j_2")
    assert await one.outcomes(2, 3) + await other.outcomes(2, 3) == [GIVEN, GIVEN, GIVEN, REFUSED]
    assert (one.limits.n_hosts, other.limits.n_hosts) == (1, 2)


async def test_who_asks_is_told_what_is_left_and_how_long_it_takes(worker, valkey_place):
    one = await worker(valkey_place)
    given = requests(2)
    await one.ask(given)
    assert (given.left, given.full_ns) == (1, 30_000_000_000)
    asked = await one.ask(wide := requests(9, name="wide"), narrow := requests(2, amount=2))
    assert asked.outcome is REFUSED
    assert asked.short is narrow
    assert 29_000_000_000 < narrow.full_ns <= 30_000_000_000
    assert (await one.ask(wide)).outcome is GIVEN
    assert wide.left == 8


async def test_tokens_are_drawn_as_expected_and_corrected_by_what_was_used(worker, valkey_place):
    one = await worker(valkey_place)
    first = requests(1_000, amount=800)
    await one.ask(first)
    assert (await one.ask(requests(1_000, amount=800))).outcome is REFUSED
    one.limits.settle([first], [100])
    second = requests(1_000, amount=800)
    assert (await one.ask(second)).outcome is GIVEN
    one.limits.settle([second], [2_000])
    third = requests(1_000, amount=1)
    assert (await one.ask(third)).outcome is REFUSED
    assert third.left < -1_000


async def test_places_of_requests_at_a_time_come_back_when_they_end(worker, valkey_place):
    one, other = await worker(valkey_place), await worker(valkey_place, "j_2")
    held = at_a_time(1)
    assert (await one.ask(held)).outcome is GIVEN
    assert (await other.ask(at_a_time(1))).outcome is REFUSED
    one.limits.settle([held], [0])
    await one.ask(requests(5))  # behind the correction, so that it has been heard
    assert (await other.ask(at_a_time(1))).outcome is GIVEN


async def test_what_nobody_waits_for_any_more_goes_back(worker, valkey_place):
    one = await worker(valkey_place)
    one.limits.ask([at_a_time(1), requests(2)]).abandon()
    await one.ask(requests(9, name="other"))
    assert (await one.ask(at_a_time(1), last := requests(2))).outcome is GIVEN
    assert last.left == 1


async def test_many_who_ask_at_once_are_answered_each_for_itself(worker, valkey_place):
    one, other = await worker(valkey_place), await worker(valkey_place, "j_2")
    asked = [each.limits.ask([requests(100)]) for each in (one, other) for _ in range(100)]
    for each in asked:
        await each.signal
    assert sum(each.outcome is GIVEN for each in asked) == 100


async def test_a_server_that_has_forgotten_the_scripts_is_told_them(worker, valkey_place):
    one = await worker(valkey_place)
    with closing(valkey.Valkey(unix_socket_path=valkey_place.path)) as client:
        client.script_flush()
    assert await one.outcomes(2, 1) == [GIVEN, REFUSED]
    assert not one.said


async def test_limits_of_any_size_are_counted(worker, valkey_place):
    one = await worker(valkey_place)
    most, day = 10**18, 24 * 60 * MINUTE
    dollars = SharedDraw(Slot("usd"), most, most, day, 1)
    assert (await one.ask(dollars)).outcome is GIVEN
    one.limits.settle([dollars], [2**62])
    await one.ask(again := SharedDraw(Slot("usd"), most, most, day, 10**12))
    assert again.left < 10**12
    nothing = SharedDraw(Slot("none"), 0, 0, MINUTE, 1)
    assert (await one.ask(nothing)).outcome is REFUSED


# --- the way there ----------------------------------------------------------------------------------------------


async def test_a_password_a_user_and_a_database_are_told(worker, own_valkey):
    with client_of(own_valkey) as client:
        client.config_set("requirepass", "secret")
    one = await worker(place_of(own_valkey, user="default", password=Secret("secret"), database=3))
    assert await one.outcomes(1, 1) == [GIVEN]
    with closing(valkey.Valkey(unix_socket_path=str(own_valkey.unix_socket_path), db=3, password="secret")) as client:
        assert client.dbsize() == 2
    other = await worker(place_of(own_valkey, password=Secret("not-it")))
    assert await other.outcomes(1, 1) == [UNKNOWN]
    assert "WRONGPASS" in other.said[0]
    assert "not-it" not in other.said[0]


async def test_a_user_needs_the_rights_that_the_page_names_and_no_more(worker, own_valkey):
    page = Path("docs/how-to/run-several-gateways.md").read_text()
    rights = re.search(r"`(\+@scripting [^`]*)`[^`]*`(~[^`]*)`", page)
    with client_of(own_valkey) as client:
        client.execute_command("ACL", "SETUSER", "wb", "on", ">secret", *rights[1].split(), rights[2])
    one = await worker(place_of(own_valkey, user="wb", password=Secret("secret"), database=1))
    assert await one.outcomes(2, 1) == [GIVEN, REFUSED]
    held, tokens = at_a_time(2), requests(100, name="tokens", amount=50)
    assert (await one.ask(held, tokens)).outcome is GIVEN
    one.limits.settle([held, tokens], [0, 0])
    await one.ask(requests(9))
    await one.limits.stop()
    assert not one.said


async def test_a_port_will_do(worker, own_valkey):
    server, port = await relay(own_valkey)
    async with server:
        one = await worker(SharedLimitsPlace("localhost", port, member="host_a"))
        assert await one.outcomes(2, 1) == [GIVEN, REFUSED]
        await one.limits.stop()


async def test_tls_is_verified(worker, own_valkey, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    server, port = await relay(own_valkey, context)
    async with server:
        tls = Tls(str(tmp_path / "ca.pem"))
        one = await worker(SharedLimitsPlace("localhost", port, tls=tls, member="host_a"), context=verifying_context(tls))
        assert await one.outcomes(2, 1) == [GIVEN, REFUSED]
        other = await worker(SharedLimitsPlace("localhost", port, tls=Tls(), member="host_a"), context=verifying_context(Tls()))
        assert await other.outcomes(1, 1) == [UNKNOWN]
        assert "certificate" in other.said[0]
        await one.limits.stop()


# --- when it is away --------------------------------------------------------------------------------------------


async def test_a_server_that_was_never_there_is_told_once_and_found_when_it_comes(worker, own_valkey):
    own_valkey.stop()
    one = await worker(place_of(own_valkey))
    assert await one.outcomes(2, 1) == [UNKNOWN, UNKNOWN]
    assert one.limits.is_away
    assert one.limits.n_unknown == 2
    own_valkey.start()
    await one.until(lambda limits: not limits.is_away)
    assert await one.outcomes(2, 1) == [GIVEN, REFUSED]
    await one.until(lambda _: len(one.said) == 2)
    assert [said.split(":")[0] for said in one.said] == [
        "The limits that hosts share cannot be asked",
        "The limits that hosts share can be asked again.",
    ]


async def test_a_server_that_stands_still_keeps_nobody_waiting_for_longer_than_said(worker, own_valkey):
    one = await worker(place_of(own_valkey, wait_ns=30_000_000))
    process = own_valkey._process
    process.send_signal(signal.SIGSTOP)
    try:
        begun = asyncio.get_running_loop().time()
        assert await one.outcomes(1, 5) == [UNKNOWN]
        assert 0.03 <= asyncio.get_running_loop().time() - begun < 1
        assert await one.outcomes(100, 5) == [UNKNOWN] * 100  # at once: nobody is asked
        assert "in time" in one.said[0]
    finally:
        process.send_signal(signal.SIGCONT)
    await one.until(lambda limits: not limits.is_away)
    assert (await one.outcomes(1, 5))[0] is GIVEN


async def test_what_is_under_way_counts_at_a_server_that_has_lost_everything(worker, own_valkey):
    one = await worker(place := place_of(own_valkey))
    held = [at_a_time(3), at_a_time(3)]
    for each in held:
        assert (await one.ask(each)).outcome is GIVEN
    own_valkey.stop()
    await one.until(lambda limits: limits.is_away)
    alone = Draw(Slot("concurrent"), 3, 3, 0, 1)
    one.limits.hold([alone])
    one.limits.settle(held[:1], [0])
    own_valkey.start()
    await one.until(lambda limits: not limits.is_away)
    other = await worker(place, "j_2")
    assert [(await other.ask(at_a_time(3))).outcome for _ in range(2)] == [GIVEN, REFUSED]
    one.limits.settle([alone, held[1]], [0, 0])
    await one.ask(requests(9))
    assert [(await other.ask(at_a_time(3))).outcome for _ in range(3)] == [GIVEN, GIVEN, REFUSED]


async def test_a_server_that_has_forgotten_who_is_there_is_told_anew(worker, own_valkey):
    one = await worker(place_of(own_valkey))
    held = at_a_time(2)
    await one.ask(held)
    with client_of(own_valkey) as client:
        client.flushall()
    assert (await one.ask(at_a_time(2))).outcome is UNKNOWN
    await one.until(lambda limits: not limits.is_away)
    assert [(await one.ask(at_a_time(2))).outcome for _ in range(2)] == [GIVEN, REFUSED]


async def test_more_that_was_used_meanwhile_is_counted_when_it_is_back(worker, own_valkey):
    one = await worker(place_of(own_valkey))
    drawn = requests(1_000, amount=10)
    await one.ask(drawn)
    own_valkey.stop()
    await one.until(lambda limits: limits.is_away)
    one.limits.settle([drawn], [1_500])
    own_valkey.start()
    await one.until(lambda limits: not limits.is_away)
    assert (await one.ask(requests(1_000))).outcome is REFUSED


@pytest.mark.slow
async def test_a_server_that_is_killed_midway_gives_nobody_more_than_the_limit(worker, lasting_valkey):
    """With `appendfsync always`. What was on its way when it was killed is used and was not given: no more is lost than that."""
    workers = [await worker(place_of(lasting_valkey, wait_ns=5_000_000_000), f"j_{n}") for n in range(4)]
    asked, limit = [], 2_000

    async def hammer(each):
        while sum(one.outcome is REFUSED for one in asked) < 500:
            wave = [each.limits.ask([SharedDraw(Slot("requests"), limit, limit, 24 * 60 * MINUTE, 1)]) for _ in range(50)]
            asked.extend(wave)
            for one in wave:
                await one.signal
            await asyncio.sleep(0.002)

    async def kill():
        while sum(one.outcome is GIVEN for one in asked) < limit / 4:
            await asyncio.sleep(0)
        await asyncio.to_thread(lasting_valkey.terminate)
        for each in workers:
            await each.until(lambda limits: limits.is_away)
        await asyncio.to_thread(lasting_valkey.start)

    await asyncio.gather(kill(), *map(hammer, workers))
    n_given = sum(one.outcome is GIVEN for one in asked)
    assert limit - 4 * 50 <= n_given <= limit
    assert any(one.outcome is UNKNOWN for one in asked)


async def test_a_server_that_may_not_be_written_to_is_no_server(worker, own_valkey):
    one = await worker(place_of(own_valkey))
    with client_of(own_valkey) as client:
        client.config_set("maxmemory", 1)
        assert await one.outcomes(1, 1) == [UNKNOWN]
        assert "OOM" in one.said[0]
        client.config_set("maxmemory", 0)
    await one.until(lambda limits: not limits.is_away)
    assert await one.outcomes(1, 1) == [GIVEN]


async def test_what_is_no_valkey_is_told_so(worker):
    async def speak(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        one = await worker(SharedLimitsPlace("127.0.0.1", server.sockets[0].getsockname()[1], member="host_a"))
        assert await one.outcomes(1, 1) == [UNKNOWN]
        assert "does not speak as a Valkey does" in one.said[0]


async def test_a_worker_that_ends_leaves_nothing_behind(worker, valkey_place):
    one = await worker(valkey_place)
    await one.limits.stop()
    with closing(valkey.Valkey(unix_socket_path=valkey_place.path)) as client:
        assert client.keys(f"*{valkey_place.prefix}*") == []
    assert not one.said
