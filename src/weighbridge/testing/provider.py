"""What all simulated providers have in common: from a request on the wire to a reply, an account and a line on the invoice."""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, TypeVar

import msgspec

from weighbridge.testing.codings import decoded
from weighbridge.testing.faults import Fault, Faults
from weighbridge.testing.generation import Generation, Prompt, generate, stable_id
from weighbridge.testing.invoice import Bill, Invoice, LineItem, Prices, amount_of, up_to_the_cut
from weighbridge.testing.journal import Journal, ReceivedRequest
from weighbridge.testing.reply import RefusalError, Reply
from weighbridge.testing.server import Listener, Wire
from weighbridge.testing.shapes import Flaw, ShapeError, convert, read
from weighbridge.testing.transmit import Progress, transmit
from weighbridge.testing.violations import find_violations

T = TypeVar("T")
UnknownFields = Literal["refuse", "record"]


class Call:
    """One request, taken apart for a handler."""

    def __init__(self, request: ReceivedRequest, values: Mapping[str, str], fault: Fault, provider: SimulatedProvider) -> None:
        self.request = request
        self.values = values
        """The variable parts of the path."""
        self.provider = provider
        self._fault = fault

    @property
    def body(self) -> bytes:
        """The body without its content coding."""
        return decoded(self.request.body, self.request.header("content-encoding"))

    def read(self, shape: type[T], *, normalise: Callable[[Any], Any] = lambda plain: plain) -> T:
        """The body as a shape; `normalise` puts field names into the documented spelling first.

        Raises `ShapeError` and, for another content type, `RefusalError`."""
        kind = (self.request.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise self.provider.wrong_content_type(kind)
        value, unknown = read(self.body, shape, normalise)
        self.provider.judge_unknown(self.request, unknown)
        return value

    def convert(self, plain: object, shape: type[T]) -> T:
        """A part of a body as a shape. Raises `ShapeError`."""
        return convert(plain, shape)

    def check_model(self, model: str) -> None:
        """Raises `RefusalError` for a model that the provider does not have."""
        if model not in self.provider.models:
            raise self.provider.unknown_model(model)

    def generate(self, prompt: Prompt) -> Generation:
        """Ask the model."""
        prompt.is_empty = self._fault.is_empty_content
        prompt.huge_bytes = self._fault.huge_bytes
        if self._fault.is_boundless:
            prompt.max_tokens = None
        return generate(prompt)

    def id(self, prefix: str) -> str:
        """An id that is a function of the request."""
        return stable_id(prefix, self.request.method, self.request.path, self.body)


class Upgrade(msgspec.Struct, frozen=True):
    """An answer that is no reply: `session` turns the connection into something else and ends with it."""

    session: Callable[[Wire], Awaitable[None]]


Handler = Callable[[Call], "Reply | Upgrade"]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/:]+)", re.escape(template)))


class Route(msgspec.Struct, frozen=True):
    """A method and a path with variables: `/v1/files/{id}`."""

    method: str
    template: str
    handler: Handler

    def match(self, path: str) -> dict[str, str] | None:
        """The variables' values, or None."""
        found = _pattern(self.template).fullmatch(path)
        return found.groupdict() if found else None


