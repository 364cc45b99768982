from __future__ import annotations

import pytest

from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.core.errors import ErrorKind
from weighbridge.core.secret import Secret
from weighbridge.providers.base import Credential
from weighbridge.routing.breaker import DEFAULT_RULES
from weighbridge.routing.health import HealthBook
from weighbridge.routing.health_events import BreakerClosed, BreakerOpened, KeyRested, TargetState

NAME = "openai/gpt-5"
DOWN = ErrorKind.PROVIDER_UNREACHABLE


class Clock:
    def __init__(self):
        self.now = 1000 * NS_PER_S

    def now_ns(self):
        return self.now

    def wall_ns(self):
        return self.now + 10**18


class Book(HealthBook):
    """A book with its own clock, its news in a list, and whole attempts."""

    def __init__(self, clock):
        self.news = []
        self.clock = clock
        super().__init__(SystemRng(1), clock, on_change=self.news.append)

    def attempt(self, name=NAME, kind=None, took_ns=NS_PER_S, first_ns=0):
        began = self.clock.now
        self.began(name, began)
        if kind is None:
            self.succeeded(name, began + took_ns, began, first_ns)
        else:
            self.failed(name, began + took_ns, began, kind)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def book(clock):
    return Book(clock)


def test_a_target_that_is_down_is_not_asked_and_one_probe_brings_it_back(book, clock):
    live = book.live(NAME)
    for _ in range(DEFAULT_RULES.in_a_row):
        book.attempt(kind=DOWN, took_ns=0)
    assert live.retry_at_ns > clock.now
    assert live.reason.startswith("breaker_open")
    clock.now = live.retry_at_ns
    book.began(NAME, clock.now)
    assert live.is_probing
    book.succeeded(NAME, clock.now + 5, clock.now)
    assert (live.retry_at_ns, live.is_probing) == (0, False)
    assert live.pace < 1
    assert [type(event) for event in book.news] == [BreakerOpened, BreakerClosed]
    clock.now += DEFAULT_RULES.slow_start_ns + 2 * NS_PER_S
    book.attempt()
    assert live.pace == 1


@pytest.mark.parametrize("kind", [ErrorKind.INVALID_REQUEST, ErrorKind.CLIENT_CLOSED, ErrorKind.RATE_LIMIT_EXCEEDED])
def test_what_is_not_the_targets_fault_says_nothing_of_it(book, kind):
    for _ in range(50):
        book.attempt(kind=kind)
    assert book.live(NAME).retry_at_ns == 0


def test_requests_under_way_are_counted_whatever_becomes_of_them(book, clock):
    book.began(NAME, clock.now)
    book.began(NAME, clock.now)
    assert book.live(NAME).in_flight == 2
    book.failed(NAME, clock.now, clock.now, ErrorKind.CLIENT_CLOSED)
    book.succeeded(NAME, clock.now, clock.now)
    assert book.live(NAME).in_flight == 0


