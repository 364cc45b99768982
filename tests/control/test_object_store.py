from __future__ import annotations

import contextlib
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.control.s3_server import ACCESS_KEY, REGION, SECRET_KEY, s3_server

from weighbridge.config.proxies import ProxyRules
from weighbridge.control.object_store import ObjectStore, ObjectStoreError, Stored, page_of
from weighbridge.core.clock import SystemClock
from weighbridge.core.secret import Secret
from weighbridge.http.client import HttpClient
from weighbridge.pipeline.plan import Limits
from weighbridge.providers.cloud_accounts import AwsAccount, Bucket

NAME = "dt=2026-11-25/hour=13/host_1.a-1 ä+.parquet"


@pytest.fixture
def s3():
    with s3_server() as server:
        yield server


def account(**facts):
    keys = {"access_key_id": Secret(ACCESS_KEY), "secret_access_key": Secret(SECRET_KEY)}
    return AwsAccount(REGION, "s3", **{**keys, **facts})


@pytest.fixture
async def open_store(s3):
    client = HttpClient(clock=SystemClock(), limits=Limits())

    def opened(url=None, prefix="wb/", **facts):
        return ObjectStore(Bucket(url or f"{s3.base}/logs", prefix, account(**facts)), client, ProxyRules(), SystemClock())

    yield opened
    await client.close()


async def test_an_object_is_written_over_itself_read_listed_and_removed(open_store, s3):
    store = open_store()
    for content in (b"one", b"two!"):
        assert await store.put(NAME, content, "text/plain")
    assert s3.objects == {f"/logs/wb/{NAME}": b"two!"}
    assert await store.get(NAME) == b"two!"
    assert await store.listed() == [Stored(NAME, 4)]
    await store.delete(NAME)
    await store.delete(NAME)
    assert await store.get(NAME) is None


async def test_what_is_there_stays_where_only_new_objects_are_wanted(open_store, s3):
    store = open_store()
    assert await store.put("a", b"first", "text/plain", only_new=True)
    assert not await store.put("a", b"second", "text/plain", only_new=True)
    assert list(s3.objects.values()) == [b"first"]


async def test_a_list_is_asked_for_to_its_last_page_and_only_below_its_prefix(open_store, s3):
    s3.objects["/logs/other/x"] = b"not ours"
    store = open_store()
    for n in range(5):
        await store.put(f"dt=2026-11-0{n}/a.parquet", b"x" * n, "text/plain")
    assert await store.listed() == [Stored(f"dt=2026-11-0{n}/a.parquet", n) for n in range(5)]
    assert await store.listed("dt=2026-11-03") == [Stored("dt=2026-11-03/a.parquet", 3)]


async def test_a_bucket_stands_in_the_path_or_in_the_hosts_name(open_store, s3):
    await open_store().put("a", b"x", "text/plain")
    port = s3.base.rpartition(":")[2]
    await open_store(f"http://localhost:{port}", prefix="").put("b", b"y", "text/plain")
    assert s3.asked == [("PUT", "/logs/wb/a"), ("PUT", "/b")]
    assert s3.hosts[1] == f"localhost:{port}"


async def test_temporary_keys_send_their_token(open_store, s3):
    assert await open_store(session_token=Secret("a+token/=")).put("a", b"x", "text/plain")


@pytest.mark.parametrize("ask", ["put", "get", "delete", "listed"])
async def test_whoever_is_refused_is_told_why_in_the_storages_word(open_store, ask):
    store = open_store(secret_access_key=Secret("another"))
    arguments = {"put": ("a", b"x", "text/plain"), "listed": ()}.get(ask, ("a",))
    with pytest.raises(ObjectStoreError, match=r"the status 403 \(SignatureDoesNotMatch\)") as refused:
        await getattr(store, ask)(*arguments)
    assert refused.value.status == 403


async def test_a_storage_that_is_away_has_no_status(open_store):
    with pytest.raises(ObjectStoreError) as refused:
        await open_store("http://127.0.0.1:1/logs").get("a")
    assert refused.value.status == 0


async def test_a_bucket_that_is_not_there_is_no_missing_object(open_store, s3, monkeypatch):
    monkeypatch.setattr(s3, "_do", lambda *_: (404, b"<Error><Code>NoSuchBucket</Code></Error>"))
    with pytest.raises(ObjectStoreError, match="NoSuchBucket"):
        await open_store().get("a")


@given(
    st.lists(st.tuples(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1), st.integers(0, 10**12)), max_size=4),
    st.text("abc&<>\"'+/= ", max_size=9),
)
def test_a_page_of_a_list_is_read_whatever_the_names_are(objects, token):
    items = "".join(f"<Contents><Key>{quote_plus(name, safe='/')}</Key><Size>{size}</Size></Contents>" for name, size in objects)
    more = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
    assert page_of(f"<ListBucketResult>{items}{more}</ListBucketResult>".encode()) == (objects, token)


@given(st.binary(max_size=200), st.sampled_from([b"", b"<Contents>", b"</Contents>", b"<Key>", b"<Size>7"]))
def test_what_is_no_page_is_refused_or_has_nothing(noise, tag):
    with contextlib.suppress(ObjectStoreError):
        assert page_of(b"<Contents>" + tag + noise + b"</Contents>")[0] == []
