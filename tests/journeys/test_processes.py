"""The gateway as processes: how it starts, reloads, loses a worker, hands out keys, and stops."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import time
from contextlib import ExitStack, closing

import pytest
import trustme
from tests.journeys.promises import holds_within_a_second

from weighbridge.core.clock import SystemClock
from weighbridge.core.codec import decode_json, encode_json
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.store import Store

DEMO = {"providers": {"demo": {}}}
CUT = (http.client.IncompleteRead, ConnectionResetError)
ASKED = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def behind(hand):
    """A gateway's configuration with the demo and the provider whose bytes the test sends."""
    return {
        "server": {"drain_timeout": "10s"},
        "providers": {"demo": {}, "hand": {"type": "openai", "base_url": f"{hand.origin}/v1", "api_key": "sk-hand"}},
    }


def first_key(gateway):
    return (gateway.data_dir / "first.key").read_text().strip()


def chat(gateway, **fields):
    return gateway.chat(key=first_key(gateway), **fields)


def start_stream(gateway, hand):
    """A stream whose first event has arrived: the client's reply, and the exchange to go on with (a context manager)."""
    connection = gateway.connection()
    headers = {"authorization": f"Bearer {first_key(gateway)}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", encode_json({"model": "hand/m", **ASKED}), headers)
    return connection, hand.exchange()


# --- starting


def test_the_first_start_prints_its_keys_once_and_keeps_them_private(start_gateway):
    first = start_gateway(DEMO)
    printed = re.findall(r"wb-[\w-]{20,}", first.stderr.text)
    files = [first.data_dir / name for name in ("first.key", "admin.key")]
    assert printed == [file.read_text().strip() for file in files]
    private = [*files, first.data_dir / "weighbridge.db"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}
    assert stat.S_IMODE(first.data_dir.stat().st_mode) == 0o700
    assert chat(first).status == 200
    first.stop()
    second = start_gateway(DEMO)
    assert not re.search(r"wb-[\w-]{20,}", second.stderr.text)
    assert chat(second).status == 200


def test_everything_is_kept_in_the_data_directory_that_the_command_line_names(start_gateway):
    gateway = start_gateway(DEMO | {"data_dir": "elsewhere"})
    assert chat(gateway).status == 200
    assert (gateway.data_dir / "weighbridge.db").exists()
    assert list((gateway.data_dir / "journal").glob("*.wbj"))
    assert not (gateway.config_file.parent / "elsewhere").exists()


def test_a_gateway_on_postgresql_keeps_its_keys_and_its_ledger_there(start_gateway, postgresql_database):
    prices = [{"match": "demo/*", "input": 1, "output": 1}]
    budget = {"scope": "gateway", "amount": "$1", "period": "total"}
    config = DEMO | {"database": postgresql_database, "prices": prices, "budgets": [budget]}
    gateway = start_gateway(config)
    assert chat(gateway).status == 200
    gateway.stop()
    again = start_gateway(config)
    assert chat(again).status == 200
    again.stop()
    assert not (again.data_dir / "weighbridge.db").exists()
    with closing(Store.open(postgresql_database, SystemClock())) as store:
        assert len(store.list_keys().keys) == 2
        assert len(store.ledger.counters()) == 1
        assert verify(store.ledger) == (4, 4, 1, [])


def test_a_port_in_use_is_told_in_a_sentence_and_exits_with_3(unstarted):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failing = unstarted(DEMO, "--port", str(port)).launch()
        assert failing.wait() == 3
    assert f"127.0.0.1:{port}: Address already in use" in failing.stderr.text
    assert "--port" in failing.stderr.text
    failing.stop()


def test_serving_everybody_is_refused_off_loopback(unstarted):
    failing = unstarted(DEMO | {"server": {"auth": "none", "host": "0.0.0.0"}}).launch()
    assert failing.wait() == 1
    assert "auth" in failing.stderr.text
    assert "loopback" in failing.stderr.text
    failing.stop()


