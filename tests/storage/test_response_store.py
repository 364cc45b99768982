from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import func, select

from weighbridge.storage import response_store
from weighbridge.storage.response_store import KEPT_NS
from weighbridge.storage.store import Store
from weighbridge.storage.tables import stored_responses


@pytest.fixture
def responses(store):
    return store.responses


def test_a_response_is_found_by_the_key_that_made_it_and_by_no_other(responses):
    responses.keep("key_1", "resp_1", b"content" * 100)
    assert responses.find("key_1", "resp_1") == b"content" * 100
    assert responses.find("key_2", "resp_1") is None
    assert responses.find("key_1", "resp_2") is None


def test_a_deleted_response_is_gone_and_only_its_own_key_can_delete_it(responses):
    responses.keep("key_1", "resp_1", b"content")
    responses.forget("key_2", "resp_1")
    assert responses.find("key_1", "resp_1") == b"content"
    responses.forget("key_1", "resp_1")
    assert responses.find("key_1", "resp_1") is None


def test_what_is_claimed_is_had_once(responses):
    responses.keep("key_1", "pending", b"content")
    assert responses.claim("other") is None
    assert responses.claim("pending") == b"content"
    assert responses.claim("pending") is None
    assert responses.find("key_1", "pending") is None


def test_an_id_is_kept_once(responses):
    responses.keep("key_1", "resp_1", b"first")
    responses.keep("key_2", "resp_1", b"second")
    assert responses.find("key_1", "resp_1") == b"first"


def test_after_thirty_days_a_response_is_not_found_and_its_row_goes_with_the_next(responses, clock, store_url):
    responses.keep("key_1", "resp_1", b"old")
    clock.wall += KEPT_NS
    assert responses.find("key_1", "resp_1") is None
    responses.keep("key_1", "resp_2", b"new")
    with closing(Store.open(store_url, clock)) as other, other.transactions.reading() as connection:
        assert connection.execute(select(func.count()).select_from(stored_responses)).scalar_one() == 1


def test_what_is_too_large_is_not_kept(responses, monkeypatch):
    monkeypatch.setattr(response_store, "MAX_CONTENT_BYTES", 10)
    responses.keep("key_1", "resp_1", b"x" * 11)
    assert responses.find("key_1", "resp_1") is None
    responses.keep("key_1", "resp_1", b"x" * 10)
    assert responses.find("key_1", "resp_1") == b"x" * 10
