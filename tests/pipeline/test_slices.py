from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.terms import Usage
from weighbridge.ledger.pricing import Extent
from weighbridge.pipeline.slices import Slice, Slices


@given(st.integers(0, 20), st.integers(0, 10_000), st.integers(0, 10_000))
def test_what_is_held_is_what_was_used_and_a_slice_for_each_response(n_responses, n_in, n_out):
    asked = []
    each = Slice(Extent(2_000, 100), 3_000)
    slices = Slices(each, lambda usage: usage.input + 5 * usage.output, lambda nanousd, tokens: not asked.append((nanousd, tokens)))
    assert slices.cover(n_responses, Usage(n_in, output=n_out))
    ((nanousd, tokens),) = asked
    assert nanousd == n_in + 5 * n_out + n_responses * 3_000
    assert tokens == Extent(n_in + n_responses * 2_000, n_out + n_responses * 100)


def test_where_there_is_no_room_it_says_so():
    assert not Slices(Slice(Extent(1, 1), 1), lambda _usage: 0, lambda _nanousd, _tokens: False).cover(1, Usage())


class Told:
    """What has been said of the responses of a session."""

    def __init__(self):
        self.slices = Slices(Slice(Extent(1, 1), 1), lambda _usage: 0, lambda _nanousd, _tokens: True)

    def then(self, *events):
        for event in events:
            match event:
                case "asked" | "began" | "erred":
                    getattr(self.slices, event)(*([1] if event == "asked" else []))
                case "done" | "done untold":
                    self.slices.ended(is_told=event == "done")
        return self.slices.n_open, self.slices.is_under_way


def test_a_response_counts_from_when_it_is_asked_for_until_it_has_said_what_it_took():
    told = Told()
    assert told.then() == (0, False)
    assert told.then("asked") == (1, True)
    assert told.then("began") == (1, True)
    assert told.then("began") == (2, True)  # nobody asked: one of the provider's own
    assert told.then("done") == (1, True)
    assert told.then("done") == (0, False)


def test_a_response_that_ends_without_saying_what_it_took_counts_on_and_nobody_waits_for_it():
    assert Told().then("began", "done untold") == (1, False)


def test_what_an_error_was_about_is_known_when_nothing_else_is_under_way():
    told = Told()
    assert told.then("began", "asked", "erred") == (2, True)
    assert told.then("done") == (0, False)  # the provider had no place for it beside the other


def test_an_error_about_something_else_takes_nothing_from_a_response_that_begins():
    assert Told().then("asked", "erred", "began") == (1, True)
    assert Told().then("erred", "asked") == (1, True)


def test_nobody_waits_for_a_response_that_may_have_been_refused():
    told = Told()
    assert told.then("asked", "erred") == (1, False)
    assert told.then("erred", "asked") == (2, True)
    assert told.then("began", "done") == (0, False)


@given(st.lists(st.sampled_from(["asked", "began", "done", "done untold", "erred"])))
def test_whatever_is_said_no_more_is_forgotten_than_was_told(events):
    told = Told()
    for event in events:
        before, _ = told.then()
        after, is_under_way = told.then(event)
        assert after >= 0
        assert after or not is_under_way
        if event != "done" and "erred" not in events:
            assert after >= before