def test_serving_everybody_on_loopback_needs_no_key(start_gateway):
    open_to_all = start_gateway(DEMO | {"server": {"auth": "none"}})
    assert open_to_all.chat(key=None).status == 200


def test_all_faults_of_a_configuration_are_told_at_once(unstarted):
    failing = unstarted({"providers": {"demo": {"typ": "x"}}, "servr": {}, "routes": {"mine": ["nobody/m"]}}).launch()
    assert failing.wait() == 1
    for name in ("providers.demo.typ", "servr", "routes.mine[0]"):
        assert name in failing.stderr.text
    failing.stop()


def test_its_own_certificate_is_served(start_gateway, tls_context, tmp_path):
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    gateway = start_gateway(DEMO | {"server": {"tls": {"cert_file": "cert.pem", "key_file": "key.pem"}}})
    assert gateway.base_url.startswith("https://")
    body = {"model": "demo/echo", "messages": [{"role": "user", "content": "hello"}]}
    reply = gateway.request("POST", "/v1/chat/completions", body, key=first_key(gateway), context=tls_context(authority))
    assert reply.status == 200
    asked = {"admin_key": (gateway.data_dir / "admin.key").read_text().strip()}
    signed_in = gateway.request("POST", "/admin/v1/session", asked, key=None, context=tls_context(authority))
    assert "; secure" in signed_in.headers["set-cookie"].lower()
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        gateway.request("GET", "/healthz", context=tls_context(trustme.CA()))


# --- the control plane on the public port


def test_the_admin_api_answers_the_admin_key_on_the_public_port_and_nobody_else(gateway, keys):
    assert gateway.admin("/status")["workers"][0]["state"] == "ready"
    for key in (None, "wb-nobody-knows-this-one", keys.app):
        refused = gateway.request("GET", "/admin/v1/status", key=key)
        assert refused.status in {401, 403}
        assert b"workers" not in refused.body
    shown = gateway.admin("/config")
    assert keys.app not in str(shown)
    assert "sk-sim-1" not in str(shown)


def test_health_needs_no_key(gateway):
    for path in ("/healthz", "/readyz"):
        assert gateway.request("GET", path, key=None).status == 200


# --- workers


def test_two_workers_serve_on_one_port(start_gateway):
    gateway = start_gateway(DEMO, "--workers", "2")
    first, second = gateway.workers()
    assert first["pid"] != second["pid"]
    with ExitStack() as held:
        for _ in range(40):
            client = held.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b"200 OK" in client.recv(4096)
        gateway.workers(lambda worker: worker["connections"] > 0)


def test_a_killed_worker_cuts_its_stream_honestly_and_another_takes_its_place(start_gateway, behind, hand):
    gateway = start_gateway(behind)
    (pid,) = [worker["pid"] for worker in gateway.workers()]
    connection, exchange = start_stream(gateway, hand)
    with exchange as provider:
        provider.start_stream()
        provider.send_chunk(b"data: 1\n\n")
        reply = connection.getresponse()
        assert reply.read(9) == b"data: 1\n\n"
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(CUT):
            reply.read()
        provider.wait_until_left()
    connection.close()
    gateway.stderr.wait_for_match("A worker ended with status -9")
    # The supervisor holds the listening socket: this connection waits for the next worker instead of being refused.
    assert chat(gateway).status == 200
    (worker,) = gateway.admin("/status")["workers"]
    assert worker["pid"] != pid
    assert worker["restarts"] == 1


