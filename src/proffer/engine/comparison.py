"""A model version's report in short."""

from collections.abc import Mapping
from typing import Any

import msgspec

from proffer.engine.measure import TARGET
from proffer.engine.metrics import Interval


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A version's report in short; `lead` is its paired lead in NDCG@10 over the fallback on the report phase.

    `wins` says whether it may serve, `why` on what grounds; None where it was saved without a report.
    """

    protocol: str | None = None
    champion: str | None = None
    fallback: str | None = None
    lists: int | None = None
    users: int | None = None
    ndcg: Interval | None = None
    lead: Interval | None = None
    wins: bool | None = None
    why: str | None = None

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "Comparison":
        """Return the short form of a stored report, also of one that older code wrote."""
        gate = report.get("gate") or {}
        champion, fallback = report.get("champion"), report.get("fallback")
        rows: list[dict[str, Any]] = [row for row in report.get("rows", ()) if row.get("name") == champion]
        ndcg = rows[0].get("metrics", {}).get(TARGET) if rows else None
        lead = gate.get("lead") or report.get("leads", {}).get(fallback)
        return cls(
            protocol=report.get("protocol"), champion=champion, fallback=fallback, lists=report.get("lists"),
            users=report.get("users"), ndcg=_interval(ndcg), lead=_interval(lead),
            wins=gate.get("wins"), why=gate.get("why"),
        )  # fmt: skip


def _interval(found: Any) -> Interval | None:
    return None if found is None else msgspec.convert(found, Interval)
