from __future__ import annotations

import pytest

from weighbridge.auth.virtual_keys import KeysDelta
from weighbridge.core.errors import GatewayError
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deployment, Dialect, Endpoint, ModelPlace, Operation, Origin
from weighbridge.pipeline import snapshot as module
from weighbridge.pipeline.snapshot import Snapshot
from weighbridge.pipeline.target import Target
from weighbridge.providers.base import AuthStyle, Base, Credential, Provider

D = Dialect
CHAT = Endpoint(D.OPENAI, Operation.CHAT, ModelPlace.BODY)


@pytest.fixture
def snapshot(world):
    return world.gateway.snapshot


def target_at(build, path, dialect, origin=None, **facts):
    made = build.provider("local", {dialect: path}, **facts)
    if origin is not None:
        made = Provider(made.name, {dialect: Base(origin, path)}, made.auth, made.credentials, made.headers)
    return Target(made, dialect, "m", 1)


@pytest.mark.parametrize(
    ("path", "dialect", "base", "v1", "bare"),
    [
        ("/v1", D.OPENAI, b"/v1", b"/v1", b""),
        ("", D.OPENAI, b"", b"", b""),
        ("/openai/v1", D.OPENAI, b"/openai/v1", b"/openai/v1", b"/openai"),
        ("", D.ANTHROPIC, b"/v1", b"/v1", b""),
        ("/v1", D.ANTHROPIC, b"/v1", b"/v1", b""),
        ("/proxy", D.ANTHROPIC, b"/proxy/v1", b"/proxy/v1", b"/proxy"),
        ("", D.GEMINI, b"/v1beta", b"/v1", b""),
        ("/v1beta", D.GEMINI, b"/v1beta", b"/v1beta", b""),
        ("/v1alpha", D.GEMINI, b"/v1alpha", b"/v1alpha", b""),
        ("/p", D.GEMINI, b"/p/v1beta", b"/p/v1", b"/p"),
    ],
)
def test_base_paths_are_taken_with_and_without_a_version(build, path, dialect, base, v1, bare):
    target = target_at(build, path, dialect)
    assert (target.base_path, target.v1_path, target.unversioned_path) == (base, v1, bare)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("https", "a.example", 443), b"a.example"),
        (Origin("https", "a.example", 8443), b"a.example:8443"),
        (Origin("http", "a.example", 80), b"a.example"),
        (Origin("http", "a.example", 443), b"a.example:443"),
        (Origin("http", "::1", 8000), b"[::1]:8000"),
        (Origin("unix", "/run/x.sock"), b"localhost"),
        (Origin("demo", "demo"), b"localhost"),
    ],
)
def test_host_names_the_origin(build, origin, host):
    assert target_at(build, "/v1", D.OPENAI, origin).heads[0] == b"host: %b\r\n" % host


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        (AuthStyle.BEARER, b"authorization: Bearer sk-x\r\n"),
        (AuthStyle.X_API_KEY, b"x-api-key: sk-x\r\n"),
        (AuthStyle.X_GOOG_API_KEY, b"x-goog-api-key: sk-x\r\n"),
        (AuthStyle.API_KEY, b"api-key: sk-x\r\n"),
        (AuthStyle.NONE, b""),
    ],
)
def test_key_stands_where_the_provider_wants_it(build, auth, line):
    credentials = (Credential("local#1", Secret("sk-x")),)
    target = target_at(build, "/v1", D.OPENAI, auth=auth, credentials=credentials, headers=(("X-A", Secret("b")),))
    assert target.heads == (b"host: api.local.example\r\n" + line + b"x-a: b\r\n",)
    assert target.override_names == {b"x-a"}
    assert "sk-x" not in repr(target)


def test_target_is_made_once_for_each_name(snapshot):
    first = snapshot.route_for("gpt-4o", CHAT, None)
    assert snapshot.route_for("gpt-4o", CHAT, None) is first
    assert snapshot.route_for("gpt-4o", CHAT, "groq") is not first


def test_remembered_names_take_bounded_memory(snapshot, monkeypatch):
    monkeypatch.setattr(module, "_MAX_RESOLVED", 5)
    key = type("Key", (), {"id": "k", "models": ("*",)})()
    for number in range(20):
        target = snapshot.route_for(f"gpt-{number}", CHAT, None)
        snapshot.permitted(key, f"gpt-{number}", target)
    assert len(snapshot._compiled) <= 5
    assert len(snapshot._permitted) <= 5


