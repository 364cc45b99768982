from __future__ import annotations

import asyncio

import msgspec
import pytest

from weighbridge.control.live_models import (
    FAILURE_TTL_NS,
    LIST_TTL_NS,
    MAX_LIST_BYTES,
    MAX_MODELS,
    LiveList,
    LiveModels,
    is_asked,
    model_names,
    with_live_models,
)
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.secret import Secret
from weighbridge.core.tasks import TaskSet
from weighbridge.core.terms import Dialect, Origin
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import AuthStyle, Base, Credential, Provider

BODY = encode_json({"data": [{"id": "a"}, {"id": "b"}]})


def provider(name: str = "x", dialect: Dialect = Dialect.OPENAI, *, path: str = "/v1", **facts) -> Provider:
    bases = facts.pop("bases", None) or {dialect: Base(Origin("https", f"{name}.test", 443), path)}
    credentials = (Credential(f"{name}#1", Secret("sk-1")),)
    return Provider(name, bases, **{"credentials": credentials, "lists_models": "/models", **facts})


def _raise(bug: BaseException) -> None:
    raise bug


class Clock:
    def __init__(self) -> None:
        self.now = 1

    def now_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        return self.now


class Reply:
    """A reply that comes whole with its head, or in pieces afterwards."""

    def __init__(self, body: bytes = BODY, status: int = 200, *, pieces: int = 0, breaks: bool = False) -> None:
        self.status = status
        self.whole = None if pieces else body
        self._body, self._pieces, self._breaks = body, pieces, breaks
        self.is_aborted = False

    def attach(self, sink) -> None:
        size = max(1, len(self._body) // self._pieces)
        for start in range(0, len(self._body), size):
            sink.on_data(self._body[start : start + size])
        if self._breaks:
            sink.on_error(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "It broke off."))
        else:
            sink.on_end()

    def abort(self) -> None:
        self.is_aborted = True


class Upstream:
    def __init__(self, *replies) -> None:
        self.replies = list(replies)
        self.requests = []

    async def send(self, request):
        self.requests.append(request)
        await asyncio.sleep(0)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, GatewayError):
            raise reply
        return reply


class SlowUpstream(Upstream):
    def __init__(self, *replies) -> None:
        super().__init__(*replies)
        self.goes_on = asyncio.Event()

    async def send(self, request):
        reply = await super().send(request)
        await self.goes_on.wait()
        return reply


def asked(upstream: Upstream) -> tuple[LiveModels, Clock]:
    clock = Clock()
    return LiveModels(upstream, clock, TaskSet(_raise)), clock


async def test_a_list_is_asked_with_the_providers_key_at_its_own_address() -> None:
    upstream = Upstream(Reply())
    live, _ = asked(upstream)
    assert await live.lists([provider()]) == [LiveList("x", ("a", "b"))]
    (request,) = upstream.requests
    lines = request.head.split(b"\r\n")
    assert lines[0] == b"GET /v1/models HTTP/1.1"
    assert {b"host: x.test", b"authorization: Bearer sk-1", b"accept-encoding: identity"} <= set(lines)
    assert (request.method, request.body, request.body_length) == (b"GET", [], 0)


async def test_anthropics_list_is_asked_with_its_version() -> None:
    upstream = Upstream(Reply())
    live, _ = asked(upstream)
    await live.lists([provider("a", Dialect.ANTHROPIC, path="", auth=AuthStyle.X_API_KEY, lists_models="/models?limit=1000")])
    head = upstream.requests[0].head
    assert head.startswith(b"GET /v1/models?limit=1000 HTTP/1.1\r\n")
    assert b"anthropic-version: 2023-06-01\r\n" in head
    assert b"x-api-key: sk-1\r\n" in head


async def test_a_list_is_kept_for_an_hour_and_a_failure_for_a_minute() -> None:
    upstream = Upstream(Reply(b"{}", 500), Reply())
    live, clock = asked(upstream)
    assert (await live.lists([provider()]))[0].error == "it answered with the status 500"
    clock.now += FAILURE_TTL_NS - 1
    await live.lists([provider()])
    assert len(upstream.requests) == 1
    clock.now += 1
    assert (await live.lists([provider()]))[0].models == ("a", "b")
    clock.now += LIST_TTL_NS - 1
    await live.lists([provider()])
    assert len(upstream.requests) == 2
    clock.now += 1
    await live.lists([provider()])
    assert len(upstream.requests) == 3


async def test_another_key_is_another_question_and_a_list_of_its_own_is_not() -> None:
    upstream = Upstream(Reply())
    live, _ = asked(upstream)
    await live.lists([provider()])
    await live.lists([msgspec.structs.replace(provider(), live_models=("a", "b"))])
    assert len(upstream.requests) == 1
    await live.lists([provider(credentials=())])
    assert len(upstream.requests) == 2


async def test_a_provider_that_left_is_forgotten() -> None:
    upstream = Upstream(Reply())
    live, _ = asked(upstream)
    await live.lists([provider()])
    await live.lists([])
    await live.lists([provider()])
    assert len(upstream.requests) == 2


