"""Embedding vectors."""

import math
import struct
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.providers.demo.vectors import base64_floats, unit_vector


@given(st.binary(max_size=50), st.integers(1, 64))
def test_every_vector_has_length_one(text, dimensions):
    vector = unit_vector(text, dimensions)
    assert len(vector) == dimensions
    assert math.hypot(*vector) == pytest.approx(1)


def test_base64_is_little_endian_32_bit_floats():
    assert struct.unpack("<2f", b64decode(base64_floats([0.5, -1.0]))) == (0.5, -1.0)
