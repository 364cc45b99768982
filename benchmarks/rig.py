"""What every program stands on: the upstream, the gateway, nginx and any other servers, started together and pinned."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.machine import free_port, pin_load, raise_open_files
from benchmarks.servers import (
    DIRECT,
    GATEWAY,
    Launch,
    Server,
    ServerError,
    gateway_launch,
    nginx_installed,
    nginx_launch,
    running_elsewhere,
    started,
    upstream_launch,
)

BULK_BYTES = 1_000_000_000


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for, common to all programs."""

    gateway: bool = True
    nginx: bool = True
    against: tuple[str, ...] = ()
    upstream_port: int = 0
    quick: bool = False
    bulk_bytes: int = BULK_BYTES


class Rig(msgspec.Struct, frozen=True):
    """Running servers: `measured` in the order in which rounds take them, the gateway first where it runs."""

    directory: Path
    upstream: Server
    measured: tuple[Server, ...]

    @property
    def direct(self) -> Server:
        """The upstream itself, with nothing before it."""
        return self.upstream


@contextlib.contextmanager
def running(options: Options) -> Iterator[Rig]:
    """Start everything that `options` names and stop it at the end; raises ServerError."""
    pin_load()
    raise_open_files()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weighbridge-bench-")))
        upstream_port = options.upstream_port or free_port()
        behind = upstream_launch(directory / DIRECT, port=upstream_port, bulk_bytes=options.bulk_bytes)
        upstream = stack.enter_context(started(behind))
        measured = [stack.enter_context(started(launch)) for launch in _launches(options, directory, upstream_port)]
        measured += [_other(entry) for entry in options.against]
        if not measured:
            msg = "nothing to measure: neither the gateway nor nginx nor --against"
            raise ServerError(msg)
        yield Rig(directory, upstream, tuple(measured))


def _launches(options: Options, directory: Path, upstream_port: int) -> Iterator[Launch]:
    if options.gateway:
        yield gateway_launch(directory / GATEWAY, upstream_port=upstream_port)
    if options.nginx and nginx_installed():
        yield nginx_launch(directory / "nginx", upstream_port=upstream_port)


def _other(entry: str) -> Server:
    name, separator, url = entry.partition("=")
    if not (name and separator and url):
        msg = f"--against takes name=URL, not {entry!r}"
        raise ServerError(msg)
    return running_elsewhere(name, url)
