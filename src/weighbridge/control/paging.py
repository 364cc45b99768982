"""Lists by pages, and what every answer about a stored thing shares."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from weighbridge.core.clock import utc_from_ns
from weighbridge.storage.people_store import MAX_PAGE

ID_FORM: Final = "[0-9a-f]{24}$"


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, pattern=rf"^[a-z]{{3,8}}_{ID_FORM}", description="`next_cursor` of the page before.")


class Change(BaseModel):
    """A change: what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)


def date(wall_ns: int) -> datetime:
    """As answers have it."""
    return utc_from_ns(wall_ns)
