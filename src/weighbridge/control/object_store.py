"""An S3-compatible storage (AWS, MinIO, Cloudflare R2, Ceph and so on): objects written, read, listed and removed.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html. Over our own HTTP client and with our own signature, so that
fixed keys need no library. Nothing is tried twice here: whoever asks knows when that makes sense.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_plus, urlsplit

from weighbridge.config.compile import parse_base
from weighbridge.config.proxies import ProxyRules
from weighbridge.control.live_models import body_of
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Upstream, UpstreamRequest
from weighbridge.core.terms import Deadlines, Tls
from weighbridge.credentials.authorizers import authorizer_for
from weighbridge.providers.cloud_accounts import Bucket

MAX_OBJECT_BYTES: Final = 250_000_000
"""Ours have some megabytes."""
_DEADLINES: Final = Deadlines(
    connect_ns=5 * NS_PER_S, first_byte_ns=60 * NS_PER_S, between_bytes_ns=60 * NS_PER_S, total_ns=300 * NS_PER_S
)
_GOOD: Final = range(200, 300)
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_OBJECT: Final = re.compile(rb"<Contents>(.*?)</Contents>", re.DOTALL)
_KEY: Final = re.compile(rb"<Key>([^<]*)</Key>")
_SIZE: Final = re.compile(rb"<Size>([0-9]{1,18})</Size>")
_MORE: Final = re.compile(rb"<NextContinuationToken>([^<]*)</NextContinuationToken>")
_ENTITIES: Final = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}


class ObjectStoreError(Exception):
    """A storage did not do what it was asked: a sentence, and its status (0: it did not answer)."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Stored(NamedTuple):
    """An object. `name` is without the prefix of its bucket."""

    name: str
    n_bytes: int


class ObjectStore:
    """One bucket, below its prefix. Every method raises `ObjectStoreError`."""

    def __init__(self, bucket: Bucket, upstream: Upstream, rules: ProxyRules, clock: Clock) -> None:
        parts = urlsplit(bucket.url)
        self._prefix = bucket.prefix
        self._path = parts.path.rstrip("/")
        self._host = parts.netloc.encode()
        self._origin = parse_base(bucket.url, tls=Tls(), proxy=None, rules=rules).origin
        self._authorizer = authorizer_for(bucket.account, clock)
        self._upstream = upstream

    async def put(self, name: str, content: bytes, media_type: str, *, only_new: bool = False) -> bool:
        """Write an object, over one that is there; or `only_new`, and False: there is one, which was left alone."""
        lines = b"content-type: %b\r\n" % media_type.encode()
        if only_new:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. A 409 says that another writer was
            # under way: whoever lost asks again, and finds it.
            lines += b"if-none-match: *\r\n"
        status, body = await self._send(b"PUT", self._key(name), "", [content], lines)
        if status not in _GOOD and not (only_new and status == 412):
            raise _failure(status, body)
        return status in _GOOD

    async def get(self, name: str) -> bytes | None:
        """An object; None: there is none."""
        status, body = await self._send(b"GET", self._key(name))
        if status not in _GOOD and status != 404:
            raise _failure(status, body)
        if status == 404 and _code(body) == "NoSuchBucket":
            raise _failure(status, body)
        return body if status in _GOOD else None

    async def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        status, body = await self._send(b"DELETE", self._key(name))
        if status not in _GOOD and status != 404:
            raise _failure(status, body)

    async def listed(self, start: str = "") -> list[Stored]:
        """The objects whose names begin so, in the order of their names."""
        found: list[Stored] = []
        token = ""
        while True:
            query = f"encoding-type=url&list-type=2&prefix={quote(self._prefix + start, safe='~')}"
            if token:
                query = f"continuation-token={quote(token, safe='~')}&{query}"
            status, body = await self._send(b"GET", "", query)
            if status not in _GOOD:
                raise _failure(status, body)
            page, token = page_of(body)
            found += [Stored(each.name.removeprefix(self._prefix), each.n_bytes) for each in page]
            if not token:
                return found

    def _key(self, name: str) -> str:
        return f"/{quote(self._prefix + name, safe='/~')}"

    async def _send(
        self, method: bytes, path: str, query: str = "", body: list[bytes | memoryview] | None = None, lines: bytes = b""
    ) -> tuple[int, bytes]:
        target = (f"{self._path}{path}" or "/") + (f"?{query}" if query else "")
        pieces = body or []
        try:
            await self._authorizer.refresh()
            proof = self._authorizer.header_lines(method, self._host, target.encode(), pieces)
            head = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%b" % (method, target.encode(), self._host, lines, proof)
            length = sum(len(piece) for piece in pieces)
            reply = await self._upstream.send(UpstreamRequest(method, self._origin, head, pieces, length, _DEADLINES))
            content = await body_of(reply, MAX_OBJECT_BYTES)
        except GatewayError as error:
            told = error.detail if error.kind is ErrorKind.PROVIDER_AUTHENTICATION else ""
            raise ObjectStoreError((told or error.public).rstrip(".")) from None
        if reply.status in (401, 403):
            self._authorizer.invalidate()
        return reply.status, content


def page_of(body: bytes) -> tuple[list[Stored], str]:
    """The objects of one page of a list, by their whole names, and what to ask for the next one with; empty: it is the last.

    Raises `ObjectStoreError` for what is no such page.
    """
    found = []
    for element in _OBJECT.findall(body):
        key, size = _KEY.search(element), _SIZE.search(element)
        if key is None or size is None:
            raise ObjectStoreError("it lists objects in another way than S3")
        found.append(Stored(unquote_plus(_text(key[1])), int(size[1])))
    more = _MORE.search(body)
    return found, _text(more[1]) if more is not None else ""


def _failure(status: int, body: bytes) -> ObjectStoreError:
    code = _code(body)
    return ObjectStoreError(f"it answers with the status {status}{f' ({code})' if code else ''}", status)


def _code(body: bytes) -> str:
    found = _CODE.search(body[:4_096])
    return found[1].decode() if found is not None else ""


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return re.sub("&(?:amp|lt|gt|quot|apos);", lambda found: _ENTITIES[found[0]], text)
