"""Anthropic's message batches. A batch is done as soon as it is made; its results come as JSON Lines."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.testing.anthropic_messages import MessageRequest, Messages, invalid
from weighbridge.testing.generation import CREATED_RFC3339, stable_id
from weighbridge.testing.invoice import Bill
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import RefusalError, Reply, json_reply, whole
from weighbridge.testing.shapes import ShapeError

_EXPIRES: Final = "2026-01-02T00:00:00Z"


class Item(msgspec.Struct):
    """One request of a batch."""

    custom_id: str
    params: dict[str, Any]


class BatchRequest(msgspec.Struct):
    """The documented fields of `POST /v1/messages/batches`."""

    requests: Annotated[list[Item], msgspec.Meta(min_length=1)]


class _Batch(msgspec.Struct):
    body: dict[str, Any]
    results: bytes


class Batches:
    """Batches and their results."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._batches: dict[str, _Batch] = {}

    def create(self, call: Call) -> Reply:
        """`POST /v1/messages/batches`: `in_progress` in this reply, `ended` from then on; at half price."""
        request = call.read(BatchRequest)
        if len({item.custom_id for item in request.requests}) < len(request.requests):
            raise invalid("requests: custom_id must be unique within a batch")
        results = [self._run(call, item) for item in request.requests]
        bills = tuple(bill for _, item_bills in results for bill in item_bills)
        batch_id = stable_id("msgbatch_", call.body, str(len(self._batches)))
        lines = b"".join(encode_json(result) + b"\n" for result, _ in results)
        first = _described(batch_id, len(results))
        errored = sum(result["result"]["type"] == "errored" for result, _ in results)
        counts = first["request_counts"] | {"processing": 0, "succeeded": len(results) - errored, "errored": errored}
        ended = {
            "processing_status": "ended",
            "request_counts": counts,
            "ended_at": CREATED_RFC3339,
            "results_url": f"{call.provider.origin}/v1/messages/batches/{batch_id}/results",
        }
        self._batches[batch_id] = _Batch(first | ended, lines)
        return json_reply(first, bills=bills)

    def list(self, _call: Call) -> Reply:
        """`GET /v1/messages/batches`, newest first."""
        batches = [batch.body for batch in reversed(self._batches.values())]
        ids = [batch["id"] for batch in batches] or [None]
        return json_reply({"data": batches, "has_more": False, "first_id": ids[0], "last_id": ids[-1]})

    def retrieve(self, call: Call) -> Reply:
        """`GET /v1/messages/batches/{id}`."""
        return json_reply(self._find(call).body)

    def cancel(self, call: Call) -> Reply:
        """`POST /v1/messages/batches/{id}/cancel`: too late, so it stays as it is."""
        return json_reply(self._find(call).body)

    def delete(self, call: Call) -> Reply:
        """`DELETE /v1/messages/batches/{id}`."""
        self._find(call)
        del self._batches[call.values["id"]]
        return json_reply({"id": call.values["id"], "type": "message_batch_deleted"})

    def results(self, call: Call) -> Reply:
        """`GET /v1/messages/batches/{id}/results`."""
        return Reply(content_type="application/x-jsonl", chunks=whole(self._find(call).results), is_chunked=True)

    def _run(self, call: Call, item: Item) -> tuple[dict[str, Any], tuple[Bill, ...]]:
        try:
            request = call.convert(item.params, MessageRequest)
            request.stream = False
            reply = self._messages.answer(call, request, tier="batch", seed=item.custom_id)
        except ShapeError as error:
            return _failed(item, call.provider.misshapen(error)), ()
        except RefusalError as refusal:
            return _failed(item, refusal), ()
        message = decode_json(b"".join(chunk.data for chunk in reply.chunks))
        return {"custom_id": item.custom_id, "result": {"type": "succeeded", "message": message}}, reply.bills

    def _find(self, call: Call) -> _Batch:
        batch = self._batches.get(call.values["id"])
        if batch is None:
            raise RefusalError(404, "Message Batch not found.", kind="not_found_error")
        return batch


def _failed(item: Item, refusal: RefusalError) -> dict[str, Any]:
    error = {"type": "error", "error": {"type": refusal.kind, "message": refusal.message}, "request_id": None}
    return {"custom_id": item.custom_id, "result": {"type": "errored", "error": error}}


def _described(batch_id: str, size: int) -> dict[str, Any]:
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": size, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": None,
        "created_at": CREATED_RFC3339,
        "expires_at": _EXPIRES,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }
