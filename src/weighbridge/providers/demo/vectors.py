"""Embeddings: deterministic unit vectors."""

from __future__ import annotations

import hashlib
import math
import struct
from base64 import b64encode
from typing import Final

from weighbridge.providers.demo.exchange import DemoError

DEFAULT_DIMENSIONS: Final = 256
"""Small, so that a reply is easy to read."""
MAX_DIMENSIONS: Final = 3_072
"""As OpenAI's and Google's largest."""
MAX_INPUTS: Final = 2_048
"""Of one request, as OpenAI has it."""
MAX_NUMBERS: Final = 1_048_576
"""In one reply. A million take 0.3 s to make, in which the worker serves nobody else, and 22 MB as JSON."""


def check_batch(dimensions: list[int]) -> None:
    """Refuse a batch, given the dimensions of each of its vectors, that is empty or too large. Raises `DemoError` 400."""
    if not 1 <= len(dimensions) <= MAX_INPUTS:
        raise DemoError(400, f"A request has from 1 to {MAX_INPUTS} inputs.", param="input")
    if sum(dimensions) > MAX_NUMBERS:
        raise DemoError(400, f"The demo makes at most {MAX_NUMBERS} numbers a request: fewer inputs or dimensions.", param="input")


def unit_vector(text: bytes, dimensions: int) -> list[float]:
    """A vector of length one that depends on nothing but the text. Equal texts have equal vectors, others unrelated ones."""
    digest = hashlib.shake_256(text).digest(2 * dimensions)
    # Odd numbers, so that no vector is zero and can be scaled to length one.
    raw = [2 * value + 1 for value in struct.unpack(f"<{dimensions}h", digest)]
    length = math.sqrt(sum(value * value for value in raw))
    return [value / length for value in raw]


def base64_floats(vector: list[float]) -> str:
    """Little-endian 32-bit floats in base64, OpenAI's `encoding_format: base64`."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
