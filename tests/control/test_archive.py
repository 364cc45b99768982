"""The archive over a real store, in a directory and in a bucket: what goes from one is in the other, once, whoever dies when."""

from __future__ import annotations

import io
import random

import pytest
from pyarrow import parquet
from sqlalchemy import select
from tests.control.s3_server import s3_server
from tests.control.test_object_store import account
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.config.proxies import ProxyRules
from weighbridge.control import archive as archive_module
from weighbridge.control.archive import Archive
from weighbridge.control.archive_places import ArchiveError, BucketPlace, DirectoryPlace
from weighbridge.control.object_store import ObjectStore
from weighbridge.core.clock import NS_PER_S, SystemClock
from weighbridge.http.client import HttpClient
from weighbridge.pipeline.plan import Limits
from weighbridge.providers.cloud_accounts import Bucket
from weighbridge.storage import archive_store
from weighbridge.storage.ledger_retention import Retention
from weighbridge.storage.ledger_tables import requests

DAY_NS = 86_400 * NS_PER_S
N_DAYS, KEEP = 20, 5


@pytest.fixture(autouse=True)
def in_small_batches(monkeypatch):
    monkeypatch.setattr(archive_store, "BATCH", 7)
    monkeypatch.setattr(archive_module, "_BETWEEN_BATCHES_S", 0)


@pytest.fixture
def aged(store, clock):
    """Two requests a day; of `ada` and `bob` by turns, at different costs."""
    items = [
        settled(
            2 * age + half,
            attempt(1_000 + age),
            start_wall_ns=clock.wall_ns() - age * DAY_NS + half,
            user="ada" if half else "bob",
            end_user=f"eve-{age}",
            tags=("beta",),
        )
        for age in range(N_DAYS, 0, -1)
        for half in (0, 1)
    ]
    store.ledger.move("j_1", 0, 100, items)
    store.ledger.retention = Retention(KEEP, KEEP)
    store.ledger.is_archived = True
    return store


@pytest.fixture
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture
async def place(request, tmp_path, s3):
    if request.param == "directory":
        yield DirectoryPlace(tmp_path / "archive")
        return
    client = HttpClient(clock=SystemClock(), limits=Limits())
    yield BucketPlace(ObjectStore(Bucket(f"{s3.base}/cold", "wb/", account()), client, ProxyRules(), SystemClock()))
    await client.close()


@pytest.fixture
def archive(aged, place, clock):
    return Archive(place, aged.archives, lambda: KEEP, clock)


BOTH = pytest.mark.parametrize("place", ["directory", "bucket"], indirect=True)
DIRECTORY = pytest.mark.parametrize("place", ["directory"], indirect=True)


async def rows(place):
    found = []
    for file in await place.files():
        found += parquet.read_table(io.BytesIO(await place.read(file.name))).to_pylist()
    return found


def kept(store):
    with store.ledger.reading() as connection:
        return set(connection.execute(select(requests.c.request_id)).scalars())


def expire(store):
    while store.ledger.expire():
        pass


ALL = {f"req_{2 * age + half}" for age in range(1, N_DAYS + 1) for half in (0, 1)}


@BOTH
async def test_what_retention_deletes_is_in_the_archive_once_and_the_rest_is_not(archive, aged, place):
    expire(aged)
    assert kept(aged) == ALL
    n_rows = await archive.archive_due()
    expire(aged)
    told = await rows(place)
    archived = {row["request_id"] for row in told}
    assert (len(told), len(archived)) == (n_rows, n_rows)
    assert archived == ALL - kept(aged)
    assert len(kept(aged)) == 2 * KEEP
    assert await archive.archive_due() == 0
    assert (await archive.verify()).problems == []


