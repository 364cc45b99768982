from __future__ import annotations

import stat

import pytest
from tests.control.s3_server import s3_server
from tests.control.test_object_store import account

from weighbridge.config.archive_fields import Archive
from weighbridge.config.proxies import ProxyRules
from weighbridge.control.archive_places import ArchiveError, BucketPlace, DirectoryPlace, place_of
from weighbridge.control.object_store import ObjectStore
from weighbridge.core.clock import SystemClock
from weighbridge.http.client import HttpClient
from weighbridge.pipeline.plan import Limits
from weighbridge.providers.cloud_accounts import Bucket

NAME = "dt=2026-11-25/000000000001-000000000007.parquet"


@pytest.fixture(params=["directory", "bucket"])
async def place(request, tmp_path):
    if request.param == "directory":
        yield DirectoryPlace(tmp_path / "archive")
        return
    client = HttpClient(clock=SystemClock(), limits=Limits())
    with s3_server() as s3:
        yield BucketPlace(ObjectStore(Bucket(f"{s3.base}/cold", "", account()), client, ProxyRules(), SystemClock()))
    await client.close()


async def test_a_file_is_added_once_and_replaced_when_that_is_wanted(place):
    assert (await place.files(), await place.read(NAME)) == ([], None)
    assert await place.add(NAME, b"one")
    assert not await place.add(NAME, b"another")
    assert await place.read(NAME) == b"one"
    await place.replace(NAME, b"two!")
    assert (await place.read(NAME), await place.files()) == (b"two!", [(NAME, 4)])


async def test_nobody_else_may_read_a_directory_and_nothing_half_written_is_left(tmp_path):
    place = DirectoryPlace(tmp_path / "archive")
    await place.add(NAME, b"one")
    await place.add(NAME, b"two")
    paths = list((tmp_path / "archive").rglob("*"))
    assert {path.name for path in paths} == {"dt=2026-11-25", NAME.partition("/")[2]}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o700, 0o600}


async def test_what_cannot_be_written_or_read_is_told(tmp_path):
    (tmp_path / "archive").write_text("in the way")
    place = DirectoryPlace(tmp_path / "archive")
    with pytest.raises(ArchiveError, match="cannot be written"):
        await place.add(NAME, b"one")
    with pytest.raises(ArchiveError, match="cannot be read"):
        await place.read(NAME)


async def test_a_bucket_that_is_away_is_told():
    client = HttpClient(clock=SystemClock(), limits=Limits())
    place = BucketPlace(ObjectStore(Bucket("http://127.0.0.1:1/cold", "", account()), client, ProxyRules(), SystemClock()))
    for ask in (place.add(NAME, b""), place.replace(NAME, b""), place.read(NAME), place.files()):
        with pytest.raises(ArchiveError, match="the bucket: "):
            await ask
    await client.close()


@pytest.mark.parametrize(
    ("written", "kind"), [({"directory": "cold"}, DirectoryPlace), ({"s3": {"bucket": "cold-logs"}}, BucketPlace)]
)
async def test_the_configuration_names_the_place(written, kind):
    client = HttpClient(clock=SystemClock(), limits=Limits())
    assert isinstance(place_of(Archive.model_validate(written), client, ProxyRules(), SystemClock()), kind)
    await client.close()


@pytest.mark.parametrize("wrong", [{}, {"directory": "a", "s3": {"bucket": "logs"}}])
def test_an_archive_has_one_place(wrong):
    with pytest.raises(ValueError, match="give one of `directory` and `s3`"):
        Archive.model_validate(wrong)
