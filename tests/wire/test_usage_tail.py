from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.usage_tail import TAIL_BYTES, usage_in_tail

DERIVED = Provenance.DERIVED
OPENAI = b'"usage":{"prompt_tokens":8,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3},"total_tokens":10}'
FOUND = Usage(5, 3, output=2, provenance=DERIVED)


@pytest.mark.parametrize(
    ("tail", "usage"),
    [
        (b'0.1,0.2]}],"model":"e",' + OPENAI + b"}", FOUND),
        (b'0.1]}],"usage" : {\n  "prompt_tokens" : 8\n}}\n', Usage(8, provenance=DERIVED)),
        (b'0.1]}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2}}', Usage(4, output=2, provenance=DERIVED)),
    ],
    ids=["openai", "spaced", "gemini"],
)
def test_usage_behind_a_cut_is_found_and_marked_derived(tail, usage) -> None:
    assert usage_in_tail(tail) == usage


def test_the_last_usage_that_is_whole_wins() -> None:
    earlier = b'"usage":{"prompt_tokens":1,"total_tokens":1},'
    assert usage_in_tail(earlier + OPENAI) == FOUND
    assert usage_in_tail(OPENAI + b',"usage":{"prompt_tokens":9,"completion') == FOUND
    assert usage_in_tail(OPENAI + b',"usage":null}') == FOUND


def test_a_reply_that_merely_talks_of_usage_has_none() -> None:
    for tail in (
        b"",
        b"0.1,0.2]}",
        b'"the \\"usage\\":{} of it"',
        b'"usage":{}',
        b'"usage":null',
        b'"usage"',
        b'"usage":{"prompt_tokens":-1}',
    ):
        assert usage_in_tail(tail) is NO_USAGE


@pytest.mark.parametrize(
    "tail",
    [
        b'"usage":{' * 7000,
        b'"usage":{"x":' + b"[" * 60_000,
        b'"usage":{' * 2000 + b"}" * 30_000,
        b'"usage":{"x":' + b"{" * 30_000 + b"}" * 30_000,
        b'"usage":{"a":1' * 4000,
    ],
    ids=["never-closed", "arrays", "nested", "braces", "objects"],
)
def test_a_hostile_end_neither_raises_nor_holds_the_gateway_up(tail) -> None:
    began = time.process_time()
    assert usage_in_tail(tail[:TAIL_BYTES]) is NO_USAGE
    assert time.process_time() - began < 0.1


@given(st.integers(0, 2**30), st.integers(0, 2**30), st.binary(max_size=100).filter(lambda junk: b'"' not in junk), st.booleans())
def test_counts_are_found_behind_any_bytes(prompt, completion, junk, is_gemini) -> None:
    names = ("promptTokenCount", "candidatesTokenCount") if is_gemini else ("prompt_tokens", "completion_tokens")
    usage = json.dumps(dict(zip(names, (prompt, completion), strict=True))).encode()
    name = b'"usageMetadata":' if is_gemini else b'"usage":'
    assert usage_in_tail(junk + name + usage + b"}") == Usage(prompt, output=completion, provenance=DERIVED)


@given(
    st.lists(
        st.binary(max_size=20) | st.sampled_from([b'"usage"', b'"usageMetadata"', b":{", b'"total_tokens":', b"}", b"[", b"7"])
    )
)
def test_bytes_of_any_kind_never_raise(pieces) -> None:
    assert usage_in_tail(b"".join(pieces)).provenance in {Provenance.UNKNOWN, DERIVED}