@BOTH
async def test_a_row_has_all_that_was_known_of_its_request_on_its_day(archive, aged, place, clock):
    await archive.archive_due()
    row = next(row for row in await rows(place) if row["request_id"] == "req_41")
    assert (row["user"], row["end_user"], row["tags"], row["cost_nanousd"]) == ("ada", "eve-20", ["beta"], 1_020)
    assert (row["charged_nanousd"], row["team"], row["path"], row["status"]) == (1_020, "search", "/v1/chat/completions", 200)
    (tried,) = row["attempts"]
    assert (tried["provider"], tried["input_tokens"], tried["cache_read_tokens"], tried["cost_nanousd"]) == ("openai", 10, 5, 1_020)
    assert tried["first_byte_ms"] == 0.005
    for file in await place.files():
        table = parquet.read_table(io.BytesIO(await place.read(file.name)))
        assert {at.strftime("dt=%Y-%m-%d") for at in table["at"].to_pylist()} == {file.name.partition("/")[0]}
    days = await archive.days()
    assert [day.day for day in days] == sorted({row["at"].strftime("%Y-%m-%d") for row in await rows(place)})


class DyingError(Exception):
    """The process ends here."""


class DyingPlace:
    """A place whose process ends before or after one of the writes."""

    def __init__(self, place, steps):
        self._place = place
        self._steps = steps
        self.read, self.files, self.replace = place.read, place.files, place.replace

    async def add(self, name, content):
        self._steps -= 1
        if self._steps == 0:
            raise DyingError
        added = await self._place.add(name, content)
        self._steps -= 1
        if self._steps == 0:
            raise DyingError
        return added


@DIRECTORY
@pytest.mark.parametrize("steps", range(1, 33, 3))
async def test_whoever_dies_between_any_two_writes_neither_loses_nor_doubles_a_request(aged, place, clock, steps, monkeypatch):
    """And the next one has more that is due, and other sizes."""
    dying = Archive(DyingPlace(place, steps), aged.archives, lambda: KEEP, clock)
    with pytest.raises(DyingError):
        await dying.archive_due()
    expire(aged)
    clock.wall += 2 * DAY_NS
    monkeypatch.setattr(archive_store, "BATCH", 5)
    again = Archive(place, aged.archives, lambda: KEEP, clock)
    await again.archive_due()
    expire(aged)
    told = [row["request_id"] for row in await rows(place)]
    assert len(told) == len(set(told))
    assert set(told) | kept(aged) == ALL
    assert (await again.verify()).problems == []


