"""How people may sign in to the control plane, as a configuration has it: passwords, and an OpenID provider with its roles."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from weighbridge.auth.people import EVERYWHERE, Place, Role
from weighbridge.core.secret import Secret

GOOGLE: Final = "https://accounts.google.com"
"""An issuer for everybody who has an account there."""


class RoleRule(msgspec.Struct, frozen=True):
    """Whoever is in a group of the provider (empty: everybody) has a role, and where."""

    role: Role
    group: str = ""
    place: Place = EVERYWHERE


class OidcRules(msgspec.Struct, frozen=True):
    """An OpenID provider, and what follows from what it says of a person. `issuer` has no slash at its end."""

    issuer: str
    client_id: str
    client_secret: Secret | None = None
    name: str = ""
    scopes: tuple[str, ...] = ()
    user_claim: str = "email"
    groups_claim: str = "groups"
    roles: tuple[RoleRule, ...] = ()
    creates_users: bool = False
    allowed_domains: frozenset[str] = frozenset()
    ca_file: str | None = None

    def rule_for(self, groups: Collection[str]) -> RoleRule | None:
        """The first rule that fits somebody in these groups."""
        return next((rule for rule in self.roles if not rule.group or rule.group in groups), None)


class SignInRules(msgspec.Struct, frozen=True):
    """All of it. `public_url` is what browsers call the gateway by, without a slash at its end; empty: nobody has said."""

    takes_passwords: bool = True
    public_url: str = ""
    has_tls: bool = False
    """Whether the gateway speaks TLS itself."""
    oidc: OidcRules | None = None

    @property
    def is_secure(self) -> bool:
        """Whether browsers come over HTTPS, so that cookies are for nothing else."""
        return self.has_tls or self.public_url.startswith("https://")
