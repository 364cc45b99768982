"""From checked claims to a person: the e-mail address by which users are known, and the groups from which roles follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weighbridge.auth.identities import Identity, NotAdmittedError, Refusal
from weighbridge.auth.people import check_email
from weighbridge.auth.sign_in_rules import GOOGLE, OidcRules
from weighbridge.storage.people_store import MAX_NAME_CHARACTERS

_MAX_GROUPS: Final = 5_000
_VERIFIED: Final = ("email_verified", "xms_edov")
"""The second is Entra ID's, which does not know the first: whether the owner of the address's domain has been verified.
https://learn.microsoft.com/entra/identity-platform/optional-claims-reference"""
_NOT: Final = (False, "false", "False", "0")
_NAMES: Final = ("name", "preferred_username")


def claim_at(claims: Mapping[str, object], path: str) -> object:
    """The claim of this name, or what stands at this path (`realm_access.roles`); None: nothing."""
    if path in claims:
        return claims[path]
    found: object = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def is_complete(claims: Mapping[str, object], rules: OidcRules) -> bool:
    """Whether the rules find all that they ask for: some providers tell the rest at another address (`userinfo`)."""
    wants_groups = any(rule.group for rule in rules.roles)
    return claim_at(claims, rules.user_claim) is not None and (
        not wants_groups or claim_at(claims, rules.groups_claim) is not None or _are_left_out(claims, rules)
    )


def identity_of(claims: Mapping[str, object], rules: OidcRules) -> Identity:
    """The person. Raises `NotAdmittedError`."""
    if _are_left_out(claims, rules):
        detail = f"the provider leaves out `{rules.groups_claim}`, of which there are too many: have it tell of fewer"
        raise NotAdmittedError(Refusal.GROUPS_LEFT_OUT, detail)
    email = _email(claims, rules)
    _check_domain(email, claims, rules)
    return Identity(
        issuer=rules.issuer,
        subject=str(claims["sub"]),
        email=email,
        name=next((name for name in map(claims.get, _NAMES) if _is_name(name)), email),  # type: ignore[arg-type]
        groups=_groups(claim_at(claims, rules.groups_claim)),
    )


def _email(claims: Mapping[str, object], rules: OidcRules) -> str:
    told = claim_at(claims, rules.user_claim)
    try:
        email = check_email(told if isinstance(told, str) else "")
    except ValueError:
        raise NotAdmittedError(Refusal.NO_EMAIL, f"`{rules.user_claim}` is no e-mail address") from None
    if rules.user_claim == "email" and any(claims.get(name, True) in _NOT for name in _VERIFIED):
        raise NotAdmittedError(Refusal.UNVERIFIED_EMAIL, f"the provider has not verified {email}")
    return email


def _check_domain(email: str, claims: Mapping[str, object], rules: OidcRules) -> None:
    domain: object = email.rpartition("@")[2]
    if rules.issuer == GOOGLE and domain != "gmail.com":
        # Anybody can open an account there with an address of any domain, and keep it after leaving. Whose accounts are of the
        # domain's own organisation is what `hd` says. https://developers.google.com/identity/openid-connect/openid-connect
        domain = claims.get("hd")
    if rules.allowed_domains and domain not in rules.allowed_domains:
        raise NotAdmittedError(Refusal.OTHER_DOMAIN, f"{email} is of none of the `allowed_domains`")


def _groups(told: object) -> frozenset[str]:
    # A list; one alone; or, as Zitadel has its roles, the names of an object's members.
    many = told if isinstance(told, list | dict) else [told]
    return frozenset(each for each in list(many)[:_MAX_GROUPS] if isinstance(each, str) and each)


def _are_left_out(claims: Mapping[str, object], rules: OidcRules) -> bool:
    """Entra ID, of more than 200: a reference instead. https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference"""
    elsewhere = claims.get("_claim_names")
    return isinstance(elsewhere, Mapping) and rules.groups_claim in elsewhere


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 1 <= len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and name == name.strip()
