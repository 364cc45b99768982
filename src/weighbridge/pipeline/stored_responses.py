"""The Responses API remembers (`store`, `previous_response_id`); most providers do not. For those the gateway keeps responses.

What is kept is what the caller said and what it was answered, item by item as they were spelled. In the next turn they are put
before the new input, so that any provider can go on. A response belongs to the key that made it and is kept for thirty days
(`storage/response_store.py`).
https://platform.openai.com/docs/guides/conversation-state
"""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import JsonError, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ResponseKeeper
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Operation, WireFormat
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.sse import SseReader

_JSON_LINE: Final = b"content-type: application/json\r\n"
_ENDS: Final = frozenset(("response.completed", "response.incomplete"))


class Kept(msgspec.Struct):
    """One kept response: all that was said up to it, and the response object as the caller got it."""

    input: list[msgspec.Raw]
    response: msgspec.Raw


class _Request(msgspec.Struct):
    input: str | list[msgspec.Raw] | None = None
    previous_response_id: str | None = None
    store: bool | None = None


class _Response(msgspec.Struct):
    id: str = ""
    output: list[msgspec.Raw] = []


class _End(msgspec.Struct):
    response: msgspec.Raw


_request = msgspec.json.Decoder(_Request).decode
_response = msgspec.json.Decoder(_Response).decode
_end = msgspec.json.Decoder(_End).decode
_kept = msgspec.json.Decoder(Kept).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def is_kept_here(exchange: Exchange) -> bool:
    """Whether the target of this request has no store of its own, so that the gateway keeps it."""
    target = exchange.target
    is_translated = target is not None and isinstance(target.translated_into, WireFormat)
    return exchange.endpoint.operation is Operation.RESPONSES and is_translated


async def continue_response(exchange: Exchange, keeper: ResponseKeeper) -> None:
    """Put what was said before in front of a request that names its previous response. Raises `GatewayError` INVALID_REQUEST."""
    body, key = exchange.body, exchange.key
    if body is None or key is None or b"previous_response_id" not in body:
        return
    request = _read(body)
    previous = request.previous_response_id
    if previous is None:
        return
    await on_a_task()
    content = await keeper.find(key.id, previous)
    if content is None:
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            f"Previous response with id '{previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    kept = _kept(content)
    members: dict[str, object] = dict(_members(body))
    members["input"] = [*kept.input, *_response(kept.response).output, *_items(request)]
    members.pop("previous_response_id")
    exchange.body = encode_json(members)
    exchange.previous_response_id = previous


def keep_response(exchange: Exchange, keeper: ResponseKeeper, answer: bytes) -> None:
    """Keep what the caller has been answered, unless it asked not to. `answer` is the body, or the last events of the stream."""
    body, key = exchange.body, exchange.key
    if body is None or key is None:
        return
    request = _read(body)
    response = _last_response(answer) if exchange.is_stream else msgspec.Raw(answer)
    if request.store is False or response is None:
        return
    keeper.keep(key.id, _response(response).id, encode_json(Kept(_items(request), response)))


async def kept_answer(exchange: Exchange, keeper: ResponseKeeper) -> bytes | None:
    """The body that answers a request about a response that is kept here; None if it is not.

    `GET /responses/{id}`, `GET …/input_items`, `DELETE …`. A kept response has ended, so that cancelling it answers with it.
    """
    found, key = exchange.match, exchange.key
    if exchange.endpoint.operation is not Operation.RESPONSES_STORED or found is None or key is None:
        return None
    response_id, _, more = found.path.removeprefix("/responses/").partition("/")
    content = await keeper.find(key.id, response_id)
    if content is None:
        return None
    kept = _kept(content)
    if exchange.downstream.method == b"DELETE":
        keeper.forget(key.id, response_id)
        return encode_json({"id": response_id, "object": "response", "deleted": True})
    if more == "input_items":
        return encode_json(_page(kept.input))
    return bytes(kept.response)


def send_kept(exchange: Exchange, body: bytes) -> None:
    """Answer with it; called once the exchange is settled."""
    own = b"x-weighbridge-request-id: %b\r\n" % exchange.request_id.encode()
    exchange.downstream.start(200, _JSON_LINE + own, len(body))
    exchange.downstream.end(body)


def _read(body: bytes) -> _Request:
    try:
        return _request(body)
    except JsonError as error:
        raise GatewayError(ErrorKind.INVALID_REQUEST, f"The request body is not valid: {error}.") from None


def _items(request: _Request) -> list[msgspec.Raw]:
    if isinstance(request.input, str):
        return [msgspec.Raw(encode_json({"type": "message", "role": "user", "content": request.input}))]
    return request.input or []


def _page(items: list[msgspec.Raw]) -> dict[str, object]:
    """All items as one page, newest first as the API lists them, each with an id, which the API gives to those without."""
    listed: list[dict[str, object]] = []
    for place, raw in enumerate(items):
        item: dict[str, object] = dict(_members(raw))
        item.setdefault("type", "message")
        item.setdefault("id", f"item_{place}")
        listed.insert(0, item)
    first, last = (listed[0]["id"], listed[-1]["id"]) if listed else (None, None)
    return {"object": "list", "data": listed, "first_id": first, "last_id": last, "has_more": False}


def _last_response(events: bytes) -> msgspec.Raw | None:
    for event in SseReader().feed(events):
        if event.event in _ENDS:
            return _end(event.data).response
    return None
