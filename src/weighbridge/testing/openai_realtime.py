"""OpenAI's realtime WebSocket, text only: a session, items, responses with usage."""

from __future__ import annotations

from typing import Any

from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.frames import WebSocket, accept_token
from weighbridge.testing.generation import Generation, Prompt, stable_id
from weighbridge.testing.invoice import Bill
from weighbridge.testing.openai_errors import invalid
from weighbridge.testing.openai_responses import usage_body
from weighbridge.testing.provider import Call, Upgrade
from weighbridge.testing.server import Wire


def connect(call: Call) -> Upgrade:
    """`GET /v1/realtime?model=…` with an upgrade to WebSocket."""
    if (call.request.header("upgrade") or "").lower() != "websocket":
        raise invalid("This endpoint takes WebSocket connections.", status=426)
    model = dict(call.request.query).get("model", "")
    call.check_model(model)
    token = accept_token(call.request.header("sec-websocket-key"))
    return Upgrade(_Session(call, model, token).run)


class _Session:
    def __init__(self, call: Call, model: str, token: str) -> None:
        self._call = call
        self._model = model
        self._token = token
        self._texts: list[str] = []
        self._last = ""
        self._events = 0

    async def run(self, wire: Wire) -> None:
        """Until the client closes."""
        offered = (self._call.request.header("sec-websocket-protocol") or "").split(",")
        headers = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", self._token)]
        # RFC 6455, 4.2.2: a subprotocol is answered only if it was offered. Browsers carry their key in another one.
        headers += [("sec-websocket-protocol", "realtime")] if "realtime" in [name.strip() for name in offered] else []
        await wire.upgrade(headers)
        socket = WebSocket(wire)
        await self._send(socket, "session.created", {"session": self._session()})
        while (message := await socket.receive()) is not None:
            await self._take(socket, message)
        wire.sent.ending = "whole"

    async def _take(self, socket: WebSocket, message: bytes) -> None:
        try:
            event = decode_json(message)
            kind = event["type"]
        except (JsonError, KeyError, TypeError):
            await self._send(socket, "error", {"error": _error("Could not parse the event.", None)})
            return
        match kind:
            case "session.update":
                await self._send(socket, "session.updated", {"session": self._session() | event.get("session", {})})
            case "conversation.item.create":
                await self._add(socket, event.get("item", {}))
            case "response.create":
                await self._respond(socket)
            case _:
                text = f"Invalid value: '{kind}'."
                await self._send(socket, "error", {"error": _error(text, event.get("event_id"))})

    async def _add(self, socket: WebSocket, item: dict[str, Any]) -> None:
        text = "".join(str(part.get("text", "")) for part in item.get("content", []))
        self._texts.append(text)
        self._last = text
        described = item | {"id": item.get("id", f"item_{len(self._texts)}"), "object": "realtime.item", "status": "completed"}
        for kind in ("conversation.item.added", "conversation.item.done"):
            await self._send(socket, kind, {"item": described, "previous_item_id": None})

    async def _respond(self, socket: WebSocket) -> None:
        prompt = Prompt(texts=list(self._texts), user_text=self._last)
        generation = self._call.generate(prompt)
        response_id = stable_id("resp_", self._last, str(self._events))
        item: dict[str, Any] = {"id": f"item_{response_id[5:]}", "object": "realtime.item", "type": "message", "role": "assistant"}
        at = {"response_id": response_id, "item_id": item["id"], "output_index": 0, "content_index": 0}
        begun = _response(response_id, "in_progress", [], None)
        await self._send(socket, "response.created", {"response": begun})
        added = item | {"status": "in_progress", "content": []}
        await self._send(socket, "response.output_item.added", {"response_id": response_id, "output_index": 0, "item": added})
        usage = Usage(input=prompt.tokens)
        try:
            for piece, tokens in generation.text_with_tokens():
                usage = Usage(input=prompt.tokens, output=tokens)
                await self._send(socket, "response.output_text.delta", at | {"delta": piece})
        finally:
            bill = Bill("realtime", self._model, usage)
            self._call.provider.charge(self._call.request, bill)
        await self._finish(socket, at, item, generation, usage)

    async def _finish(
        self, socket: WebSocket, at: dict[str, Any], item: dict[str, Any], generation: Generation, usage: Usage
    ) -> None:
        text = generation.text
        done = item | {"status": "completed", "content": [{"type": "output_text", "text": text}]}
        await self._send(socket, "response.output_text.done", at | {"text": text})
        fields = {"response_id": at["response_id"], "output_index": 0, "item": done}
        await self._send(socket, "response.output_item.done", fields)
        response = _response(at["response_id"], "completed", [done], usage)
        await self._send(socket, "response.done", {"response": response})

    async def _send(self, socket: WebSocket, kind: str, fields: dict[str, Any]) -> None:
        self._events += 1
        await socket.send(encode_json({"type": kind, "event_id": f"event_{self._events}"} | fields))

    def _session(self) -> dict[str, Any]:
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self._call.id("sess_"),
            "model": self._model,
            "output_modalities": ["text"],
        }


def _response(response_id: str, status: str, output: list[dict[str, Any]], usage: Usage | None) -> dict[str, Any]:
    report = None
    if usage is not None:
        body = usage_body(usage)
        report = {
            "total_tokens": body["total_tokens"],
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "input_token_details": {"cached_tokens": 0, "text_tokens": usage.input, "audio_tokens": 0, "image_tokens": 0},
            "output_token_details": {"text_tokens": usage.output, "audio_tokens": 0},
        }
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": status,
        "status_details": None,
        "output": output,
        "output_modalities": ["text"],
        "usage": report,
    }


def _error(message: str, event_id: str | None) -> dict[str, Any]:
    return {"type": "invalid_request_error", "code": "invalid_value", "message": message, "param": None, "event_id": event_id}