async def test_a_provider_is_asked_once_however_many_want_to_know() -> None:
    upstream = Upstream(Reply())
    live, _ = asked(upstream)
    both = await asyncio.gather(live.lists([provider()]), live.known([provider()], within_s=1))
    assert both == [[LiveList("x", ("a", "b"))]] * 2
    assert len(upstream.requests) == 1


async def test_who_asks_with_another_key_meanwhile_does_not_get_the_other_keys_list() -> None:
    upstream = SlowUpstream(Reply(), Reply(encode_json({"data": [{"id": "c"}]})))
    live, _ = asked(upstream)
    assert await live.known([provider()], within_s=0) == []
    upstream.goes_on.set()
    assert await live.known([provider(credentials=())], within_s=1) == [LiveList("x", ("c",))]


async def test_who_takes_too_long_is_left_out_and_found_by_the_next() -> None:
    upstream = SlowUpstream(Reply())
    live, _ = asked(upstream)
    assert await live.known([provider()], within_s=0) == []
    upstream.goes_on.set()
    assert await live.known([provider()], within_s=1) == [LiveList("x", ("a", "b"))]
    assert len(upstream.requests) == 1


async def test_what_was_listed_before_a_failure_stands() -> None:
    upstream = Upstream(Reply(), Reply(b"{}", 500))
    live, clock = asked(upstream)
    await live.lists([provider()])
    clock.now += LIST_TTL_NS
    (answer,) = await live.known([provider()], within_s=1)
    assert answer == LiveList("x", ("a", "b"), "it answered with the status 500")
    # It is not the list of whom another key belongs to.
    assert (await live.lists([provider(credentials=())]))[0].models == ()


async def test_each_provider_fails_on_its_own_and_says_why() -> None:
    gone = GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "The provider cannot be reached.", detail="10.0.0.1 sk-1")
    upstream = Upstream(gone, Reply(b"<html>"), Reply(BODY, pieces=3, breaks=True), Reply(BODY, pieces=3))
    live, _ = asked(upstream)
    answers = await live.lists([provider(name) for name in ("a", "b", "c", "d")])
    assert [answer.error for answer in answers] == [
        "The provider cannot be reached.",
        "its answer is no list of models",
        "It broke off.",
        "",
    ]
    assert answers[3].models == ("a", "b")


async def test_a_list_beyond_the_bound_is_cut_off() -> None:
    reply = Reply(b" " * (MAX_LIST_BYTES + 2), pieces=2)
    live, _ = asked(Upstream(reply))
    (answer,) = await live.lists([provider()])
    assert "longer than" in answer.error
    assert reply.is_aborted


async def test_an_account_of_a_cloud_is_not_used_for_a_list() -> None:
    upstream = Upstream(Reply())
    live, _ = asked(upstream)
    (answer,) = await live.lists([provider(auth=AuthStyle.ENTRA, credentials=())])
    assert "only with a key" in answer.error
    assert upstream.requests == []


def test_who_has_no_list_and_what_is_built_in_are_not_asked() -> None:
    assert is_asked(provider())
    assert not is_asked(provider(lists_models=""))
    assert not is_asked(Provider("demo", {Dialect.OPENAI: Base(Origin("demo", "demo"), "/v1")}, lists_models="/models"))


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"object": "list", "data": [{"id": "gpt-5", "object": "model"}, {"id": "gpt-5"}]}, ("gpt-5",)),
        ({"data": [{"type": "model", "id": "claude-5", "display_name": "Claude"}], "has_more": False}, ("claude-5",)),
        ({"models": [{"name": "models/gemini-3", "displayName": "G"}]}, ("gemini-3",)),
        ({"models": [{"name": "command-a", "endpoints": ["chat"]}]}, ("command-a",)),
        ({"models": [{"name": "llama3:8b", "model": "llama3:8b"}]}, ("llama3:8b",)),
        ([{"id": "meta-llama/Llama-3"}, {"name": "b"}, "c"], ("meta-llama/Llama-3", "b", "c")),
        ({"data": [{"id": 7}, {"id": ""}, None, {"id": "a b"}, {"id": "x" * 201}, {"id": "a\nb"}, {"id": "ok"}]}, ("ok",)),
        ({"data": []}, ()),
        ({"error": {"message": "no"}}, None),
        ({"data": {"id": "a"}}, None),
        ("text", None),
    ],
)
def test_names_are_read_in_every_vendors_way_to_list_them(body: object, names: tuple[str, ...] | None) -> None:
    assert model_names(encode_json(body)) == names


def test_what_is_no_json_is_no_list_and_a_long_list_ends() -> None:
    assert model_names(b"<html>") is None
    names = model_names(encode_json([f"m{i}" for i in range(MAX_MODELS + 5)]))
    assert names is not None
    assert len(names) == MAX_MODELS


def test_a_plan_shows_what_is_listed_beside_what_the_operator_wrote() -> None:
    plan = Plan(1, (provider("x", models=("a",)), provider("y")))
    x, y = with_live_models(plan, [LiveList("x", ("a", "b")), LiveList("y", error="no")]).providers
    assert (x.models, x.live_models) == (("a",), ("b",))
    assert (y.models, y.live_models) == ((), ())
