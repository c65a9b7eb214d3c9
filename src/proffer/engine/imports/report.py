"""What an import says of itself at the end."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from proffer.core.events import Counts, Receipt, Verdict
from proffer.engine.imports.profile import Column

_VARYING = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"|\d[\d,.]*")
REASONS = 200


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why rows were not accepted: how many, the first one's number in the file, and its reason in full."""

    verdict: str
    reason: str
    count: int
    example: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """An import: what became of each row of the file, and what came in.

    `rows` = accepted + duplicates + conflicts + quarantined (of `counts`) + `unsent`; `unsent` is 0 unless it was
    interrupted. `facts` counts the `entity.set` events made of actor and target attributes beside the rows. `months`
    are events by month, `top` the targets with the most events, `period` the first and last time (RFC 3339).
    """

    file: str
    format: str
    unit: str
    rows: int
    counts: Counts
    unsent: int
    facts: Counts
    causes: list[Cause]
    notes: dict[str, int]
    period: tuple[str, str] | None
    types: dict[str, int]
    actors: int
    targets: int
    top: list[tuple[str, int]]
    months: dict[str, int]
    columns: list[Column]
    mapping: dict[str, Any]
    sorted: bool
    interrupted: bool
    dry_run: bool
    seconds: float


class Tally:
    """Counts receipts by verdict, and the causes of those that were not accepted."""

    def __init__(self) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self._causes: dict[tuple[str, str], list[Any]] = {}

    def add(self, verdict: Verdict, reason: str | None, number: int) -> None:
        """Count one row; `number` is where it stands in the file."""
        self.verdicts[verdict] += 1
        if reason is None:
            return
        key = (verdict, _VARYING.sub("…", reason))
        if key not in self._causes and len(self._causes) >= REASONS:
            key = (verdict, "other reasons")
        cause = self._causes.setdefault(key, [0, number, reason])
        cause[0] += 1
        if number < cause[1]:
            cause[1:] = number, reason

    @property
    def counts(self) -> Counts:
        """Return the four counts."""
        return Counts(
            accepted=self.verdicts[Verdict.ACCEPTED],
            duplicates=self.verdicts[Verdict.DUPLICATE],
            conflicts=self.verdicts[Verdict.CONFLICT],
            quarantined=self.verdicts[Verdict.QUARANTINED],
        )

    @property
    def causes(self) -> list[Cause]:
        """Return the causes, the most frequent first."""
        found = [
            Cause(verdict=verdict, reason=reason, count=count, example=number)
            for (verdict, _), (count, number, reason) in self._causes.items()
        ]
        return sorted(found, key=lambda cause: (-cause.count, cause.example))


def why(receipt: Receipt) -> str | None:
    """Return why a row was not accepted, None for one that was or that repeats another."""
    if receipt.verdict is Verdict.CONFLICT:
        return "the id is taken by an event with other content; that one stays"
    if receipt.verdict is Verdict.QUARANTINED:
        return f"{receipt.field}: {receipt.reason}" if receipt.field else receipt.reason or "refused"
    return None


def top(counts: Mapping[str, int], n: int = 10) -> list[tuple[str, int]]:
    """Return the `n` most frequent, ties by name.

    >>> top({"b": 2, "a": 2, "c": 1}, 2)
    [('a', 2), ('b', 2)]
    """
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]


def by_month(months: Iterable[str]) -> dict[str, int]:
    """Return counts by month, months without any in between included.

    >>> by_month(["2016-11", "2017-01"])
    {'2016-11': 1, '2016-12': 0, '2017-01': 1}
    """
    counts = Counter(months)
    if not counts:
        return {}
    month, last = min(counts), max(counts)
    found: dict[str, int] = {}
    while month <= last and len(found) < 1200:
        found[month] = counts[month]
        year, number = int(month[:4]), int(month[5:7])
        month = f"{year + number // 12:04d}-{number % 12 + 1:02d}"
    return found
