"""Every fault of the test kit, before the head and in the midst, whole and streamed, under every strategy: the caller gets the
right answer or the right error, nobody is asked more often than allowed, and the account of attempts is the providers' own
journal."""

from __future__ import annotations

import http.client
from itertools import count
from types import SimpleNamespace

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.routes import StrategyName
from weighbridge.testing import Fault, SimulatedAnthropic, SimulatedOpenAI, running

APP_KEY = "wb-" + "f" * 40
TEXT = "one two three four five six seven eight"
FAULTS = {
    "429": Fault.status(429, retry_after=30),
    "500": Fault.status(500),
    "503": Fault.status(503),
    "529": Fault.status(529),
    "408": Fault.status(408),
    "401": Fault.status(401),
    "silent": Fault.hang_before_head(),
    "closed": Fault.close_before_head(),
    "reset": Fault.close_before_head(reset=True),
    "no http": Fault.malformed_head(),
    "empty": Fault.empty_content(),
    "no body": Fault.empty_body(),
}
ONLY_WHOLE = {"too short": Fault.wrong_content_length(by=9)}
ONLY_STREAM = {
    "cut at once": Fault.cut_after(chunks=0),
    "cut after the role": Fault.cut_after(chunks=1),
    "silent at once": Fault.hang_after(chunks=0),
    "error at once": Fault.error_event(at=0),
    "error after the role": Fault.error_event(at=1),
}
MIDST = {
    "cut": Fault.cut_after(chunks=4),
    "reset": Fault.cut_after(chunks=4, reset=True),
    "silent": Fault.hang_after(chunks=4),
    "error": Fault.error_event(at=4),
}
REFUSALS = {400: Fault.status(400), 413: Fault.status(413), 422: Fault.status(422)}
STRATEGIES = [str(name) for name in StrategyName]
CASES = [
    (strategy, name, is_stream)
    for strategy in STRATEGIES
    for is_stream in (False, True)
    for name in (*FAULTS, *(ONLY_STREAM if is_stream else ONLY_WHOLE))
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A gateway in front of one simulated vendor of each kind. Each test has targets of its own there, so that what it does to
    their health concerns no other."""
    from tests.journeys.conftest import GatewayProcess

    numbers = count()
    with running(SimulatedOpenAI()) as openai, running(SimulatedAnthropic()) as anthropic:
        # A busy machine is silent for a while, too: 300 ms were not always enough.
        quick = {"first_byte": "600ms", "between_bytes": "600ms"}
        entry = {"type": "openai", "base_url": openai.base_url, "api_key": openai.keys[0], "timeouts": quick}
        other = {"type": "anthropic", "base_url": anthropic.base_url, "api_key": anthropic.keys[0], "timeouts": quick}
        n = len(CASES) + len(STRATEGIES) * (len(MIDST) + len(REFUSALS)) + 30
        providers = {f"{side}{i}": entry for i in range(n) for side in "ab"} | {f"c{i}": other for i in range(30)}
        routes = {
            f"{strategy}-{i}": {
                "strategy": strategy,
                **({"sticky": "key"} if strategy == "consistent_hash" else {}),
                "targets": [f"a{i}/gpt-4o-mini", f"b{i}/gpt-4o-mini"],
            }
            for i in range(n)
            for strategy in STRATEGIES
        }
        config = {
            "access_log": {"format": "json"},
            "retry": {"attempts": 3, "backoff": "5ms"},
            "health": {},
            "providers": providers,
            "routes": routes,
            "keys": [{"name": "app", "key": APP_KEY}],
        }
        gateway = GatewayProcess(tmp_path_factory.mktemp("faults"), config).start()
        yield SimpleNamespace(gateway=gateway, openai=openai, anthropic=anthropic, number=lambda: next(numbers))
        gateway.stop()


@pytest.fixture
def chat(site):
    """Ask a fresh route while some faults are on; the reply, the calls that the vendor had, and the Record's attempts."""

    def ask(strategy, fault, *, is_stream, times=1):
        calls = len(site.openai.journal.requests)
        site.openai.faults.add(fault, times=times)
        try:
            body = {"model": f"{strategy}-{site.number()}", "messages": [{"role": "user", "content": TEXT}], "stream": is_stream}
            reply = request(site.gateway, body)
        finally:
            site.openai.faults.clear()
        record = site.gateway.record_of(reply.headers["x-weighbridge-request-id"])
        return reply, len(site.openai.journal.requests) - calls, record

    return ask


def request(gateway, body):
    """A request whose reply may break off: what came of it."""
    connection = gateway.connection()
    try:
        headers = {"authorization": f"Bearer {APP_KEY}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", encode_json(body), headers)
        reply = connection.getresponse()
        try:
            content, is_whole = reply.read(), True
        except http.client.IncompleteRead as broken:
            content, is_whole = broken.partial, False
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return SimpleNamespace(status=reply.status, headers=headers, body=content, is_whole=is_whole)
    finally:
        connection.close()


def said(reply, *, is_stream):
    if not is_stream:
        return decode_json(reply.body)["choices"][0]["message"]["content"]
    chunks = [line[6:] for line in reply.body.decode().splitlines() if line.startswith("data: ") and line != "data: [DONE]"]
    deltas = [choice["delta"] for chunk in chunks for choice in decode_json(chunk.encode()).get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize(("strategy", "name", "is_stream"), CASES)
def test_the_caller_notices_nothing_of_a_fault_before_the_first_token(chat, strategy, name, is_stream):
    fault = (FAULTS | ONLY_WHOLE | ONLY_STREAM)[name]
    reply, calls, record = chat(strategy, fault, is_stream=is_stream)
    assert reply.status == 200, reply.body
    assert said(reply, is_stream=is_stream)
    if is_stream:
        assert reply.body.endswith(b"data: [DONE]\n\n")
    assert calls == len(record["attempts"]) == 2
    assert record["error"] is None
    first, second = record["attempts"]
    assert first["error"] is not None
    assert second["error"] is None
    assert first["provider"] != second["provider"]
    assert reply.headers["x-weighbridge-attempts"] == "2"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", MIDST)
def test_after_the_first_token_a_fault_is_an_error_and_never_an_end(chat, strategy, name):
    reply, calls, record = chat(strategy, MIDST[name], is_stream=True)
    assert reply.status == 200
    assert b"[DONE]" not in reply.body
    assert b'"error"' in reply.body
    assert not reply.is_whole or name == "error"
    assert calls == len(record["attempts"]) == 1
    assert record["error"] is not None or record["attempts"][0]["error"] is not None


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("status", REFUSALS)
def test_a_request_that_is_wrong_is_asked_once_and_told_so(chat, strategy, status):
    reply, calls, record = chat(strategy, REFUSALS[status], is_stream=False, times=9)
    assert reply.status == status
    assert "error" in decode_json(reply.body)
    assert calls == len(record["attempts"]) == 1


@pytest.mark.parametrize("name", ["500", "503", "529", "closed", "empty", "no http"])
def test_nobody_is_asked_more_often_than_the_budget_allows(chat, name):
    reply, calls, record = chat("ordered", FAULTS[name], is_stream=False, times=9)
    assert calls == len(record["attempts"]) <= 3
    assert (reply.status >= 400) != (name == "empty")


@pytest.mark.parametrize("hint_ms", [200, 500])
def test_a_providers_hint_is_honoured_within_a_tenth(site, hint_ms):
    site.openai.faults.add(Fault.status(429, retry_after_ms=hint_ms), times=1)
    body = {"model": f"a{site.number()}/gpt-4o-mini", "messages": [{"role": "user", "content": TEXT}]}
    reply = site.gateway.request("POST", "/v1/chat/completions", body, key=APP_KEY)
    assert reply.status == 200
    first, second = site.openai.journal.requests[-2:]
    waited_ms = (second.arrived_ns - first.arrived_ns) / 1e6
    assert hint_ms <= waited_ms
    record = site.gateway.record_of(reply.headers["x-weighbridge-request-id"])
    attempts = record["attempts"]
    # By the gateway's own account, which a busy machine does not stretch so much.
    assert attempts[1]["sent_ns"] - attempts[0]["end_ns"] <= hint_ms * 1.1e6 + 60e6


def test_an_operator_sees_a_target_that_is_down_and_says_that_it_is_well(site):
    name = f"a{site.number()}/gpt-4o-mini"
    body = {"model": name, "messages": [{"role": "user", "content": TEXT}]}
    with site.openai.faults.on(Fault.status(500)):
        for _ in range(3):
            assert site.gateway.request("POST", "/v1/chat/completions", body, key=APP_KEY).status == 500
    told = _target(site, name, lambda target: target["state"] == "open")
    assert "failed" in told["reason"]
    assert told["retry_in_ns"] > 0
    clear = site.gateway.request("POST", "/admin/v1/targets/clear", {"name": name}, key=_admin_key(site))
    assert clear.status == 204
    _target(site, name, lambda target: target["state"] == "closed")


def _admin_key(site):
    return (site.gateway.data_dir / "admin.key").read_text().strip()


def _target(site, name, condition):
    import time

    deadline = time.monotonic() + 20
    while True:
        targets = {target["id"]: target for target in site.gateway.admin("/targets")["data"]}
        if name in targets and condition(targets[name]):
            return targets[name]
        assert time.monotonic() < deadline, targets.get(name)
