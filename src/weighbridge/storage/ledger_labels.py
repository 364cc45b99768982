"""Texts as integers: each stands once in the table `labels`, and each combination of a request's owners once in `series`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, func, insert, select

from weighbridge.storage.ledger_sums import SERIES_COLUMNS, SeriesName, storable
from weighbridge.storage.ledger_tables import labels, series

MAX_KEPT: Final = 200_000
"""Texts and series in memory; then all are forgotten and read anew as they come."""
_CHUNK: Final = 500
"""Texts asked for in one statement: SQLite takes 32,766 parameters, and plans longer ones no better."""


class Numbers(dict[str, int]):
    """Numbers by texts as they are stored; a text that is stored otherwise is found too."""

    def __missing__(self, text: str) -> int:
        kept = storable(text)
        if kept == text:
            raise KeyError(text)
        return self[kept]


class Labels:
    """The numbers of texts and series, remembered. Belongs to one thread at a time.

    What was given a number in a transaction that failed must be forgotten (`forget`), since the next one may give it another.
    """

    __slots__ = ("_numbers", "_series")

    def __init__(self) -> None:
        self._numbers = Numbers({"": 0})
        self._series: dict[SeriesName, int] = {}

    def forget(self) -> None:
        """Read all of them anew."""
        self._numbers = Numbers({"": 0})
        self._series = {}

    def of(self, connection: Connection, texts: Iterable[str]) -> Numbers:
        """The numbers of these texts, made where there are none; the whole memory, so that it costs no copy."""
        if len(self._numbers) > MAX_KEPT:
            self.forget()
        missing = [text for text in sorted({storable(str(text)) for text in set(texts)}) if text not in self._numbers]
        if missing:
            self._numbers.update(known_labels(connection, missing))
            new = [text for text in missing if text not in self._numbers]
            if new:
                first = int(connection.execute(select(func.coalesce(func.max(labels.c.id), 0))).scalar_one()) + 1
                rows = [{"id": first + place, "text": text} for place, text in enumerate(new)]
                connection.execute(insert(labels), rows)
                self._numbers.update((text, first + place) for place, text in enumerate(new))
        return self._numbers

    def series(self, connection: Connection, names: Iterable[SeriesName]) -> dict[SeriesName, int]:
        """The numbers of these series, made where there are none. Their texts must have numbers."""
        if len(self._series) > MAX_KEPT:
            self._series = {}
        missing = [name for name in dict.fromkeys(names) if name not in self._series]
        if missing:
            numbers = self._numbers
            first: int | None = None
            for name in missing:
                row = dict(zip(SERIES_COLUMNS, (numbers[text] for text in name), strict=True))
                query = select(series.c.id).where(*(series.c[column] == value for column, value in row.items()))
                found = connection.execute(query).scalar_one_or_none()
                if found is None:
                    if first is None:
                        first = int(connection.execute(select(func.coalesce(func.max(series.c.id), 0))).scalar_one()) + 1
                    found = first
                    connection.execute(insert(series), [{"id": found, **row}])
                    first += 1
                self._series[name] = int(found)
        return self._series


def known_labels(connection: Connection, texts: Sequence[str]) -> dict[str, int]:
    """The numbers of those of these texts that have one."""
    found: dict[str, int] = {"": 0} if "" in texts else {}
    stored = [storable(text) for text in texts]
    for at in range(0, len(stored), _CHUNK):
        query = select(labels.c.text, labels.c.id).where(labels.c.text.in_(stored[at : at + _CHUNK]))
        found.update((text, number) for text, number in connection.execute(query))
    return found


def texts_of(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """The texts of these numbers."""
    wanted = [number for number in dict.fromkeys(numbers) if number]
    found = {0: ""}
    for at in range(0, len(wanted), _CHUNK):
        query = select(labels.c.id, labels.c.text).where(labels.c.id.in_(wanted[at : at + _CHUNK]))
        found.update((number, text) for number, text in connection.execute(query))
    return found
