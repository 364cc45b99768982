from __future__ import annotations

import pytest

from weighbridge.auth.people import EVERYWHERE, Place, Role
from weighbridge.auth.permissions import ALLOWED, Actor, Permission
from weighbridge.core.errors import GatewayError

SEARCH = Place("acme", "search")


def test_every_role_is_in_the_table():
    assert set(ALLOWED) == set(Role)


@pytest.mark.parametrize(
    "permission", [Permission.READ_LEDGER, Permission.READ_GATEWAY, Permission.READ_AUDIT, Permission.MANAGE_GATEWAY]
)
def test_what_concerns_the_whole_gateway_needs_a_role_held_everywhere(permission):
    assert Actor("user:a", Role.OWNER).may(permission)
    assert not Actor("user:a", Role.OWNER, SEARCH).may(permission)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING, Role.MEMBER])
def test_who_looks_on_manages_nobody(role):
    actor = Actor("user:a", role)
    for permission in (Permission.MANAGE_KEYS, Permission.MANAGE_PEOPLE, Permission.MANAGE_GATEWAY):
        with pytest.raises(GatewayError) as refused:
            actor.require(permission)
        assert (refused.value.status, refused.value.code) == (403, "insufficient_role")


def test_billing_sees_no_requests():
    assert not Actor("user:a", Role.BILLING).may(Permission.READ_REQUESTS)


def test_a_role_ends_at_its_place():
    actor = Actor("user:a", Role.ADMIN, SEARCH)
    actor.require_in(Permission.MANAGE_KEYS, SEARCH)
    for place in (EVERYWHERE, Place("acme"), Place("acme", "ads")):
        with pytest.raises(GatewayError) as refused:
            actor.require_in(Permission.MANAGE_KEYS, place)
        assert refused.value.code == "outside_your_place"


def test_nobody_gives_a_role_above_the_own():
    Actor("user:a", Role.ADMIN).require_grant(Role.ADMIN)
    Actor("user:a", Role.OWNER).require_grant(Role.OWNER)
    with pytest.raises(GatewayError):
        Actor("user:a", Role.ADMIN).require_grant(Role.OWNER)
