"""Who is asked, and in which order: the one path for serving and for `/v1/explain`.

Hard rules first: a condition that does not hold, data that may not go there, what the request itself excludes. Then the route's
strategy puts those that are well in order. Those that are not well come last, the one that will be well soonest before the others:
where nobody is well, that one is tried, and nothing fails for fear of failing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy

from weighbridge.core.ports import Rng
from weighbridge.core.terms import DataDemand
from weighbridge.routing.members import Branch, Candidate, Member, Preferences, Traits
from weighbridge.routing.residency import unmet

Lost = list[tuple[Candidate, str]]
"""Candidates that cannot serve a request, each with the reason in words."""


class Wishes:
    """What a request demands and prefers beyond its route, and where to tell who lost; one object for each decision."""

    __slots__ = ("demand", "lost", "preferences")

    def __init__(self, demand: DataDemand | None = None, preferences: Preferences | None = None, lost: Lost | None = None) -> None:
        self.demand = demand
        """None: nothing is demanded."""
        self.preferences = preferences
        self.lost = lost
        """Filled only where somebody wants to know."""


def decide(root: Branch, traits: Traits, wishes: Wishes, rng: Rng, now_ns: int) -> Sequence[Candidate]:
    """The candidates in the order in which they are to be tried, no one twice. Empty: none may serve this request."""
    if root.is_plain and wishes.demand is None and wishes.preferences is None and _are_well(root.members, now_ns):
        return root.strategy.order(root.members, traits, rng, now_ns)  # type: ignore[return-value]  # all are candidates
    order = first_of_each(_ordered(root, traits, wishes, rng, now_ns))
    if wishes.preferences is not None:
        order = _preferred(order, wishes.preferences, traits)
    for candidate in order:
        live = candidate.live
        if live.retry_at_ns > now_ns or live.is_probing:
            return _well_first(order, now_ns)
    return order


def _are_well(members: Sequence[Member], now_ns: int) -> bool:
    for member in members:
        live = member.live
        if live.retry_at_ns > now_ns or live.is_probing:
            return False
    return True


def first_of_each(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates without those that lead where an earlier one leads."""
    first: dict[object, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.target, candidate)
    return list(first.values())


def rehearsal(branch: Branch) -> Branch:
    """The same tree with copies of its strategies: a decision by it is the one that comes next, and changes nothing."""
    members = [rehearsal(member) if isinstance(member, Branch) else member for member in branch.members]
    return Branch(branch.id, members, copy(branch.strategy), weight=branch.weight, condition=branch.condition)


def _ordered(branch: Branch, traits: Traits, wishes: Wishes, rng: Rng, now_ns: int) -> Iterable[Candidate]:
    first: list[Member] = []
    last: list[Member] = []
    for member in branch.members:
        if member.condition is not None and not member.condition(traits):
            _lose(member, wishes, f"condition does not hold: {_when(member)}")
        elif member.__class__ is Candidate and (reason := _forbidden(member, wishes)) is not None:
            _lose(member, wishes, reason)
        else:
            live = member.live
            is_well = live.retry_at_ns <= now_ns and not live.is_probing
            (first if is_well and member.weight > 0 else last).append(member)
    order: Sequence[Member] = branch.strategy.order(first, traits, rng, now_ns) if len(first) > 1 else first
    if last:
        order = [*order, *last]
    if not any(member.__class__ is Branch for member in order):
        return order  # type: ignore[return-value]
    return [leaf for member in order for leaf in _leaves(member, traits, wishes, rng, now_ns)]


def _leaves(member: Member, traits: Traits, wishes: Wishes, rng: Rng, now_ns: int) -> Iterable[Candidate]:
    return _ordered(member, traits, wishes, rng, now_ns) if isinstance(member, Branch) else (member,)


def _forbidden(candidate: Candidate, wishes: Wishes) -> str | None:
    demand, preferences = wishes.demand, wishes.preferences
    if demand is not None and (reason := unmet(candidate.terms, demand)) is not None:
        return reason
    return None if preferences is None else _excluded(candidate, preferences)


def _excluded(candidate: Candidate, preferences: Preferences) -> str | None:
    names = (candidate.id, candidate.id.partition("/")[0])
    if preferences.only and not any(name in preferences.only for name in names):
        return "is not among the providers that the request allows"
    if any(name in preferences.ignore for name in names):
        return "is a provider that the request excludes"
    if candidate.input_rate > preferences.max_input_rate or candidate.output_rate > preferences.max_output_rate:
        return "costs more than the request allows, or nobody knows what it costs"
    return None


def _preferred(order: list[Candidate], preferences: Preferences, traits: Traits) -> list[Candidate]:
    if preferences.sort == "price":
        n_input, n_output = traits.input_tokens or 1, traits.max_output_tokens or 1
        order = sorted(order, key=lambda each: n_input * each.input_rate + n_output * each.output_rate)
    elif preferences.sort:  # latency and throughput: who answers soonest; unknown ones last
        order = sorted(order, key=lambda each: (each.live.first_token_ns or each.live.total_ns) or float("inf"))
    if preferences.order:
        ranks = {name: rank for rank, name in reversed(list(enumerate(preferences.order)))}
        none = len(ranks)
        order = sorted(order, key=lambda each: ranks.get(each.id, ranks.get(each.id.partition("/")[0], none)))
        if not preferences.allow_fallbacks:
            order = [each for each in order if each.id in ranks or each.id.partition("/")[0] in ranks]
    return order if preferences.allow_fallbacks or preferences.order else order[:1]


def _well_first(order: list[Candidate], now_ns: int) -> list[Candidate]:
    well = [each for each in order if each.live.retry_at_ns <= now_ns and not each.live.is_probing]
    ill = [each for each in order if each.live.retry_at_ns > now_ns or each.live.is_probing]
    ill.sort(key=lambda each: (each.live.is_probing, each.live.retry_at_ns))
    return well + ill


def _lose(member: Member, wishes: Wishes, reason: str) -> None:
    if wishes.lost is not None:
        wishes.lost += [(leaf, reason) for leaf in _all_leaves(member)]


def _all_leaves(member: Member) -> Iterable[Candidate]:
    if isinstance(member, Branch):
        return [leaf for inner in member.members for leaf in _all_leaves(inner)]
    return (member,)


def _when(member: Member) -> str:
    return member.spec.when if isinstance(member, Candidate) and member.spec is not None else "of a route within the route"
