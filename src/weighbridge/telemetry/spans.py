"""Settled exchanges as OpenTelemetry spans: one for each request, below it one for each attempt. Pure but for the SDK's structs.

Names and attributes are those of the conventions for generative AI
(https://github.com/open-telemetry/semantic-conventions-genai); what they have no word for is `weighbridge.*`. No prompt and no
answer is ever in a span: a Record has none. Ids follow from the request's, so that a span that is sent twice is the same span.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from weighbridge.core.money import NANO
from weighbridge.core.terms import Attempt, Record
from weighbridge.telemetry.gen_ai import operation_name, provider_name

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, level 1, section 3.2."""
_SAMPLED: Final = 1
_SCOPE: Final = InstrumentationScope("weighbridge")
_ERROR: Final = 500
_PPM: Final = 1_000_000
Attributes = dict[str, AttributeValue]


class Parent(NamedTuple):
    """Who the caller says it is: its trace, its span, and whether it is sampled."""

    trace_id: int
    span_id: int
    is_sampled: bool


def parent_of(record: Record) -> Parent | None:
    """The caller's place in its own trace, from a valid `traceparent`."""
    found = _TRACEPARENT.fullmatch(record.trace)
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return Parent(int(found[1], 16), int(found[2], 16), bool(int(found[3], 16) & _SAMPLED))


def is_sampled(record: Record, share_ppm: int) -> bool:
    """Whether a request is traced: as its caller has decided, else by chance, which is the same for one trace everywhere."""
    parent = parent_of(record)
    if parent is not None:
        return parent.is_sampled
    return _trace_id(record) % _PPM < share_ppm


def spans_of(record: Record, resource: Resource) -> Iterator[ReadableSpan]:
    """The request's span and those of its attempts."""
    parent = parent_of(record)
    trace_id = parent.trace_id if parent is not None else _trace_id(record)
    own = _context(trace_id, _id(record.request_id))
    above = _context(trace_id, parent.span_id, is_remote=True) if parent is not None else None
    start = record.start_wall_ns
    yield ReadableSpan(
        name=_name(record, record.route or record.requested_model),
        context=own,
        parent=above,
        resource=resource,
        attributes=_of_request(record),
        kind=SpanKind.SERVER,
        status=_status(record.status, record.error),
        start_time=start,
        end_time=start + record.duration_ns,
        instrumentation_scope=_SCOPE,
    )
    for number, attempt in enumerate(record.attempts):
        begun = start + max(0, attempt.sent_ns)
        yield ReadableSpan(
            name=_name(record, attempt.model),
            context=_context(trace_id, _id(f"{record.request_id}/{number}")),
            parent=own,
            resource=resource,
            attributes=_of_attempt(record, attempt, number),
            kind=SpanKind.CLIENT,
            status=_status(attempt.status, attempt.error),
            start_time=begun,
            end_time=max(begun, start + attempt.end_ns),
            instrumentation_scope=_SCOPE,
        )


def _of_request(record: Record) -> Attributes:
    told: dict[str, AttributeValue | None] = {
        "gen_ai.operation.name": operation_name(record.operation),
        "gen_ai.request.model": record.requested_model,
        "gen_ai.request.stream": record.is_stream,
        "gen_ai.response.model": record.model,
        "gen_ai.response.finish_reasons": (record.finish_reason,) if record.finish_reason else None,
        "gen_ai.conversation.id": record.session,
        "http.request.method": record.method,
        "http.response.status_code": record.status or None,
        "url.path": record.path,
        "error.type": record.error,
        "weighbridge.request_id": record.request_id,
        "weighbridge.route": record.route,
        "weighbridge.dialect": record.dialect.value,
        "weighbridge.provider": record.provider,
        "weighbridge.key": record.key_id,
        "weighbridge.team": record.team,
        "weighbridge.user": record.user,
        "weighbridge.organisation": record.organisation,
        "weighbridge.end_user": record.end_user,
        "weighbridge.tags": record.tags or None,
        "weighbridge.edits": record.edits or None,
        "weighbridge.overhead_ms": record.overhead_ns / 1e6,
        "weighbridge.attempts": len(record.attempts),
        "weighbridge.price_state": record.price_state.value,
        "weighbridge.cost_usd": None if record.cost_nanousd is None else record.cost_nanousd / NANO,
    }
    return _given(told)


def _of_attempt(record: Record, attempt: Attempt, number: int) -> Attributes:
    usage = attempt.usage
    first = attempt.first_byte_ns - attempt.sent_ns
    told: dict[str, AttributeValue | None] = {
        "gen_ai.operation.name": operation_name(record.operation),
        "gen_ai.provider.name": provider_name(attempt.provider),
        "gen_ai.request.model": attempt.model,
        "gen_ai.response.time_to_first_chunk": first / 1e9 if attempt.first_byte_ns >= 0 and record.is_stream else None,
        "gen_ai.usage.input_tokens": usage.total_input or None,
        "gen_ai.usage.output_tokens": usage.total_output or None,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read or None,
        "gen_ai.usage.cache_creation.input_tokens": (usage.cache_write_5m + usage.cache_write_1h) or None,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning or None,
        "http.response.status_code": attempt.status or None,
        "error.type": attempt.error,
        "weighbridge.attempt": number,
        "weighbridge.provider": attempt.provider,
        "weighbridge.credential": attempt.credential,
        "weighbridge.usage.provenance": usage.provenance.value,
        "weighbridge.price_state": attempt.price_state.value,
        "weighbridge.cost_usd": None if attempt.cost_nanousd is None else attempt.cost_nanousd / NANO,
    }
    return _given(told)


def _given(told: dict[str, AttributeValue | None]) -> Attributes:
    return {name: value for name, value in told.items() if value is not None and value != ""}


def _name(record: Record, model: str) -> str:
    return f"{operation_name(record.operation)} {model}".strip()


def _status(status: int, error: str | None) -> Status:
    # A caller's own mistake is no error of a server's span, as the conventions for HTTP have it.
    return Status(StatusCode.ERROR, error) if error is not None and (status >= _ERROR or not status) else Status(StatusCode.UNSET)


def _context(trace_id: int, span_id: int, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=is_remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _trace_id(record: Record) -> int:
    return int.from_bytes(sha256(record.request_id.encode()).digest()[:16], "big") or 1


def _id(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[16:24], "big") or 1
