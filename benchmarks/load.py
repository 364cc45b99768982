"""One burst of closed-loop load: wrk where it is installed, benchmarks/load_client.py where it is not."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.accounting import busiest_ns, cpu_ns_between, rss_bytes, tree_usage
from benchmarks.messages import CHAT_PATH, GATEWAY_KEY, Payload
from benchmarks.servers import REPOSITORY, Server, ServerError

_WRK_SCRIPT = Path(__file__).with_name("wrk.lua")
_SUMMARY = "SUMMARY "
_GRACE_S = 30.0


class LoadSummary(msgspec.Struct, frozen=True):
    """What a load generator saw: whole replies, failures (sockets, statuses from 400, timeouts), latency."""

    requests: int
    duration_s: float
    failures: int
    p50_us: float
    p99_us: float


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One burst against one server. CPU and memory are those of its whole process tree; None where it cannot be seen."""

    server: str
    requests: int
    failures: int
    requests_per_s: float
    p50_us: float
    p99_us: float
    cpu_us_per_request: float | None
    worker_us_per_request: float | None
    """Of that the busiest process alone: the gateway's worker, without the books behind it."""
    cpu_busy: float | None
    rss_mb: float | None


@contextlib.contextmanager
def body_file(payload: Payload) -> Iterator[Path]:
    """The payload's body as a file, which is how load generators take it."""
    with tempfile.NamedTemporaryFile(prefix="weighbridge-bench-body-") as file:
        file.write(payload.body)
        file.flush()
        yield Path(file.name)


def verify(server: Server, payload: Payload) -> None:
    """One request whose reply must be the upstream's, byte for byte; raises ServerError where it is not."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    headers = {"Authorization": f"Bearer {GATEWAY_KEY}", "Content-Type": "application/json"}
    try:
        connection.request("POST", server.base_path + payload.path, payload.body, headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        msg = f"{server.name} did not answer a {payload.name} request: {error!r}"
        raise ServerError(msg) from error
    finally:
        connection.close()
    if response.status != 200 or body != payload.reply:
        msg = f"{server.name} changed the reply to a {payload.name} request: status {response.status}, {body[:300]!r}"
        raise ServerError(msg)


def measure(server: Server, body: Path, *, connections: int, seconds: int, path: str = CHAT_PATH) -> Sample:
    """Load a server and account for it; raises ServerError where the load generator fails."""
    before = tree_usage(server.root_pid) if server.root_pid else None
    summary = _generate(server, body, path, connections, seconds)
    after = tree_usage(server.root_pid) if server.root_pid else None
    cpu_ns = cpu_ns_between(before, after) if before and after else None
    return Sample(
        server=server.name,
        requests=summary.requests,
        failures=summary.failures,
        requests_per_s=summary.requests / summary.duration_s,
        p50_us=summary.p50_us,
        p99_us=summary.p99_us,
        cpu_us_per_request=cpu_ns / 1000 / max(1, summary.requests) if cpu_ns is not None else None,
        worker_us_per_request=busiest_ns(before, after) / 1000 / max(1, summary.requests) if before and after else None,
        cpu_busy=cpu_ns / 1e9 / summary.duration_s if cpu_ns is not None else None,
        rss_mb=rss_bytes(after) / 1e6 if after else None,
    )


def _generate(server: Server, body: Path, path: str, connections: int, seconds: int) -> LoadSummary:
    argv = (_wrk if shutil.which("wrk") else _own)(server, body, path, connections, seconds)
    try:
        ran = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=seconds + _GRACE_S)
    except subprocess.TimeoutExpired as error:
        msg = f"the load generator did not end: {' '.join(argv)}"
        raise ServerError(msg) from error
    for line in ran.stdout.splitlines():
        if line.startswith(_SUMMARY):
            return msgspec.json.decode(line.removeprefix(_SUMMARY), type=LoadSummary)
    msg = f"the load generator gave no summary: {' '.join(argv)}\n{ran.stdout}{ran.stderr}"
    raise ServerError(msg)


def _wrk(server: Server, body: Path, path: str, connections: int, seconds: int) -> list[str]:
    url = f"http://{server.host}:{server.port}{server.base_path}{path}"
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(_WRK_SCRIPT)]
    return ["wrk", *options, url, "--", str(body), GATEWAY_KEY]


def _own(server: Server, body: Path, path: str, connections: int, seconds: int) -> list[str]:
    target = [server.host, str(server.port), server.base_path + path, str(body), GATEWAY_KEY, str(connections), str(seconds)]
    return [sys.executable, "-m", "benchmarks.load_client", *target]
