"""Limits of several hosts through a real Valkey, with everything real: eight workers of two gateways, `kill -9`, and a Valkey that
goes and comes.

`WEIGHBRIDGE_PROOF=full` runs more of the same.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import aiohttp
import msgspec
import pytest
import valkey
from aiohttp import web

from weighbridge.core.codec import decode_json
from weighbridge.limits.shared import SharedLimitsPlace
from weighbridge.storage.valkey_limits import LASTS_S
from weighbridge.testing import SimulatedOpenAI, running

pytestmark = pytest.mark.slow  # processes start and end

FULL = os.environ.get("WEIGHBRIDGE_PROOF") == "full"
KEYS = [f"wb-shared-{n}-0123456789abcdef" for n in range(3)]
TOKENS_KEY = "wb-shared-tokens-0123456789"
LIMIT = 2_000 if FULL else 300
TOKENS = 20_000
PRICES = [{"match": "sim/*", "input": 1, "cache_read": 0.1, "cache_write": 1.25, "cache_write_1h": 2, "output": 4}]
"""Dollars a million tokens: what the simulator bills."""
HAMMER = Path(__file__).parent / "shared_limit_hammer.py"
PATIENCE_S = 20
ANSWER = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1},
}


class Crowd:
    """A provider that takes a while, and sees how many requests it has at a time: in all, and of each `user`."""

    def __init__(self):
        self.now, self.most = Counter(), Counter()
        self.served = 0
        self.base_url, self.keys = "", ["sk-crowd"]
        self._runner = None

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _answer(self, request):
        who = ("all", (await request.json())["user"])
        self.now.update(who)
        self.most |= self.now
        await asyncio.sleep(0.05)
        # Before the reply goes: a gateway frees the place afterwards.
        self.now.subtract(who)
        self.served += 1
        return web.json_response(ANSWER)


def configured(place, provider=None, *, n_workers=1, limits=(), **shared):
    return {
        "server": {"workers": n_workers, "drain_timeout": "5s"},
        "access_log": {"format": "off"},
        "providers": {"demo": {}} | ({} if provider is None else behind(provider)),
        "prices": PRICES,
        "keys": [{"name": key[:11], "key": key} for key in KEYS] + [{"name": "tokens", "key": TOKENS_KEY, "team": "proof"}],
        "shared_limits": {"url": f"unix://{place.path}", "prefix": place.prefix, "wait": "2s", **shared},
        "limits": limits,
    }


def behind(provider):
    return {"sim": {"type": "openai", "base_url": provider.base_url, "api_key": provider.keys[0]}}


def place_of(server):
    return SharedLimitsPlace("", 0, str(server.unix_socket_path))


def start_hosts(start_gateway, directory, config):
    """Two gateways, each on a host of its own."""
    started = []
    for name in ("one", "other"):
        (directory / name).mkdir()
        started.append(start_gateway(config, directory=directory / name))
    for each in started:
        each.workers()
    return started


@pytest.fixture(scope="module")
def provider():
    with running(SimulatedOpenAI()) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def eight_workers(start_gateways, valkey_server, provider, tmp_path_factory):
    """Two hosts with four workers each."""
    place = msgspec.structs.replace(valkey_server, prefix="eight-workers")
    limits = [
        {"scope": "key:*", "requests": LIMIT, "per": "1d"},
        {"scope": "team:*", "tokens": TOKENS, "per": "1d"},
        {"scope": "model:sim/gpt-4o-mini", "output_tokens": 10**6, "per": "1d"},
        {"scope": "provider:sim", "dollars": 1_000, "per": "1d"},
        {"scope": "provider_key:*", "concurrent": 1_000},
    ]
    config = configured(place, provider, n_workers=4, limits=limits)
    return start_hosts(start_gateways, tmp_path_factory.mktemp("hosts"), config), place


async def hammer(hosts, body, *, keys=KEYS, clients=24, until_refused=10):
    """Ask all workers at once, each client until it was refused so often in a row. By key and status, how many."""
    seen = Counter()
    headers = set()

    async def client(session, n):
        key, refused = keys[n % len(keys)], 0
        while refused < until_refused:
            url = f"{hosts[n // len(keys) % len(hosts)].base_url}/v1/chat/completions"
            # A connection for each request: the kernel spreads them over the workers.
            async with session.post(url, json=body, headers={"authorization": f"Bearer {key}", "connection": "close"}) as reply:
                await reply.read()
                headers.update(reply.headers.keys())
                seen[key, reply.status] += 1
                refused = refused + 1 if reply.status == 429 else 0

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
        await asyncio.gather(*(client(session, n) for n in range(clients)))
    return seen


ECHO = {"model": "demo/echo", "messages": [{"role": "user", "content": "hello"}]}


def test_eight_workers_of_two_hosts_admit_what_the_limit_says_to_the_request(eight_workers):
    gateways, _ = eight_workers
    seen = asyncio.run(hammer(gateways, ECHO))
    assert {key: seen[key, 200] for key in KEYS} == dict.fromkeys(KEYS, LIMIT)
    assert {status for _, status in seen} == {200, 429}
    for each in gateways:
        assert "cannot be asked" not in each.stderr.text


def test_tokens_and_dollars_of_two_hosts_are_counted_to_the_last(eight_workers, provider):
    """What was drawn is exchanged for what was used: the Valkey has what the provider has billed, and all of it was within what
    requests had drawn."""
    gateways, place = eight_workers
    body = {"model": "sim/gpt-4o-mini", "max_tokens": 200, "messages": [{"role": "user", "content": "weigh " * 40}]}
    seen = asyncio.run(hammer(gateways, body, keys=[TOKENS_KEY], clients=16, until_refused=3))
    bill = provider.invoice()
    assert seen[TOKENS_KEY, 200] == len(bill.items)
    out = sum(item.usage.output for item in bill.items)
    tokens = out + sum(item.usage.input + item.usage.cache_read for item in bill.items)
    # Of a day's limit a little comes back while the test runs.
    most, back = (
        {"tokens": tokens, "output_tokens": out, "usd": bill.total},
        {"tokens": TOKENS, "output_tokens": 10**6, "usd": 10**12},
    )
    deadline = time.monotonic() + PATIENCE_S
    while True:
        used = used_at(place)
        came_back = {name: amount * 3 * PATIENCE_S // 86_400 for name, amount in back.items()}
        if all(most[name] - came_back[name] <= used[name] <= most[name] for name in most) and used["concurrent"] == 0:
            break
        assert time.monotonic() < deadline, (used, most)
    # Each request drew its bound and its input, some 260 tokens, and used no more: so nothing went beyond the limit.
    assert TOKENS - 1_000 <= tokens <= TOKENS + came_back["tokens"]


def used_at(place):
    """What a Valkey has of each measure."""
    used = Counter()
    with closing(valkey.Valkey(unix_socket_path=place.path)) as client:
        for key in client.scan_iter(f"{{{place.prefix}}}*"):
            measure = key.decode().rpartition("\x1f")[2]
            if b"\x1f" not in key:
                continue  # who is there
            if measure == "concurrent":
                used[measure] += sum(map(int, client.hvals(key)))
            else:
                used[measure] += int(client.get(key).split()[0])
    return used


def test_what_comes_back_is_given_to_eight_processes_once(own_valkey):
    """Of a limit that comes back all the time every unit is given, and none twice: what was given is what came back and what is
    used, to the unit."""
    place = str(own_valkey.unix_socket_path)
    rate, seconds = 50, 6 if FULL else 2
    with closing(valkey.Valkey(unix_socket_path=place)) as client:
        command = [sys.executable, str(HAMMER), place, str(rate), str(seconds)]
        begun = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(8)]
        said = [decode_json(process.communicate(timeout=PATIENCE_S)[0]) for process in begun]
        (key,) = [key for key in client.scan_iter() if client.type(key) == b"string"]
        used, at = map(int, client.get(key).split(maxsplit=2)[:2])
    given = sum(each["given"] for each in said)
    first_us = min(each["first_us"] for each in said)
    came_back, rest = divmod((at - first_us) * rate, 1_000_000)
    assert rest == 0  # a unit at a time
    assert given == used + came_back
    assert came_back >= rate * seconds / 2
    assert used >= rate - 1  # never was there one for which nobody had asked
    assert all(each["refused"] > 0 for each in said)


def test_two_hosts_never_have_more_requests_at_a_time_than_the_limit_says(start_gateway, valkey_place, tmp_path):
    limits = [{"scope": "key:*", "concurrent": 3}, {"scope": "provider:sim", "concurrent": 8}]
    enough = 3_000 if FULL else 300

    async def client(session, crowd, hosts, n):
        key, statuses = KEYS[n % len(KEYS)], Counter()
        url = f"{hosts[n // len(KEYS) % len(hosts)].base_url}/v1/chat/completions"
        body = ECHO | {"model": "sim/any", "user": key}
        while crowd.served < enough:
            async with session.post(url, json=body, headers={"authorization": f"Bearer {key}", "connection": "close"}) as reply:
                await reply.read()
                statuses[reply.status] += 1
        return statuses

    async def proof(crowd, hosts):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
            return sum(await asyncio.gather(*(client(session, crowd, hosts, n) for n in range(24))), Counter())

    with running(Crowd()) as crowd:
        hosts = start_hosts(start_gateway, tmp_path, configured(valkey_place, crowd, n_workers=2, limits=limits))
        seen = asyncio.run(proof(crowd, hosts))
        assert seen.keys() == {200, 429}
        assert seen[200] == crowd.served >= enough
        assert crowd.most == {"all": 8} | dict.fromkeys(KEYS, 3)
        deadline = time.monotonic() + PATIENCE_S
        while used_at(valkey_place)["concurrent"]:
            assert time.monotonic() < deadline, "places were never given back"
        for each in hosts:
            each.stop()


def test_a_killed_hosts_places_are_free_again_in_bounded_time(start_gateway, valkey_place, tmp_path):
    config = configured(valkey_place, limits=[{"scope": "gateway", "concurrent": 3}])
    one, other = start_hosts(start_gateway, tmp_path, config)
    slow = {"model": "demo/slow", "stream": True, "messages": [{"role": "user", "content": "word " * 2_000}]}

    async def proof():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:

            async def ask(gateway, body):
                headers = {"authorization": f"Bearer {KEYS[0]}"}
                return await session.post(f"{gateway.base_url}/v1/chat/completions", json=body, headers=headers)

            held = await asyncio.gather(*(ask(one, slow) for _ in range(3)))
            assert [reply.status for reply in held] == [200, 200, 200]
            assert (await ask(other, ECHO)).status == 429
            for pid in (one.pid, *(worker["pid"] for worker in one.workers())):
                os.kill(pid, signal.SIGKILL)
            one.wait()
            killed = time.monotonic()
            while (reply := await ask(other, ECHO)).status == 429:
                assert time.monotonic() - killed < 2 * LASTS_S, "the places of a dead host were never free"
                await asyncio.sleep(0.1)
            assert reply.status == 200
            assert time.monotonic() - killed > LASTS_S / 2, "a host that only stammers must not lose its places"
            for each in held:
                each.close()

    asyncio.run(proof())
    other.stop()


def test_while_the_valkey_is_away_a_host_goes_by_its_part_or_refuses(start_gateway, own_valkey, tmp_path):
    limits = [{"scope": "key:*", "requests": 40, "per": "1d"}]
    place = place_of(own_valkey)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one = start_gateway(configured(place, limits=limits, gateways=2), directory=tmp_path / "one")
    other = start_gateway(configured(place, limits=limits, on_outage="refuse"), directory=tmp_path / "other")
    for _ in range(5):
        assert one.chat(key=KEYS[0]).status == 200
    own_valkey.terminate()
    one.stderr.wait_for_match("cannot be asked: .*this host goes by its part of them, of 2")
    other.stderr.wait_for_match("cannot be asked: .*what they count is refused")
    seen = asyncio.run(hammer([one], ECHO, until_refused=3))
    # Its half, of which it has used five already.
    assert [seen[key, 200] for key in KEYS] == [15, 20, 20]
    one.workers(lambda worker: worker["limits_away"] and worker["limits_unanswered"] > 0)
    refused = other.chat(key=KEYS[0])
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert decode_json(refused.body)["error"]["code"] == "limits_unavailable"
    own_valkey.start()
    for each in (one, other):
        each.stderr.wait_for_match("can be asked again")
        each.workers(lambda worker: not worker["limits_away"])
    seen = asyncio.run(hammer([one, other], ECHO, until_refused=3))
    assert {key: seen[key, 200] for key in KEYS} == dict.fromkeys(KEYS, 40)
