"""Model names inside a Gemini body: `batchEmbedContents` repeats the path's model in each of its requests, `countTokens` in
`generateContentRequest`, and Google refuses a request in which they differ. https://ai.google.dev/api/embeddings
"""

from __future__ import annotations

from typing import Final, NamedTuple

from weighbridge.core.codec import encode_json
from weighbridge.wire.envelope import Envelope, Splice

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
    if (requests := envelope.raw("requests")) is not None and bytes(requests)[:1] == b"[":
        for inner in envelope.objects("requests"):
            found += _of(inner)
    return found


def _of(envelope: Envelope) -> list[InnerModel]:
    name = envelope.string("model")
    return [] if name is None else [InnerModel(start, end, name) for start, end in envelope.locate("model")]
