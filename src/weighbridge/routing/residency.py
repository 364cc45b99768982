"""Whether a target may have a request's data: what is promised against what is demanded. What nobody promised is not met."""

from __future__ import annotations

from weighbridge.core.terms import DataDemand, DataTerms


def unmet(terms: DataTerms | None, demand: DataDemand) -> str | None:
    """Why a target must not be used, in words for people; None: it meets the demand."""
    terms = terms or DataTerms()
    if demand.regions and not any(is_within(terms.region, region) for region in demand.regions):
        return f"region '{terms.region or 'not declared'}' is none of {', '.join(demand.regions)}"
    if demand.zdr and terms.zdr is not True:
        return "zero data retention is not declared"
    limit, kept = demand.max_retention_days, terms.retention_days
    if limit is not None and terms.zdr is not True and (kept is None or kept > limit):
        return f"retention of {'an undeclared time' if kept is None else f'{kept} days'} is more than {limit} days"
    if demand.no_training and terms.trains is not False:
        return "training on requests is not excluded"
    return None


def is_within(region: str, wanted: str) -> bool:
    """Whether a region is the wanted one or a part of it: `eu-west-1` and `europe-west4` are in `eu`, `us-east-1` is in `us`."""
    if not region:
        return False
    region, wanted = region.lower(), wanted.lower()
    return region == wanted or region.startswith(f"{wanted}-") or (wanted == "eu" and region.startswith(("europe", "eu.")))


def joined(first: DataDemand, second: DataDemand) -> DataDemand:
    """Both demands as one. Regions that both allow; where none is, one that no target can meet."""
    if first.is_empty:
        return second
    if second.is_empty:
        return first
    limits = [days for days in (first.max_retention_days, second.max_retention_days) if days is not None]
    return DataDemand(
        _common(first.regions, second.regions),
        first.zdr or second.zdr,
        min(limits) if limits else None,
        first.no_training or second.no_training,
    )


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    if not first or not second:
        return first or second
    narrow = [a for a in first if any(is_within(a, b) for b in second)]
    narrow += [b for b in second if b not in narrow and any(is_within(b, a) for a in first)]
    return tuple(narrow) or ("(none)",)
