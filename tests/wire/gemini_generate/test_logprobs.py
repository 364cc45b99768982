"""Log probabilities, both ways."""

from __future__ import annotations

import pytest

from weighbridge.wire.gemini_generate.logprobs import read_logprobs, write_logprobs

TOKEN = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
OTHER = {"token": "e", "logprob": -1.5, "bytes": [101]}


def test_tokens_are_read_as_they_were_written():
    tokens = ({**TOKEN, "top_logprobs": [TOKEN, OTHER]}, {**OTHER, "top_logprobs": []})
    assert read_logprobs(write_logprobs(tokens)) == tokens


def test_a_certain_token_has_no_number():
    (token,) = read_logprobs({"chosenCandidates": [{"token": "a", "tokenId": 1}]})
    assert token == {"token": "a", "logprob": 0.0, "bytes": [97], "top_logprobs": []}


@pytest.mark.parametrize("result", [None, "x", {}, {"chosenCandidates": "x", "topCandidates": 1}])
def test_any_other_shape_has_no_tokens(result):
    assert read_logprobs(result) == ()
