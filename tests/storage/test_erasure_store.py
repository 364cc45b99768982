"""Forgetting somebody, on every database; on SQLite down to the bytes of the file."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.storage.test_ledger_store import WALL_NS, attempt, settled, started

from weighbridge.core.codec import encode_json
from weighbridge.core.erasure import SubjectKind
from weighbridge.storage.audit_store import AuditQuery
from weighbridge.storage.erasure_store import BATCH
from weighbridge.storage.errors import CreatedBeforeError
from weighbridge.storage.feedback_store import Opinion
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.request_queries import request_detail
from weighbridge.storage.transactions import Act, once_of
from weighbridge.storage.usage_queries import usage
from weighbridge.storage.usage_terms import UsageQuery

ANN, BOB = "ann-planted-name", "bob-planted-name"
ACT = Act("cli:tests")
SPAN = (WALL_NS // 10**9 - 10_000, WALL_NS // 10**9 + 10_000)


@pytest.fixture
def asked(store):
    """Three requests of Ann's and one of Bob's, each with an opinion."""
    facts = [{"end_user": ANN, "session": "run-planted-1"}] * 3 + [{"end_user": BOB, "session": "run-planted-2"}]
    store.ledger.move("j_1", 0, 9, [settled(n, attempt(100), **each) for n, each in enumerate(facts, 1)])
    for number in range(1, 5):
        asked = store.feedback.asked(f"req_{number}")
        store.feedback.give(f"req_{number}", asked.series, Opinion("app", 1.0, comment="planted comment"))
    store.feedback.give("req_4", asked.series, Opinion(ANN, 0.0))
    store._clock.wall = WALL_NS + 10**9
    return store


def names_in(store):
    return {row.group for row in usage(store.ledger, UsageQuery(*SPAN, group_by=("end_user", "session"))).rows}


def test_what_an_end_user_said_is_gone_and_what_it_cost_is_not(asked):
    before = usage(asked.ledger, UsageQuery(*SPAN)).rows
    erased = asked.erasures.erase(SubjectKind.END_USER, ANN, ACT)
    assert (erased.requests, erased.feedback) == (3, 4)
    assert names_in(asked) == {("", ""), (BOB, "run-planted-2")}
    assert request_detail(asked.ledger, "req_1").record is None
    assert request_detail(asked.ledger, "req_4").record.end_user == BOB
    assert [each.opinion.rater for each in asked.feedback.of_request("req_4")] == ["app"]
    assert asked.feedback.of_request("req_1") == []
    assert usage(asked.ledger, UsageQuery(*SPAN)).rows == before
    assert verify(asked.ledger).is_sound


def test_an_erased_name_is_in_no_byte_of_the_file(asked, store_url, tmp_path):
    if not store_url.startswith("sqlite"):
        pytest.skip("PostgreSQL overwrites what was deleted when it vacuums")
    folder = tmp_path / "data"
    assert any(ANN.encode() in path.read_bytes() for path in folder.iterdir())
    asked.erasures.erase(SubjectKind.END_USER, ANN, ACT)
    for path in folder.iterdir():
        held = path.read_bytes()
        assert ANN.encode() not in held, path.name
        assert b"run-planted-1" not in held, path.name
    assert any(BOB.encode() in path.read_bytes() for path in folder.iterdir())


def test_a_request_that_was_still_in_a_journal_comes_without_its_name(asked):
    told = []
    asked.ledger.on_booked = told.extend
    asked.erasures.erase(SubjectKind.END_USER, ANN, ACT)
    late = settled(
        7, attempt(100), start_wall_ns=WALL_NS, end_user=ANN, session="run-planted-1", detail="planted", trace="00-planted"
    )
    after = settled(8, attempt(100), start_wall_ns=WALL_NS + 2 * 10**9, end_user=ANN)
    asked.ledger.move("j_1", 0, 20, [late, after, settled(9, attempt(100), end_user=BOB)])
    assert [(each.end_user, each.session, each.detail, each.trace) for each in told] == [
        ("", "", "", ""),
        (ANN, "", "", ""),
        (BOB, "", "", ""),
    ]
    assert request_detail(asked.ledger, "req_7").record.end_user == ""
    found = usage(asked.ledger, UsageQuery(*SPAN, group_by=("end_user",))).rows
    assert {row.group[0]: row.sums[0] for row in found} == {"": 4, ANN: 1, BOB: 2}


def test_an_attempt_whose_worker_died_is_closed_without_the_name(asked):
    asked.ledger.move("j_1", 0, 20, [replace(started(7), end_user=ANN)])
    asked.erasures.erase(SubjectKind.END_USER, ANN, ACT)
    asked.ledger.close("j_1")
    assert names_in(asked) == {("", ""), (BOB, "run-planted-2")}


def test_of_a_user_goes_what_was_said_with_his_keys_and_the_books_keep_their_customer(store):
    items = [settled(n, attempt(5), user="ada" if n < 3 else "bob", session="run-planted") for n in range(1, 5)]
    store.ledger.move("j_1", 0, 9, items)
    store._clock.wall = WALL_NS + 10**9
    assert store.erasures.erase(SubjectKind.USER, "ada", ACT).requests == 2
    assert [request_detail(store.ledger, f"req_{n}").record is None for n in range(1, 5)] == [True, True, False, False]
    rows = usage(store.ledger, UsageQuery(*SPAN, group_by=("user", "session"))).rows
    assert {row.group: row.sums[0] for row in rows} == {("ada", ""): 2, ("bob", "run-planted"): 2}


def test_responses_that_name_an_end_user_are_deleted_and_no_others(store):
    for number, said in enumerate(({"user": ANN}, {"safety_identifier": ANN}, {"user": BOB}, {"metadata": {"x": ANN}}, {})):
        store.responses.keep("key_1", f"resp_{number}", encode_json({"input": [], "response": {"id": "x", **said}}))
    store.responses.keep("key_1", "resp_odd", f"no json, and {ANN}".encode())
    store.responses.keep("key_1", "pending", encode_json({"name": "pending", "end_user": ANN}))
    assert store.erasures.erase(SubjectKind.END_USER, ANN, ACT).responses == 3
    assert store.responses.claim("pending") is None
    assert [store.responses.find("key_1", f"resp_{n}") is None for n in range(5)] == [True, True, False, False, False]


def test_a_name_that_is_also_a_models_stays_one(store):
    store.ledger.move("j_1", 0, 9, [settled(1, attempt(5), end_user="gpt-5", session="openai"), settled(2, attempt(5))])
    store._clock.wall = WALL_NS + 10**9
    store.erasures.erase(SubjectKind.END_USER, "gpt-5", ACT)
    assert {row.group for row in usage(store.ledger, UsageQuery(*SPAN, group_by=("model",))).rows} == {("openai/gpt-5",)}
    assert names_in(store) == {("", "")}


def test_a_session_that_others_share_keeps_its_name(store):
    both = [settled(n, attempt(5), end_user=who, session="shared") for n, who in enumerate((ANN, BOB), 1)]
    store.ledger.move("j_1", 0, 9, both)
    store._clock.wall = WALL_NS + 10**9
    store.erasures.erase(SubjectKind.END_USER, ANN, ACT)
    assert names_in(store) == {("", ""), (BOB, "shared")}


def test_more_than_a_batch_is_forgotten_with_its_progress(store):
    n = BATCH + 5
    store.ledger.move("j_1", 0, 9, [settled(number, attempt(5), end_user=ANN) for number in range(n)])
    store._clock.wall = WALL_NS + 10**12
    seen = []
    assert store.erasures.erase(SubjectKind.END_USER, ANN, ACT, seen.append).requests == n
    assert seen == [BATCH, n]


def test_the_audit_log_and_the_list_say_how_much_and_never_who(asked):
    erased = asked.erasures.erase(SubjectKind.END_USER, ANN, ACT)
    assert asked.erasures.all() == [erased]
    [entry] = [each for each in asked.audit.entries(AuditQuery()) if each.action == "erase"]
    assert (entry.kind, entry.subject, entry.actor) == ("end_user", erased.erasure.id, "cli:tests")
    assert entry.after == {"requests": 3, "feedback": 4, "responses": 0}
    assert asked.erasures.erase(SubjectKind.END_USER, "nobody", ACT).requests == 0


def test_one_that_broke_off_is_done_when_it_is_asked_for_again(asked):
    def power_fails(_n):
        raise KeyboardInterrupt

    act = Act("cli:tests", once=once_of("cli:tests", "key-1", b"{}"))
    with pytest.raises(KeyboardInterrupt):
        asked.erasures.erase(SubjectKind.END_USER, ANN, act, power_fails)
    done = asked.erasures.erase(SubjectKind.END_USER, ANN, act)
    assert names_in(asked) == {("", ""), (BOB, "run-planted-2")}
    with pytest.raises(CreatedBeforeError) as before:
        asked.erasures.erase(SubjectKind.END_USER, ANN, act)
    assert before.value.subject_id == done.erasure.id
