"""A sign-in under way: what is asked of the provider, and the cookie by which its answer is known to be for this browser.

The cookie holds state, nonce and PKCE's verifier, sealed under a key that lives as long as the process: nothing is kept for whoever
begins and does not end. Each is good for one answer, within ten minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import msgspec

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.auth.sealing import SealBrokenError, seal, unseal
from weighbridge.auth.sign_in_rules import OidcRules
from weighbridge.control.oidc.provider import Metadata, with_query
from weighbridge.core.clock import NS_PER_S, new_token, random_bytes
from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.core.ports import Clock
from weighbridge.core.secret import Secret

LIFETIME_NS: Final = 600 * NS_PER_S
"""Time to find a password, and the telephone for the second factor."""
HOME: Final = "/dashboard/overview"
MAX_CODE_CHARACTERS: Final = 8_192
_PURPOSE: Final = "openid sign-in"
_MAX_COOKIE: Final = 4_096
"""Browsers keep no longer one (RFC 6265 section 6.1)."""
_MAX_ENDED: Final = 10_000
_LOCAL: Final = re.compile(r"/dashboard/[A-Za-z0-9_.\-/]+(\?[A-Za-z0-9_.\-/?&=%+~:,;@!$'()*]*)?")
_MAX_LOCAL: Final = 1_000


class Pending(msgspec.Struct, frozen=True):
    """A sign-in that has begun."""

    state: str
    nonce: str
    verifier: str
    goes_on: str
    """The page of ours to which it leads."""
    client: str
    """Issuer and client that were asked: another configuration takes no answer to this question."""
    started_ns: int


class Flow:
    """Begins sign-ins and knows their answers. Belongs to the control plane's event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = random_bytes(32)
        self._ended: OrderedDict[str, int] = OrderedDict()
        """By state: when answers came."""

    def begin(self, rules: OidcRules, metadata: Metadata, redirect_uri: str, goes_on: str) -> tuple[str, str]:
        """The provider's address to go to, and the cookie's value."""
        pending = Pending(new_token(), new_token(), new_token(), local_path(goes_on), _client(rules), self._clock.now_ns())
        # RFC 7636 section 4.2.
        challenge = urlsafe_b64encode(hashlib.sha256(pending.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": rules.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(rules.scopes),
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        sealed = seal(Secret(encode_json(pending).decode()), self._key, _PURPOSE)
        return with_query(metadata.authorization_endpoint, query), urlsafe_b64encode(sealed).decode()

    def ended(self, cookie: str, answer: Mapping[str, str], rules: OidcRules) -> tuple[Pending, str]:
        """The sign-in that an answer ends, and the code in it. Raises `NotAdmittedError`."""
        pending = self._opened(cookie)
        if not hmac.compare_digest(answer.get("state", "").encode(), pending.state.encode()):
            raise NotAdmittedError(Refusal.STALE, "the answer's state is another than this browser's")
        now_ns = self._clock.now_ns()
        if pending.client != _client(rules) or now_ns - pending.started_ns > LIFETIME_NS or pending.state in self._ended:
            raise NotAdmittedError(Refusal.STALE, "the answer came too late, or twice")
        self._ended[pending.state] = now_ns
        while len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)
        if (error := answer.get("error")) is not None:
            # A word of RFC 6749 section 4.1.2.1 or OpenID Connect and nothing else: its description may be anything.
            word = error if error.isidentifier() and len(error) <= 40 else "an error"
            refusal = Refusal.CANCELLED if error == "access_denied" else Refusal.REJECTED
            raise NotAdmittedError(refusal, f"the provider answered {word}")
        code = answer.get("code", "")
        if not 0 < len(code) <= MAX_CODE_CHARACTERS:
            raise NotAdmittedError(Refusal.NOT_TRUSTED, "the answer has no code")
        return pending, code

    def _opened(self, cookie: str) -> Pending:
        try:
            sealed = urlsafe_b64decode(cookie[:_MAX_COOKIE].encode("ascii"))
            return msgspec.convert(decode_json(unseal(sealed, self._key, _PURPOSE).reveal().encode()), Pending)
        except (ValueError, SealBrokenError, JsonError):
            raise NotAdmittedError(Refusal.STALE, "this browser has begun no sign-in, or before a restart") from None


def local_path(wanted: str) -> str:
    """Where to go afterwards: a page of ours, and never an address that somebody put into a link."""
    is_ours = len(wanted) <= _MAX_LOCAL and _LOCAL.fullmatch(wanted) is not None
    path = wanted.partition("?")[0]
    is_plain = "//" not in path and ".." not in path and not path.startswith("/dashboard/sign-in")
    return wanted if is_ours and is_plain else HOME


def check_issuer(answer: Mapping[str, str], metadata: Metadata) -> None:
    """RFC 9207: an answer that names its issuer comes from the one that was asked, and one that should name it does. Raises
    `NotAdmittedError`."""
    named = answer.get("iss", None if metadata.authorization_response_iss_parameter_supported else metadata.issuer)
    if named != metadata.issuer:
        raise NotAdmittedError(Refusal.NOT_TRUSTED, "the answer is another provider's")


def _client(rules: OidcRules) -> str:
    return f"{rules.issuer} {rules.client_id}"
