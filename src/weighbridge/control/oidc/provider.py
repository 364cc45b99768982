"""An OpenID provider as the control plane knows it: its addresses and keys, read when they are needed and kept for an hour."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.auth.sign_in_rules import OidcRules
from weighbridge.control.oidc.calls import Answer, Calls
from weighbridge.control.oidc.id_token import Expected, UnknownKeyError, checked_claims, key_set
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Clock
from weighbridge.core.secret import Secret

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

KEPT_NS: Final = 3600 * NS_PER_S
REST_NS: Final = 5 * NS_PER_S
"""So long a provider that did not answer is not asked again, nor its keys read anew: who comes meanwhile is refused at once."""
_MAX_TOKEN_CHARACTERS: Final = 64 * 1024
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


class Metadata(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery 1.0, section 3). Optional addresses are empty."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    """The default that the specification has."""
    authorization_response_iss_parameter_supported: bool = False
    """RFC 9207: whether answers name the issuer."""


class Tokens(msgspec.Struct, frozen=True):
    """What a code is worth."""

    id_token: Secret
    access_token: Secret | None


class Provider:
    """The provider of `rules`. Its methods raise `NotAdmittedError`."""

    def __init__(self, rules: OidcRules, calls: Calls, clock: Clock) -> None:
        self.rules = rules
        self._calls = calls
        self._clock = clock
        self._metadata: Metadata | None = None
        self._metadata_ns = 0
        self._keys: KeySet | None = None
        self._keys_ns = 0
        self._failed_ns: int | None = None
        self._reading = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Where it is asked for what."""
        async with self._reading:
            now_ns = self._clock.now_ns()
            if self._metadata is None or now_ns - self._metadata_ns > KEPT_NS:
                answer = await self._read(self.rules.issuer + _WELL_KNOWN)
                self._metadata, self._metadata_ns = _metadata(answer, self.rules.issuer), now_ns
                self._failed_ns = None
            return self._metadata

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """What the provider gives for a code."""
        metadata = await self.metadata()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        secret, basic = self.rules.client_secret, None
        if secret is not None and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
            pair = f"{quote_plus(self.rules.client_id)}:{quote_plus(secret.reveal())}"
            basic = Secret(b64encode(pair.encode()).decode())
        else:
            form["client_id"] = self.rules.client_id
            form |= {} if secret is None else {"client_secret": secret.reveal()}
        answer = await self._calls.post(metadata.token_endpoint, self.rules.ca_file, form, basic)
        return _tokens(answer)

    async def claims(self, tokens: Tokens, nonce: str) -> Mapping[str, object]:
        """What the checked ID token says. A key that is not known yet makes the keys be read again, once."""
        metadata = await self.metadata()
        now_s = self._clock.wall_ns() // NS_PER_S
        expected = Expected(metadata.issuer, self.rules.client_id, nonce, now_s, tokens.access_token)
        for is_again in (False, True):
            keys = await self._key_set(metadata, is_again=is_again)
            try:
                return await asyncio.to_thread(checked_claims, tokens.id_token, keys, expected)
            except UnknownKeyError:
                continue
        raise NotAdmittedError(Refusal.NOT_TRUSTED, "the ID token is signed with a key that the provider does not show")

    async def userinfo(self, tokens: Tokens, subject: str) -> Mapping[str, object]:
        """What it tells besides of the person; nothing where there is no such address."""
        metadata = await self.metadata()
        if not metadata.userinfo_endpoint or tokens.access_token is None:
            return {}
        answer = await self._calls.get(metadata.userinfo_endpoint, self.rules.ca_file, tokens.access_token)
        # OpenID Connect Core 1.0, section 5.3.4: or it tells of somebody else.
        if answer.status != 200 or answer.content.get("sub") != subject:
            raise NotAdmittedError(Refusal.NOT_TRUSTED, f"userinfo answered {answer.status}, or of somebody else")
        return answer.content

    async def end_session_url(self, id_token: Secret | None, back_to: str) -> str | None:
        """Where to end the session at the provider too (OpenID Connect RP-Initiated Logout 1.0); None: it knows no such thing."""
        endpoint = (await self.metadata()).end_session_endpoint
        if not endpoint:
            return None
        query = {"client_id": self.rules.client_id, "post_logout_redirect_uri": back_to}
        query |= {} if id_token is None else {"id_token_hint": id_token.reveal()}
        return with_query(endpoint, query)

    async def _key_set(self, metadata: Metadata, *, is_again: bool) -> KeySet:
        async with self._reading:
            now_ns = self._clock.now_ns()
            age_ns = now_ns - self._keys_ns
            if self._keys is None or age_ns > (REST_NS if is_again else KEPT_NS):
                answer = await self._read(metadata.jwks_uri)
                self._keys, self._keys_ns = await asyncio.to_thread(key_set, answer.content), now_ns
                self._failed_ns = None
            return self._keys

    async def _read(self, url: str) -> Answer:
        now_ns = self._clock.now_ns()
        if self._failed_ns is not None and now_ns - self._failed_ns < REST_NS:
            raise NotAdmittedError(Refusal.UNAVAILABLE, "")
        # It counts as one that does not answer until what it has answered is found to be good.
        self._failed_ns = now_ns
        answer = await self._calls.get(url, self.rules.ca_file)
        self._failed_ns = self._clock.now_ns()
        if answer.status != 200:
            raise NotAdmittedError(Refusal.UNAVAILABLE, f"{url} answered with the status {answer.status}")
        return answer


def with_query(url: str, query: Mapping[str, str]) -> str:
    """An address with parameters after those that it has."""
    return url + ("&" if "?" in url else "?") + urlencode(query)


def _metadata(answer: Answer, issuer: str) -> Metadata:
    try:
        read = msgspec.convert({name: told for name, told in answer.content.items() if told is not None}, Metadata)
    except msgspec.ValidationError as error:
        raise NotAdmittedError(Refusal.UNAVAILABLE, f"the provider's configuration cannot be read: {error}") from None
    if read.issuer.rstrip("/") != issuer:
        detail = f"the provider calls itself {read.issuer[:200]!r}: write that as `issuer`"
        raise NotAdmittedError(Refusal.NOT_TRUSTED, detail)
    scheme = urlsplit(issuer).scheme
    for url in (read.authorization_endpoint, read.token_endpoint, read.jwks_uri, read.userinfo_endpoint, read.end_session_endpoint):
        if url and not _is_fit(url, scheme):
            raise NotAdmittedError(Refusal.NOT_TRUSTED, "the provider's configuration has an address that is not `https://`")
    return read


def _is_fit(url: str, scheme: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return has_host and is_plain and parts.scheme in ("https", scheme) and "@" not in parts.netloc


def _tokens(answer: Answer) -> Tokens:
    if answer.status >= 500:
        raise NotAdmittedError(Refusal.UNAVAILABLE, f"the provider answered with the status {answer.status} for the code")
    id_token, access_token = answer.content.get("id_token"), answer.content.get("access_token")
    if answer.status != 200 or not isinstance(id_token, str) or len(id_token) > _MAX_TOKEN_CHARACTERS:
        error = answer.content.get("error")
        # A word of RFC 6749 section 5.2 and nothing else: its description may be anything.
        word = error if isinstance(error, str) and len(error) <= 40 and error.isidentifier() else "no ID token"
        raise NotAdmittedError(Refusal.NOT_TRUSTED, f"the provider gave nothing for the code: {answer.status}, {word}")
    is_token = isinstance(access_token, str) and access_token.isascii() and access_token.isprintable()
    return Tokens(Secret(id_token), Secret(access_token) if is_token and isinstance(access_token, str) else None)