@DIRECTORY
async def test_whoever_dies_before_it_is_noted_that_files_are_safe_writes_no_others(archive, aged, place, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(type(aged.archives), "done", lambda *_: (_ for _ in ()).throw(DyingError))
        with pytest.raises(DyingError):
            await archive.archive_due()
    expire(aged)
    assert kept(aged) == ALL
    before = {file.name: await place.read(file.name) for file in await place.files()}
    await archive.archive_due()
    assert {name: await place.read(name) for name in before} == before
    assert len(await rows(place)) == len({row["request_id"] for row in await rows(place)})


@DIRECTORY
async def test_two_hosts_of_one_database_archive_each_request_once(archive, aged, place, clock):
    other = Archive(place, aged.archives, lambda: KEEP, clock)
    batch = aged.archives.next_batch(clock.wall_ns() - KEEP * DAY_NS)
    await other._write(batch)
    await archive._write(batch)  # which had begun with it as well
    await archive.archive_due()
    told = [row["request_id"] for row in await rows(place)]
    assert len(told) == len(set(told))
    assert (await archive.verify()).problems == []


@DIRECTORY
async def test_an_archive_of_another_gateway_is_not_taken_for_its_own_and_nothing_goes(archive, aged, place, clock):
    batch = aged.archives.next_batch(clock.wall_ns() - KEEP * DAY_NS)
    (first, *_) = archive_module.day_files(batch, aged.archives.requests(batch))
    (other, *_) = archive_module.day_files(batch, aged.archives.requests(batch)[4:])
    await place.add(first.name, other.content)
    with pytest.raises(ArchiveError, match="with other requests"):
        await archive.archive_due()
    expire(aged)
    assert kept(aged) == ALL


@DIRECTORY
async def test_a_database_that_was_restored_does_not_archive_a_second_time(archive, aged, place, clock):
    """Its requests after the backup have the numbers of others, which the archive has."""
    batch = aged.archives.next_batch(clock.wall_ns() - KEEP * DAY_NS)
    (first, *_) = archive_module.day_files(batch, aged.archives.requests(batch))
    later = first.name.replace(f"{batch.last:012}", f"{batch.last + 9:012}")
    await place.add(later, first.content)
    with pytest.raises(ArchiveError, match="it was restored"):
        await archive.archive_due()
    expire(aged)
    assert kept(aged) == ALL
    assert (await archive.verify()).problems == [f"{later}: it is not of this database"]


@BOTH
async def test_a_place_that_is_away_keeps_everything_where_it_is_and_is_told_once(archive, aged, place, monkeypatch, capfd):
    async def away(*_arguments):
        raise ArchiveError("the bucket: it answers with the status 503")

    looks = iter(range(3))

    async def look(_seconds):
        if next(looks, None) is None:
            raise DyingError

    monkeypatch.setattr(place, "add", away)
    monkeypatch.setattr(archive_module.asyncio, "sleep", look)
    with pytest.raises(DyingError):
        await archive.run()
    expire(aged)
    assert (kept(aged), archive.n_failures) == (ALL, 4)
    assert capfd.readouterr().err.count("are kept until they can: the bucket: it answers with the status 503") == 1


@BOTH
async def test_a_check_finds_what_is_lost_and_what_is_damaged(archive, place, monkeypatch):
    await archive.archive_due()
    lost, damaged, cut = random.Random(1).sample([file.name for file in await place.files()], 3)
    content = bytearray(await place.read(damaged))
    column = parquet.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(0)
    content[column.data_page_offset + column.total_compressed_size - 1] ^= 0x40
    await place.replace(damaged, bytes(content))
    await place.replace(cut, (await place.read(cut))[:-9])
    all_files = place.files

    async def without():
        return [file for file in await all_files() if file.name != lost]

    monkeypatch.setattr(place, "files", without)
    problems = (await archive.verify()).problems
    for name in (damaged, cut):
        assert sum(problem.startswith(name) for problem in problems) == 1
    assert sum("rows are there" in problem for problem in problems) >= 1


@BOTH
async def test_rows_of_somebody_are_taken_out_of_their_files_and_no_others(archive, aged, place):
    await archive.archive_due()
    before = {file.name: await place.read(file.name) for file in await place.files()}
    told = await rows(place)
    erased = await archive.erase({"end_user": {"eve-20", "eve-19", "nobody"}})
    assert sum(each.n_rows for each in erased) == 4
    left = await rows(place)
    assert left == [row for row in told if row["end_user"] not in ("eve-20", "eve-19")]
    after = {file.name: await place.read(file.name) for file in await place.files()}
    assert {name for name in before if before[name] != after[name]} == {each.name for each in erased}
    assert not any(b"eve-20" in content for content in after.values())
    findings = await archive.verify()
    assert (findings.problems, findings.n_erased, findings.n_rows) == ([], 4, len(left))
    assert await archive.erase({"end_user": {"eve-20"}}) == []
    await archive.erase({"user": {"ada"}, "request_id": {"req_36"}})
    assert {row["user"] for row in await rows(place)} == {"bob"}
    assert (await archive.verify()).problems == []


@DIRECTORY
async def test_who_is_erased_while_a_batch_is_under_way_does_not_come_back(archive, aged, place, clock):
    """Its files were made from the store as it was before."""
    batch = aged.archives.next_batch(clock.wall_ns() - KEEP * DAY_NS)
    for file in archive_module.day_files(batch, aged.archives.requests(batch)):
        await place.add(file.name, file.content)
    await archive.erase({"user": {"ada"}})
    await archive.archive_due()
    expire(aged)
    assert {row["user"] for row in await rows(place) if row["number"] <= batch.last} == {"bob"}
    assert (await archive.verify()).problems == []


@DIRECTORY
async def test_rows_are_only_taken_out_by_who_they_are_of(archive):
    with pytest.raises(ValueError, match="status"):
        await archive.erase({"status": {"200"}})
