"""Starting and stopping what is measured: the gateway, nginx beside it, and the static upstream behind both."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.accounting import listening_process
from benchmarks.machine import free_port, on_server_cpu
from benchmarks.messages import GATEWAY_KEY, MODELS

REPOSITORY = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
GATEWAY = "weighbridge"
NGINX = "nginx"
DIRECT = "direct"
_READY_S = 20.0
_STOP_S = 15.0  # longer than a drain of idle connections takes; then the whole process group is killed
_READY_POLL_S = 0.002


class ServerError(Exception):
    """A server did not start, did not stay, or did not answer as it must."""


class Server(msgspec.Struct, frozen=True):
    """A server under load. `root_pid` is None where its processes cannot be seen; then CPU and memory are not known."""

    name: str
    host: str
    port: int
    base_path: str
    root_pid: int | None


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How to start one server; everything it writes stays in `directory`."""

    name: str
    argv: tuple[str, ...]
    port: int
    directory: Path
    ready_path: str
    measured: bool = True


def gateway_launch(directory: Path, *, upstream_port: int) -> Launch:
    """The gateway as an operator starts it: one worker, authentication on, the access log as JSON, all else at its default."""
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "weighbridge.yaml"
    config.write_text(
        f"server: {{host: {LOOPBACK}, port: {port}, workers: 1}}\n"
        f"access_log: {{format: json, path: {directory / 'access.jsonl'}}}\n"
        "providers:\n"
        f'  bench: {{type: openai, base_url: "http://{LOOPBACK}:{upstream_port}/v1", api_keys: ["sk-upstream"], '
        f"models: [{', '.join(MODELS)}]}}\n"
        "keys:\n"
        f'  - {{name: bench, key: "{GATEWAY_KEY}"}}\n'
    )
    argv = (
        *_gateway_program(),
        *("serve", "--config", str(config), "--data-dir", str(directory / "data"), "--port", str(port), "--workers", "1"),
    )
    return Launch(name=GATEWAY, argv=argv, port=port, directory=directory, ready_path="/readyz")


def _gateway_program() -> tuple[str, ...]:
    installed = Path(sys.executable).parent / "weighbridge"
    if installed.exists():
        return (str(installed),)
    # What the installed script does, for a clone whose package is only on the path.
    return (sys.executable, "-c", "import sys; from weighbridge.cli.main import main; sys.exit(main())")


def nginx_launch(directory: Path, *, upstream_port: int) -> Launch:
    """A bare proxy: one worker, kept-alive upstream connections, no log, nothing of a reply held back."""
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "nginx.conf"
    config.write_text(_nginx_config(directory, port, upstream_port))
    argv = (shutil.which("nginx") or "nginx", "-p", str(directory), "-c", str(config), "-e", str(directory / "error.log"))
    return Launch(name=NGINX, argv=argv, port=port, directory=directory, ready_path="/readyz")


def _nginx_config(directory: Path, port: int, upstream_port: int) -> str:
    user = "user root;\n" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"  {kind}_temp_path {directory}/{kind};\n" for kind in kinds)
    # A body buffer above the largest body keeps nginx from writing it to disk: it is compared at its best.
    return f"""{user}daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
{temporary}  client_body_buffer_size 1m;
  client_max_body_size 0;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  upstream bench {{ server {LOOPBACK}:{upstream_port}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen {LOOPBACK}:{port} backlog=4096;
    location / {{
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


def upstream_launch(directory: Path, *, port: int, bulk_bytes: int) -> Launch:
    """The static provider, on the load's CPU."""
    directory.mkdir(parents=True, exist_ok=True)
    argv = (sys.executable, "-m", "benchmarks.upstream", str(port), str(bulk_bytes))
    return Launch(name=DIRECT, argv=argv, port=port, directory=directory, ready_path="/", measured=False)


def nginx_installed() -> bool:
    return shutil.which("nginx") is not None


def running_elsewhere(name: str, url: str) -> Server:
    """A server that somebody else started, from the base URL that an OpenAI client would be given."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None or parts.port is None:
        msg = f"{url} is no http:// URL with a port"
        raise ServerError(msg)
    return Server(name, parts.hostname, parts.port, parts.path.rstrip("/") or "/v1", listening_process(parts.port))


@contextlib.contextmanager
def started(launch: Launch) -> Iterator[Server]:
    """Start a server, wait until it is ready, and stop it at the end; raises ServerError with the tail of its log."""
    log = launch.directory / "output.log"
    with log.open("ab") as output, on_server_cpu() if launch.measured else contextlib.nullcontext():
        process = subprocess.Popen(
            launch.argv, cwd=launch.directory, env=_environment(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_ready(launch, process, log)
        yield Server(launch.name, LOOPBACK, launch.port, "/v1", process.pid)
    finally:
        _stop(process)


def _environment() -> dict[str, str]:
    # The packages come from the repository, installed or not; no key of the machine's owner may reach the gateway.
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "src")))
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_PROXY", "_proxy"))}
    return {**kept, "PYTHONPATH": paths}


def _wait_until_ready(launch: Launch, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _answers(launch.port, launch.ready_path):
            return
        time.sleep(_READY_POLL_S)
    state = "is not ready" if process.poll() is None else f"ended with status {process.returncode}"
    tail = log.read_text(errors="replace")[-1500:]
    msg = f"{launch.name} {state}: {' '.join(launch.argv)}\n{tail}"
    raise ServerError(msg)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        # The group is ours alone (a session of its own): workers that outlived their parent end here.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
