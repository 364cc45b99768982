"""The machine that measures: which CPU does what, how many files may be open, and a line that says what it is."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SERVER_CPU = 0
_LOAD_CPU = 1


def pin_load() -> bool:
    """Keep this process and its future children off the measured servers' CPU; False where there is only one CPU."""
    if not _two_cpus():
        return False
    os.sched_setaffinity(0, {_LOAD_CPU})
    return True


@contextlib.contextmanager
def on_server_cpu() -> Iterator[None]:
    """A process started inside this block inherits the measured servers' CPU."""
    before = os.sched_getaffinity(0)
    if _two_cpus():
        os.sched_setaffinity(0, {_SERVER_CPU})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _two_cpus() -> bool:
    return (os.cpu_count() or 1) >= 2


def raise_open_files() -> int:
    """Raise the soft limit on open files to the hard one, for this process and its children; returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def description() -> str:
    """Processor, kernel and versions, in one line."""
    parts = [f"{os.cpu_count()} × {_processor()}", f"Linux {platform.release()}", f"Python {platform.python_version()}"]
    parts += [version for version in (_version("nginx", "-v"), _version("wrk", "-v")) if version]
    return ", ".join(parts)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(program: str, flag: str) -> str:
    try:
        ran = subprocess.run([program, flag], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    first = (ran.stdout + ran.stderr).strip().splitlines()[0]
    return first.removeprefix("nginx version: ").split(" Copyright")[0].split(" [")[0]
