"""`/admin/v1/keys`: make, list, look at, change, rotate, block and revoke virtual keys."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.expiry import duration_ns
from weighbridge.auth.people import EVERYWHERE, Place
from weighbridge.auth.permissions import Actor, Permission
from weighbridge.auth.sealing import SealBrokenError, seal, unseal
from weighbridge.auth.virtual_keys import MintedKey, mint_key
from weighbridge.control.acting import Acting, IdempotencyKey, IfMatch, act_of, expected_version, refuse, tell_version
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.key_views import ChangeKey, CreatedKey, CreateKey, KeyList, KeyView
from weighbridge.control.paging import ID_FORM, PageQuery
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.secret import Secret
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.errors import CreatedBeforeError, KeyNotFoundError
from weighbridge.storage.store import Store
from weighbridge.storage.stored_keys import KeyChange, StoredKey

KeyId = Annotated[str, Path(pattern=f"^key_{ID_FORM}", description="The key's id.")]
_SEALED_FOR: Final = "idempotent create of a key"
MAX_OVERLAP_NS: Final = 90 * 86_400 * 1_000_000_000
"""Who needs longer to put a new secret in place does not rotate."""


class RotateKey(BaseModel):
    """How a key gets another secret."""

    model_config = ConfigDict(extra="forbid", strict=True)

    overlap: str = Field("24h", max_length=20, description="How long the old one works on: `0s`, `30m`, `7d`; at most `90d`.")


def keys_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/keys", tags=["keys"])
    store, clock = services.store, services.clock
    guard = _Guard(store)

    @router.post("", status_code=201, summary="Make a key; the answer is the only one that shows it")
    async def create(
        wanted: CreateKey, actor: Acting, request: Request, response: Response, idempotency_key: IdempotencyKey = None
    ) -> CreatedKey:
        minted = mint_key()
        new = wanted.as_new(minted, clock.wall_ns(), actor)
        place = await guard.resolved(Place(new.organisation, new.team), new.user)
        await guard.require(actor, place, new.user, is_admin=new.is_admin)
        act, sealed = act_of(request, actor, idempotency_key, wanted), _sealed(minted, idempotency_key)
        try:
            stored = await asyncio.to_thread(store.create_key, new, act, sealed)
        except CreatedBeforeError as before:
            stored, minted = await _made_before(store, before, idempotency_key)
        except ValueError as error:
            refuse(str(error))
        return _created(stored, minted, clock.wall_ns(), response)

    @router.get("", summary="List keys, newest first, revoked ones included")
    async def list_keys(query: Annotated[PageQuery, Query()], actor: Acting) -> KeyList:
        actor.require(Permission.READ_PEOPLE)
        page = await asyncio.to_thread(store.list_keys, limit=query.limit, cursor=query.cursor, place=actor.place)
        now = clock.wall_ns()
        data = tuple(KeyView.of(stored, now) for stored in page.keys)
        return KeyList(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor)

    @router.get("/{key_id}", summary="Look at a key")
    async def get(key_id: KeyId, actor: Acting, response: Response) -> KeyView:
        return _shown(await guard.visible(key_id, actor), clock.wall_ns(), response)

    @router.patch("/{key_id}", summary="Change a key, or block it")
    async def change(
        key_id: KeyId, wanted: ChangeKey, actor: Acting, request: Request, response: Response, if_match: IfMatch = None
    ) -> KeyView:
        version = expected_version(if_match, is_required=True)
        found = await guard.mine(key_id, actor)
        told = wanted.as_change(clock.wall_ns())
        await guard.require_move(actor, found.key, told)
        try:
            changed = await asyncio.to_thread(store.change_key, key_id, told, act_of(request, actor), version)
        except ValueError as error:
            refuse(str(error))
        return _shown(changed, clock.wall_ns(), response)

    @router.post("/{key_id}/rotate", status_code=201, summary="Give a key another secret; the old one works on for a while")
    async def rotate(
        key_id: KeyId,
        wanted: RotateKey,
        actor: Acting,
        request: Request,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> CreatedKey:
        await guard.mine(key_id, actor)
        minted = mint_key()
        act, sealed = act_of(request, actor, idempotency_key, wanted), _sealed(minted, idempotency_key)
        try:
            stored = await asyncio.to_thread(store.rotate_key, key_id, minted, _overlap_ns(wanted.overlap), act, sealed)
        except CreatedBeforeError as before:
            stored, minted = await _made_before(store, before, idempotency_key)
        except ValueError as error:
            refuse(str(error))
        return _created(stored, minted, clock.wall_ns(), response)

    @router.delete("/{key_id}", summary="Revoke a key for good; it is refused within a second")
    async def revoke(key_id: KeyId, actor: Acting, request: Request, response: Response, if_match: IfMatch = None) -> KeyView:
        version = expected_version(if_match, is_required=False)
        await guard.mine(key_id, actor)
        return _shown(await asyncio.to_thread(store.revoke_key, key_id, act_of(request, actor), version), clock.wall_ns(), response)

    return router


class _Guard:
    """Whose keys an actor may see and change."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def visible(self, key_id: str, actor: Actor) -> StoredKey:
        """A key of the actor's place; that others are there is nothing to tell an outsider."""
        actor.require(Permission.READ_PEOPLE)
        found = await asyncio.to_thread(self._store.key, key_id)
        if not actor.place.has(_place(found.key)):
            raise KeyNotFoundError(f"no key has the id {key_id!r}: `weighbridge keys list` shows them")
        return found

    async def mine(self, key_id: str, actor: Actor) -> StoredKey:
        """A key that the actor may change: whoever can rotate an admin key can act as its user."""
        found = await self.visible(key_id, actor)
        await self.require(actor, _place(found.key), found.key.user, is_admin=found.key.is_admin)
        return found

    async def require(self, actor: Actor, place: Place, login: str, *, is_admin: bool) -> None:
        """Raises `GatewayError` PERMISSION_DENIED where the actor may not hold such a key in hand."""
        is_own = bool(actor.login) and login == actor.login and actor.place.has(place)
        if not (is_own and actor.may(Permission.MANAGE_OWN_KEYS)):
            actor.require_in(Permission.MANAGE_KEYS, place)
        if is_admin:
            await self._require_admin(actor, login)

    async def _require_admin(self, actor: Actor, login: str) -> None:
        user = await asyncio.to_thread(self._store.people.user_of, login) if login else None
        if user is None:
            # It may everything: only who may that as well makes one.
            is_owner = actor.role == actor.role.OWNER and actor.place.is_everywhere
            if not is_owner:
                message = "an admin key without a user may everything: only an owner of the whole gateway has those"
                raise GatewayError(ErrorKind.PERMISSION_DENIED, message, code="insufficient_role")
        elif not actor.place.has(user.place):
            raise GatewayError(ErrorKind.PERMISSION_DENIED, "This is outside of what you look after.", code="outside_your_place")
        else:
            actor.require_grant(user.role)

    async def require_move(self, actor: Actor, key: VirtualKey, told: KeyChange) -> None:
        """A key that changes hands has to be the actor's afterwards as well."""
        if told.team is UNSET and told.user is UNSET and told.organisation is UNSET:
            return
        team = key.team if told.team is UNSET else told.team
        login = key.user if told.user is UNSET else told.user
        kept = key.organisation if team == key.team else ""
        organisation = kept if told.organisation is UNSET else told.organisation
        place = await self.resolved(Place(organisation, team), login)
        await self.require(actor, place, login, is_admin=key.is_admin)

    async def resolved(self, place: Place, login: str) -> Place:
        """Where a key would be. Raises `GatewayError` INVALID_REQUEST for what is not there."""
        try:
            return await asyncio.to_thread(self._store.people.resolved, place, login)
        except ValueError as error:
            refuse(str(error))


