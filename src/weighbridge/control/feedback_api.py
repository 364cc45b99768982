"""Feedback: `POST /v1/feedback` for applications with their own keys, and `/admin/v1/feedback` for who looks at it."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from weighbridge.auth.addresses import may_come_from
from weighbridge.auth.permissions import Permission
from weighbridge.auth.presented_key import presented_key
from weighbridge.auth.virtual_keys import digest_of
from weighbridge.control.acting import Acting
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.instants import InstantText, instant_s, rfc3339_ns
from weighbridge.control.paging import ID_FORM
from weighbridge.control.usage_api import spreadsheet_text
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.feedback_store import MAX_PAGE, Asked, Feedback, Opinion

FEEDBACK_PATH: Final = "/v1/feedback"
_OF_OURS: Final = "req_"
_LOOKS: Final = 8
_BETWEEN_LOOKS_S: Final = 0.25
"""A request is in the ledger some tenths of a second after its reply: feedback that comes at once waits for it, for two seconds."""
_NAMES: Final = ("key", "team", "user", "organisation", "route", "provider", "model", "label")
Values = Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=100)]


class GiveFeedback(BaseModel):
    """What somebody thinks of an answer. Said again by the same rater, it takes the place of what was said before."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: str = Field(min_length=1, max_length=100, description="The reply's `x-weighbridge-request-id`.")
    score: float | None = Field(None, ge=0, le=1, strict=False, description="From 0 (bad) to 1 (good); thumbs are 0 and 1.")
    label: str = Field("", max_length=64, description="A word of your own: `wrong`, `too-long`.")
    comment: str = Field("", max_length=2_000)
    rater: str = Field("", max_length=200, description="Who says so: one of your users. The key, if not given.")

    @field_validator("score", mode="before")
    @classmethod
    def _is_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a number between 0 and 1")  # noqa: TRY004 - pydantic takes it for a bug
        return value

    @field_validator("label", "rater")
    @classmethod
    def _is_one_line(cls, value: str) -> str:
        if value and (not value.isprintable() or value != value.strip()):
            raise ValueError("has only printable characters, and no blank at either end")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> GiveFeedback:
        if self.score is None and not self.label and not self.comment.strip():
            raise ValueError("says nothing: give a `score`, a `label` or a `comment`")
        if "\0" in self.comment:
            raise ValueError("has a character that no text has")
        return self


class FeedbackParameters(BaseModel):
    """Which feedback."""

    model_config = ConfigDict(extra="forbid")

    start: InstantText = Field("-30d", alias="from", description="When it was given: RFC 3339, `now`, or relative: `-7d`.")
    to: InstantText = Field("now", description="The end, which is outside.")
    key: Values = Field([], description="Ids of virtual keys.")
    team: Values = []
    user: Values = []
    organisation: Values = []
    route: Values = []
    provider: Values = []
    model: Values = Field([], description="`provider/model`.")
    label: Values = []
    by: Literal["model", "route", "team", "user", "key", "organisation", "provider", "label"] | None = Field(
        None, description="Sums by this, in place of single opinions."
    )
    format: Literal["json", "csv"] = "json"
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, pattern=f"^fbk_{ID_FORM}", description="`next_cursor` of the page before.")


