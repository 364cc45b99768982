"""Who can be given credits: whoever pays for what his keys do, and nobody whose team or organisation does."""

from __future__ import annotations

from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.ledger.books import payer_of
from weighbridge.storage.errors import KeyNotFoundError
from weighbridge.storage.store import Store


def checked_payer(store: Store, payer: Scope) -> str:
    """A payer as the books name it: `team:search`. Raises `ValueError` where somebody else pays for it."""
    widest, named = _widest(store, payer), f"{payer.kind.value}:{payer.name}"
    if widest != named:
        raise ValueError(f"{widest} pays for {named}: give the credits to it")
    return widest


def _widest(store: Store, payer: Scope) -> str:
    """Who pays for what a payer does: it itself, or what it is in."""
    if payer.kind is ScopeKind.KEY:
        try:
            key = store.key(payer.name).key
        except KeyNotFoundError:  # of the configuration, if it is there at all
            return payer_of("", "", "", payer.name)
        return payer_of(key.organisation, key.team, key.user, key.id)
    place = store.people.place_of(payer)
    organisation, team = (place.organisation, place.team) if place is not None else ("", "")
    if payer.kind is ScopeKind.USER:
        return payer_of(organisation, team, payer.name, "")
    return payer_of(organisation, payer.name, "", "") if payer.kind is ScopeKind.TEAM else payer_of(payer.name, "", "", "")
