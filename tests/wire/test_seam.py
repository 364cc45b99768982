from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.seam import MIN_REPEAT, Seam

SAID = "The quick brown fox jumps over the lazy dog, and then"


def joined(said, pieces):
    seam = Seam(said)
    return "".join(map(seam.feed, pieces)) + seam.finish()


@pytest.mark.parametrize(
    ("more", "new"),
    [
        (" it sleeps.", " it sleeps."),
        ("the lazy dog, and then it sleeps.", " it sleeps."),
        (SAID + " it sleeps.", " it sleeps."),
        ("then it sleeps.", "then it sleeps."),
        ("the lazy dog, or another.", "the lazy dog, or another."),
        (SAID, ""),
        ("", ""),
        ("n", "n"),
    ],
)
def test_only_what_repeats_the_end_is_left_out(more, new):
    assert joined(SAID, [more]) == new


def test_what_repeats_nothing_passes_after_a_few_characters():
    seam = Seam(SAID)
    assert seam.feed(" it was tired") == " it was tired"
    assert seam.feed("the lazy dog, and then") == "the lazy dog, and then"


def test_a_repetition_that_ends_in_its_middle_says_nothing_new():
    assert joined(SAID, ["over the lazy dog"]) == ""


def test_an_answer_that_begins_anew_and_goes_another_way_is_seen():
    seam = Seam(SAID)
    assert seam.feed("The quick brown cat") == ""
    assert seam.began_anew
    assert seam.feed(" sleeps") == " sleeps"


def test_an_answer_of_which_nothing_was_said_is_left_alone():
    assert joined("", ["Hello", " there"]) == "Hello there"


@given(st.text("ab ", max_size=60), st.text("ab ", max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_any_split_gives_the_same_text(said, more, cuts):
    places = sorted({0, len(more), *(cut for cut in cuts if cut < len(more))})
    pieces = [more[a:b] for a, b in pairwise(places)]
    assert joined(said, pieces) == joined(said, [more])


@given(st.text(min_size=MIN_REPEAT, max_size=300), st.integers(MIN_REPEAT, 300), st.text(max_size=50))
def test_a_repeated_end_is_never_said_twice(said, length, new):
    repeated = said[-length:]
    more = joined(said, [repeated + new])
    assert (repeated + new).endswith(more)
    assert len(more) <= len(new)


@given(st.text(max_size=200), st.text(max_size=200))
def test_nothing_is_made_up(said, more):
    assert more.endswith(joined(said, [more])) or joined(said, [more]) == more
