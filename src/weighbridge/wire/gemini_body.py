"""Model names inside a Gemini body: `batchEmbedContents` repeats the path's model in each of its requests, `countTokens` in
`generateContentRequest`, and Google refuses a request in which they differ. https://ai.google.dev/api/embeddings
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from weighbridge.core.codec import JsonError, encode_json
from weighbridge.wire.envelope import Envelope, Splice

_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_PREFIX: Final = "models/"


class InnerModel(NamedTuple):
    """A nested `model`: where its value stands in the body, and what it says."""

    start: int
    end: int
    name: str

    def replaced(self, requested: str, model: str) -> Splice | None:
        """The splice that makes it name `model` where it names `requested` (with or without `models/`), if one is needed."""
        bare = self.name.removeprefix(_PREFIX)
        if bare != requested or requested == model:
            return None
        prefix = _PREFIX if self.name.startswith(_PREFIX) else ""
        return Splice(self.start, self.end, encode_json(prefix + model))


def inner_models(envelope: Envelope) -> list[InnerModel]:
    """Every nested model of a Gemini body. Raises `GatewayError` INVALID_REQUEST where one is not a string."""
    found = _of(envelope)
    if envelope.has("generateContentRequest") and (inner := envelope.nested("generateContentRequest")) is not None:
        found += _of(inner)
    if (requests := envelope.raw("requests")) is not None:
        start, _ = envelope.locate("requests")[-1]
        found += _of_requests(bytes(requests), start)
    return found


def _of(envelope: Envelope) -> list[InnerModel]:
    name = envelope.string("model")
    return [] if name is None else [InnerModel(start, end, name) for start, end in envelope.locate("model")]


def _of_requests(text: bytes, start: int) -> list[InnerModel]:
    try:
        items = _LIST.decode(text)
    except (JsonError, UnicodeDecodeError):
        return []
    found: list[InnerModel] = []
    position = 0
    for item in items:
        raw = bytes(item)
        # Only blanks and a comma stand between two items, so that the first match is the item itself.
        position = text.index(raw, position)
        if raw.startswith(b"{"):
            found += _of(Envelope(raw, base=start + position))
        position += len(raw)
    return found
