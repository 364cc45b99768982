from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.core.secret import Secret
from weighbridge.core.terms import NO_USAGE, Origin, Provenance, Proxy, Tls, Usage, VirtualKey

COUNTS = [
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "input_audio",
    "input_image",
    "output_audio",
    "output_image",
]
IN = [name for name in COUNTS if not name.startswith("output")]


@given(st.fixed_dictionaries({name: st.integers(0, 10**9) for name in COUNTS}))
def test_counts_are_disjoint_so_that_their_sum_is_the_total(counts):
    usage = Usage(**counts)
    assert usage.total_input == sum(counts[name] for name in IN)
    assert usage.total_input + usage.total_output == sum(counts.values())


def test_reasoning_is_a_part_of_the_output_and_tools_are_no_tokens():
    assert Usage(output=10, reasoning=8, tool_calls=3).total_output == 10


def test_unknown_usage_is_not_zero_usage():
    assert Usage() != NO_USAGE
    assert NO_USAGE.provenance is Provenance.UNKNOWN


@pytest.mark.parametrize("struct", [Usage(), VirtualKey("k", "n", b""), Origin("https", "a")])
def test_terms_do_not_change(struct):
    with pytest.raises(AttributeError):
        setattr(struct, msgspec.structs.fields(struct)[0].name, None)


def test_equal_origins_share_a_pool_and_others_do_not():
    base = Origin("https", "a", 443)
    others = [
        Origin("http", "a", 443),
        Origin("https", "b", 443),
        Origin("https", "a", 444),
        Origin("https", "a", 443, Tls("/ca.pem")),
        Origin("https", "a", 443, proxy=Proxy("p", 1)),
        Origin("https", "a", 443, proxy=Proxy("p", 1, Secret("x"))),
    ]
    assert Origin("https", "a", 443) == base
    assert len({base, Origin("https", "a", 443), *others}) == 1 + len(others)


def test_key_survives_the_way_between_processes():
    key = VirtualKey("key_1", "ci", b"\x00" * 32, "wxyz", ("openai/*",), 5, is_admin=True)
    assert private_decoder(VirtualKey)(encode_private(key)) == key
