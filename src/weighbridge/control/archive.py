"""The archive: requests as Parquet by day, written before what the gateway keeps of them is deleted.

Each request is archived once. A batch is written down in the database, then its files are written, then it is done, and retention
deletes up to the last one that is done. So a crash anywhere ends in the same files: one that is there already is compared with what
was to be in it and left alone. Days are archived when they are over and their Records are to go. An archive with files that the
database does not know of is not written to: a backup was restored, or it is another gateway's.

A file has some thousand requests of one day, so that rows of somebody can be taken out of it by writing it anew (`erase`).
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

from weighbridge.control.archive_places import ArchiveError, ArchivePlace
from weighbridge.control.archive_rows import ERASED, DayFile, day_files
from weighbridge.control.object_store import Stored
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import Clock
from weighbridge.storage.archive_store import ArchiveBatch, ArchiveStore
from weighbridge.storage.errors import StorageError
from weighbridge.telemetry.parquet import ParquetDamageError, check_parquet, without_rows

LOOK_S: Final = 60.0
"""How often it is looked whether a day is due."""
_BETWEEN_BATCHES_S: Final = 0.1
"""So that what comes in is moved in between."""
_DAY_NS: Final = 86_400 * NS_PER_S
_NAME: Final = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/(\d{12,})-(\d{12,})\.parquet")
ERASABLE: Final = frozenset(("request_id", "key_id", "team", "user", "organisation", "end_user", "session"))
"""Columns by whose values rows can be taken out."""


class ArchivedDay(NamedTuple):
    """What there is of a day of UTC."""

    day: str
    n_files: int
    n_bytes: int


class ArchiveFindings(NamedTuple):
    """What a check has found. `problems` are sentences; an archive without any has every request that was ever archived, but for
    `n_erased`."""

    n_files: int
    n_rows: int
    n_erased: int
    problems: list[str]


class Erased(NamedTuple):
    """A file that was written anew without some of its rows."""

    name: str
    n_rows: int


class Archive:
    """One gateway's. `keep_days` is for how long Records are kept."""

    def __init__(self, place: ArchivePlace, store: ArchiveStore, keep_days: Callable[[], int], clock: Clock) -> None:
        self._place = place
        self._store = store
        self._keep_days = keep_days
        self._clock = clock
        self._busy = asyncio.Lock()
        self._fails = False
        self._is_known = False
        """Whether all files are of batches of this database."""
        self.n_rows = 0
        """Requests that were archived since the start."""
        self.n_failures = 0

    async def run(self) -> None:
        """Archive what is due, until cancelled. What fails is tried again at the next look; meanwhile nothing is deleted."""
        while True:
            try:
                await self.archive_due()
            except (ArchiveError, StorageError, GatewayError) as error:
                self.n_failures += 1
                if not self._fails:
                    why = error.public if isinstance(error, GatewayError) else error
                    sys.stderr.write(f"Requests cannot be archived, and are kept until they can: {why}\n")
                self._fails = True
            else:
                if self._fails:
                    sys.stderr.write("Requests are archived again.\n")
                self._fails = False
            await asyncio.sleep(LOOK_S)

    async def archive_due(self) -> int:
        """Archive every day whose Records have been kept long enough. How many requests.

        Raises `ArchiveError`, `StorageError`, and `GatewayError` NOT_IMPLEMENTED where the extra is not installed.
        """
        n_rows = 0
        before_ns = (self._clock.wall_ns() - self._keep_days() * _DAY_NS) // _DAY_NS * _DAY_NS
        async with self._busy:
            while (batch := await asyncio.to_thread(self._store.next_batch, before_ns)) is not None:
                await self._get_to_know()
                n_rows += await self._write(batch)
                await asyncio.sleep(_BETWEEN_BATCHES_S)
        return n_rows

    async def days(self) -> list[ArchivedDay]:
        """What there is, by day. Raises `ArchiveError`."""
        days: dict[str, list[Stored]] = {}
        for file in await self._place.files():
            if (found := _NAME.fullmatch(file.name)) is not None:
                days.setdefault(found[1], []).append(file)
        return [ArchivedDay(day, len(files), sum(file.n_bytes for file in files)) for day, files in days.items()]

    async def verify(self, tell: Callable[[int], None] = lambda _n: None) -> ArchiveFindings:
        """Read every file, and compare what is in them with what was archived. `tell` hears how many have been read.

        Raises `ArchiveError`, `StorageError`, `GatewayError`.
        """
        # Before the files are listed: a batch that is done by now has all of its own.
        batches = [batch for batch in await asyncio.to_thread(self._store.batches) if batch.is_done]
        strangers = await self._strangers()
        found: dict[tuple[int, int], int] = {}
        n_files = n_rows = n_erased = 0
        problems = [f"{name}: it is not of this database" for name in strangers]
        for file in await self._place.files():
            if (name := _NAME.fullmatch(file.name)) is None:
                continue
            try:
                rows, erased = await self._rows_of(file.name)
            except ParquetDamageError as damage:
                problems.append(f"{file.name}: {damage}")
                continue
            span = (int(name[2]), int(name[3]))
            found[span] = found.get(span, 0) + rows + erased
            n_files, n_rows, n_erased = n_files + 1, n_rows + rows, n_erased + erased
            tell(n_files)
        problems += _missing(batches, found)
        return ArchiveFindings(n_files, n_rows, n_erased, problems)

    async def erase(self, gone: Mapping[str, Collection[str]]) -> list[Erased]:
        """Write every file anew that has rows with one of these values in one of these columns (`ERASABLE`), without those rows.

        The store must have forgotten them before: a batch that was begun is finished first, and from what the store has. Stopped in
        between it may be done again. Raises `ArchiveError`, `StorageError`, `GatewayError`, and `ValueError` for another column.
        """
        if unknown := set(gone) - ERASABLE:
            raise ValueError(f"rows cannot be taken out by {', '.join(sorted(unknown))}")
        written = []
        async with self._busy:
            if (begun := await asyncio.to_thread(self._store.next_batch, 0)) is not None:
                await self._get_to_know()
                await self._write(begun)
            for file in await self._place.files():
                if _NAME.fullmatch(file.name) is None or (content := await self._place.read(file.name)) is None:
                    continue
                try:
                    left, n_rows = await asyncio.to_thread(without_rows, content, gone, ERASED)
                except ParquetDamageError as damage:
                    raise ArchiveError(f"{file.name}: {damage}") from None
                if n_rows:
                    await self._place.replace(file.name, left)
                    written.append(Erased(file.name, n_rows))
        return written

    async def _get_to_know(self) -> None:
        if self._is_known:
            return
        if strangers := await self._strangers():
            raise ArchiveError(
                f"{strangers[0]} is of requests that this database has not archived (it was restored, or the archive is another "
                "gateway's): name another place"
            )
        self._is_known = True

    async def _strangers(self) -> list[str]:
        """Files of batches that the database does not have. A batch is written down before its files are."""
        files = await self._place.files()
        spans = {(batch.first, batch.last) for batch in await asyncio.to_thread(self._store.batches)}
        found = [(file.name, _NAME.fullmatch(file.name)) for file in files]
        return [name for name, each in found if each is not None and (int(each[2]), int(each[3])) not in spans]

    # --- a batch ------------------------------------------------------------------------------------------------

    async def _write(self, batch: ArchiveBatch) -> int:
        asked = await asyncio.to_thread(self._store.requests, batch)
        n_rows = 0
        for file in await asyncio.to_thread(day_files, batch, asked):
            is_new = await self._place.add(file.name, file.content)
            n_rows += len(file.request_ids) if is_new else await self._rows_there(file)
        await asyncio.to_thread(self._store.done, batch, n_rows)
        self.n_rows += n_rows
        return n_rows

    async def _rows_there(self, file: DayFile) -> int:
        """How many rows a file has that is there already: all that are to be in it, and those that the store lost since."""
        content = await self._place.read(file.name)
        try:
            checked = await asyncio.to_thread(check_parquet, content or b"", "request_id")
        except ParquetDamageError as damage:
            raise ArchiveError(f"{file.name} is there already, and {damage}") from None
        if not file.request_ids <= set(checked.column):
            raise ArchiveError(
                f"{file.name} is there already, with other requests: the archive is another gateway's, or a later one"
            )
        return checked.n_rows + int(checked.facts.get(ERASED, "0"))

    async def _rows_of(self, name: str) -> tuple[int, int]:
        content = await self._place.read(name)
        checked = await asyncio.to_thread(check_parquet, content or b"", "request_id")
        return checked.n_rows, int(checked.facts.get(ERASED, "0"))


def _missing(batches: Sequence[ArchiveBatch], found: Mapping[tuple[int, int], int]) -> list[str]:
    """What was archived and is not there."""
    return [
        f"requests {batch.first} to {batch.last}: {found.get((batch.first, batch.last), 0):,} of {batch.n_rows:,} rows are there"
        for batch in batches
        if found.get((batch.first, batch.last), 0) < batch.n_rows
    ]
