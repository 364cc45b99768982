"""Tells when the configuration file has other contents, however it was replaced.

The *directories* of the file are watched and not the file: an editor writes a new file and renames it over the old one, and
Kubernetes swaps a symbolic link (`..data`) beside it; a watch on the file itself would follow the old one into oblivion.
https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

_LOOK_AGAIN_MS: Final = 5_000
"""Some file systems (NFS, FUSE, mounts from outside a virtual machine) report nothing, so the file is also looked at."""
_DEBOUNCE_MS: Final = 200
"""An editor's truncate, write and rename are one change; people do not notice a fifth of a second."""


async def watch_config(path: Path, on_change: Callable[[], Awaitable[None]], *, stop: asyncio.Event) -> None:
    """Await `on_change` after each change of the file's contents, until `stop` is set.

    A file that is gone for a while is no change. What `on_change` raises ends the watch, and so does an `OSError` of a
    directory that cannot be watched.
    """
    # Not at the top: only a gateway that watches pays for it.
    from watchfiles import awatch  # noqa: PLC0415

    seen = _fingerprint(path)
    while not stop.is_set():
        directories = _directories(path)
        watched = awatch(
            *directories,
            watch_filter=None,
            recursive=False,
            debounce=_DEBOUNCE_MS,
            rust_timeout=_LOOK_AGAIN_MS,
            yield_on_timeout=True,
            stop_event=stop,
        )
        async for _ in watched:
            now = _fingerprint(path)
            if now is not None and now != seen:
                seen = now
                await on_change()
            if _directories(path) != directories:
                break


def _fingerprint(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None


def _directories(path: Path) -> list[Path]:
    """Where the name stands and, if it is a link, where the file does."""
    return sorted({path.absolute().parent, path.resolve().parent})
