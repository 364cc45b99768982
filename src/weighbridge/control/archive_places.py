"""Where an archive lies: a directory, or a bucket. A file is there whole or not at all, and safe when it has been written."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final, Protocol

from weighbridge.config.archive_fields import Archive
from weighbridge.config.buckets import compile_bucket
from weighbridge.config.proxies import ProxyRules
from weighbridge.control.object_store import ObjectStore, ObjectStoreError, Stored
from weighbridge.core.clock import new_id
from weighbridge.core.ports import Clock, Upstream
from weighbridge.storage.private_files import DIRECTORY_MODE, FILE_MODE
from weighbridge.telemetry.parquet import MEDIA_TYPE

_ENDING: Final = ".parquet"


class ArchiveError(Exception):
    """The archive cannot be written or read, or is not what it should be: a sentence."""


class ArchivePlace(Protocol):
    """Every method raises `ArchiveError`."""

    async def add(self, name: str, content: bytes) -> bool:
        """Write a new file. False: there is one of this name, which was left alone."""
        ...

    async def replace(self, name: str, content: bytes) -> None:
        """Write a file over the one that is there."""
        ...

    async def read(self, name: str) -> bytes | None:
        """A file's content; None: there is none."""
        ...

    async def files(self) -> list[Stored]:
        """All of them, in the order of their names."""
        ...


class DirectoryPlace:
    """Below a directory, mode 700, in files of mode 600."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def add(self, name: str, content: bytes) -> bool:
        """See `ArchivePlace`."""
        return await asyncio.to_thread(self._write, name, content, only_new=True)

    async def replace(self, name: str, content: bytes) -> None:
        """See `ArchivePlace`."""
        await asyncio.to_thread(self._write, name, content, only_new=False)

    async def read(self, name: str) -> bytes | None:
        """See `ArchivePlace`."""
        return await asyncio.to_thread(self._read, name)

    async def files(self) -> list[Stored]:
        """See `ArchivePlace`."""
        return await asyncio.to_thread(self._files)

    def _write(self, name: str, content: bytes, *, only_new: bool) -> bool:
        path = self._directory / name
        part = path.with_name(f".{new_id('part')}")
        try:
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                if only_new:
                    os.link(part, path)  # which refuses a name that is taken, where renaming does not
                else:
                    part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            for directory in (path.parent, self._directory):
                _sync(directory)
        except FileExistsError:
            return False
        except OSError as error:
            raise ArchiveError(f"{path} cannot be written ({error.strerror})") from None
        return True

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArchiveError(f"{self._directory / name} cannot be read ({error.strerror})") from None

    def _files(self) -> list[Stored]:
        found = []
        for path in self._directory.rglob(f"*{_ENDING}"):
            with contextlib.suppress(FileNotFoundError):
                found.append(Stored(path.relative_to(self._directory).as_posix(), path.stat().st_size))
        return sorted(found)


class BucketPlace:
    """In a bucket, below its prefix."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def add(self, name: str, content: bytes) -> bool:
        """See `ArchivePlace`."""
        try:
            return await self._store.put(name, content, MEDIA_TYPE, only_new=True)
        except ObjectStoreError as error:
            raise _told(error) from None

    async def replace(self, name: str, content: bytes) -> None:
        """See `ArchivePlace`."""
        try:
            await self._store.put(name, content, MEDIA_TYPE)
        except ObjectStoreError as error:
            raise _told(error) from None

    async def read(self, name: str) -> bytes | None:
        """See `ArchivePlace`."""
        try:
            return await self._store.get(name)
        except ObjectStoreError as error:
            raise _told(error) from None

    async def files(self) -> list[Stored]:
        """See `ArchivePlace`."""
        try:
            return [each for each in await self._store.listed() if each.name.endswith(_ENDING)]
        except ObjectStoreError as error:
            raise _told(error) from None


def place_of(written: Archive, upstream: Upstream, rules: ProxyRules, clock: Clock) -> ArchivePlace:
    """The place that a configuration names."""
    if written.s3 is not None:
        return BucketPlace(ObjectStore(compile_bucket(written.s3), upstream, rules, clock))
    assert written.directory is not None
    return DirectoryPlace(written.directory)


def _told(error: ObjectStoreError) -> ArchiveError:
    return ArchiveError(f"the bucket: {error}")


def _sync(directory: Path) -> None:
    # Without it a crash may lose the name of a file whose bytes are safe; see fsync(2).
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