def _place(key: VirtualKey) -> Place:
    return Place(key.organisation, key.team) if key.organisation or key.team else EVERYWHERE


def _sealed(minted: MintedKey, idempotency_key: str | None) -> bytes | None:
    return None if idempotency_key is None else seal(minted.secret, idempotency_key.encode(), _SEALED_FOR)


async def _made_before(store: Store, before: CreatedBeforeError, idempotency_key: str | None) -> tuple[StoredKey, MintedKey]:
    """The same answer again: only who holds the `Idempotency-Key` can have the secret unsealed."""
    stored = await asyncio.to_thread(store.key, before.subject_id)
    try:
        secret = unseal(before.sealed or b"", (idempotency_key or "").encode(), _SEALED_FOR)
    except SealBrokenError:
        secret = Secret("")
    return stored, MintedKey(secret, stored.key.digest, stored.key.hint)


def _created(stored: StoredKey, minted: MintedKey, now_wall_ns: int, response: Response) -> CreatedKey:
    view = _shown(stored, now_wall_ns, response)
    return CreatedKey(**view.model_dump(), key=minted.secret.reveal())


def _shown(stored: StoredKey, now_wall_ns: int, response: Response) -> KeyView:
    tell_version(response, stored.version)
    return KeyView.of(stored, now_wall_ns)


def _overlap_ns(text: str) -> int:
    try:
        overlap_ns = duration_ns(text)
    except ValueError as error:
        refuse(str(error), "overlap")
    if overlap_ns > MAX_OVERLAP_NS:
        refuse("the old secret works on for at most 90d", "overlap")
    return overlap_ns
