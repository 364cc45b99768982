"""What Gemini keeps for its callers: files, which are uploaded in two steps, and cached content.
https://ai.google.dev/api/files, https://ai.google.dev/api/caching
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from weighbridge.core.terms import Usage
from weighbridge.testing.gemini_generate import GOOGLE_JSON, Content
from weighbridge.testing.generation import CREATED_RFC3339, count_tokens, stable_id
from weighbridge.testing.invoice import Bill
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import RefusalError, Reply, json_reply

_ENDS: Final = "2026-01-03T00:00:00Z"


class Files:
    """What was uploaded."""

    def __init__(self) -> None:
        self._begun: dict[str, dict[str, Any]] = {}
        self._files: dict[str, dict[str, Any]] = {}

    def upload(self, call: Call) -> Reply:
        """`POST /upload/v1beta/files`: first what is to come, which is answered with where to send it, then the bytes."""
        request = call.request
        if request.header("x-goog-upload-command") == "start":
            return self._begin(call)
        upload_id = dict(request.query).get("upload_id", "")
        described = self._begun.pop(upload_id, None)
        if described is None:
            raise RefusalError(400, "Invalid upload session.", kind="INVALID_ARGUMENT")
        name = stable_id("files/", upload_id)
        file = described | {"name": name, "uri": f"{call.provider.origin}/v1beta/{name}", "sizeBytes": str(len(call.body))}
        self._files[name] = file | {"createTime": CREATED_RFC3339, "expirationTime": _ENDS, "state": "ACTIVE"}
        return json_reply({"file": self._files[name]}, headers=(("x-goog-upload-status", "final"),), content_type=GOOGLE_JSON)

    def _begin(self, call: Call) -> Reply:
        request = call.request
        upload_id = stable_id("", str(len(self._begun) + len(self._files)))
        self._begun[upload_id] = {"mimeType": request.header("x-goog-upload-header-content-type") or "application/octet-stream"}
        where = f"{call.provider.origin}{request.path}?upload_id={upload_id}&upload_protocol=resumable"
        headers = (("x-goog-upload-status", "active"), ("x-goog-upload-url", where))
        return Reply(headers=headers, content_type="text/plain; charset=utf-8")

    def is_begun(self, upload_id: str) -> bool:
        """Whether bytes are awaited: whoever has the address may send them, without a key."""
        return upload_id in self._begun

    def list(self, _call: Call) -> Reply:
        """`GET /v1beta/files`."""
        return json_reply({"files": list(self._files.values())}, content_type=GOOGLE_JSON)

    def retrieve(self, call: Call) -> Reply:
        """`GET /v1beta/files/{id}`."""
        return json_reply(_found(self._files, f"files/{call.values['id']}"), content_type=GOOGLE_JSON)

    def delete(self, call: Call) -> Reply:
        """`DELETE /v1beta/files/{id}`."""
        del self._files[_found(self._files, f"files/{call.values['id']}")["name"]]
        return json_reply({}, content_type=GOOGLE_JSON)


class CacheRequest(msgspec.Struct, rename="camel"):
    """The documented fields of `cachedContents`."""

    model: str
    contents: list[Content] = []
    system_instruction: Content | None = None
    tools: list[dict[str, Any]] | None = None
    tool_config: dict[str, Any] | None = None
    display_name: str | None = None
    ttl: str | None = None
    expire_time: str | None = None


class Caches:
    """Cached content. Its tokens are billed when it is made; what it costs to keep is not."""

    def __init__(self) -> None:
        self._caches: dict[str, dict[str, Any]] = {}

    def create(self, call: Call) -> Reply:
        """`POST /v1beta/cachedContents`."""
        request = call.read(CacheRequest)
        call.check_model(request.model.removeprefix("models/"))
        parts = [part for content in request.contents for part in content.parts]
        tokens = sum(count_tokens(str(part.get("text", ""))) for part in parts)
        name = stable_id("cachedContents/", call.body, str(len(self._caches)))
        self._caches[name] = {
            "name": name,
            "model": request.model,
            "createTime": CREATED_RFC3339,
            "updateTime": CREATED_RFC3339,
            "expireTime": _ENDS,
            "displayName": request.display_name or "",
            "usageMetadata": {"totalTokenCount": tokens},
        }
        bill = Bill("cachedContents", request.model.removeprefix("models/"), Usage(input=tokens))
        return json_reply(self._caches[name], content_type=GOOGLE_JSON, bills=(bill,))

    def list(self, _call: Call) -> Reply:
        """`GET /v1beta/cachedContents`."""
        return json_reply({"cachedContents": list(self._caches.values())}, content_type=GOOGLE_JSON)

    def retrieve(self, call: Call) -> Reply:
        """`GET /v1beta/cachedContents/{id}`."""
        return json_reply(_found(self._caches, f"cachedContents/{call.values['id']}"), content_type=GOOGLE_JSON)

    def delete(self, call: Call) -> Reply:
        """`DELETE /v1beta/cachedContents/{id}`."""
        del self._caches[_found(self._caches, f"cachedContents/{call.values['id']}")["name"]]
        return json_reply({}, content_type=GOOGLE_JSON)


def _found(kept: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in kept:
        raise RefusalError(404, "Requested entity was not found.", kind="NOT_FOUND")
    return kept[name]
