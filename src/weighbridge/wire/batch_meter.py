"""What batches took: OpenAI tells it with a batch's state, Anthropic in the lines of its results, one for each request.
https://platform.openai.com/docs/api-reference/batch/object, https://docs.anthropic.com/en/api/retrieving-message-batch-results
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import JsonError
from weighbridge.core.rates import BATCH
from weighbridge.core.terms import NO_USAGE, Provenance, Usage, UsageApart
from weighbridge.wire.content_coding import Decoder
from weighbridge.wire.reply_facts import ReplyFacts
from weighbridge.wire.reply_shapes import MessageReply, decode_batch, decode_batch_line
from weighbridge.wire.usage import add, from_anthropic, from_openai_in_full
from weighbridge.wire.whole_meter import MAX_WHOLE_BYTES, Meter

_ENDS: Final = frozenset(("completed", "failed", "expired", "cancelled"))
_LONG: Final = 200_000
"""Longer prompts may have prices of their own, so they are added up by themselves
(https://platform.claude.com/docs/en/about-claude/pricing#long-context-pricing)."""


def read_batch(facts: ReplyFacts, document: bytes) -> None:
    """A batch in any state. OpenAI's requests are all of one model, and are told together."""
    batch = decode_batch(document)
    if batch.object != "batch" and batch.type != "message_batch":
        return
    facts.is_background = True
    facts.response_id = batch.id
    facts.served_model = batch.model
    facts.service_tier = BATCH
    if batch.status not in _ENDS:
        return
    facts.finish_reason = batch.status
    counts = from_openai_in_full(batch.usage) if batch.usage is not None else NO_USAGE
    if counts is not NO_USAGE:
        n_requests = batch.request_counts.completed if batch.request_counts is not None else None
        facts.usage, facts.apart = counts, (UsageApart("", counts, max(1, n_requests or 1)),)


class BatchResultsMeter(Meter):
    """The results of a batch of Anthropic's, added up by model; what is no results says nothing."""

    __slots__ = ("_line", "_size", "_sums")

    def __init__(self, decoder: Decoder | None = None) -> None:
        super().__init__(decoder)
        self._line: list[bytes] = []
        self._size = 0
        self._sums: dict[tuple[str, bool], tuple[Usage, int]] = {}

    def feed(self, data: bytes) -> None:
        """Count the lines that are whole."""
        if self._decoder is not None:
            data = self._decoded(data)
        first, *lines = data.split(b"\n")
        self._keep(first)
        for line in lines:
            self._take()
            self._keep(line)

    def finish(self) -> None:
        """The last line may have no end."""
        if self.is_complete:
            return
        self._take()
        self.is_complete = True
        if not self.is_background or self._is_broken:
            self.is_background = False
            return
        self.finish_reason, self.service_tier = "ended", BATCH
        self.usage = Usage(provenance=Provenance.DERIVED) if not self._sums else NO_USAGE
        for (model, _), (counts, _) in self._sums.items():
            self.usage = add(self.usage, counts)
            self.served_model = self.served_model or model
        self.apart = tuple(
            UsageApart("" if model == self.served_model else model, counts, n) for (model, _), (counts, n) in self._sums.items()
        )

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= MAX_WHOLE_BYTES:
            self._line.append(piece)
        else:
            self._is_broken = True  # whatever it was, it may have taken something

    def _take(self) -> None:
        """A line is whole."""
        line = b"".join(self._line)
        self._line.clear()
        self._size = 0
        try:
            result = decode_batch_line(line).result if line.strip() else None
        except JsonError:
            self._is_broken = True  # one of the results, perhaps, that has taken something
            return
        if result is None:
            return
        self.is_background = True
        if result.message is not None:
            self._add(result.message)

    def _add(self, message: MessageReply) -> None:
        counts = from_anthropic(message.usage) if message.usage is not None else NO_USAGE
        if counts is NO_USAGE:
            self._is_broken = True  # it took something
            return
        group = message.model or "", counts.total_input > _LONG
        before, n = self._sums.get(group, (NO_USAGE, 0))
        self._sums[group] = add(before, counts), n + 1
