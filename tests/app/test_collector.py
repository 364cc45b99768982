from __future__ import annotations

import gc

import pytest

from weighbridge.app.collector import held_off, settle_heap


@pytest.fixture(autouse=True)
def as_before():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_is_there_at_the_start_is_not_looked_at_again():
    there = [[n] for n in range(100)]
    settle_heap()
    came = [[n] for n in range(100)]
    looked_at = {id(thing) for thing in gc.get_objects()}
    assert not looked_at & set(map(id, there))
    assert looked_at >= set(map(id, came))


@pytest.mark.slow
def test_a_cycle_that_comes_later_is_still_found():
    settle_heap()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1


@pytest.mark.slow
def test_nothing_is_looked_for_until_the_process_is_up():
    with held_off():
        assert not gc.isenabled()
        settle_heap()
        assert gc.isenabled()


def test_a_start_that_fails_leaves_it_on():
    with pytest.raises(OSError), held_off():
        raise OSError
    assert gc.isenabled()
