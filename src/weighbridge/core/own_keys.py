"""Provider keys that customers have brought: whose requests each is for, and at whom it is used. Plain data, for workers too."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from weighbridge.core.secret import Secret
from weighbridge.core.terms import OWN_KEY_PREFIX, VirtualKey


class OwnerKind(StrEnum):
    """Whose requests an own key is for, the nearest first: of several the nearest is used."""

    __hash__ = str.__hash__  # as in terms.py

    KEY = "key"
    TEAM = "team"
    ORGANISATION = "organisation"


class Owner(msgspec.Struct, frozen=True):
    """Whom a provider key belongs to: a virtual key by its id, a team or an organisation by its name."""

    kind: OwnerKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class OwnKey(msgspec.Struct, frozen=True):
    """One that may be used."""

    id: str
    owner: Owner
    provider: str
    secret: Secret | None
    """None: no master key opens it. Then it is not passed over: its owner's requests are refused, and never sent with another."""
    hint: str = ""
    """The last characters, for people to tell keys apart."""
    falls_back: bool = False
    """Whether the gateway's own keys may be used where this one fails."""

    @property
    def credential(self) -> str:
        """What Records call it."""
        return OWN_KEY_PREFIX + self.id


NO_OWN_KEYS: Final[tuple[OwnKey, ...]] = ()


def owners_of(key: VirtualKey) -> tuple[Owner, ...]:
    """Whose provider keys a virtual key's requests may be sent with, the nearest first."""
    owners = [Owner(OwnerKind.KEY, key.id)] if key.id else []
    if key.team:
        owners.append(Owner(OwnerKind.TEAM, key.team))
    if key.organisation:
        owners.append(Owner(OwnerKind.ORGANISATION, key.organisation))
    return tuple(owners)