def test_unknown_names_are_not_remembered(snapshot):
    for number in range(20):
        with pytest.raises(GatewayError):
            snapshot.route_for(f"unknown-{number}", CHAT, None)
        with pytest.raises(GatewayError):
            snapshot.home_for(D.OPENAI, f"nobody-{number}")
    assert snapshot._compiled == {}


def test_home_is_the_dialects_own_vendor(snapshot):
    assert snapshot.home_for(D.OPENAI, None).first_target.provider.name == "openai"
    assert snapshot.home_for(D.OPENAI, "groq").first_target.provider.name == "groq"
    assert snapshot.home_for(D.OPENAI, None) is snapshot.home_for(D.OPENAI, None)


def test_keys_change_without_anything_else(build, snapshot):
    old = next(iter(snapshot.keys))
    new = build.virtual_key("wb-" + "n" * 43, id="key_2")
    changed = snapshot.with_keys(KeysDelta(1, (new,), (old,)))
    assert set(changed.keys) == {new.digest}
    assert set(snapshot.keys) == {old}
    assert (changed.version, changed.plan) == (snapshot.version, snapshot.plan)


def test_key_that_is_removed_and_made_again_in_one_delta_stays(build, snapshot):
    (old,) = snapshot.keys.values()
    renewed = build.virtual_key(models=("gpt-4o",))
    assert snapshot.with_keys(KeysDelta(1, (renewed,), (old.digest,))).keys[old.digest].models == ("gpt-4o",)


def test_removing_an_unknown_key_does_nothing(snapshot):
    assert snapshot.with_keys(KeysDelta(1, (), (b"x" * 32,))).keys == snapshot.keys


def test_permission_follows_the_keys_of_the_snapshot(build, snapshot):
    target = snapshot.route_for("gpt-4o", CHAT, None)
    snapshot.permitted(build.virtual_key(models=("gpt-4o",)), "gpt-4o", target)
    narrowed = snapshot.with_keys(KeysDelta(1, (build.virtual_key(models=("groq/*",)),)))
    with pytest.raises(GatewayError):
        narrowed.permitted(next(iter(narrowed.keys.values())), "gpt-4o", target)


@pytest.mark.parametrize(
    ("models", "is_allowed"), [(("openai/*",), True), (("*",), True), (("openai/gpt-*",), False), (("gpt-4o",), False)]
)
def test_whole_provider_needs_a_pattern_for_all_of_it(build, snapshot, models, is_allowed):
    home = snapshot.home_for(D.OPENAI, None)
    key = build.virtual_key(models=models)
    if is_allowed:
        snapshot.check_whole_provider(key, home)
    else:
        with pytest.raises(GatewayError, match="openai/\\*"):
            snapshot.check_whole_provider(key, home)


def test_listed_models_are_routes_then_what_providers_are_known_for(snapshot):
    assert [model.id for model in snapshot.models] == ["smart", "openai/gpt-4o", "openai/gpt-4o-mini", "groq/llama-3"]


def test_name_in_a_header_is_printable_ascii(build):
    made = build.provider("local", {D.OPENAI: "/v1"})
    lines = Target(made, D.OPENAI, "ü\r\nx: y", 3).reply_lines
    assert lines.isascii()
    assert lines.count(b"\r\n") == 3


def test_snapshot_of_a_plan_without_anything(world):
    from weighbridge.pipeline.plan import Plan

    empty = Snapshot(Plan(1, ()), world.gateway.fleet)
    with pytest.raises(GatewayError):
        empty.route_for("gpt-4o", CHAT, None)
    with pytest.raises(GatewayError):
        empty.home_for(D.GEMINI, None)


def test_a_pinned_provider_is_not_opened_by_the_prefix_of_another(build):
    snapshot = build().gateway.snapshot
    target = snapshot.route_for("openai/gpt-oss", CHAT, "groq")
    assert target.first_target.deployment == Deployment("groq", "openai/gpt-oss")
    with pytest.raises(GatewayError):
        snapshot.permitted(build.virtual_key(models=("openai/*",)), "openai/gpt-oss", target)
    snapshot.permitted(build.virtual_key(models=("groq/*",), id="key_2"), "openai/gpt-oss", target)
