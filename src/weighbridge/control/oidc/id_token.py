"""An ID token checked: who signed it, whom it is for, and that it answers our question (OpenID Connect Core 1.0, section 3.1.3.7).

The libraries come with the extra `oidc` and take 200 ms to import, so that the first sign-in imports them. All of this blocks: call
it in a thread.
"""

# ruff: noqa: PLC0415 -- an extra
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.core.secret import Secret

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Never `none`, and none that a public key could be the secret of."""
LEEWAY_S: Final = 60
"""For clocks that differ."""
_MAX_SUBJECT: Final = 255
"""OpenID Connect Core 1.0, section 2."""


class UnknownKeyError(Exception):
    """Signed with a key that the provider's set does not have, or did not when it was read."""


class Expected(msgspec.Struct, frozen=True):
    """What has to stand in the token."""

    issuer: str
    client_id: str
    nonce: str
    now_s: int
    access_token: Secret | None = None
    """What came beside it."""


def key_set(content: Mapping[str, object]) -> KeySet:
    """A provider's keys (RFC 7517); those of unknown kinds are left out. Raises `NotAdmittedError` where nothing can be used."""
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet, KeySetSerialization

    keys = content.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise NotAdmittedError(Refusal.UNAVAILABLE, "the provider's keys are no JSON Web Key Set")
    # Those for encryption, and whatever else is of no use here, may be of kinds that cannot be read.
    signing = [key for key in keys if key.get("use", "sig") == "sig"]
    try:
        return KeySet.import_key_set(KeySetSerialization(keys=signing))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise NotAdmittedError(Refusal.UNAVAILABLE, f"the provider's keys cannot be used: {type(error).__name__}") from None


def checked_claims(token: Secret, keys: KeySet, expected: Expected) -> Mapping[str, object]:
    """What the token claims. Raises `NotAdmittedError` NOT_TRUSTED, and `UnknownKeyError`."""
    from authlib.oidc.core import CodeIDToken
    from joserfc.errors import InvalidKeyIdError, JoseError
    from joserfc.jws import JWSRegistry
    from joserfc.jwt import decode

    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    must_be = {
        "iss": {"essential": True, "value": expected.issuer},
        "aud": {"essential": True, "value": expected.client_id},
    }
    access_token = expected.access_token.reveal() if expected.access_token is not None else None
    params = {"nonce": expected.nonce, "client_id": expected.client_id, "access_token": access_token}
    try:
        read = decode(token.reveal(), keys, registry=registry)
        CodeIDToken(read.claims, read.header, must_be, params).validate(now=expected.now_s, leeway=LEEWAY_S)
    except InvalidKeyIdError:
        raise UnknownKeyError from None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        # Names of claims and algorithms at most, never the token.
        raise NotAdmittedError(Refusal.NOT_TRUSTED, f"the ID token does not hold: {_why(error)}") from None
    subject = read.claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        raise NotAdmittedError(Refusal.NOT_TRUSTED, "the ID token does not hold: sub")
    return read.claims


def _why(error: Exception) -> str:
    return str(error)[:200] if type(error).__module__.startswith("joserfc") and str(error).isprintable() else type(error).__name__
