"""`/admin/v1/provider-keys`: bring, list, look at, change, disable and delete customers' own keys at providers.

What is handed in is sealed at once and never shown again. Whoever looks after a place brings keys for it and what is in it; a
member, for virtual keys of his or her own.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Request, Response
from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from weighbridge.auth.master_keys import MasterKeys, NoMasterKeyError
from weighbridge.auth.people import EVERYWHERE, Place
from weighbridge.auth.permissions import Actor, Permission
from weighbridge.auth.provider_secrets import MAX_LABEL_CHARACTERS, MAX_SECRET_CHARACTERS
from weighbridge.control.acting import Acting, IdempotencyKey, IfMatch, act_of, expected_version, refuse, tell_version
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.paging import ID_FORM, Change, PageQuery, date
from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.own_keys import Owner, OwnerKind
from weighbridge.core.secret import Secret
from weighbridge.core.terms import VirtualKey
from weighbridge.providers.base import Provider
from weighbridge.storage.errors import CreatedBeforeError, KeyNotFoundError, NotFoundError
from weighbridge.storage.provider_key_store import KeyState, NewProviderKey, ProviderKey, ProviderKeyChange, state_of
from weighbridge.storage.store import Store

ProviderKeyId = Annotated[str, Path(pattern=f"^pkey_{ID_FORM}", description="The provider key's id.")]
Label = Annotated[str, Field(max_length=MAX_LABEL_CHARACTERS)]
_FALLS_BACK = (
    "Whether the gateway's own keys may be used, and charged for, where this one fails: at its provider, and at the other targets "
    "of a route. Else such a request fails."
)
_SCOPES = {OwnerKind.KEY: ScopeKind.KEY, OwnerKind.TEAM: ScopeKind.TEAM, OwnerKind.ORGANISATION: ScopeKind.ORGANISATION}


class OwnerView(BaseModel):
    """Whose requests it is used for: those of a virtual key (by its id), of a team or of an organisation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Annotated[OwnerKind, Field(strict=False)]
    name: Annotated[str, Field(min_length=1, max_length=100)]

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not value.isprintable() or value != value.strip():
            raise ValueError("has only printable characters, and no blank at either end")
        return value

    def as_core(self) -> Owner:
        """As it is stored."""
        return Owner(self.kind, self.name)


class CreateProviderKey(BaseModel):
    """A key to bring."""

    model_config = ConfigDict(extra="forbid", strict=True)

    owner: OwnerView
    provider: str = Field(min_length=1, max_length=64, description="By its name in the configuration.")
    secret: SecretStr = Field(max_length=MAX_SECRET_CHARACTERS, description="The provider's key. It is never shown again.")
    label: Label = Field("", description="For people.")
    falls_back: bool = Field(default=False, description=_FALLS_BACK)


