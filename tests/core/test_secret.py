from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest

from weighbridge.core.secret import MASK, Secret
from weighbridge.providers.base import Credential

VALUE = "sk-do-not-show"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        lambda s: f"{s}",
        lambda s: f"{s!r:>30}",
        lambda s: f"{s:>30}",
        "{}".format,
        lambda s: "%s" % s,  # noqa: UP031 - the very thing that is tested
        lambda s: "%r" % (s,),  # noqa: UP031
        lambda s: str([s]) + str({"k": s}) + str((s,)),
        lambda s: repr(Credential("openai#1", s)),
        lambda s: str(ValueError(s)) + repr(ValueError(s)),
        lambda s: " ".join(map(str, [s, s])),
    ],
)
def test_no_way_to_text_shows_it(show):
    text = show(Secret(VALUE))
    assert VALUE not in text
    assert MASK in text


def test_log_does_not_show_it(caplog):
    logging.getLogger("x").error("key %s %r", Secret(VALUE), Secret(VALUE))
    assert VALUE not in caplog.text
    assert MASK in caplog.text


def test_traceback_with_local_variables_does_not_show_it():
    def fails(secret):
        raise ValueError(secret)

    try:
        fails(Secret(VALUE))
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert MASK in shown
    assert VALUE not in shown


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, bytes, list, vars, len, iter])
def test_no_library_gets_at_it(attempt):
    with pytest.raises(TypeError) as caught:
        attempt(Secret(VALUE))
    assert VALUE not in str(caught.value)


def test_it_has_no_dict_and_takes_no_attributes():
    with pytest.raises(AttributeError):
        Secret(VALUE).other = 1


def test_reveal_is_the_one_way_out():
    assert Secret(VALUE).reveal() == VALUE


def test_equal_values_are_equal_and_hash_alike():
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret("sk-other")
    assert Secret("é") == Secret("é")
    assert len({Secret(VALUE), Secret(VALUE), Secret("sk-other")}) == 2


def test_it_equals_no_text_and_does_not_hash_like_one():
    assert Secret(VALUE) != VALUE
    assert hash(Secret(VALUE)) != hash(VALUE)


def test_empty_secret_is_false():
    assert not Secret("")
    assert Secret("x")
