from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.pipeline.sample import Sample


@given(st.lists(st.binary(max_size=9_000), max_size=6))
def test_the_beginning_is_kept_and_all_is_counted(pieces):
    sample = Sample()
    for piece in pieces:
        sample.take(piece)
    whole = b"".join(pieces)
    assert sample.kept() == whole[: 16 * 1024]
    assert sample.n_bytes == len(whole)
    assert sample.is_full == (len(whole) >= 16 * 1024)
