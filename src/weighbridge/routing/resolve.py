"""From the model that a caller names to the deployment that serves it.

In this order, the first that fits:
1. a route's name, unless a provider is pinned (3);
2. `provider/model`, where the provider is configured;
3. the provider that the request's path or `x-weighbridge-provider` pins;
4. the one provider that lists the bare name among its models;
5. the one provider whose patterns (`gpt-*`) match it;
6. the only provider that speaks the caller's dialect, the demo aside.
A name that fits several providers is refused with their names: never guessed. A request for an answer may go to a provider of any
dialect (it is translated); every other request only to one that speaks the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import Route
from weighbridge.core.terms import Deployment, Dialect, Operation
from weighbridge.providers.base import Provider
from weighbridge.routing.fit import can_serve, is_native

DEMO = "demo"


def resolve(
    requested: str,
    dialect: Dialect,
    operation: Operation,
    *,
    pinned: str | None,
    providers: Mapping[str, Provider],
    routes: Mapping[str, Route],
) -> Deployment:
    """The deployment for a requested model and what is asked of it.

    Raises `GatewayError`: MODEL_NOT_FOUND, or INVALID_REQUEST where it is ambiguous.
    """
    if (route := routes.get(requested)) is not None and pinned is None:
        return _serving(route.deployments, dialect, operation, providers, requested)
    prefix, slash, rest = requested.partition("/")
    if slash and rest and prefix in providers and pinned in (None, prefix):
        return _checked(Deployment(prefix, rest), dialect, operation, providers)
    if pinned is not None:
        return _checked(Deployment(pinned, requested), dialect, operation, providers)
    able = [p for p in providers.values() if can_serve(p, dialect, operation, requested)]
    for candidates in (
        [p for p in able if requested in p.models],
        [p for p in able if any(fnmatchcase(requested, pattern) for pattern in p.patterns)],
    ):
        if len(candidates) > 1:
            raise _ambiguous(requested, candidates)
        if candidates:
            return Deployment(candidates[0].name, requested)
    speakers = [p for p in able if p.name != DEMO and is_native(p, dialect, operation, requested)]
    others = speakers or [p for p in able if p.name != DEMO]
    if len(others) == 1:
        return Deployment(others[0].name, requested)
    raise _unknown(requested, able)


def find_route(requested: str, routes: Mapping[str, Route]) -> tuple[Route, str] | None:
    """The route of a name, and what its `*` stands for: the one of exactly this name, else the one whose name with a `*` has the
    most other characters that match."""
    if (exact := routes.get(requested)) is not None:
        return exact, ""
    best: tuple[Route, str] | None = None
    for name, route in routes.items():
        before, star, after = name.partition("*")
        if not star or len(requested) < len(name) - 1 or not (requested.startswith(before) and requested.endswith(after)):
            continue
        if best is None or len(name) > len(best[0].requested_model):
            best = route, requested[len(before) : len(requested) - len(after)]
    return best


def home_provider(dialect: Dialect, *, pinned: str | None, providers: Mapping[str, Provider]) -> Provider:
    """The provider for a request that names no model (files, batches, stored responses): the pinned one, else the dialect's
    own vendor, else the only one that speaks it. Raises `GatewayError`."""
    if pinned is not None:
        provider = providers.get(pinned)
        if provider is None or dialect not in provider.bases:
            raise _no_provider(pinned, dialect)
        return provider
    vendor = providers.get(dialect.value)
    if vendor is not None and dialect in vendor.bases:
        return vendor
    speakers = [p for p in providers.values() if dialect in p.bases and p.name != DEMO] or [
        p for p in providers.values() if dialect in p.bases
    ]
    if len(speakers) == 1:
        return speakers[0]
    if not speakers:
        raise GatewayError(ErrorKind.NOT_FOUND, f"No configured provider speaks the {dialect.value} dialect.")
    names = ", ".join(sorted(p.name for p in speakers))
    raise GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"This request names no model, and several providers could serve it ({names}). "
        "Name one in the header x-weighbridge-provider, or put it before the path: /{provider}/v1/…",
        code="provider_ambiguous",
    )


def _serving(
    deployments: Iterable[Deployment],
    dialect: Dialect,
    operation: Operation,
    providers: Mapping[str, Provider],
    requested: str,
) -> Deployment:
    for deployment in deployments:
        provider = providers.get(deployment.provider)
        if provider is not None and can_serve(provider, dialect, operation, deployment.model):
            return deployment
    raise GatewayError(
        ErrorKind.NOT_IMPLEMENTED,
        f"No target of the route '{requested}' speaks the {dialect.value} dialect.",
        param="model",
        code="dialect_not_spoken",
    )


def _checked(deployment: Deployment, dialect: Dialect, operation: Operation, providers: Mapping[str, Provider]) -> Deployment:
    provider = providers.get(deployment.provider)
    if provider is None:
        raise _no_provider(deployment.provider, dialect)
    if not can_serve(provider, dialect, operation, deployment.model):
        spoken = ", ".join(sorted(d.value for d in provider.bases))
        raise GatewayError(
            ErrorKind.NOT_IMPLEMENTED,
            f"The provider '{provider.name}' does not speak the {dialect.value} dialect (it speaks: {spoken}), and this request is "
            "none that is translated.",
            param="model",
            code="dialect_not_spoken",
        )
    return deployment


def _no_provider(name: str, dialect: Dialect) -> GatewayError:
    return GatewayError(
        ErrorKind.NOT_FOUND,
        f"There is no provider '{name}' that speaks the {dialect.value} dialect.",
        code="provider_not_found",
    )


def _ambiguous(requested: str, candidates: Iterable[Provider]) -> GatewayError:
    choices = " or ".join(f"{p.name}/{requested}" for p in candidates)
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"Several providers serve the model '{requested}'. Ask for {choices}.",
        param="model",
        code="model_ambiguous",
    )


def _unknown(requested: str, speakers: Iterable[Provider]) -> GatewayError:
    names = ", ".join(sorted(p.name for p in speakers))
    hint = f" Ask for it as provider/model; the providers are: {names}." if names else ""
    return GatewayError(
        ErrorKind.MODEL_NOT_FOUND, f"The model '{requested}' is not known here.{hint}", param="model", code="model_not_found"
    )
