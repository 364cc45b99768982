"""`/admin/v1/keys`: make, list, look at and revoke virtual keys."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.expiry import FORMS, expiry_wall_ns
from weighbridge.auth.virtual_keys import MAX_MODELS, MAX_NAME_CHARACTERS, mint_key
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.core.clock import utc_from_ns
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.store import MAX_PAGE
from weighbridge.storage.stored_keys import KeyState, NewKey, StoredKey

KEY_ID_PATTERN: Final = "^key_[0-9a-f]{24}$"
KeyId = Annotated[str, Path(pattern=KEY_ID_PATTERN, description="The key's id.")]


class CreateKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS, description="Unique among keys that are not revoked.")
    models: list[str] = Field([], max_length=MAX_MODELS, description="Names or patterns (`openai/*`). Empty allows all.")
    expires: str | None = Field(None, max_length=64, description=f"When it ends: {FORMS}. Absent: never.")
    is_admin: bool = Field(default=False, description="Whether it opens the admin API.")


class KeyView(Reported):
    """A key as it is shown: never its secret, only its last characters."""

    id: str
    name: str
    hint: str
    state: KeyState
    models: tuple[str, ...]
    is_admin: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, stored: StoredKey, now_wall_ns: int) -> Self:
        """The view of a stored key."""
        key = stored.key
        return cls(
            id=key.id,
            name=key.name,
            hint=key.hint,
            state=stored.state_at(now_wall_ns),
            models=key.models,
            is_admin=key.is_admin,
            created_at=utc_from_ns(stored.created_wall_ns),
            expires_at=_date(key.expires_wall_ns),
            revoked_at=_date(stored.revoked_wall_ns),
        )


class CreatedKey(KeyView):
    """A new key with its secret."""

    key: str = Field(description="The secret. It is shown this once.")


class KeyList(Reported):
    """A page of keys, newest first."""

    data: tuple[KeyView, ...]
    has_more: bool
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page.")


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, pattern=KEY_ID_PATTERN, description="`next_cursor` of the page before.")


def keys_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/keys", tags=["keys"])
    store, clock = services.store, services.clock

    @router.post("", status_code=201, summary="Make a key; the answer is the only one that shows it")
    async def create(wanted: CreateKey) -> CreatedKey:
        minted = mint_key()
        new = NewKey(
            name=wanted.name,
            digest=minted.digest,
            hint=minted.hint,
            models=tuple(wanted.models),
            expires_wall_ns=_expiry(wanted.expires, clock.wall_ns()),
            is_admin=wanted.is_admin,
        )
        try:
            stored = await asyncio.to_thread(store.create_key, new)
        except ValueError as error:
            raise GatewayError(ErrorKind.INVALID_REQUEST, str(error), code="invalid_field") from None
        view = KeyView.of(stored, clock.wall_ns())
        return CreatedKey(**view.model_dump(), key=minted.secret.reveal())

    @router.get("", summary="List keys, newest first, revoked ones included")
    async def list_keys(query: Annotated[PageQuery, Query()]) -> KeyList:
        page = await asyncio.to_thread(store.list_keys, limit=query.limit, cursor=query.cursor)
        now = clock.wall_ns()
        data = tuple(KeyView.of(stored, now) for stored in page.keys)
        return KeyList(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor)

    @router.get("/{key_id}", summary="Look at a key")
    async def get(key_id: KeyId) -> KeyView:
        return KeyView.of(await asyncio.to_thread(store.key, key_id), clock.wall_ns())

    @router.delete("/{key_id}", summary="Revoke a key for good; it is refused within a second")
    async def revoke(key_id: KeyId) -> KeyView:
        return KeyView.of(await asyncio.to_thread(store.revoke_key, key_id), clock.wall_ns())

    return router


def _expiry(text: str | None, now_wall_ns: int) -> int | None:
    try:
        return None if text is None else expiry_wall_ns(text, now_wall_ns)
    except ValueError as error:
        raise GatewayError(ErrorKind.INVALID_REQUEST, str(error), param="expires", code="invalid_field") from None


def _date(wall_ns: int | None) -> datetime | None:
    return None if wall_ns is None else utc_from_ns(wall_ns)
