"""Makes the absolute `results_url` of Anthropic's message batches relative.

The vendor's SDK follows that URL with the key it was given: with the provider's host in it, a key of ours would go to the
provider, which refuses it. Relative, the SDK joins it to the base URL it was given, which is the gateway's.
https://docs.anthropic.com/en/api/retrieving-message-batches
"""

from __future__ import annotations

import re
from typing import Final

MAX_HELD_BYTES: Final = 1024 * 1024
"""A page of a thousand batches is 800 kB. A longer reply passes as it is."""

_URL: Final = re.compile(rb'("results_url"\s*:\s*")https?://[^/"\\]+(/(?:[^"\\]*/)?v1/messages/batches/)')


class ResultsUrlFilter:
    """Holds a whole JSON reply and hands it out with its `results_url` fields relative. `edit` names what was changed."""

    edit: Final = "results_url"

    def __init__(self, prefix: bytes) -> None:
        """`prefix`: the path before `/v1` in the provider's base URL, which the client's base URL does not have."""
        self._prefix = prefix
        self._pieces: list[bytes] = []
        self._size = 0
        self.has_edited = False

    def feed(self, data: bytes) -> bytes:
        """The bytes to forward now: none, until the reply is too long to be held."""
        self._pieces.append(data)
        self._size += len(data)
        return self._release() if self._size > MAX_HELD_BYTES else b""

    def finish(self) -> bytes:
        """The reply."""
        if self._size > MAX_HELD_BYTES:
            return self._release()
        body = self._release()
        spliced = _URL.sub(self._relative, body)
        self.has_edited = spliced != body
        return spliced

    def _relative(self, match: re.Match[bytes]) -> bytes:
        return match[1] + match[2].removeprefix(self._prefix)

    def _release(self) -> bytes:
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body
