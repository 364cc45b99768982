"""Virtual keys as the admin API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.expiry import FORMS, expiry_wall_ns
from weighbridge.auth.people import MAX_EMAIL_CHARACTERS, MAX_HANDLE_CHARACTERS
from weighbridge.auth.permissions import Actor, Permission
from weighbridge.auth.virtual_keys import MAX_MODELS, MAX_NAME_CHARACTERS, MintedKey
from weighbridge.control.acting import refuse
from weighbridge.control.admin_services import Reported
from weighbridge.control.paging import Change
from weighbridge.core.clock import utc_from_ns
from weighbridge.core.terms import NO_DEMAND, DataDemand
from weighbridge.storage.stored_keys import MAX_ADDRESSES, MAX_TAGS, KeyChange, KeyState, NewKey, StoredKey

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)]
Models = Annotated[list[str], Field(max_length=MAX_MODELS)]
Handle = Annotated[str, Field(max_length=MAX_HANDLE_CHARACTERS)]
Login = Annotated[str, Field(max_length=MAX_EMAIL_CHARACTERS)]
Networks = Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=MAX_ADDRESSES)]
Tags = Annotated[list[str], Field(max_length=MAX_TAGS)]
OutputCap = Annotated[int, Field(ge=1, le=10_000_000)]
Priority = Annotated[int, Field(ge=-100, le=100)]
Expires = Annotated[str, Field(max_length=64)]

_MODELS = "Names or patterns (`openai/*`). Empty allows all."
_EXPIRES = f"When it ends: {FORMS}. Absent: never."
_TEAM = "A team's name. Absent: the user's, if any."
_USER = "A user's e-mail address, or a service account's name. An admin key may do what its user may."
_ADDRESSES = "Networks it may be used from (`10.0.0.0/8`). Empty: from anywhere."
_CAP = (
    "The most that one of its requests may have generated: what asks for more, or for no bound, is capped; "
    "a batch of which it is not seen is refused."
)
_TAGS = "What its requests are booked under besides."
_PRIORITY = "Where requests have to wait, those with a higher number go first."


class Demand(BaseModel):
    """What is demanded of where its requests' data goes. A request that no target satisfies is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    regions: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=32)] = []
    zdr: bool = False
    max_retention_days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    no_training: bool = False

    def as_core(self) -> DataDemand:
        """As the data plane takes it."""
        demand = DataDemand(tuple(self.regions), self.zdr, self.max_retention_days, self.no_training)
        return NO_DEMAND if demand.is_empty else demand

    @classmethod
    def of(cls, demand: DataDemand) -> Self:
        """The view of it."""
        return cls(
            regions=list(demand.regions),
            zdr=demand.zdr,
            max_retention_days=demand.max_retention_days,
            no_training=demand.no_training,
        )


class CreateKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name = Field(description="Unique among keys that are not revoked.")
    models: Models = Field([], description=_MODELS)
    expires: Expires | None = Field(None, description=_EXPIRES)
    is_admin: bool = Field(default=False, description="Whether it opens the admin API.")
    team: Handle = Field("", description=_TEAM)
    user: Login = Field("", description=_USER)
    organisation: Handle = Field("", description="An organisation's name. Absent: the team's.")
    addresses: Networks = Field([], description=_ADDRESSES)
    max_output_tokens: OutputCap | None = Field(None, description=_CAP)
    tags: Tags = Field([], description=_TAGS)
    priority: Priority = Field(0, description=_PRIORITY)
    demand: Demand = Field(default_factory=Demand)

    def as_new(self, minted: MintedKey, now_wall_ns: int, actor: Actor) -> NewKey:
        """As the store takes it. Who may only have keys of his or her own gets one of those; who looks after a place, one there."""
        user, team, organisation = self.user, self.team, self.organisation
        if not (user or team or organisation):
            user = "" if actor.may(Permission.MANAGE_KEYS) else actor.login
            team, organisation = (actor.place.team, actor.place.organisation) if not user else ("", "")
        return NewKey(
            name=self.name,
            digest=minted.digest,
            hint=minted.hint,
            models=tuple(self.models),
            expires_wall_ns=_expiry(self.expires, now_wall_ns),
            is_admin=self.is_admin,
            team=team,
            user=user.lower() if "@" in user else user,
            organisation=organisation,
            addresses=tuple(self.addresses),
            max_output_tokens=self.max_output_tokens,
            tags=tuple(self.tags),
            demand=self.demand.as_core(),
            priority=self.priority,
        )


