"""`/admin/v1/requests`: single requests, newest first, and one with its attempts and entries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from weighbridge.auth.people import Place
from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, act_of
from weighbridge.control.admin_errors import gateway_error_response
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.feedback_api import feedback_view
from weighbridge.control.instants import rfc3339_ns
from weighbridge.control.usage_api import Filters
from weighbridge.core.clock import NS_PER_MS
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.money import pico_as_usd
from weighbridge.core.terms import Attempt, Record, Usage, UsageApart
from weighbridge.ledger.apart import Bill
from weighbridge.ledger.repricing import Repricer
from weighbridge.storage.correction_store import Correction
from weighbridge.storage.payload_store import StoredPayload
from weighbridge.storage.request_queries import EntryRow, RequestDetail, RequestRow, RequestsQuery, request_detail, requests_page
from weighbridge.storage.transactions import Change

MAX_PAGE: Final = 200
Names = Mapping[str, str]
"""What keys are called, by their ids."""


class RequestsParameters(Filters):
    """Which requests."""

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before.")
    status: int | None = Field(None, ge=0, le=999)
    min_cost_nanousd: int | None = Field(None, ge=0, le=2**62)
    is_stream: bool | None = None
    request_id: str | None = Field(None, max_length=100)


def requests_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/requests", tags=["requests"])
    ledger = services.store.ledger

    @router.get("", summary="List requests, newest first", response_class=Response)
    async def page(asked: Annotated[RequestsParameters, Query()], actor: Acting) -> Response:
        actor.require(Permission.READ_REQUESTS)
        begin, end = asked.span(services.clock.wall_ns())
        query = RequestsQuery(
            begin,
            end,
            asked.values_for(actor),
            asked.limit + 1,
            int(asked.cursor) if asked.cursor is not None else None,
            asked.status,
            asked.min_cost_nanousd,
            asked.is_stream,
            asked.request_id,
        )
        rows = await asyncio.to_thread(requests_page, ledger, query)
        has_more = len(rows) > asked.limit
        shown = rows[: asked.limit]
        names = services.key_names()
        answer = {
            "data": [_summary(row, names) for row in shown],
            "has_more": has_more,
            "next_cursor": str(shown[-1].number) if has_more else None,
        }
        return Response(encode_json(answer), media_type="application/json")

    @router.get("/{request_id}", summary="One request: usage, attempts, prices and entries", response_class=Response)
    async def one(request_id: Annotated[str, Path(max_length=100)], actor: Acting) -> Response:
        actor.require(Permission.READ_REQUESTS)
        found = await asyncio.to_thread(request_detail, ledger, request_id)
        if found is None or not actor.place.has(Place(found.row.texts["organisation"], found.row.texts["team"])):
            missing = f"There is no request '{request_id}', or not yet: the ledger is some tenths of a second behind."
            return gateway_error_response(GatewayError(ErrorKind.NOT_FOUND, missing, code="request_not_found"))
        corrections = await asyncio.to_thread(services.store.corrections.of_request, request_id)
        opinions = await asyncio.to_thread(services.store.feedback.of_request, request_id)
        has_payload = await asyncio.to_thread(services.store.payloads.has, request_id)
        told = _detail(found, services.key_names(), corrections, services.repricer("*"))
        told |= {"feedback": list(map(feedback_view, opinions)), "has_payload": has_payload}
        return Response(encode_json(told), media_type="application/json")

    @router.get("/{request_id}/payload", summary="What was asked and answered, where it is kept", response_class=Response)
    async def payload(request_id: Annotated[str, Path(max_length=100)], actor: Acting, request: Request) -> Response:
        actor.require(Permission.READ_PAYLOADS)
        found = await asyncio.to_thread(request_detail, ledger, request_id)
        is_theirs = found is not None and actor.place.has(Place(found.row.texts["organisation"], found.row.texts["team"]))
        kept = await asyncio.to_thread(services.store.payloads.find, request_id) if is_theirs else None
        if kept is None:
            missing = f"Nothing is kept of a request '{request_id}', or not any more."
            return gateway_error_response(GatewayError(ErrorKind.NOT_FOUND, missing, code="payload_not_found"))
        # Who has read what people wrote is written down, as a change is.
        read = Change("read", "payload", request_id, request_id)
        await asyncio.to_thread(services.store.transactions.note, act_of(request, actor), read)
        return Response(encode_json(_payload(kept)), media_type="application/json")

    return router


def _payload(kept: StoredPayload) -> dict[str, object]:
    return {**kept.text._asdict(), "expires_at": rfc3339_ns(kept.expires_wall_ns)}


def _summary(row: RequestRow, names: Names) -> dict[str, object]:
    texts = row.texts
    return {
        "id": row.request_id,
        "at": rfc3339_ns(row.at_ns),
        "key_id": texts["key"],
        "key_name": names.get(texts["key"], texts["key"]),
        "team": texts["team"],
        "user": texts["owner"],
        "organisation": texts["organisation"],
        "end_user": texts["end_user"],
        "session": texts["session"],
        "tags": texts["tags"].split(",") if texts["tags"] else [],
        "route": texts["route"],
        "requested_model": texts["requested_model"],
        "provider": texts["provider"],
        "model": texts["model"],
        "dialect": texts["dialect"],
        "operation": texts["operation"],
        "status": row.status,
        "error": texts["error"] or None,
        "is_stream": row.is_stream,
        "finish_reason": texts["finish_reason"] or None,
        "input_tokens": row.input,
        "cache_read_tokens": row.cache_read,
        "cache_write_tokens": row.cache_write,
        "output_tokens": row.output,
        "reasoning_tokens": row.reasoning,
        "usage_provenance": row.provenance.value,
        "cost_nanousd": row.cost,
        "own_key_cost_nanousd": row.own_cost,
        "price_state": row.price_state.value,
        "duration_ms": row.duration_us / 1_000,
        "first_byte_ms": None if row.first_byte_us is None else row.first_byte_us / 1_000,
        "overhead_ms": row.overhead_us / 1_000,
        "attempts": row.attempts,
    }


def _detail(
    found: RequestDetail, names: Names, corrections: Sequence[tuple[Correction, int, int]], repricer: Repricer
) -> dict[str, object]:
    record = found.record
    bills = [repricer.bill(attempt, record.priced_wall_ns) for attempt in record.attempts] if record is not None else []
    return {
        **_summary(found.row, names),
        **(_of_record(record) if record is not None else {}),
        "attempts": [_attempt(*each) for each in zip(record.attempts, bills, strict=True)] if record is not None else [],
        "entries": [_entry(entry) for entry in found.entries],
        "corrections": [
            {"id": made.id, "reason": made.reason, "at": rfc3339_ns(made.created_wall_ns), "attempt": place, "cost_nanousd": cost}
            for made, place, cost in corrections
        ],
    }


def _of_record(record: Record) -> dict[str, object]:
    return {
        "edits": list(record.edits),
        "method": record.method,
        "path": record.path,
        "detail": record.detail,
        "request_bytes": record.request_bytes,
        "reply_bytes": record.reply_bytes,
        "config_version": record.config_version,
        "resolves": None if record.resolves is None else record.resolves.request_id,
    }


def _attempt(attempt: Attempt, bill: Bill | None) -> dict[str, object]:
    return {
        "provider": attempt.provider,
        "model": attempt.model,
        "credential": attempt.credential,
        "is_own_key": attempt.is_own_key,
        "status": attempt.status,
        "error": attempt.error,
        "usage": _usage(attempt.usage),
        "sent_ms": attempt.sent_ns / NS_PER_MS,
        "first_byte_ms": attempt.first_byte_ns / NS_PER_MS if attempt.first_byte_ns >= 0 else None,
        "end_ms": attempt.end_ns / NS_PER_MS,
        "cost_nanousd": attempt.cost_nanousd,
        "price_state": attempt.price_state.value,
        "reserved_nanousd": attempt.reserved_nanousd,
        "cache_saved_nanousd": attempt.cache_saved_nanousd,
        "bill": None if bill is None else _bill(bill),
        "apart": [_part(part, attempt.model) for part in attempt.apart],
    }


def _part(part: UsageApart, model: str) -> dict[str, object]:
    return {"model": part.model or model, "n_requests": part.n_requests, "usage": _usage(part.usage)}


def _bill(bill: Bill) -> dict[str, object]:
    """By the prices of now for the time of then. Where its amount is not what was booked, prices were corrected since."""
    return {
        "amount_nanousd": bill.amount,
        "lines": [
            {
                "model": line.model,
                "what": line.what,
                "count": line.number,
                "rate_usd": pico_as_usd(line.rate),
                "amount_usd": pico_as_usd(line.amount_pico),
            }
            for line in bill.lines
        ],
        "sources": list(bill.sources),
    }


def _usage(usage: Usage) -> dict[str, object]:
    return {**msgspec.structs.asdict(usage), "provenance": usage.provenance.value}


def _entry(entry: EntryRow) -> dict[str, object]:
    return {
        "id": str(entry.seq),
        "debit": entry.debit,
        "credit": entry.credit,
        "amount_nanousd": entry.amount,
        "kind": entry.kind.name.lower(),
        "at": rfc3339_ns(entry.at_ns),
    }
