"""Ways to sign in to the dashboard as operators write them: passwords, and an OpenID provider."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from weighbridge.auth.sign_in_rules import GOOGLE
from weighbridge.config.fields import AuthorityFile, BaseUrl, SecretText
from weighbridge.config.proxies import is_loopback
from weighbridge.config.section import Section, fault

_MODULES: Final = ("joserfc", "authlib")
_SCOPE: Final = r"^[\x21\x23-\x5b\x5d-\x7e]{1,200}$"
"""RFC 6749 section 3.3."""
_DOMAIN: Final = r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$"
_HOST: Final = re.compile(r"https?://(\[[^\]]*\]|[^/:]+)")


class OidcRole(Section):
    """A role for whoever is in a group. The first entry that fits counts."""

    group: Annotated[str, Field(max_length=200)] = ""
    """As the provider calls it. Everybody if not given."""
    role: Literal["owner", "admin", "member", "viewer", "billing"]
    """What they may do."""
    organisation: Annotated[str, Field(max_length=64)] = ""
    """Where the role counts: an organisation with all its teams. Everywhere if neither is given."""
    team: Annotated[str, Field(max_length=64)] = ""
    """Where the role counts: a team."""


class Oidc(Section):
    """An OpenID provider: Keycloak, Entra ID, Google, Okta and others. Needs the extra `oidc`."""

    issuer: BaseUrl
    """Its address, below which `/.well-known/openid-configuration` is."""
    client_id: Annotated[str, Field(min_length=1, max_length=400)]
    """What the provider calls the gateway."""
    client_secret: SecretText | None = None
    """The secret that goes with it. A public client has none."""
    name: Annotated[str, Field(min_length=1, max_length=40)] = "single sign-on"
    """What the button says: `Sign in with …`."""
    scopes: list[Annotated[str, Field(pattern=_SCOPE)]] = ["openid", "email", "profile"]
    """What is asked for."""
    user_claim: Annotated[str, Field(min_length=1, max_length=200)] = "email"
    """Where the person's e-mail address stands. In `email` it counts unless the provider says that it is not verified."""
    groups_claim: Annotated[str, Field(min_length=1, max_length=200)] = "groups"
    """Where the person's groups stand: a claim, or a path such as `realm_access.roles`."""
    roles: Annotated[list[OidcRole], Field(max_length=500)] = []
    """Roles for groups, looked up at each sign-in."""
    create_users: bool = False
    """Whether somebody for whom there is a role, and no user, becomes one."""
    allowed_domains: list[Annotated[str, Field(pattern=_DOMAIN)]] = []
    """Domains of e-mail addresses that may come in, in lower case. All if empty."""
    ca_file: AuthorityFile | None = None
    """PEM file of the authorities to trust at the provider, in place of the system's."""

    @model_validator(mode="after")
    def _can_be_trusted(self) -> Oidc:
        host = _HOST.match(self.issuer)
        if self.issuer.startswith("http://") and (host is None or not is_loopback(host[1].strip("[]"))):
            raise fault("issuer", "must be an `https://` URL: who can change its answers can be anybody")
        if "openid" not in self.scopes:
            raise fault("scopes", "must have `openid`")
        if self.issuer == GOOGLE and not self.allowed_domains:
            raise fault("allowed_domains", "is needed with Google, where everybody can have an account")
        if self.create_users and not self.roles:
            raise fault("roles", "is needed where users are created: `- {role: viewer}` is for everybody")
        if any(find_spec(module) is None for module in _MODULES):
            raise fault("issuer", "needs the extra `oidc`: pip install 'weighbridge[oidc]'")
        return self


class SignIn(Section):
    """Ways to sign in to the dashboard. An admin key always is one."""

    password: bool = True
    """Whether users sign in by e-mail and password."""
    oidc: Oidc | None = None
    """Whether they sign in at an OpenID provider, and at which."""
