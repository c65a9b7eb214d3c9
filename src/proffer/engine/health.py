"""How each part is, and the counts behind the metrics."""

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from proffer.core.decisions import Decision
from proffer.core.errors import ProfferError
from proffer.core.events import Counts
from proffer.engine import skew

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

Status = Literal["ok", "degraded", "down"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part: its status, in words what that means, and figures."""

    status: Status
    text: str
    figures: dict[str, float | str | None] = {}


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace's parts; its status is that of the worst one."""

    status: Status
    parts: dict[str, Part]


class Counters:
    """What this process counted since it started; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.received = Counts()
        self.decisions: Counter[tuple[str, str, bool]] = Counter()
        self.explored: Counter[str] = Counter()
        self.seconds = 0.0

    def recorded(self, counts: Counts) -> None:
        """Count receipts."""
        with self._lock:
            self.received += counts

    def decided(self, decision: Decision) -> None:
        """Count a decision by pipeline, model and whether a fallback made it, and its explored places."""
        with self._lock:
            self.decisions[decision.query.pipeline, decision.model, decision.fallback is not None] += 1
            self.explored[decision.query.pipeline] += sum(placed.explored for placed in decision.slate)
            self.seconds += decision.took_ms / 1000


def health(engine: "Engine") -> Health:
    """Look at every part, each by itself: one that fails does not hide the others."""
    looks = {"log": _log, "state": _state, "models": _models, "decisions": _decisions, "skew": _skew}
    if engine.tail.running:
        looks["tail"] = _tail
    parts = {}
    for name, look in looks.items():
        try:
            parts[name] = look(engine)
        except (ProfferError, OSError) as error:
            parts[name] = Part(status="down", text=str(error))
    order: list[Status] = ["ok", "degraded", "down"]
    return Health(status=max((part.status for part in parts.values()), key=order.index), parts=parts)


def _log(engine: "Engine") -> Part:
    counts, last = engine.stores.log.counts(), engine.stores.log.last()
    newest = next((event for events in engine.stores.log.scan(since=max(last - 1, 0)) for event in events), None)
    age = None if newest is None else round((engine.clock.now() - newest.at).total_seconds(), 3)
    figures: dict[str, float | str | None] = {
        "last": last, "accepted": counts.accepted, "duplicates": counts.duplicates, "conflicts": counts.conflicts,
        "quarantined": counts.quarantined, "newest_at": newest.at.isoformat() if newest else None, "newest_age_s": age,
    }  # fmt: skip
    return Part(status="ok", text="the log can be read", figures=figures)


def _tail(engine: "Engine") -> Part:
    figures: dict[str, float | str | None] = {"folded_s": round(engine.tail.age, 3), "position": engine.state.position}
    if engine.tail.away:
        why = engine.tail.lost or f"the database has not answered for {engine.tail.age:.0f} s"
        text = f"slates are answered from memory, nothing can be recorded: {why}"
        return Part(status="degraded", text=text, figures=figures)
    return Part(status="ok", text="follows what other processes append and promote", figures=figures)


def _state(engine: "Engine") -> Part:
    behind = engine.stores.log.last() - engine.state.position
    figures: dict[str, float | str | None] = {
        "position": engine.state.position, "behind": behind, "items": len(engine.state.ids),
        "view": engine.app.view.version, "up_s": round(time.monotonic() - engine.started, 1),
    }  # fmt: skip
    # What others append at this very moment is folded by the next.
    if behind > 0 and (engine.tail.away or not engine.tail.running):
        return Part(status="degraded", text=f"{behind} events wait to be folded", figures=figures)
    return Part(status="ok", text="folded to the end of the log", figures=figures)


def _models(engine: "Engine") -> Part:
    why = {name: fitted.why for name, fitted in engine.fitted.items() if fitted.why}
    figures: dict[str, float | str | None] = {name: fitted.version for name, fitted in engine.fitted.items()}
    if why:
        text = "; ".join(f"{name}: {reason}, the ladder answers" for name, reason in why.items())
        return Part(status="degraded", text=text, figures=figures)
    return Part(status="ok", text="every pipeline serves its champion", figures=figures)


def _decisions(engine: "Engine") -> Part:
    dropped = engine.stores.decisions.dropped()
    text = f"{dropped} decisions were not logged, the queue was full" if dropped else "every decision is logged"
    return Part(status="degraded" if dropped else "ok", text=text, figures={"dropped": dropped})


def _skew(engine: "Engine") -> Part:
    if engine.home is None:
        return Part(status="ok", text="a workspace without a folder is not watched")
    known = skew.kept(engine.home / engine.workspace)
    seen = known.recent(engine.clock.now())
    figures: dict[str, float | str | None] = {
        "checked": known.checked, "mismatched": known.mismatched, "incomparable": sum(known.incomparable.values()),
        "looked_at": known.looked_at.isoformat() if known.looked_at else None,
        "decisions": " ".join(one.decision for one in seen) or None,
    }  # fmt: skip
    if seen:
        newest = f"{seen[0].decision} ({seen[0].text})"
        text = f"{len(seen)} decisions came out otherwise when they were replayed, among them {newest}"
        return Part(status="degraded", text=text, figures=figures)
    if known.failed is not None:
        return Part(status="degraded", text=f"the last look came to nothing: {known.failed}", figures=figures)
    text = "decisions come out equal when they are replayed" if known.checked else "no decision was looked at yet"
    return Part(status="ok", text=text, figures=figures)
