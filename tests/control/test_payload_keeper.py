from __future__ import annotations

import pytest

from weighbridge.control import payload_keeper
from weighbridge.control.payload_keeper import PayloadKeeper
from weighbridge.control.redactor import Redactor
from weighbridge.core.payloads import Payload
from weighbridge.storage.errors import StorageError

HOUR_NS = 3_600 * 10**9


def payload(number, clock, request=b'{"a":"sk-0123456789abcdefghij"}'):
    return Payload(f"req_{number}", clock.wall, "", "", request, len(request), b'{"b":1}', 7, "application/json", "")


@pytest.fixture
def keeper(store):
    made = PayloadKeeper(store.payloads)
    made.configure(Redactor(("secrets",)), HOUR_NS)
    return made


async def test_what_workers_send_is_in_the_store_without_its_secrets(keeper, store, clock):
    for number in range(3):
        keeper.take(payload(number, clock))
    await keeper.flush()
    assert store.payloads.find("req_1").text.request == '{"a":"[secret]"}'
    assert (keeper.n_kept, keeper.n_dropped) == (3, 0)


async def test_what_there_is_no_room_for_is_dropped_and_counted(keeper, clock, monkeypatch):
    monkeypatch.setattr(payload_keeper, "MAX_WAITING_BYTES", 100)
    for number in range(5):
        keeper.take(payload(number, clock))
    await keeper.flush()
    assert (keeper.n_kept, keeper.n_dropped) == (2, 3)
    keeper.take(payload(9, clock))  # there is room again
    await keeper.flush()
    assert keeper.n_kept == 3


async def test_a_store_that_fails_stops_nothing_and_is_told_once(keeper, store, clock, monkeypatch, capsys):
    def fails(*_):
        raise StorageError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(type(store.payloads), "keep", fails)
        for number in range(2):
            keeper.take(payload(number, clock))
            await keeper.flush()
    assert (keeper.n_kept, keeper.n_dropped) == (0, 2)
    assert capsys.readouterr().err.count("cannot be kept") == 1
    keeper.take(payload(3, clock))
    await keeper.flush()
    assert keeper.n_kept == 1


async def test_many_are_brought_in_batches(keeper, store, clock, monkeypatch):
    monkeypatch.setattr(payload_keeper, "_BATCH_BYTES", 50)
    for number in range(5):
        keeper.take(payload(number, clock))
    await keeper.flush()
    assert [store.payloads.has(f"req_{number}") for number in range(6)] == [True] * 5 + [False]


async def test_nothing_is_kept_before_it_is_known_for_how_long(store, clock):
    keeper = PayloadKeeper(store.payloads)
    keeper.take(payload(1, clock))
    await keeper.flush()
    assert (keeper.n_kept, keeper.n_dropped) == (0, 1)
