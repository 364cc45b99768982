"""OpenAI's files and batches. A batch is done as soon as it is made."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.faults import NO_FAULT
from weighbridge.testing.forms import parts_of
from weighbridge.testing.generation import CREATED, stable_id
from weighbridge.testing.invoice import Bill
from weighbridge.testing.openai_errors import invalid
from weighbridge.testing.openai_responses import usage_body
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import Reply, json_reply, whole

_PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_DAY_S: Final = 86_400


class _File(msgspec.Struct):
    description: dict[str, Any]
    content: bytes


class Files:
    """What was uploaded, and what batches have written."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def upload(self, call: Call) -> Reply:
        """`POST /v1/files`."""
        parts = {part.name: part for part in parts_of(call.body, call.request.header("content-type"))}
        for name in ("file", "purpose"):
            if name not in parts:
                raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
        purpose = parts["purpose"].data.decode()
        if purpose not in _PURPOSES:
            raise invalid(f"'{purpose}' is not one of {list(_PURPOSES)} - 'purpose'", "purpose")
        return json_reply(self.add(parts["file"].filename or "upload", purpose, parts["file"].data), is_pretty=True)

    def add(self, filename: str, purpose: str, content: bytes) -> dict[str, Any]:
        """Keep a file and describe it. Equal uploads are different files."""
        file_id = stable_id("file-", content, str(len(self._files)))
        description = {
            "object": "file",
            "id": file_id,
            "purpose": purpose,
            "filename": filename,
            "bytes": len(content),
            "created_at": CREATED,
            "expires_at": None,
            "status": "processed",
            "status_details": None,
        }
        self._files[file_id] = _File(description, content)
        return description

    def content_of(self, file_id: str) -> bytes | None:
        """A file's bytes, or None."""
        file = self._files.get(file_id)
        return None if file is None else file.content

    def list(self, call: Call) -> Reply:
        """`GET /v1/files`, newest first."""
        wanted = dict(call.request.query).get("purpose")
        files = [file.description for file in reversed(self._files.values())]
        return json_reply(_page([file for file in files if wanted in {None, file["purpose"]}]), is_pretty=True)

    def retrieve(self, call: Call) -> Reply:
        """`GET /v1/files/{id}`."""
        return json_reply(self._find(call).description, is_pretty=True)

    def content(self, call: Call) -> Reply:
        """`GET /v1/files/{id}/content`."""
        return Reply(content_type="application/octet-stream", chunks=whole(self._find(call).content))

    def delete(self, call: Call) -> Reply:
        """`DELETE /v1/files/{id}`."""
        self._find(call)
        del self._files[call.values["id"]]
        return json_reply({"object": "file", "id": call.values["id"], "deleted": True}, is_pretty=True)

    def _find(self, call: Call) -> _File:
        file = self._files.get(call.values["id"])
        if file is None:
            raise invalid(f"No such File object: {call.values['id']}", "id", status=404)
        return file


class BatchRequest(msgspec.Struct):
    """The documented fields of `POST /v1/batches`."""

    input_file_id: str
    endpoint: Literal[
        "/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions", "/v1/moderations", "/v1/images/generations"
    ]
    completion_window: Literal["24h"]
    metadata: dict[str, str] | None = None
    output_expires_after: Any = None


class Batches:
    """Batches, and the files that they read and write."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._batches: dict[str, dict[str, Any]] = {}

    def create(self, call: Call) -> Reply:
        """`POST /v1/batches`: runs every line at once, at half price; shows `validating` in this reply only."""
        request = call.read(BatchRequest)
        content = self._files.content_of(request.input_file_id)
        if content is None:
            raise invalid(f"No such File object: {request.input_file_id}", "input_file_id", status=404)
        batch_id = stable_id("batch_", request.input_file_id, str(len(self._batches)))
        outcomes = [_run_line(call, request.endpoint, line) for line in content.splitlines() if line.strip()]
        output = b"".join(encode_json(outcome.line) + b"\n" for outcome in outcomes)
        made = self._files.add(f"{batch_id}_output.jsonl", "batch_output", output)
        first = _described(batch_id, request)
        failed = sum(outcome.status >= 400 for outcome in outcomes)
        bills = tuple(bill for outcome in outcomes for bill in outcome.bills)
        self._batches[batch_id] = first | {
            "status": "completed",
            "output_file_id": made["id"],
            "in_progress_at": CREATED,
            "finalizing_at": CREATED,
            "completed_at": CREATED,
            "request_counts": {"total": len(outcomes), "completed": len(outcomes) - failed, "failed": failed},
            "usage": usage_body(_total(bills)),
            "model": bills[0].model if bills else None,
        }
        return json_reply(first, bills=bills, is_pretty=True)

    def list(self, _call: Call) -> Reply:
        """`GET /v1/batches`, newest first."""
        return json_reply(_page(list(reversed(self._batches.values()))), is_pretty=True)

    def retrieve(self, call: Call) -> Reply:
        """`GET /v1/batches/{id}`."""
        return json_reply(self._find(call), is_pretty=True)

    def cancel(self, call: Call) -> Reply:
        """`POST /v1/batches/{id}/cancel`: too late, as a batch is done at once; the batch is shown as cancelling."""
        self._batches[call.values["id"]] = self._find(call) | {"status": "cancelling", "cancelling_at": CREATED}
        return json_reply(self._find(call), is_pretty=True)

    def _find(self, call: Call) -> dict[str, Any]:
        batch = self._batches.get(call.values["id"])
        if batch is None:
            raise invalid(f"No batch found with id '{call.values['id']}'.", status=404)
        return batch


class _Outcome(msgspec.Struct):
    line: dict[str, Any]
    status: int
    bills: tuple[Bill, ...] = ()


def _run_line(call: Call, endpoint: str, line: bytes) -> _Outcome:
    try:
        item = decode_json(line)
        custom_id, body = str(item["custom_id"]), encode_json(item["body"])
    except (JsonError, KeyError, TypeError) as error:
        raise invalid("The batch input file has a line that is not a batch request.", "input_file_id") from error
    request = msgspec.structs.replace(
        call.request,
        method=b"POST",
        target=endpoint.encode(),
        body=body,
        headers=tuple(pair for pair in call.request.headers if pair[0].lower() != b"content-encoding"),
    )
    reply = call.provider.answer_within(request, NO_FAULT)
    result = {"status_code": reply.status, "request_id": stable_id("req_", line), "body": decode_json(_body(reply))}
    described = {"id": stable_id("batch_req_", line), "custom_id": custom_id, "response": result, "error": None}
    bills = tuple(msgspec.structs.replace(bill, tier="batch") for bill in reply.bills)
    return _Outcome(described, reply.status, bills)


def _body(reply: Reply) -> bytes:
    return b"".join(chunk.data for chunk in reply.chunks)


def _total(bills: tuple[Bill, ...]) -> Usage:
    return Usage(
        input=sum(bill.usage.total_input for bill in bills),
        output=sum(bill.usage.output for bill in bills),
        reasoning=sum(bill.usage.reasoning for bill in bills),
    )


def _page(items: list[dict[str, Any]]) -> dict[str, Any]:
    ids = [item["id"] for item in items] or [None]
    return {"object": "list", "data": items, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}


def _described(batch_id: str, request: BatchRequest) -> dict[str, Any]:
    return {
        "id": batch_id,
        "object": "batch",
        "endpoint": request.endpoint,
        "model": None,
        "errors": None,
        "input_file_id": request.input_file_id,
        "completion_window": request.completion_window,
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": CREATED,
        "in_progress_at": None,
        "expires_at": CREATED + _DAY_S,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": request.metadata,
    }
