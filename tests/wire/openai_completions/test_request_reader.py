from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import Role, Text, Turn
from weighbridge.wire.openai_completions.request_reader import read_request
from weighbridge.wire.receipt import Receipt


def read(receipt=None, **fields):
    return read_request(encode_json({"model": "m", "prompt": "Hello"} | fields), RequestContext("asked"), receipt or Receipt())


@pytest.mark.parametrize("prompt", ["Hello", ["Hello"]])
def test_the_prompt_is_what_the_user_says(prompt):
    assert read(prompt=prompt).turns == (Turn(Role.USER, (Text("Hello"),)),)


def test_fields_that_chat_has_too_are_kept():
    read_all = read(
        max_tokens=5, temperature=0, stop="END", n=2, logprobs=3, stream=True, stream_options={"include_usage": True}, top_k=4
    )
    assert (read_all.max_output_tokens, read_all.temperature, read_all.stop, read_all.n) == (5, 0, ("END",), 2)
    assert (read_all.logprobs, read_all.top_logprobs, read_all.stream, read_all.include_usage) == (True, 3, True, True)
    assert read_all.top_k == 4
    assert read(stop=["a", "b"]).stop == ("a", "b")
    assert read().logprobs is None


def test_what_chat_has_not_is_named():
    receipt = Receipt()
    read(receipt, suffix="end", echo=True, best_of=3, tea="green", stream_options={"x": 1})
    named = {"dropped:suffix", "dropped:echo", "dropped:best_of", "dropped:tea", "dropped:stream_options.x"}
    assert set(receipt.edits()) == named
    silent = Receipt()
    read(silent, suffix="", echo=False, best_of=1)
    assert silent.edits() == []


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], [[1, 2]], None, 5, [], ["a", 5]])
def test_several_prompts_and_tokens_are_refused(prompt):
    with pytest.raises(GatewayError) as refused:
        read(prompt=prompt)
    assert (refused.value.kind, refused.value.param, refused.value.status) == (ErrorKind.INVALID_REQUEST, "prompt", 400)
