"""How a configuration has people sign in."""

from __future__ import annotations

from weighbridge.auth.people import Place, Role
from weighbridge.auth.sign_in_rules import OidcRules, RoleRule, SignInRules
from weighbridge.config import schema
from weighbridge.config.sign_in_fields import Oidc


def compile_sign_in(config: schema.Config) -> SignInRules:
    """The rules."""
    written = config.sign_in
    return SignInRules(
        takes_passwords=written.password,
        public_url=config.server.public_url or "",
        has_tls=config.server.tls is not None,
        oidc=None if written.oidc is None else _oidc(written.oidc),
    )


def _oidc(written: Oidc) -> OidcRules:
    return OidcRules(
        issuer=written.issuer,
        client_id=written.client_id,
        client_secret=written.client_secret,
        name=written.name,
        scopes=tuple(written.scopes),
        user_claim=written.user_claim,
        groups_claim=written.groups_claim,
        roles=tuple(RoleRule(Role(each.role), each.group, Place(each.organisation, each.team)) for each in written.roles),
        creates_users=written.create_users,
        allowed_domains=frozenset(written.allowed_domains),
        ca_file=None if written.ca_file is None else str(written.ca_file),
    )
