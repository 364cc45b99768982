"""A credential that cannot be printed.

`Secret` holds a provider key, a virtual key or a password. Every way in which Python turns an object into text
(`str`, `repr`, `format`, f-strings, `%s`, logging, exceptions, tracebacks with locals, JSON, pickle) gives the mask or
refuses. The one way out is :meth:`Secret.reveal`, which is easy to search for in a review.
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

MASK: Final = "[secret]"


class Secret:
    """An immutable credential. Compares in constant time; hashable, so that structs that hold one can be keys."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself: for the wire, the hash and the one printing after creation. Nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("weighbridge.secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: pickles end up in caches and crash dumps")