def test_latencies_are_decayed_means_of_streams_and_of_whole_replies_apart(book):
    for _ in range(50):
        book.attempt(took_ns=2 * NS_PER_S)
        book.attempt(took_ns=9 * NS_PER_S, first_ns=NS_PER_S // 2)
    live = book.live(NAME)
    assert live.total_ns == pytest.approx(2 * NS_PER_S, rel=0.05)
    assert live.first_token_ns == pytest.approx(NS_PER_S / 2, rel=0.05)


def test_who_does_far_worse_than_its_peers_is_ejected_but_never_more_than_half(book, clock):
    names = ["a/m", "b/m", "c/m", "d/m"]
    book.set_routes({"r": names})
    for _ in range(40):
        for name in names:
            book.attempt(name, kind=DOWN if name != "a/m" and _ % 5 in (0, 2) else None, took_ns=0)
    book.look(clock.now)
    ejected = [name for name in names if book.live(name).reason.startswith("ejected")]
    assert len(ejected) <= 2
    for _ in range(40):
        book.attempt("d/m", kind=DOWN if _ % 5 in (0, 2, 4) else None, took_ns=0)
    assert book.statuses(clock.now)[3].id == "d/m"


def test_another_workers_news_are_taken_over_and_not_told_again(clock):
    one, other = Book(clock), Book(clock)
    other.live(NAME)
    for _ in range(DEFAULT_RULES.in_a_row):
        one.attempt(kind=DOWN, took_ns=0)
    (opened,) = one.news
    other.apply(opened, clock.now, clock.wall_ns())
    assert other.live(NAME).retry_at_ns > clock.now
    assert other.news == []
    other.apply(BreakerClosed(NAME), clock.now, clock.wall_ns())
    assert other.live(NAME).retry_at_ns == 0


def test_a_key_that_rests_in_one_worker_rests_in_all(clock):
    one, other = Book(clock), Book(clock)
    credentials = (Credential("openai#1", Secret("sk")),)
    first, second = (book.keys.pool("openai", credentials) for book in (one, other))
    index = first.take("gpt-5", clock.now)
    first.failed(index, ErrorKind.RATE_LIMIT_EXCEEDED, "gpt-5", clock.now, clock.now, retry_after_ns=5 * NS_PER_S)
    (rested,) = one.news
    assert isinstance(rested, KeyRested)
    other.apply(rested, clock.now, clock.wall_ns())
    assert second.take("gpt-5", clock.now) is None
    assert second.take("gpt-5", clock.now + 5 * NS_PER_S) == 0


def test_statuses_tell_people_state_reason_and_time(book, clock):
    book.keys.pool("openai", (Credential("openai#1", Secret("sk")),))
    book.attempt()
    (status,) = book.statuses(clock.now)
    assert (status.id, status.state, status.retry_in_ns, status.n_lately) == (NAME, TargetState.CLOSED, 0, 1)
    assert [key.name for key in status.keys] == ["openai#1"]
    for _ in range(DEFAULT_RULES.in_a_row):
        book.attempt(kind=DOWN, took_ns=0)
    (status,) = book.statuses(clock.now)
    assert status.state is TargetState.OPEN
    assert status.retry_in_ns > 0
    assert "failed in a row" in status.reason


def test_an_operator_clears_a_target(book, clock):
    for _ in range(DEFAULT_RULES.in_a_row):
        book.attempt(kind=DOWN, took_ns=0)
    assert book.clear(NAME)
    assert book.live(NAME).retry_at_ns == 0
    assert not book.clear(NAME)
    assert not book.clear("unheard-of")


def test_headroom_comes_from_the_providers_headers(book, clock):
    book.saw_headers(NAME, [(b"x-ratelimit-limit-requests", b"10"), (b"x-ratelimit-remaining-requests", b"1")], clock.now)
    assert book.live(NAME).headroom == 0.1
    book.saw_headers(NAME, [], clock.now)
    assert book.live(NAME).headroom == 0.1


OWN = "openai~team:search"


def test_targets_of_own_keys_are_told_only_while_they_are_not_well_and_forgotten_with_their_keys(book, clock):
    pool = book.keys.pool(OWN, (Credential("own:pkey_1", Secret("sk-1")),))
    book.attempt(f"{OWN}/gpt-5")
    book.attempt()
    assert [status.id for status in book.statuses(clock.now)] == [NAME]
    turn = pool.take("gpt-5", clock.now)
    pool.failed(turn, ErrorKind.INSUFFICIENT_QUOTA, "gpt-5", clock.now, clock.now)
    assert [(status.id, status.state) for status in book.statuses(clock.now)] == [
        (NAME, TargetState.CLOSED),
        (f"{OWN}/gpt-5", TargetState.RESTING),
    ]
    book.forget(frozenset((OWN,)))
    assert [status.id for status in book.statuses(clock.now)] == [NAME]
    assert list(book.keys.keys(OWN)) == []
    assert book.live(f"{OWN}/gpt-5").retry_at_ns == 0
