from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import plain_route
from weighbridge.core.terms import Deployment, Dialect, Operation, Origin
from weighbridge.providers.base import Base, Provider
from weighbridge.routing.resolve import home_provider, resolve

O, A, G = Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI  # noqa: E741 - as short as the tables want them


def made(name, *dialects, models=(), patterns=()):
    return Provider(name, {d: Base(Origin("https", name), "") for d in dialects}, models=models, patterns=patterns)


def named(*providers):
    return {provider.name: provider for provider in providers}


PROVIDERS = named(
    made("openai", O, models=("gpt-4o", "shared"), patterns=("gpt-*", "o*")),
    made("anthropic", A, patterns=("claude-*",)),
    made("gemini", G, O, patterns=("gemini-*",)),
    made("groq", O, models=("llama", "shared", "gpt-oss"), patterns=("llama-*", "o1*")),
    made("demo", O, A, G, models=("echo",)),
)
ROUTES = {
    "smart": plain_route("smart", Deployment("anthropic", "claude-4"), Deployment("openai", "gpt-4o")),
    "gpt-4o": plain_route("gpt-4o", Deployment("groq", "llama")),
    "openai/x": plain_route("openai/x", Deployment("groq", "x")),
    "gone": plain_route("gone", Deployment("nobody", "x"), Deployment("openai", "gpt-4o")),
    "talk": plain_route("talk", Deployment("anthropic", "claude-4")),
}


def ask(requested, dialect=O, pinned=None, providers=PROVIDERS, routes=ROUTES, operation=Operation.FILES):
    found = resolve(requested, dialect, operation, pinned=pinned, providers=providers, routes=routes)
    return found.provider, found.model


@pytest.mark.parametrize(
    ("requested", "dialect", "pinned", "found"),
    [
        # 1. a route, the first of its targets that speaks the dialect
        ("smart", O, None, ("openai", "gpt-4o")),
        ("smart", A, None, ("anthropic", "claude-4")),
        ("gpt-4o", O, None, ("groq", "llama")),
        ("openai/x", O, None, ("groq", "x")),
        ("gone", O, None, ("openai", "gpt-4o")),
        # 2. provider/model
        ("openai/gpt-4o", O, None, ("openai", "gpt-4o")),
        ("groq/openai/gpt-oss", O, None, ("groq", "openai/gpt-oss")),
        ("demo/echo", A, None, ("demo", "echo")),
        ("groq/anything", O, "groq", ("groq", "anything")),
        # 3. pinned
        ("gpt-4o", O, "groq", ("groq", "gpt-4o")),
        ("smart", O, "openai", ("openai", "smart")),
        ("openai/gpt-oss", O, "groq", ("groq", "openai/gpt-oss")),
        # 4. listed
        ("llama", O, None, ("groq", "llama")),
        ("gpt-oss", O, None, ("groq", "gpt-oss")),
        ("echo", A, None, ("demo", "echo")),
        # 5. patterns
        ("gpt-5", O, None, ("openai", "gpt-5")),
        ("claude-9", A, None, ("anthropic", "claude-9")),
        ("gemini-pro", O, None, ("gemini", "gemini-pro")),
        # 6. the only one that speaks the dialect
        ("unheard-of", A, None, ("anthropic", "unheard-of")),
        ("unheard-of", G, None, ("gemini", "unheard-of")),
        ("nobody/unheard-of", G, None, ("gemini", "nobody/unheard-of")),
        ("openai/", G, None, ("gemini", "openai/")),
    ],
)
def test_rules_in_their_order(requested, dialect, pinned, found):
    assert ask(requested, dialect, pinned) == found


@pytest.mark.parametrize(
    ("requested", "dialect", "pinned", "kind", "code"),
    [
        ("unheard-of", O, None, ErrorKind.MODEL_NOT_FOUND, "model_not_found"),
        ("nobody/x", O, None, ErrorKind.MODEL_NOT_FOUND, "model_not_found"),
        ("shared", O, None, ErrorKind.INVALID_REQUEST, "model_ambiguous"),
        ("o1-mini", O, None, ErrorKind.INVALID_REQUEST, "model_ambiguous"),
        ("anthropic/claude-4", O, None, ErrorKind.NOT_IMPLEMENTED, "dialect_not_spoken"),
        ("gpt-4o", A, "openai", ErrorKind.NOT_IMPLEMENTED, "dialect_not_spoken"),
        ("talk", O, None, ErrorKind.NOT_IMPLEMENTED, "dialect_not_spoken"),
        ("gpt-4o", O, "nobody", ErrorKind.NOT_FOUND, "provider_not_found"),
    ],
)
def test_refusals(requested, dialect, pinned, kind, code):
    with pytest.raises(GatewayError) as caught:
        ask(requested, dialect, pinned)
    assert (caught.value.kind, caught.value.code) == (kind, code)


def test_ambiguous_name_is_refused_with_the_choices():
    with pytest.raises(GatewayError, match="openai/shared or groq/shared"):
        ask("shared")


@pytest.mark.parametrize("is_demo_first", [False, True])
def test_name_that_the_demo_shares_is_ambiguous_in_either_order(is_demo_first):
    both = [made("demo", O, models=("echo",)), made("mine", O, models=("echo",))]
    with pytest.raises(GatewayError) as caught:
        ask("echo", providers=named(*(both if is_demo_first else both[::-1])), routes={})
    assert caught.value.code == "model_ambiguous"


def test_unknown_name_is_never_left_to_the_demo():
    with pytest.raises(GatewayError, match="the providers are: demo"):
        ask("gpt-4o", providers=named(made("demo", O, models=("echo",))), routes={})


def test_without_providers_nothing_is_known():
    with pytest.raises(GatewayError) as caught:
        ask("gpt-4o", providers={}, routes={})
    assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND


# --- requests without a model


@pytest.mark.parametrize(
    ("dialect", "pinned", "names", "home"),
    [
        (O, None, ("openai", "groq", "demo"), "openai"),
        (O, "groq", ("openai", "groq"), "groq"),
        (O, None, ("groq", "demo"), "groq"),
        (O, None, ("demo",), "demo"),
        (A, None, ("openai", "anthropic", "demo"), "anthropic"),
        (G, None, ("gemini", "openai"), "gemini"),
    ],
)
def test_home_of_a_request_without_a_model(dialect, pinned, names, home):
    providers = {name: PROVIDERS[name] for name in names}
    assert home_provider(dialect, pinned=pinned, providers=providers).name == home


@pytest.mark.parametrize(
    ("dialect", "pinned", "names", "kind"),
    [
        (O, None, ("groq", "gemini"), ErrorKind.INVALID_REQUEST),
        (A, None, ("openai",), ErrorKind.NOT_FOUND),
        (A, "openai", ("openai",), ErrorKind.NOT_FOUND),
        (O, "nobody", ("openai",), ErrorKind.NOT_FOUND),
    ],
)
def test_request_without_a_model_and_without_a_home(dialect, pinned, names, kind):
    with pytest.raises(GatewayError) as caught:
        home_provider(dialect, pinned=pinned, providers={name: PROVIDERS[name] for name in names})
    assert caught.value.kind is kind


def test_provider_named_like_a_dialect_that_it_does_not_speak_is_no_home():
    providers = named(made("anthropic", O), made("mine", A))
    assert home_provider(A, pinned=None, providers=providers).name == "mine"