class _JsonWhateverItIsCalled(APIRoute):
    """A body is JSON also where `curl -d` calls it a form, as for all paths under `/v1`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, with another header."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            others = [pair for pair in request.scope["headers"] if pair[0] != b"content-type"]
            scope = {**request.scope, "headers": [*others, (b"content-type", b"application/json")]}
            return await handle(Request(scope, request.receive))

        return handled


def feedback_router(services: AdminServices) -> APIRouter:
    """The route for applications, closed over the services."""
    router = APIRouter(tags=["feedback"], route_class=_JsonWhateverItIsCalled)

    @router.post(FEEDBACK_PATH, status_code=201, summary="Say what somebody thinks of an answer", response_class=Response)
    async def give(said: GiveFeedback, request: Request) -> Response:
        key = await _key(services, request)
        store = services.store.feedback
        asked = await _asked(services, said.request_id)
        if asked is None or not _is_of(key, asked):
            # The same for what is not there and what is others': nobody learns of requests that are not his.
            raise GatewayError(ErrorKind.NOT_FOUND, f"There is no request '{said.request_id}' of yours.", code="request_not_found")
        rater = said.rater or (f"user:{key.user}" if key.user else f"key:{key.id}")
        opinion = Opinion(rater, said.score, said.label, said.comment.strip())
        made = await asyncio.to_thread(store.give, said.request_id, asked.series, opinion)
        return Response(encode_json({"id": made, "request_id": said.request_id}), 201, media_type="application/json")

    return router


def feedback_admin_router(services: AdminServices) -> APIRouter:
    """The routes for who looks at it."""
    router = APIRouter(prefix="/feedback", tags=["feedback"])

    @router.get("", summary="Opinions, newest first; or sums of them by one thing", response_class=Response)
    async def look(wanted: Annotated[FeedbackParameters, Query()], actor: Acting) -> Response:
        actor.require(Permission.READ_REQUESTS)
        filters = {name: tuple(values) for name in _NAMES if (values := getattr(wanted, name))}
        for name, own in (("team", actor.place.team), ("organisation", actor.place.organisation)):
            if own and set(filters.get(name, (own,))) != {own}:
                raise GatewayError(
                    ErrorKind.PERMISSION_DENIED, f"You see the {name} '{own}' only.", param=name, code="outside_your_place"
                )
            if own:
                filters[name] = (own,)
        now = services.clock.wall_ns()
        span = instant_s(wanted.start, now), instant_s(wanted.to, now)
        store = services.store.feedback
        if wanted.by is not None:
            sums = await asyncio.to_thread(store.summary, *span, filters, wanted.by)
            return Response(encode_json({"data": [each._asdict() for each in sums]}), media_type="application/json")
        page = await asyncio.to_thread(store.page, *span, filters, limit=wanted.limit, cursor=wanted.cursor)
        if wanted.format == "csv":
            return Response(_as_csv(page), media_type="text/csv; charset=utf-8")
        has_more = len(page) == wanted.limit
        body = {"data": list(map(feedback_view, page)), "has_more": has_more, "next_cursor": page[-1].id if has_more else None}
        return Response(encode_json(body), media_type="application/json")

    return router


def feedback_view(each: Feedback) -> dict[str, object]:
    """An opinion as the API shows it."""
    texts = each.texts
    return {
        "id": each.id,
        "at": rfc3339_ns(each.created_wall_ns),
        "request_id": each.request_id,
        "rater": each.opinion.rater,
        "score": each.opinion.score,
        "label": each.opinion.label,
        "comment": each.opinion.comment,
        "key_id": texts["key"],
        "team": texts["team"],
        "user": texts["owner"],
        "organisation": texts["organisation"],
        "route": texts["route"],
        "model": f"{texts['provider']}/{texts['model']}",
    }


def _as_csv(page: list[Feedback]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    rows = list(map(feedback_view, page))
    names = list(rows[0]) if rows else ["id"]
    writer.writerow(names)
    writer.writerows([spreadsheet_text("" if row[name] is None else str(row[name])) for name in names] for row in rows)
    return text.getvalue()


async def _key(services: AdminServices, request: Request) -> VirtualKey:
    fields = {name.lower(): value for name, value in request.scope["headers"]}
    token = presented_key(fields, request.scope["query_string"])
    if not token:
        raise GatewayError(ErrorKind.AUTHENTICATION, "Send your key as `Authorization: Bearer wb-…`.", code="missing_api_key")
    key = await services.keys.find(digest_of(token))
    if key is None or (key.expires_wall_ns is not None and key.expires_wall_ns <= services.clock.wall_ns()):
        raise GatewayError(ErrorKind.AUTHENTICATION, "This key is unknown, revoked or expired.", code="invalid_api_key")
    peer = request.client.host if request.client is not None else ""
    if key.is_blocked or not may_come_from(key.addresses, peer):
        raise GatewayError(
            ErrorKind.PERMISSION_DENIED, "This key is blocked, or may not be used from here.", code="blocked_api_key"
        )
    return key


async def _asked(services: AdminServices, request_id: str) -> Asked | None:
    for look in range(_LOOKS):
        found = await asyncio.to_thread(services.store.feedback.asked, request_id)
        if found is not None:
            return found
        if not request_id.startswith(_OF_OURS):
            break
        if look + 1 < _LOOKS:
            await asyncio.sleep(_BETWEEN_LOOKS_S)
    return None


def _is_of(key: VirtualKey, asked: Asked) -> bool:
    """Whether a key's holder may speak of a request: its own, or one of its team's."""
    return asked.key_id == key.id or bool(key.team and key.team == asked.team)
