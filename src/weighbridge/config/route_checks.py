"""What only all routes and providers together can show: names that lead nowhere, and routes that lead to themselves.

Works on the document's plain values, so that these problems are told beside those of the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from weighbridge.config.problems import PathParts, did_you_mean


class Problem(NamedTuple):
    """A path of the document, what is wrong there, and what to do."""

    path: PathParts
    message: str
    suggestion: str | None


class _Member(NamedTuple):
    """A target as it was written, and where."""

    path: PathParts
    text: str
    entry: Mapping[str, object]


def route_problems(routes: Mapping[str, object], providers: Mapping[str, object]) -> Iterator[Problem]:
    """Everything that is wrong with how routes name others."""
    for name, route in routes.items():
        if "/" in name and name.partition("/")[0] in providers:
            yield Problem(("routes", name), "hides a model of the provider of that name", "choose a name without `/`")
        for member in _members(name, route):
            yield from _of_member(name, member, routes, providers)
    yield from _cycles(routes)


def _of_member(name: str, member: _Member, routes: Mapping[str, object], providers: Mapping[str, object]) -> Iterator[Problem]:
    text = member.text
    if text in routes:
        return
    provider, slash, model = text.partition("/")
    if not slash:
        known = (*routes, *(f"{each}/…" for each in providers))
        suggestion = did_you_mean(text, routes) or f"the names are: {', '.join(known)}"
        yield Problem(member.path, "must be `provider/model` or another route's name", suggestion)
    elif provider not in providers:
        yield Problem(member.path, "names a provider that is not configured", did_you_mean(provider, providers))
    elif "*" in model and "*" not in name:
        yield Problem(member.path, "has a `*` that nothing fills", "put a `*` into the route's name, or name the model")
    else:
        yield from _unknown_keys(member, provider, providers[provider])


def _unknown_keys(member: _Member, provider: str, entry: object) -> Iterator[Problem]:
    names = member.entry.get("keys")
    given = entry if isinstance(entry, dict) else {}
    keys = given.get("api_keys")
    n_keys = len(keys) if isinstance(keys, list) else 1
    known = [f"{provider}#{number}" for number in range(1, n_keys + 1)]
    for key in names if isinstance(names, list) else ():
        if (f"{provider}#{key}" if str(key).isdigit() else key) not in known:
            place = (*member.path[:-1], "keys")
            yield Problem(place, f"has a key that `{provider}` does not have", f"the keys are: {', '.join(known)}")


def _members(name: str, route: object) -> Iterator[_Member]:
    """The targets of a route in any of its forms."""
    if isinstance(route, str):
        yield _Member(("routes", name), route, {})
        return
    is_short = isinstance(route, list)
    targets = route if is_short else route.get("targets") if isinstance(route, dict) else None
    for i, target in enumerate(targets if isinstance(targets, list) else ()):
        path: PathParts = ("routes", name, i) if is_short else ("routes", name, "targets", i)
        if isinstance(target, str):
            yield _Member(path, target, {})
        elif isinstance(target, dict):
            field = "route" if "route" in target else "target"
            if isinstance(text := target.get(field), str):
                yield _Member((*path, field), text, target)


def _cycles(routes: Mapping[str, object]) -> Iterator[Problem]:
    leads_to = {name: [member for member in _members(name, route) if member.text in routes] for name, route in routes.items()}
    for name in routes:
        trail = _way_back(name, leads_to)
        if trail is not None and min(trail) == name:  # each circle is told once
            yield Problem(("routes", name), f"leads back to itself: {' > '.join((*trail, name))}", None)


def _way_back(name: str, leads_to: Mapping[str, list[_Member]]) -> list[str] | None:
    """The shortest way from a route to itself."""
    ways = [[name]]
    seen: set[str] = set()
    for way in ways:
        for member in leads_to[way[-1]]:
            if member.text == name:
                return way
            if member.text not in seen:
                seen.add(member.text)
                ways.append([*way, member.text])
    return None