class ChangeKey(Change):
    """What is to be another about a key. `expires` and `max_output_tokens` are taken away by null."""

    name: Name = Field("", description="Unique among keys that are not revoked.")
    models: Models = Field([], description=_MODELS)
    expires: Expires | None = Field(None, description=_EXPIRES)
    team: Handle = Field("", description=_TEAM)
    user: Login = Field("", description=_USER)
    organisation: Handle = ""
    addresses: Networks = Field([], description=_ADDRESSES)
    max_output_tokens: OutputCap | None = Field(None, description=_CAP)
    tags: Tags = Field([], description=_TAGS)
    priority: Priority = Field(0, description=_PRIORITY)
    demand: Demand = Field(default_factory=Demand)
    is_blocked: bool = Field(default=False, description="Whether it is refused, until it is not blocked any more.")

    def as_change(self, now_wall_ns: int) -> KeyChange:
        """As the store takes it: only what was told."""
        told = self.model_fields_set
        user = self.user.lower() if "@" in self.user else self.user
        return KeyChange(
            name=self.name if "name" in told else UNSET,
            models=tuple(self.models) if "models" in told else UNSET,
            expires_wall_ns=_expiry(self.expires, now_wall_ns) if "expires" in told else UNSET,
            team=self.team if "team" in told else UNSET,
            user=user if "user" in told else UNSET,
            organisation=self.organisation if "organisation" in told else UNSET,
            addresses=tuple(self.addresses) if "addresses" in told else UNSET,
            max_output_tokens=self.max_output_tokens if "max_output_tokens" in told else UNSET,
            tags=tuple(self.tags) if "tags" in told else UNSET,
            demand=self.demand.as_core() if "demand" in told else UNSET,
            priority=self.priority if "priority" in told else UNSET,
            is_blocked=self.is_blocked if "is_blocked" in told else UNSET,
        )


class KeyView(Reported):
    """A key as it is shown: never its secret, only its last characters."""

    id: str
    name: str
    hint: str
    state: KeyState
    models: tuple[str, ...]
    is_admin: bool
    is_blocked: bool = Field(description="Whether it was blocked itself; `state` also tells when whoever it belongs to is.")
    team: str
    user: str
    organisation: str
    addresses: tuple[str, ...]
    max_output_tokens: int | None
    tags: tuple[str, ...]
    priority: int
    demand: Demand
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
            is_blocked=stored.is_blocked,
            team=key.team,
            user=key.user,
            organisation=key.organisation,
            addresses=key.addresses,
            max_output_tokens=key.max_output_tokens,
            tags=key.tags,
            priority=key.priority,
            demand=Demand.of(key.demand),
            created_at=utc_from_ns(stored.created_wall_ns),
            expires_at=_date(key.expires_wall_ns),
            revoked_at=_date(stored.revoked_wall_ns),
        )


class CreatedKey(KeyView):
    """A new key, or one that was rotated, with its secret."""

    key: str = Field(description="The secret. It is shown this once.")


class KeyList(Reported):
    """A page of keys, newest first."""

    data: tuple[KeyView, ...]
    has_more: bool
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page.")


def _expiry(text: str | None, now_wall_ns: int) -> int | None:
    try:
        return None if text is None else expiry_wall_ns(text, now_wall_ns)
    except ValueError as error:
        refuse(str(error), "expires")


def _date(wall_ns: int | None) -> datetime | None:
    return None if wall_ns is None else utc_from_ns(wall_ns)
