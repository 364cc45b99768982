from __future__ import annotations

from tests.storage.test_ledger_store import WALL_NS, record

from weighbridge.core.erasure import Erasure, SubjectKind, digest_of_name, without_names


def erasure_of(name, kind=SubjectKind.END_USER, *, salt=b"salt-1", at=WALL_NS):
    return Erasure("era_1", at, kind, salt, digest_of_name(name, salt))


def test_it_knows_its_own_by_their_name_and_has_no_name():
    erasure = erasure_of("ann")
    assert [erasure.is_of("ann", ""), erasure.is_of("Ann", ""), erasure.is_of("", "ann"), erasure.is_of("", "")] == [
        True, False, False, False,
    ]  # fmt: skip
    assert erasure_of("ada", SubjectKind.USER).is_of("ann", "ada")
    assert "ann" not in repr(erasure)
    assert erasure.digest != erasure_of("ann", salt=b"salt-2").digest


def test_who_comes_back_afterwards_is_somebody_new():
    erasure = erasure_of("ann", at=WALL_NS + 1)
    assert erasure.concerns(record(1, end_user="ann", start_wall_ns=WALL_NS))
    assert not erasure.concerns(record(1, end_user="ann", start_wall_ns=WALL_NS + 1))


def test_what_the_books_need_of_a_record_stays():
    asked = record(1, end_user="ann", session="s", detail="d", trace="00-t", team="search")
    left = without_names(asked)
    assert (left.end_user, left.session, left.detail, left.trace) == ("", "", "", "")
    assert (left.request_id, left.team, left.attempts, left.usage) == (asked.request_id, "search", asked.attempts, asked.usage)
