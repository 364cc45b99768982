"""Opinions on every database."""

from __future__ import annotations

import pytest
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.storage.errors import NotFoundError
from weighbridge.storage.feedback_store import GROUPS, Opinion

FAR = 2_000_000_000


@pytest.fixture
def asked(store):
    store.ledger.move("j_1", 0, 9, [settled(1, attempt(5)), settled(2, attempt(5), team="ads", model="mini")])
    return [store.feedback.asked(f"req_{n}").series for n in (1, 2)]


def test_one_opinion_of_each_rater_is_kept(store, asked):
    store.feedback.give("req_1", asked[0], Opinion("u-1", 0.0))
    made = store.feedback.give("req_1", asked[0], Opinion("u-1", 1.0, "right", "é"))
    store.feedback.give("req_1", asked[0], Opinion("u-2", None, "wrong"))
    found = store.feedback.of_request("req_1")
    assert sorted(each.opinion.rater for each in found) == ["u-1", "u-2"]
    assert next(each.opinion for each in found if each.id == made) == Opinion("u-1", 1.0, "right", "é")


def test_who_sent_a_request_is_known_once_it_is_in_the_ledger(store, asked):
    found = store.feedback.asked("req_2")
    assert (found.key_id, found.team, found.organisation) == ("key_1", "ads", "")
    assert store.feedback.asked("req_9") is None


def test_every_group_adds_up_to_all_opinions(store, asked):
    for number, score in ((0, 0.0), (0, 1.0), (1, 0.5), (1, None)):
        store.feedback.give(f"req_{number + 1}", asked[number], Opinion(f"u-{score}", score, "x" if score else ""))
    for group in GROUPS:
        sums = store.feedback.summary(0, FAR, {}, group)
        assert (sum(each.n for each in sums), sum(each.n_scored for each in sums), sum(each.n_good for each in sums)) == (4, 3, 2)
    assert [(each.group, each.mean_score) for each in store.feedback.summary(0, FAR, {"team": ("ads",)}, "team")] == [("ads", 0.5)]
    assert store.feedback.summary(0, FAR, {"team": ("nobody",)}, "team") == []
    assert store.feedback.summary(0, 1, {}, "team") == []


def test_pages_go_by_time_and_hold_what_was_asked_for(store, asked, clock):
    for number in range(3):
        clock.wall += 1
        store.feedback.give("req_1", asked[0], Opinion(f"u-{number}", 1.0, "odd" if number == 1 else ""))
    first = store.feedback.page(0, FAR, {}, limit=2)
    rest = store.feedback.page(0, FAR, {}, limit=2, cursor=first[-1].id)
    assert [each.opinion.rater for each in (*first, *rest)] == ["u-2", "u-1", "u-0"]
    assert [each.opinion.rater for each in store.feedback.page(0, FAR, {"label": ("odd",)}, limit=9)] == ["u-1"]
    assert store.feedback.page(0, FAR, {"model": ("openai/none",)}, limit=9) == []
    with pytest.raises(NotFoundError):
        store.feedback.page(0, FAR, {}, limit=2, cursor="fbk_x")
