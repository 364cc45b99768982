from __future__ import annotations

import msgspec

from weighbridge.ledger.terms import AccountKind, Charge, Entry, EntryKind, Settled, Started, account


class OldStarted(msgspec.Struct, array_like=True, tag="s"):
    """What a version wrote that knew of no holds and of nobody's team yet."""

    request_id: str
    attempt: int
    wall_ns: int
    key_id: str
    provider: str
    model: str
    reserved_nanousd: int


class NewStarted(Started, array_like=True, frozen=True, tag="s"):
    """What a later version writes that knows more."""

    region: str = ""


def test_what_an_older_version_wrote_can_be_read():
    old = OldStarted("req_1", 0, 1, "key_1", "p", "m", 5)
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Started)
    assert (read.reserved_nanousd, read.holds, read.end_user) == (5, (), "")


def test_what_a_newer_version_wrote_can_be_read():
    new = NewStarted("req_1", 0, 1, "key_1", "p", "m", 5, (Charge("b", 5),), region="eu")
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(new), type=Started)
    assert read == Started("req_1", 0, 1, "key_1", "p", "m", 5, (Charge("b", 5),))


def test_what_begins_and_what_ends_are_told_apart(settled, started):
    for item in (started(), settled(5, charges={"b": 5})):
        read = msgspec.msgpack.decode(msgspec.msgpack.encode(item), type=Started | Settled)
        assert read == item


def test_an_account_is_named_by_its_kind_and_its_subject():
    assert account(AccountKind.CUSTOMER, "team:t1") == "customer:team:t1"
    assert f"{AccountKind.PROVIDER_COST}" == "provider_cost"


def test_the_numbers_of_kinds_stay_what_the_store_holds():
    assert [(kind.name, kind.value) for kind in EntryKind] == [
        ("COST", 1),
        ("OWN_KEY_COST", 2),
        ("UNRESOLVED_COST", 3),
        ("CHARGE", 4),
        ("TOP_UP", 5),
        ("GRANT", 6),
        ("EXPIRY", 7),
        ("COST_ADJUSTMENT", 8),
        ("CHARGE_ADJUSTMENT", 9),
    ]


def test_an_entry_is_of_the_whole_exchange_and_never_ends_unless_it_says_so():
    entry = Entry("e", account(AccountKind.FUNDS, "x"), account(AccountKind.CUSTOMER, "x"), 5, EntryKind.TOP_UP, 7)
    assert (entry.request_id, entry.attempt, entry.expires_wall_ns, entry.note) == ("", -1, 0, "")
