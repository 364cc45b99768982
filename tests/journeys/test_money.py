"""Budgets that hold and books that lose nothing, with everything real: processes, sockets, disk, and `kill -9`.

Each caller names itself in `user`, which both the provider's journal and the ledger keep: so what each request cost is compared one
by one. `WEIGHBRIDGE_PROOF=full` runs what the project promises (1,000 clients on 4 workers, 200 rounds of kills); else less of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter, defaultdict
from contextlib import closing, suppress
from http.client import IncompleteRead
from types import SimpleNamespace

import aiohttp
import anthropic
import openai
import pytest
from sqlalchemy import text

from weighbridge.core.clock import SystemClock
from weighbridge.core.codec import decode_json, encode_json
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.store import Store
from weighbridge.testing import Fault, SimulatedAnthropic, SimulatedOpenAI, running

FULL = os.environ.get("WEIGHBRIDGE_PROOF") == "full"
CLIENTS, WORKERS, KILLS = (1_000, 4, 12) if FULL else (60, 3, 3)
ROUNDS = 200 if FULL else 4
REFUSED = 500
APP_KEY = "wb-money-app-0123456789"
USD = 1_000_000_000
MODEL = "sim/gpt-4o-mini"
PRICES = [{"match": "sim/*", "input": 1, "cache_read": 0.1, "cache_write": 1.25, "cache_write_1h": 2, "output": 4}]
"""Dollars a million tokens: what the simulator bills."""


@pytest.fixture
def provider():
    with running(SimulatedOpenAI()) as simulated:
        yield simulated


def configured(provider, *, workers=WORKERS, **more):
    return {
        "server": {"workers": workers, "drain_timeout": "5s"},
        "providers": {
            "sim": {
                "type": "openai",
                "base_url": provider.base_url,
                "api_key": provider.keys[0],
                "timeouts": {"between_bytes": "2s"},
            }
        },
        "prices": PRICES,
        "keys": [{"name": "app", "key": APP_KEY, "team": "proof"}],
        **more,
    }


class Caller:
    """Many clients: some stream, some leave, all remember what they received whole."""

    def __init__(self, gateway, seed, *others):
        self.gateway = gateway
        self.others = others
        """More gateways that are asked as often."""
        self.random = random.Random(seed)
        self.whole = []
        """Request ids of replies that came whole."""
        self.statuses = Counter()
        self.is_over = False
        self._n = 0

    async def run(self, n_clients, until):
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as session:
            clients = [asyncio.create_task(self._client(session)) for _ in range(n_clients)]
            await until(self)
            self.is_over = True
            await asyncio.gather(*clients)

    async def _client(self, session):
        while not self.is_over:
            self._n += 1
            with suppress(aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError):
                await self._ask(session, f"caller-{self._n}")

    async def _ask(self, session, name):
        chance = self.random.random()
        words = "weigh " * self.random.randrange(1, 120)
        body = {"model": MODEL, "user": name, "max_tokens": self.random.randrange(50, 400)}
        body |= {"messages": [{"role": "user", "content": words}], "stream": chance < 0.6}
        if body["stream"] and chance < 0.3:
            body["stream_options"] = {"include_usage": True}
        gateway = self.random.choice((self.gateway, *self.others))
        url, headers = f"{gateway.base_url}/v1/chat/completions", {"authorization": f"Bearer {APP_KEY}"}
        leaves = self.random.random() < 0.15
        async with session.post(url, json=body, headers=headers) as reply:
            self.statuses[reply.status] += 1
            if reply.status != 200:
                await reply.read()
                # Refused: another client may get the room, so this one does not ask at once again.
                await asyncio.sleep(self.random.random() * 0.05)
                return
            if leaves:
                await reply.content.readany()
                reply.close()
                return
            data = await reply.read()
            if not body["stream"] or b"data: [DONE]" in data:
                self.whole.append((reply.headers["x-weighbridge-request-id"], name))


def bothered(provider, generator):
    """A provider that fails in one of the ways providers do, now and then."""
    faults = [
        Fault.status(500),
        Fault.status(429),
        Fault.close_before_head(),
        Fault.cut_after(chunks=3),
        Fault.error_event(at=2),
        Fault.empty_content(),
    ]
    provider.faults.add(generator.choice(faults), times=3)


async def until_spent(caller, provider, kills, generator):
    """Kill workers until the budget is used up: no more than refusals for a while."""
    for _ in range(kills):
        await asyncio.sleep(0.5)
        bothered(provider, generator)
        await asyncio.to_thread(kill_a_worker, generator.choice((caller.gateway, *caller.others)), generator)
    answered, refused = -1, 0
    # Once hundreds are refused in a row, small ones too, all of it is spent or held. Workers that are not there yet refuse nobody.
    while answered != len(caller.whole) or caller.statuses[429] < refused + REFUSED:
        if answered != len(caller.whole):
            answered, refused = len(caller.whole), caller.statuses[429]
        await asyncio.sleep(1)


def kill_a_worker(gateway, generator):
    with suppress(AssertionError, OSError, ProcessLookupError):
        pids = [worker["pid"] for worker in gateway.admin("/status")["workers"] if worker["pid"]]
        os.kill(generator.choice(pids), signal.SIGKILL)


def books_of(gateway, url=None):
    """What the ledger of a stopped gateway says."""
    with closing(Store.open(url or sqlite_url(gateway.data_dir), SystemClock())) as store:
        findings = verify(store.ledger)
        spent = sum(store.ledger.counters().values())
        still_open = store.ledger.open_journals()
        accounts = {balance.account: balance.debits - balance.credits for balance in store.ledger.balances()}
        leases = store.leases.hosts()
        with store.ledger.reading() as connection:
            rows = [tuple(row) for row in connection.execute(text(_ROWS))]
    return SimpleNamespace(findings=findings, spent=spent, still_open=still_open, accounts=accounts, rows=rows, leases=leases)


_ROWS = (
    "SELECT request_id, u.text, cost, price_state, provenance, e.text FROM requests r "
    "LEFT JOIN labels u ON u.id = r.end_user LEFT JOIN labels e ON e.id = r.error"
)


def invoiced(provider):
    """What the provider bills each caller, by the name in the request's body."""
    callers = {received.number: decode_json(received.body).get("user") for received in provider.journal.requests if received.body}
    amounts = defaultdict(int)
    for item in provider.invoice().items:
        amounts[callers[item.request]] += item.amount
    return amounts


