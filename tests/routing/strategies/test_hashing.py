from __future__ import annotations

from math import log

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.routing.strategies import hashing
from weighbridge.routing.strategies.hashing import Rendezvous, hash_of, mixed


@given(st.integers(0, 2**64 - 1))
def test_a_mixed_number_is_between_0_and_1(number):
    assert 0 < mixed(number) < 1


def test_mixed_numbers_are_spread_evenly():
    numbers = [mixed(hash_of(b"%d" % n)) for n in range(20_000)]
    buckets = [sum(low / 10 <= number < (low + 1) / 10 for number in numbers) for low in range(10)]
    assert sum((count - 2000) ** 2 / 2000 for count in buckets) < 27.9  # chi square, 9 degrees, 99.9%


def test_the_order_is_by_the_mixed_numbers(make):
    members = [make(f"p{n}/m") for n in range(8)]
    expected = sorted(members, key=lambda member: -log(mixed(hash_of(b"ann") ^ hash_of(member.id.encode()))))
    assert Rendezvous().order(members, b"ann") == expected


def test_members_seeds_take_bounded_memory(make, monkeypatch):
    monkeypatch.setattr(hashing, "_MAX_SEEDS", 5)
    rendezvous = Rendezvous()
    for n in range(50):
        rendezvous.order([make(f"p{n}/m")], b"x")
    assert len(rendezvous._seeds) <= 6