class ChangeProviderKey(Change):
    """What may change about one. Another secret is another key: bring it, then delete this one."""

    label: Label = Field("", description="For people.")
    falls_back: bool = Field(default=False, description=_FALLS_BACK)
    is_disabled: bool = Field(default=False, description="Whether it is not used for the time being.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("says nothing that would change")
        return self

    def as_change(self) -> ProviderKeyChange:
        """As the store takes it: only what was told."""
        told = self.model_fields_set
        return ProviderKeyChange(
            label=self.label if "label" in told else UNSET,
            falls_back=self.falls_back if "falls_back" in told else UNSET,
            is_disabled=self.is_disabled if "is_disabled" in told else UNSET,
        )


class ProviderKeyView(Reported):
    """A provider key as it is shown: never its secret, only its last characters."""

    id: str
    owner: OwnerView
    provider: str
    label: str
    hint: str
    state: KeyState = Field(description="`unreadable`: no configured master key opens it, and its owner's requests are refused.")
    falls_back: bool
    created_at: datetime
    last_used_at: datetime | None = Field(description="Within some seconds.")

    @classmethod
    def of(cls, found: ProviderKey, keys: MasterKeys) -> Self:
        """The view of a stored one."""
        used = found.last_used_wall_ns
        return cls(
            id=found.id,
            owner=OwnerView(kind=found.owner.kind, name=found.owner.name),
            provider=found.provider,
            label=found.label,
            hint=found.hint,
            state=state_of(found, keys),
            falls_back=found.falls_back,
            created_at=date(found.created_wall_ns),
            last_used_at=None if used is None else date(used),
        )


class ProviderKeyList(Reported):
    """A page, newest first."""

    data: tuple[ProviderKeyView, ...]
    has_more: bool
    next_cursor: str | None
    can_create: bool = Field(description="Whether a master key is configured, without which none can be brought.")
    providers: tuple[str, ...] = Field(description="Those of the configuration that take a key.")


def provider_keys_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/provider-keys", tags=["keys"])
    keys = services.store.provider_keys
    guard = _Guard(services.store)

    def shown(found: ProviderKey, response: Response) -> ProviderKeyView:
        tell_version(response, found.version)
        return ProviderKeyView.of(found, services.master_keys())

    @router.post("", status_code=201, summary="Bring a key of one's own at a provider; it is used within a second")
    async def create(
        wanted: CreateProviderKey, actor: Acting, request: Request, response: Response, idempotency_key: IdempotencyKey = None
    ) -> ProviderKeyView:
        owner = wanted.owner.as_core()
        await guard.require(actor, owner)
        check_provider(services.providers().get(wanted.provider), wanted.provider)
        new = NewProviderKey(owner, wanted.provider, Secret(wanted.secret.get_secret_value()), wanted.label, wanted.falls_back)
        act, of_store = act_of(request, actor, idempotency_key, wanted), not await guard.is_of_file(actor, owner)
        try:
            made = await asyncio.to_thread(keys.create, new, services.master_keys(), act, of_store=of_store)
        except CreatedBeforeError as before:
            made = await asyncio.to_thread(keys.get, before.subject_id)
        except NoMasterKeyError as missing:
            raise GatewayError(ErrorKind.INVALID_REQUEST, str(missing), code="no_master_key", status=409) from None
        except ValueError as error:
            refuse(str(error))
        return shown(made, response)

    @router.get("", summary="List provider keys, newest first")
    async def list_all(query: Annotated[PageQuery, Query()], actor: Acting) -> ProviderKeyList:
        actor.require(Permission.READ_PEOPLE)
        page = await asyncio.to_thread(keys.page, actor.place, limit=query.limit, cursor=query.cursor)
        master_keys = services.master_keys()
        return ProviderKeyList(
            data=tuple(ProviderKeyView.of(each, master_keys) for each in page.items),
            has_more=page.next_cursor is not None,
            next_cursor=page.next_cursor,
            can_create=bool(master_keys),
            providers=tuple(name for name, provider in services.providers().items() if provider.takes_keys is not None),
        )

    @router.get("/{key_id}", summary="Look at a provider key")
    async def get(key_id: ProviderKeyId, actor: Acting, response: Response) -> ProviderKeyView:
        return shown(await guard.visible(key_id, actor), response)

    @router.patch("/{key_id}", summary="Change a provider key, disable it, or use it again")
    async def change(
        key_id: ProviderKeyId,
        wanted: ChangeProviderKey,
        actor: Acting,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> ProviderKeyView:
        version = expected_version(if_match, is_required=True)
        await guard.require(actor, (await guard.visible(key_id, actor)).owner)
        try:
            changed = await asyncio.to_thread(keys.change, key_id, wanted.as_change(), act_of(request, actor), version)
        except ValueError as error:
            refuse(str(error), "label")
        return shown(changed, response)

    @router.delete("/{key_id}", status_code=204, summary="Delete a provider key for good; it is not used any more within a second")
    async def delete(key_id: ProviderKeyId, actor: Acting, request: Request, if_match: IfMatch = None) -> Response:
        version = expected_version(if_match, is_required=False)
        await guard.require(actor, (await guard.visible(key_id, actor)).owner)
        await asyncio.to_thread(keys.delete, key_id, act_of(request, actor), version)
        return Response(status_code=204)

    return router


class _Guard:
    """Whose provider keys an actor sees and brings."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def visible(self, key_id: str, actor: Actor) -> ProviderKey:
        """One of the actor's place; that others are there is nothing to tell an outsider."""
        actor.require(Permission.READ_PEOPLE)
        found = await asyncio.to_thread(self._store.provider_keys.get, key_id)
        place = await self._place(found.owner)
        if not actor.place.is_everywhere and (place is None or not actor.place.has(place)):
            raise NotFoundError("provider_key", key_id)
        return found

    async def require(self, actor: Actor, owner: Owner) -> None:
        """Raises `GatewayError` PERMISSION_DENIED where the actor may not decide with whose key this owner's requests are sent."""
        if owner.kind is OwnerKind.KEY and actor.login and actor.may(Permission.MANAGE_OWN_KEYS):
            key = await self._virtual_key(owner)
            if key is not None and key.user == actor.login and actor.place.has(Place(key.organisation, key.team)):
                return
        actor.require(Permission.MANAGE_KEYS)
        if actor.place.is_everywhere:
            return
        place = await self._place(owner)
        actor.require_in(Permission.MANAGE_KEYS, EVERYWHERE if place is None else place)

    async def is_of_file(self, actor: Actor, owner: Owner) -> bool:
        """Whether it is one that the configuration names and the store does not know: a matter of who looks after the gateway."""
        if not actor.place.is_everywhere:
            return False
        if owner.kind is OwnerKind.ORGANISATION:
            return await asyncio.to_thread(self._store.people.organisation_named, owner.name) is None
        if owner.kind is OwnerKind.TEAM:
            return await asyncio.to_thread(self._store.people.team_named, owner.name) is None
        return owner.name.startswith("file:")

    async def _place(self, owner: Owner) -> Place | None:
        return await asyncio.to_thread(self._store.people.place_of, Scope(_SCOPES[owner.kind], owner.name))

    async def _virtual_key(self, owner: Owner) -> VirtualKey | None:
        try:
            return (await asyncio.to_thread(self._store.key, owner.name)).key
        except KeyNotFoundError:
            return None


def check_provider(provider: Provider | None, name: str) -> None:
    """Raises `GatewayError` INVALID_REQUEST where nobody is called so, or takes no keys."""
    if provider is None:
        refuse(f"no provider of the configuration is called {name!r}", "provider")
    if provider.takes_keys is None:
        refuse(f"the provider {name!r} takes no key: it is open, or opened by an account of its cloud", "provider")