def assert_nothing_is_lost(caller, books, provider):
    assert books.findings.problems == []
    assert books.still_open == 0
    times = Counter(row[0] for row in books.rows)
    assert [name for request_id, name in caller.whole if times[request_id] != 1] == []
    assert max(times.values()) == 1
    amounts = invoiced(provider)
    of_caller = {row[1]: row for row in books.rows}
    wrong = [(name, of_caller.get(name), amount) for name, amount in amounts.items() if not is_booked(of_caller.get(name), amount)]
    assert wrong == []


def is_booked(row, amount):
    """A cost that the ledger knows is the invoice's to the nano-dollar; what it says it does not know, it bounds."""
    if row is None:
        return False
    _request_id, _user, cost, price_state, _provenance, error = row
    if cost is None or price_state or error:
        return True  # listed apart: an estimate or an unknown outcome, whose bound the total is compared with
    return cost == amount


def test_a_budget_is_never_overspent_whoever_dies(provider, start_gateway):
    """The provider's invoice stays within the budget, nothing is held in the end, and nearly all of what fits was admitted."""
    generator = random.Random(7)
    budget = 1.0 if FULL else 0.05
    gateway = start_gateway(configured(provider, budgets=[{"scope": "gateway", "amount": f"${budget}", "period": "total"}]))
    caller = Caller(gateway, 7)
    asyncio.run(caller.run(CLIENTS, lambda caller: until_spent(caller, provider, KILLS, generator)))
    gateway.stop()
    books = books_of(gateway)
    limit = int(budget * USD)
    assert provider.invoice().total <= limit
    assert books.spent <= limit
    assert provider.invoice().total <= books.spent
    assert books.spent >= 0.95 * limit, "less than what fits was admitted"
    assert_nothing_is_lost(caller, books, provider)
    assert caller.statuses[429] > 0


