"""What OpenAI keeps for its callers beside files: conversations and vector stores.
https://platform.openai.com/docs/api-reference/conversations, https://platform.openai.com/docs/api-reference/vector-stores
"""

from __future__ import annotations

from typing import Any

import msgspec

from weighbridge.testing.generation import CREATED, stable_id
from weighbridge.testing.openai_errors import invalid
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import Reply, json_reply


class ConversationRequest(msgspec.Struct):
    """The documented fields of `POST /v1/conversations`."""

    items: list[dict[str, Any]] | None = None
    metadata: dict[str, str] | None = None


class VectorStoreRequest(msgspec.Struct):
    """The documented fields of `POST /v1/vector_stores`."""

    name: str | None = None
    description: str | None = None
    file_ids: list[str] | None = None
    expires_after: dict[str, Any] | None = None
    chunking_strategy: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None


class Kept:
    """Both, by their ids."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Any]] = {}

    def create_conversation(self, call: Call) -> Reply:
        """`POST /v1/conversations`."""
        request = call.read(ConversationRequest)
        return self._keep("conv_", call, {"object": "conversation", "metadata": request.metadata or {}})

    def create_vector_store(self, call: Call) -> Reply:
        """`POST /v1/vector_stores`."""
        request = call.read(VectorStoreRequest)
        counts = {"in_progress": 0, "completed": len(request.file_ids or ()), "failed": 0, "cancelled": 0}
        store = {"object": "vector_store", "name": request.name or "", "usage_bytes": 0, "status": "completed"}
        store |= {"file_counts": counts | {"total": counts["completed"]}, "last_active_at": CREATED}
        return self._keep("vs_", call, store | {"metadata": request.metadata})

    def retrieve(self, call: Call) -> Reply:
        """`GET` of either."""
        return json_reply(self._find(call), is_pretty=True)

    def delete(self, call: Call) -> Reply:
        """`DELETE` of either."""
        kept = self._find(call)
        del self._kept[kept["id"]]
        return json_reply({"id": kept["id"], "object": f"{kept['object']}.deleted", "deleted": True}, is_pretty=True)

    def _keep(self, prefix: str, call: Call, described: dict[str, Any]) -> Reply:
        kept_id = stable_id(prefix, call.body, str(len(self._kept)))
        self._kept[kept_id] = {"id": kept_id, "created_at": CREATED} | described
        return json_reply(self._kept[kept_id], is_pretty=True)

    def _find(self, call: Call) -> dict[str, Any]:
        kept = self._kept.get(call.values["id"])
        if kept is None:
            raise invalid(f"No such object: {call.values['id']}", "id", status=404)
        return kept