def child_of(pid, *, other_than):
    """The worker that the gateway has started beside those that are known, once its own program runs in it.

    Before that it is a copy of the gateway, which waits for it: stopping it then would stop both.
    """
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        listed = subprocess.run(["ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "args="], capture_output=True, check=True).stdout
        rows = [line.split(maxsplit=2) for line in listed.splitlines() if b"weighbridge.app.worker" in line]
        found = [int(child) for child, parent, _ in rows if int(parent) == pid and int(child) not in other_than]
        if found:
            return found[0]
    pytest.fail("no worker was started")


def test_a_reload_while_a_worker_starts_is_not_lost(start_gateway, keys):
    key = {"name": "app", "key": keys.app}
    gateway = start_gateway(DEMO | {"keys": [key]})
    (pid,) = [worker["pid"] for worker in gateway.workers()]
    os.kill(pid, signal.SIGKILL)
    gateway.stderr.wait_for_match("A worker ended")
    starting = child_of(gateway.pid, other_than={pid})
    os.kill(starting, signal.SIGSTOP)
    gateway.write_config(DEMO | {"routes": {"mine": ["demo/echo"]}})
    gateway.stderr.wait_for_match("loaded again: version 2")
    os.kill(starting, signal.SIGCONT)
    assert gateway.chat().status == 401
    reply = chat(gateway, model="mine")
    assert (reply.status, reply.headers["x-weighbridge-config-version"]) == (200, "2")
    (worker,) = gateway.workers()
    assert (worker["pid"], worker["restarts"]) == (starting, 1)


def test_workers_leave_when_their_parent_is_killed(start_gateway):
    gateway = start_gateway(DEMO, "--workers", "2")
    gateway.workers()
    gateway.signal(signal.SIGKILL)
    # Returns only once the workers have closed the streams that they inherited; their sockets may follow a moment later.
    assert gateway.wait() == -signal.SIGKILL
    wait_until_refused(gateway.port)


# --- stopping


def test_sigterm_lets_a_running_stream_finish_and_refuses_new_connections(start_gateway, behind, hand):
    gateway = start_gateway(behind)
    connection, exchange = start_stream(gateway, hand)
    with exchange as provider:
        provider.start_stream()
        provider.send_chunk(b"data: 1\n\n")
        reply = connection.getresponse()
        assert reply.read(9) == b"data: 1\n\n"
        gateway.signal(signal.SIGTERM)
        wait_until_refused(gateway.port)
        provider.send_chunk(b"data: [DONE]\n\n")
        provider.end_stream()
        assert reply.read() == b"data: [DONE]\n\n"
    request_id = reply.headers["x-weighbridge-request-id"]
    connection.close()
    assert gateway.wait() == 0
    assert [decode_json(line.encode())["error"] for line in gateway.stdout.all if request_id in line] == [None]


def wait_until_refused(port):
    """Until nobody listens any more. Each try is a whole connection, so this is no busy loop."""
    for _ in range(20_000):
        try:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                while client.recv(4096):
                    pass
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue
    pytest.fail("new connections were still taken")


def test_a_drain_is_bounded(start_gateway, behind, hand):
    gateway = start_gateway(behind | {"server": {"drain_timeout": "100ms"}})
    connection, exchange = start_stream(gateway, hand)
    with exchange as provider:
        provider.start_stream()
        provider.send_chunk(b"data: 1\n\n")
        reply = connection.getresponse()
        assert reply.read(9) == b"data: 1\n\n"
        gateway.signal(signal.SIGTERM)
        provider.wait_until_left()
        with pytest.raises(CUT):
            reply.read()
    connection.close()
    assert gateway.wait() == 0


def test_idle_connections_do_not_hold_up_the_end(start_gateway):
    gateway = start_gateway(DEMO | {"server": {"drain_timeout": "10m"}})
    connection = gateway.connection()
    connection.request("GET", "/healthz")
    assert connection.getresponse().read()
    with socket.create_connection(("127.0.0.1", gateway.port)):
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
    connection.close()


def test_sigint_stops_it_like_sigterm(start_gateway):
    gateway = start_gateway(DEMO)
    gateway.signal(signal.SIGINT)
    assert gateway.wait() == 0


# --- reloading


def version_of(gateway):
    return int(chat(gateway).headers["x-weighbridge-config-version"])


@pytest.mark.parametrize("is_signalled", [False, True])
def test_a_changed_file_serves_a_new_route_under_a_new_version(start_gateway, is_signalled):
    gateway = start_gateway(DEMO)
    assert chat(gateway, model="mine").status == 404
    before = version_of(gateway)
    gateway.write_config(DEMO | {"access_log": {"format": "json"}, "routes": {"mine": ["demo/echo"]}})
    if is_signalled:
        gateway.signal(signal.SIGHUP)
    gateway.stderr.wait_for_match("loaded again: version 2")
    reply = chat(gateway, model="mine")
    assert reply.status == 200
    assert int(reply.headers["x-weighbridge-config-version"]) > before


def test_a_key_that_is_taken_out_of_the_file_is_refused(start_gateway, keys):
    gateway = start_gateway(DEMO | {"keys": [{"name": "app", "key": keys.app}]})
    assert gateway.chat().status == 200
    gateway.write_config(DEMO | {"access_log": {"format": "json"}})
    gateway.stderr.wait_for_match("loaded again: version 2")
    wait_until_unknown(gateway, keys.app)


def test_sighup_reloads_an_unchanged_file(start_gateway):
    gateway = start_gateway(DEMO)
    gateway.signal(signal.SIGHUP)
    gateway.stderr.wait_for_match("loaded again: version 2")
    assert version_of(gateway) == 2


def test_a_broken_file_keeps_the_old_configuration_and_says_why(start_gateway):
    gateway = start_gateway(DEMO | {"routes": {"mine": ["demo/echo"]}})
    gateway.write_config(b"providers:\n  demo: {}\nrouts: {}\n")
    gateway.stderr.wait_for_match("was not loaded, version 1 goes on serving")
    gateway.stderr.wait_for_match("routs")
    assert chat(gateway, model="mine").status == 200
    assert version_of(gateway) == 1
    failure = gateway.admin("/status")["config"]["last_failed_reload"]
    assert "routs" in str(failure["problems"])
    gateway.write_config(DEMO)
    gateway.stderr.wait_for_match("loaded again: version 2")
    assert gateway.admin("/status")["config"]["last_failed_reload"] is None


def test_a_request_sees_one_version_throughout(start_gateway, behind, hand):
    gateway = start_gateway(behind)
    connection, exchange = start_stream(gateway, hand)
    with exchange as provider:
        gateway.write_config(DEMO)
        gateway.stderr.wait_for_match("loaded again: version 2")
        provider.start_stream()
        provider.send_chunk(b"data: [DONE]\n\n")
        provider.end_stream()
        reply = connection.getresponse()
        assert reply.headers["x-weighbridge-config-version"] == "1"
        assert reply.read() == b"data: [DONE]\n\n"
    connection.close()
    assert chat(gateway, model="hand/m").status == 404


# --- keys


def test_a_key_works_from_the_moment_it_is_made_and_is_refused_once_revoked(start_gateway):
    gateway = start_gateway(DEMO, "--workers", "2")
    gateway.workers()
    key = gateway.weighbridge("keys", "create", "--name", "late")
    assert {gateway.chat(key=key).status for _ in range(20)} == {200}
    gateway.weighbridge("keys", "revoke", "late")
    wait_until_unknown(gateway, key)
    assert {gateway.chat(key=key).status for _ in range(20)} == {401}


def wait_until_unknown(gateway, key):
    holds_within_a_second(lambda: gateway.chat(key=key).status, 401)


def test_a_key_of_the_admin_api_is_limited_to_its_models(start_gateway):
    gateway = start_gateway(DEMO)
    made = gateway.admin("/keys", "POST", {"name": "narrow", "models": ["demo/echo"]})
    assert gateway.chat(key=made["key"]).status == 200
    assert gateway.chat(key=made["key"], model="demo/slow").status == 403
    gateway.admin(f"/keys/{made['id']}", "DELETE")
    wait_until_unknown(gateway, made["key"])


def test_no_key_stands_in_the_access_log(gateway, keys):
    reply = gateway.chat()
    gateway.record_of(reply.headers["x-weighbridge-request-id"])
    for secret in (keys.app, "sk-sim-1", "sk-ant-sim-1", "sim-gemini-key-1"):
        assert secret not in gateway.stdout.text
        assert secret not in gateway.stderr.text