def test_prepaid_credits_are_never_overdrawn_whoever_dies(provider, start_gateway):
    """What the customer is charged leaves the credits, with its markup; in the end the books say what was left of them."""
    generator = random.Random(17)
    given = USD if FULL else USD // 20
    tariffs = [{"scope": "gateway", "markup": "20%", "estimates": "charge"}]
    gateway = start_gateway(configured(provider, tariffs=tariffs))
    gateway.admin("/credits", "POST", {"payer": {"kind": "team", "name": "proof"}, "amount_nanousd": given})
    gateway.stop()
    gateway.start()  # with workers that know of it from their first request on
    caller = Caller(gateway, 17)
    asyncio.run(caller.run(CLIENTS, lambda caller: until_spent(caller, provider, KILLS, generator)))
    gateway.stop()
    books = books_of(gateway)
    left = -books.accounts["customer:team:proof"]
    assert 0 <= left <= 0.05 * given, "credits were overdrawn, or less than what they cover was admitted"
    assert books.spent == given - left
    assert_nothing_is_lost(caller, books, provider)
    assert caller.statuses[429] > 0


def test_hosts_that_share_a_database_never_overspend_together(provider, postgresql_database, start_gateway, tmp_path):
    """Two gateways, each with its workers and its own disk, on one PostgreSQL: the budget is one, whoever dies."""
    generator = random.Random(13)
    budget = 1.0 if FULL else 0.05
    shared = {"database": postgresql_database, "budgets": [{"scope": "gateway", "amount": f"${budget}", "period": "total"}]}
    config = configured(provider, workers=max(1, WORKERS // 2), **shared)
    gateways = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        gateways.append(start_gateway(config, directory=tmp_path / name))
    caller = Caller(gateways[0], 13, gateways[1])
    asyncio.run(caller.run(CLIENTS, lambda caller: until_spent(caller, provider, KILLS, generator)))
    for gateway in gateways:
        gateway.stop()
    books = books_of(gateways[0], postgresql_database)
    limit = int(budget * USD)
    assert provider.invoice().total <= books.spent <= limit
    assert books.spent >= 0.95 * limit, "less than what fits was admitted"
    assert books.leases == []
    assert_nothing_is_lost(caller, books, provider)
    assert caller.statuses[429] > 0


def test_a_provider_that_ignores_the_bound_on_its_output_is_cut(provider, start_gateway):
    """Its stream ends in an error and not in an end, the provider is hung up on, and what it wrote is in the books."""
    gateway = start_gateway(configured(provider, workers=1, budgets=[{"scope": "gateway", "amount": "$0.05", "period": "total"}]))
    body = {"model": MODEL, "stream": True, "max_tokens": 300, "messages": [{"role": "user", "content": "on and " * 6_000}]}
    # The connection breaks off as well: nobody can take this for a whole answer.
    with provider.faults.on(Fault.boundless()), pytest.raises(IncompleteRead) as broken:
        gateway.request("POST", "/v1/chat/completions", body, key=APP_KEY)
    came = broken.value.partial
    assert b"[DONE]" not in came
    assert b'"code":"budget_exceeded"' in came[-400:]
    assert 300 < came.count(b'"delta"') < 3_000  # of 12,000
    gateway.stop()
    books = books_of(gateway)
    assert books.findings.is_sound
    ((_id, _user, cost, _state, _provenance, error),) = books.rows
    assert error == "budget_exceeded"
    # The account has what is likely, by a tokenizer; the budget what is safe.
    assert 300 * 4_000 <= cost <= books.spent


def test_nothing_is_lost_whoever_is_killed(provider, start_gateway):
    """Every reply that a client has whole is in the ledger once, whatever dies: workers, the control plane, all at once."""
    generator = random.Random(11)
    gateway = start_gateway(configured(provider))
    caller = Caller(gateway, 11)
    for turn in range(ROUNDS):
        asyncio.run(caller.run(20, lambda _caller: asyncio.sleep(0.2 + generator.random() * 0.3)))
        caller.is_over = False
        victims = ("worker", "control plane", "all")[turn % 3]
        if victims == "worker":
            kill_a_worker(gateway, generator)
        else:
            pids = [worker["pid"] for worker in gateway.admin("/status")["workers"] if worker["pid"]] if victims == "all" else []
            for pid in (gateway.pid, *pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            gateway.wait()
            gateway.start()
            caller.gateway = gateway
    gateway.stop()
    assert len(caller.whole) > 10 * ROUNDS
    assert_nothing_is_lost(caller, books_of(gateway), provider)


def test_a_background_response_is_held_at_its_bound_and_costs_what_it_took_once_it_is_fetched(provider, start_gateway):
    """Whichever worker is asked, however often: budgets and the provider's invoice agree in the end, and the ledger adds up."""
    gateway = start_gateway(configured(provider, budgets=[{"scope": "key:app", "amount": "$1", "period": "total"}]))
    gateway.admin("/credits", "POST", {"payer": {"kind": "team", "name": "proof"}, "amount_nanousd": USD})
    gateway.stop()
    gateway.start()  # with workers that know of it from their first request on
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=APP_KEY, max_retries=0) as client:
        made = client.responses.with_raw_response.create(model=MODEL, input="Weigh this.", max_output_tokens=4_000, background=True)
        begun = gateway.booked(made.headers["x-weighbridge-request-id"])
        bound = begun["attempts"][0]["reserved_nanousd"]
        assert (begun["cost_nanousd"], begun["price_state"]) == (None, "unknown")
        assert gateway.admin("/budgets")["data"][0]["accounts"][0]["spent"] == bound > 16_000_000
        fetched = [client.responses.with_raw_response.retrieve(made.parse().id) for _ in range(6)]
    found = [gateway.booked(reply.headers["x-weighbridge-request-id"]) for reply in fetched]
    billed = provider.invoice().total
    assert [each["cost_nanousd"] for each in found] == [billed, 0, 0, 0, 0, 0]
    assert (found[0]["model"], found[0]["team"]) == (begun["model"], "proof")
    gateway.stop()
    books = books_of(gateway)
    assert books.findings.problems == []
    assert books.accounts["provider_cost:sim"] == billed
    assert books.spent == 2 * billed  # by the budget, and of the credits
    assert -books.accounts["customer:team:proof"] == USD - billed
    assert books.accounts["unresolved_cost:sim"] == 0


def test_a_batch_costs_what_the_provider_bills_once_somebody_looks_at_it(provider, start_gateway):
    prices = [PRICES[0] | {"tiers": {"batch": 0.5}}]
    gateway = start_gateway(configured(provider, prices=prices))
    lines = file_of(batched(n) for n in range(5))
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=APP_KEY, max_retries=0) as client:
        file = client.files.create(file=("batch.jsonl", lines), purpose="batch")
        asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        made = client.batches.with_raw_response.create(**asked)
        looked = [client.batches.with_raw_response.retrieve(made.parse().id) for _ in range(3)]
    assert gateway.booked(made.headers["x-weighbridge-request-id"])["cost_nanousd"] is None
    found = [gateway.booked(reply.headers["x-weighbridge-request-id"]) for reply in looked]
    billed = provider.invoice().total
    assert [each["cost_nanousd"] for each in found] == [billed, 0, 0]
    assert found[0]["attempts"][0]["bill"]["amount_nanousd"] == billed
    gateway.stop()
    books = books_of(gateway)
    assert books.findings.problems == []
    assert (books.accounts["provider_cost:sim"], books.accounts["unresolved_cost:sim"]) == (billed, 0)


def test_a_hard_budget_holds_what_a_message_batch_may_cost_until_its_results_are_read(start_gateway):
    with running(SimulatedAnthropic()) as simulated:
        config = configured(simulated, prices=[PRICES[0] | {"tiers": {"batch": 0.5}}])
        config["providers"]["sim"]["type"] = "anthropic"
        config["budgets"] = [{"scope": "key:app", "amount": "$0.012", "period": "total", "on_shortage": "lower"}]
        gateway = start_gateway(config)
        with anthropic.Anthropic(base_url=gateway.base_url, api_key=APP_KEY, max_retries=0) as client:
            with pytest.raises(anthropic.APIStatusError, match="budget") as refused:
                client.messages.batches.create(requests=messages(6, max_tokens=1_000))
            made = client.messages.batches.with_raw_response.create(requests=messages(4, max_tokens=1_000))
            gateway.booked(made.headers["x-weighbridge-request-id"])
            held = gateway.admin("/budgets")["data"][0]["accounts"][0]["spent"]
            results = client.messages.batches.with_raw_response.results(made.parse().id)
            assert len(list(results.parse())) == 4
            gateway.booked(results.headers["x-weighbridge-request-id"])
        billed = simulated.invoice().total
    assert refused.value.status_code == 402
    assert 4 * 1_000 * 2_000 < held <= 12_000_000
    assert gateway.admin("/budgets")["data"][0]["accounts"][0]["spent"] == billed > 0
    gateway.stop()
    books = books_of(gateway)
    assert books.findings.problems == []
    assert (books.accounts["provider_cost:sim"], books.accounts["unresolved_cost:sim"]) == (billed, 0)


def messages(number, max_tokens):
    """So many requests of a batch; the model has its provider's name before it."""
    asked = {"model": "sim/claude-sonnet-5", "max_tokens": max_tokens}
    words = [f"Weigh number {n}, please." for n in range(number)]
    return [
        {"custom_id": str(n), "params": asked | {"messages": [{"role": "user", "content": each}]}} for n, each in enumerate(words)
    ]


def test_a_hard_budget_holds_what_the_requests_in_a_batchs_file_may_cost(provider, start_gateway):
    """Uploaded by way of one worker, and made a batch of by way of whichever."""
    budgets = [{"scope": "key:app", "amount": "$0.01", "period": "total"}]
    gateway = start_gateway(configured(provider, prices=[PRICES[0] | {"tiers": {"batch": 0.5}}], budgets=budgets))
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=APP_KEY, max_retries=0) as client:
        asked = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        lines = [file_of(batched(n) | {"max_tokens": 500} for n in range(many)) for many in (4, 10)]
        files = [client.files.create(file=("batch.jsonl", each), purpose="batch") for each in lines]
        made = client.batches.with_raw_response.create(input_file_id=files[0].id, **asked)
        gateway.booked(made.headers["x-weighbridge-request-id"])
        held = gateway.admin("/budgets")["data"][0]["accounts"][0]["spent"]
        with pytest.raises(openai.RateLimitError, match="budget") as refused:
            client.batches.create(input_file_id=files[1].id, **asked)
        looked = client.batches.with_raw_response.retrieve(made.parse().id)
        gateway.booked(looked.headers["x-weighbridge-request-id"])
    assert refused.value.code == "budget_exceeded"
    assert 4 * 500 * 2_000 < held <= 10_000_000
    assert gateway.admin("/budgets")["data"][0]["accounts"][0]["spent"] == provider.invoice().total > 0
    gateway.stop()
    assert books_of(gateway).findings.problems == []


def file_of(bodies):
    """Requests as a file for a batch."""
    asked = {"method": "POST", "url": "/v1/chat/completions"}
    return b"".join(encode_json({"custom_id": str(n)} | asked | {"body": body}) + b"\n" for n, body in enumerate(bodies))


def batched(n):
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Weigh number {n}, please."}]}
