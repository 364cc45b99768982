"""A small OpenID provider on a real socket. It signs in whoever it is told to, checks what a provider checks, and lies where a test
has it lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import KeySet, RSAKey

from weighbridge.core.codec import encode_json

CLIENT, SECRET = "weighbridge", "s3cret:+%"
ANN = {"sub": "ann-1", "email": "Ann@Example.org", "email_verified": True, "name": "Ann Example", "groups": ["staff"]}
PATIENCE_S = 20.0


class OpenIdProvider:
    """`person` is who signs in. What is set here counts from the next request on."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://localhost:{port}"
        self.person: dict = dict(ANN)
        self.keys = [first_key()]
        self.shown = list(self.keys)
        self.signing = self.keys[0]
        self.alter: dict = {}
        """Claims of ID tokens that are to be others; None: left away."""
        self.sign = self.signed
        self.documents: dict = {}
        """Members of the configuration that are to be others."""
        self.userinfo: dict | None = None
        """None: no more than whom it is about."""
        self.status: dict[str, int] = {}
        """Statuses that paths answer with, in place of what they would."""
        self.open = threading.Event()
        """Cleared: nothing is answered."""
        self.open.set()
        self.asked: list[str] = []
        self.now_s = lambda: int(time.time())
        self.codes: dict[str, dict] = {}
        self.has_form = False
        """Whether people sign in on a page, as browsers do it, and not at once."""
        self.answer: dict = {}
        """What is added to the answer at the end of a sign-in."""

    def configuration(self) -> dict:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            **self.documents,
        }

    def authorized(self, query: dict) -> str:
        """Where a browser goes that has signed in. The code remembers what was asked."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return query["redirect_uri"] + "?" + urlencode({"code": code, "state": query["state"], **self.answer})

    def tokens(self, form: dict, authorization: str) -> tuple[int, dict]:
        query = self.codes.pop(form.get("code", ""), None)
        if query is None:
            return 400, {"error": "invalid_grant", "error_description": "<script>never shown</script>"}
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode() if authorization else ""
        client, _, secret = (unquote_plus(part) for part in pair.partition(":"))
        if (client or form.get("client_id"), secret or form.get("client_secret")) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert encoded(digest) == query["code_challenge"]
        assert form["redirect_uri"] == query["redirect_uri"]
        return 200, {"access_token": "at-1", "token_type": "Bearer", "id_token": self.sign(self.claims(query["nonce"]))}

    def claims(self, nonce: str) -> dict:
        now_s = self.now_s()
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now_s, "exp": now_s + 300, "nonce": nonce, **self.person, **self.alter}
        return {name: value for name, value in claims.items() if value is not None}

    def signed(self, claims: dict, alg: str = "RS256", key=None, kid: str | None = "") -> str:
        """`kid` is the key's own if empty; None: left away."""
        header = {"alg": alg, **({} if kid is None else {"kid": kid or self.signing.kid})}
        return jwt.encode(header, claims, key or self.signing, registry=jws.JWSRegistry(algorithms=[alg]))

    def unsigned(self, claims: dict) -> str:
        """`alg: none`."""
        return f"{encoded(encode_json({'alg': 'none', 'kid': self.signing.kid}))}.{encoded(encode_json(claims))}."

    def signed_with_the_public_key(self, claims: dict) -> str:
        """HS256, whose secret everybody knows who has read the keys."""
        public = self.signing.as_pem(private=False)
        signed = f"{encoded(encode_json({'alg': 'HS256', 'kid': self.signing.kid}))}.{encoded(encode_json(claims))}"
        return f"{signed}.{encoded(hmac.digest(public, signed.encode(), 'sha256'))}"

    def rotate(self) -> None:
        """Sign with a new key, which is shown from now on."""
        self.signing = new_key(f"k{len(self.keys) + 1}")
        self.keys.append(self.signing)
        self.shown = list(self.keys)


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@cache
def first_key() -> RSAKey:
    """The same for all: making one takes a while."""
    return new_key("k1")


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(dict(parse_qsl(self.rfile.read(int(self.headers.get("content-length", 0))).decode())))

    def _answer(self, form: dict) -> None:
        provider: OpenIdProvider = self.server.provider
        url = urlsplit(self.path)
        provider.asked.append(url.path)
        provider.open.wait(PATIENCE_S)
        if (status := provider.status.get(url.path)) is not None:
            return self._send(status, {})
        if url.path == "/.well-known/openid-configuration":
            return self._send(200, provider.configuration())
        if url.path == "/keys":
            return self._send(200, KeySet(provider.shown).as_dict(private=False))
        if url.path == "/authorize" and provider.has_form and self.command == "GET":
            form = f'<title>Provider</title><form method=post action="{escape(self.path)}"><button>I am Ann</button></form>'
            return self._send(200, form)
        if url.path == "/authorize":
            return self._send(303, {}, provider.authorized(dict(parse_qsl(url.query))))
        if url.path == "/token":
            return self._send(*provider.tokens(form, self.headers.get("authorization", "")))
        if url.path == "/userinfo" and self.headers.get("authorization") == "Bearer at-1":
            return self._send(200, {"sub": provider.person["sub"]} if provider.userinfo is None else provider.userinfo)
        if url.path == "/logout":
            return self._send(303, {}, dict(parse_qsl(url.query))["post_logout_redirect_uri"])
        return self._send(200 if url.path == "/favicon.ico" else 404, {})

    def _send(self, status: int, content: dict | str, location: str | None = None) -> None:
        body = content.encode() if isinstance(content, str) else encode_json(content)
        self.send_response(status)
        self.send_header("content-type", "text/html" if isinstance(content, str) else "application/json")
        self.send_header("content-length", str(len(body)))
        if location is not None:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """Whoever asked has gone, as a test had it."""


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    """One that runs."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.provider = OpenIdProvider(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.provider
    finally:
        server.provider.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
