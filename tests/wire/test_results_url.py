from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.results_url import MAX_HELD_BYTES, ResultsUrlFilter

BATCH = b'{"id":"msgbatch_1","results_url":"https://api.anthropic.com/v1/messages/batches/msgbatch_1/results","type":"x"}'
RELATIVE = b'{"id":"msgbatch_1","results_url":"/v1/messages/batches/msgbatch_1/results","type":"x"}'


def passed(pieces, prefix=b""):
    reply = ResultsUrlFilter(prefix)
    forwarded = [reply.feed(piece) for piece in pieces]
    return b"".join([*forwarded, reply.finish()]), reply.has_edited


@given(st.lists(st.integers(0, len(BATCH)), max_size=5))
def test_the_url_loses_scheme_and_host_however_the_reply_is_split(cuts):
    edges = [0, *sorted(cuts), len(BATCH)]
    assert passed([BATCH[start:end] for start, end in pairwise(edges)]) == (RELATIVE, True)


def test_every_batch_of_a_list_is_told_a_relative_url():
    page = b'{"data": [%b,\n %b]}'
    assert passed([page % (BATCH, BATCH)]) == (page % (RELATIVE, RELATIVE), True)


def test_the_path_before_the_version_belongs_to_the_provider_and_goes_too():
    batch = BATCH.replace(b"api.anthropic.com/", b"api.example.com/anthropic/")
    assert passed([batch], b"/anthropic") == (RELATIVE, True)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"results_url":null}', RELATIVE, b'{"other_url":"https://a/v1/messages/batches/1"}']
)
def test_whatever_else_a_reply_says_passes_untouched(body):
    assert passed([body]) == (body, False)


def test_a_reply_too_long_to_be_held_passes_as_it_comes():
    pieces = [BATCH, b" " * MAX_HELD_BYTES, BATCH]
    assert passed(pieces) == (b"".join(pieces), False)
