"""Realtime sessions under a hard budget, with everything real: processes, sockets, disk, and `kill -9`."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

import pytest
import websockets
from tests.journeys.test_money import APP_KEY, PRICES, books_of

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.testing import SimulatedOpenAI, running

SLICE = 1_000 * 1_000 + 300 * 4_000
"""Nano-dollars of a response: a window of 1,000 tokens at $1 a million, and 300 out at $4."""
QUESTION = "weigh this and that " * 5


@pytest.fixture
def provider():
    with running(SimulatedOpenAI()) as simulated:
        yield simulated


def configured(provider, amount, *, workers=1, **more):
    entry = {"type": "openai", "base_url": provider.base_url, "api_key": provider.keys[0]}
    return {
        "server": {"workers": workers, "drain_timeout": "5s"},
        "providers": {"sim": entry},
        "prices": PRICES,
        "model_limits": [{"match": "sim/*", "max_output_tokens": 300, "context_window": 1_000}],
        "keys": [{"name": "app", "key": APP_KEY}],
        "budgets": [{"scope": "gateway", "amount": f"${amount / 1e9}", "period": "total"}],
        **more,
    }


def opened(gateway):
    url = gateway.base_url.replace("http", "ws") + "/v1/realtime?model=sim/gpt-realtime"
    return websockets.connect(url, additional_headers={"authorization": f"Bearer {APP_KEY}"}, proxy=None)


async def say(socket, event):
    await socket.send(encode_json(event).decode())


async def ask(socket):
    """One question and its answer: the events that came."""
    content = [{"type": "input_text", "text": QUESTION}]
    await say(socket, {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}})
    await say(socket, {"type": "response.create"})
    events = []
    while not events or events[-1]["type"] not in {"response.done", "error"}:
        events.append(decode_json(await socket.recv()))
    return events


async def ask_until_it_ends(gateway):
    """Ask for as long as the session goes on: how many were answered, the last event, and the close code."""
    n_answered, last = 0, None
    with suppress(websockets.ConnectionClosed):
        async with opened(gateway) as socket:
            try:
                while True:
                    last = (await ask(socket))[-1]
                    n_answered += last["type"] == "response.done"
            except websockets.ConnectionClosed as closed:
                with suppress(websockets.ConnectionClosed):  # the question was too late, but what came before is there
                    while True:
                        last = decode_json(await socket.recv())
                return n_answered, last, closed.rcvd.code if closed.rcvd is not None else None
    return n_answered, last, None


def test_a_session_ends_with_an_error_and_a_code_before_its_budget_is_overspent(provider, start_gateway):
    limit = 2 * SLICE
    gateway = start_gateway(configured(provider, limit))
    n_answered, last, code = asyncio.run(ask_until_it_ends(gateway))
    assert n_answered > 3  # each took less than its slice, and left room for the next
    assert (last["type"], last["error"]["code"], code) == ("error", "budget_exceeded", 1008)
    with pytest.raises(websockets.InvalidStatus) as refused:
        asyncio.run(ask_until_it_ends(gateway))
    assert refused.value.response.status_code == 429
    gateway.stop()
    books = books_of(gateway)
    assert books.findings.is_sound
    assert provider.invoice().total == books.spent
    assert limit - SLICE < books.spent <= limit
    row = next(row for row in books.rows if row[2])
    assert (row[2], row[5]) == (books.spent, "budget_exceeded")


def test_sessions_of_all_workers_share_a_budget_whoever_is_killed(provider, start_gateway):
    """The invoice stays within the budget; what a killed worker held is spent, and no more than that."""
    limit = 30 * SLICE
    gateway = start_gateway(configured(provider, limit, workers=2))

    async def speak():
        async with asyncio.timeout(40):
            talks = [asyncio.create_task(ask_until_it_ends(gateway)) for _ in range(12)]
            await asyncio.sleep(1)
            for _ in range(2):
                workers = [worker["pid"] for worker in (await asyncio.to_thread(gateway.admin, "/status"))["workers"]]
                os.kill(next(pid for pid in workers if pid), signal.SIGKILL)
                await asyncio.sleep(1)
                talks += [asyncio.create_task(ask_until_it_ends(gateway)) for _ in range(6)]
            return await asyncio.gather(*talks, return_exceptions=True)

    outcomes = asyncio.run(speak())
    assert any(isinstance(outcome, tuple) and outcome[2] == 1008 for outcome in outcomes)
    gateway.stop()
    books = books_of(gateway)
    assert books.findings.problems == []
    assert books.still_open == 0
    assert provider.invoice().total <= books.spent <= limit


def test_a_client_that_leaves_within_a_response_is_charged_a_slice_for_it(provider, start_gateway):
    gateway = start_gateway(configured(provider, 10 * SLICE))

    async def leave():
        async with opened(gateway) as socket:
            await ask(socket)
            await say(socket, {"type": "response.create"})
            while decode_json(await socket.recv())["type"] != "response.created":
                pass
            socket.transport.abort()

    asyncio.run(leave())
    gateway.stop()
    books = books_of(gateway)
    assert books.findings.is_sound
    told = max(row[2] for row in books.rows)
    assert books.spent in {told, told + SLICE}  # the rest of it may have come before the client was seen to be gone
    assert provider.invoice().total <= books.spent
