"""What the columns of a file look like, and what is suspicious about them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from proffer.core.errors import Invalid
from proffer.engine.imports.convert import Missing, to_number

DISGUISES = frozenset({
    "select", "n/a", "na", "#n/a", "unknown", "none", "null", "nan", "-", "--", "?", ".", "missing", "undefined",
    "not specified", "not available", "tbd", r"\n", "(null)", "(none)", "-999", "9999-12-31",
})  # fmt: skip
DISTINCT = 100_000
NUMERIC = 0.9
LEAK = 0.4


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column: how many rows lack it, how many different values it has (`more`: at least so many), what is odd."""

    name: str
    missing: int
    distinct: int
    more: bool = False
    suspicious: tuple[str, ...] = ()


class Profile:
    """Counts the values of every column, chunk by chunk; beyond 100,000 different values it only adds to those."""

    def __init__(
        self, columns: Sequence[str], missing: Iterable[str], outcome: str | None, keys: Sequence[str]
    ) -> None:
        if outcome is not None and outcome not in columns:
            raise Invalid(f"no column {outcome!r}", field="--outcome", remedy=f"Use one of {', '.join(columns)[:400]}.")
        self._columns, self._missing, self._keys = columns, Missing(missing), frozenset(keys)
        self._outcome = None if outcome is None else columns.index(outcome)
        self._counts: list[Counter[Any]] = [Counter() for _ in columns]
        self._full = [False] * len(columns)
        self._pairs: list[Counter[Any]] = [Counter() for _ in columns]
        self._rows = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Count the values of some rows."""
        self._rows += len(rows)
        columns = [_hashable(column) for column in zip(*rows, strict=True)]
        for place, column in enumerate(columns):
            counts = self._counts[place]
            if self._full[place]:
                counts.update(value for value in column if value in counts)
                continue
            counts.update(column)
            self._full[place] = len(counts) > DISTINCT
            if self._outcome is not None and place != self._outcome and len(counts) <= DISTINCT:
                self._pairs[place].update(zip(column, columns[self._outcome], strict=True))

    def columns(self) -> list[Column]:
        """Return what was found, column by column."""
        return [self._column(place, name) for place, name in enumerate(self._columns)]

    def _column(self, place: int, name: str) -> Column:
        counts = self._counts[place]
        absent = sum(times for value, times in counts.items() if self._missing(value))
        present = Counter({value: times for value, times in counts.items() if not self._missing(value)})
        odd = [*self._spread(present, absent, place), *_disguised(present), *_written(present)]
        if name in self._keys:
            odd += _near(present)
        if self._outcome is not None and place != self._outcome:
            odd += _leak(self._pairs[place], self._columns[self._outcome], self._rows)
        return Column(name=name, missing=absent, distinct=len(present), more=self._full[place], suspicious=tuple(odd))

    def _spread(self, present: Counter[Any], absent: int, place: int) -> Iterable[str]:
        rows = self._rows - absent
        if rows == 0 and absent:
            yield "always missing"
        elif len(present) == 1 and rows > 1:
            yield f"constant: {str(next(iter(present)))[:40]}"
        elif len(present) == rows > 20 and not self._full[place]:
            yield "every value is different"


def _hashable(column: Sequence[Any]) -> Sequence[Any]:
    if any(isinstance(value, list | dict) for value in column):
        return [str(value) if isinstance(value, list | dict) else value for value in column]
    return column


def _disguised(present: Counter[Any]) -> Iterable[str]:
    for value, times in present.most_common():
        if isinstance(value, str) and value.strip().lower() in DISGUISES:
            yield f"{value!r} on {times:,} rows looks like a missing value (--missing {value!r})"


def _written(present: Counter[Any]) -> Iterable[str]:
    texts = {value: times for value, times in present.items() if isinstance(value, str)}
    if not texts:
        return
    total = sum(texts.values())
    other = [(times, value) for value, times in texts.items() if not _is_number(value)]
    numbers = total - sum(times for times, _ in other)
    if other and numbers > NUMERIC * total:
        value = max(other)[1]
        yield f"numbers, but {total - numbers:,} rows hold other text, such as {value[:40]!r}"
    elif not other and len(texts) < len(present):
        yield "numbers, some of them stored as text"
    padded = sum(times for value, times in texts.items() if value != value.strip())
    if padded:
        yield f"blanks around the value on {padded:,} rows"


def _near(present: Counter[Any]) -> Iterable[str]:
    groups: dict[str, list[str]] = {}
    for value in present:
        if isinstance(value, str):
            groups.setdefault("".join(value.split()).casefold(), []).append(value)
    near = [group for group in groups.values() if len(group) > 1]
    if near:
        shown = " and ".join(repr(value[:40]) for value in sorted(near[0])[:2])
        yield f"{len(near):,} ids differ only in case or blanks, such as {shown}"


def _leak(pairs: Counter[Any], outcome: str, rows: int) -> Iterable[str]:
    """Judge by leave-one-out: how much better the outcome is told from the value than from its own frequency."""
    groups: dict[Any, Counter[Any]] = {}
    totals: Counter[Any] = Counter()
    for (value, result), times in pairs.items():
        groups.setdefault(value, Counter())[result] += times
        totals[result] += times
    if len(totals) < 2 or len(groups) < 2:
        return
    base = max(totals.values())
    right = sum(_left_out(results) for results in groups.values())
    if right == rows:
        yield f"determines {outcome}"
    elif right - base > LEAK * (rows - base):
        share = (right - base) / (rows - base)
        yield f"tells {outcome} on {share:.0%} of the rows that guessing misses: known before the outcome?"


def _left_out(results: Counter[Any]) -> int:
    top = results.most_common(2)
    (_, first), second = top[0], top[1][1] if len(top) > 1 else 0
    return first if first - 1 > second or (first > 1 and second == 0) else 0


def _is_number(text: str) -> bool:
    try:
        to_number(text.strip())
    except Invalid:
        return False
    return True