class SimulatedProvider:
    """A provider on a real socket, as an asynchronous context manager.

    `keys`: the API keys it knows. `models`: the models it has; any of them serves every endpoint. `host` may be `::1`; `port` 0
    takes a free one. `tls`: a server-side context. `unknown_fields`: `refuse` undocumented top-level fields as the vendor does,
    or `record` them in the journal.
    """

    default_keys: ClassVar[tuple[str, ...]]
    default_models: ClassVar[tuple[str, ...]]
    credential_headers: ClassVar[frozenset[str]]
    base_path: ClassVar[str]

    def __init__(
        self,
        *,
        keys: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        prices: Prices | None = None,
        unknown_fields: UnknownFields = "refuse",
    ) -> None:
        self.keys = tuple(self.default_keys if keys is None else keys)
        self.models = tuple(self.default_models if models is None else models)
        self.journal = Journal()
        self.faults = Faults()
        self.prices = prices or Prices()
        self._unknown_fields = unknown_fields
        self._items: list[LineItem] = []
        self._routes = tuple(self.made_routes())
        self._listener = Listener(self._exchange, self.journal, host=host, port=port, tls=tls)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port

    @property
    def origin(self) -> str:
        """Scheme, host and port: for SDKs that add the whole path."""
        return self._listener.origin

    @property
    def base_url(self) -> str:
        """What the vendor's own SDK takes as base URL."""
        return self.origin + self.base_path

    def invoice(self) -> Invoice:
        """All that has been billed so far. An exchange is billed when it ends: wait with `journal.until`."""
        return Invoice(tuple(self._items))

    async def __aenter__(self) -> Self:
        await self._listener.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        await self._listener.close()

    # What a vendor adds.

    def made_routes(self) -> Sequence[Route]:
        """What can be asked. Called once: the handlers' objects, with what they store, live as long as the server."""
        raise NotImplementedError

    def authenticate(self, request: ReceivedRequest) -> None:
        """Raises `RefusalError` unless the request carries a key of this vendor in the vendor's way."""
        raise NotImplementedError

    def refused(self, refusal: RefusalError) -> Reply:
        """The vendor's error body."""
        raise NotImplementedError

    def misshapen(self, error: ShapeError) -> RefusalError:
        """What the vendor says about a body that breaks its schema."""
        raise NotImplementedError

    def unknown_model(self, model: str) -> RefusalError:
        """What the vendor says about a model it does not have."""
        raise NotImplementedError

    def fault_refusal(self, fault: Fault) -> RefusalError:
        """The vendor's own words for a status that a fault asks for."""
        raise NotImplementedError

    def unknown_path(self, request: ReceivedRequest) -> RefusalError:
        """What the vendor says about a path it does not have."""
        raise NotImplementedError

    def wrong_method(self, request: ReceivedRequest) -> RefusalError:
        """What the vendor says about a path that takes another method."""
        raise NotImplementedError

    def wrong_content_type(self, kind: str) -> RefusalError:
        """What the vendor says about a body that is not JSON by its own account."""
        raise NotImplementedError

    def reply_headers(self, request: ReceivedRequest, reply: Reply) -> tuple[tuple[str, str], ...]:
        """Request ids, rate limits and the like."""
        raise NotImplementedError

    # The same for all.

    def judge_unknown(self, request: ReceivedRequest, names: list[str]) -> None:
        """Refuse undocumented fields, or note them."""
        if names and self._unknown_fields == "refuse":
            raise self.misshapen_unknown(names[0])
        self.journal.unknown_fields += [(request.number, name) for name in names]

    def misshapen_unknown(self, name: str) -> RefusalError:
        """What the vendor says about a field it does not document."""
        return self.misshapen(ShapeError(Flaw.UNKNOWN, name))

    def charge(self, request: ReceivedRequest, bill: Bill) -> None:
        """Put a line on the invoice."""
        amount = amount_of(bill.usage, self.prices, bill.tier)
        self._items.append(LineItem(request.number, bill.endpoint, bill.model, bill.usage, bill.tier, amount))

    async def _exchange(self, request: ReceivedRequest, wire: Wire) -> None:
        entry = self.journal.open(request, wire.sent)
        wire.is_bodiless = request.method == b"HEAD"
        self.journal.violations += find_violations(request, credential_headers=self.credential_headers, port=self.port)
        fault = self.faults.take(request.path)
        answer = self._answer(request, fault)
        try:
            if isinstance(answer, Upgrade):
                await answer.session(wire)
            else:
                await self._send(request, answer, wire, fault)
        finally:
            if entry.reply.ending == "open":
                entry.reply.ending = "server closed"
            self.journal.touch()

    async def _send(self, request: ReceivedRequest, reply: Reply, wire: Wire, fault: Fault) -> None:
        headers = (*reply.headers, *self.reply_headers(request, reply))
        progress = Progress()
        try:
            await transmit(msgspec.structs.replace(reply, headers=headers), wire, fault, progress)
        finally:
            if progress.generated is not None:
                for bill in reply.bills:
                    usage = up_to_the_cut(bill.usage, progress.generated) if reply.is_stream else bill.usage
                    self.charge(request, msgspec.structs.replace(bill, usage=usage))

    def _answer(self, request: ReceivedRequest, fault: Fault) -> Reply | Upgrade:
        try:
            if fault.error_status is not None:
                raise self.fault_refusal(fault)
            self.authenticate(request)
        except RefusalError as refusal:
            reply = self.refused(refusal)
            return msgspec.structs.replace(reply, headers=(*reply.headers, *fault.error_headers))
        return self._dispatched(request, fault)

    def answer_within(self, request: ReceivedRequest, fault: Fault) -> Reply:
        """What a request that is part of another (a line of a batch) would be answered."""
        answer = self._dispatched(request, fault)
        return answer if isinstance(answer, Reply) else self.refused(self.unknown_path(request))

    def _dispatched(self, request: ReceivedRequest, fault: Fault) -> Reply | Upgrade:
        try:
            return self._dispatch(request, fault)
        except ShapeError as error:
            return self.refused(self.misshapen(error))
        except RefusalError as refusal:
            return self.refused(refusal)

    def _dispatch(self, request: ReceivedRequest, fault: Fault) -> Reply | Upgrade:
        is_known_path = False
        for route in self._routes:
            values = route.match(request.path)
            if values is None:
                continue
            is_known_path = True
            if route.method == request.method.decode("latin-1"):
                return route.handler(Call(request, values, fault, self))
        raise self.wrong_method(request) if is_known_path else self.unknown_path(request)
