"""A small assessment to compute columns of: facts, acts, and the state they make."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proffer.apps.advisor.app import app
from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_SET, Event
from proffer.features.state import State

START = datetime(2026, 3, 2, tzinfo=UTC)
NOW = START + timedelta(days=20)
ANN, BOB, EVA = (EntityRef("user", name) for name in ("ann", "bob", "eva"))
FACTS: dict[tuple[str, str], dict[str, Any]] = {
    ("user", "ann"): {"role": "engineer", "company": "acme", "language": "sv"},
    ("user", "bob"): {"role": "engineer", "company": "bolt", "language": "en"},
    ("user", "eva"): {"role": "finance", "company": "acme"},
    ("assessment", "a1"): {
        "title": "Moln", "goals": "Lägre kostnad för lagring", "owner": "ann", "industry": "retail",
        "company_size": "medium", "employees": 100.0, "budget": 5000.0, "spend": 2000.0, "workload": "web",
        "priority": "cost_optimization", "providers": ["aws", "gcp"], "provider": "aws",
        "created": "2026-03-02T00:00:00+00:00",
    },
    ("assessment", "a2"): {
        "title": "Cloud", "goals": "Fewer incidents", "owner": "bob", "industry": "retail", "company_size": "medium",
        "employees": 90.0, "budget": 900.0, "spend": 800.0, "workload": "web", "priority": "cost_optimization",
        "providers": ["aws"], "provider": "aws", "created": "2026-03-02T00:00:00+00:00",
    },
}  # fmt: skip
STEPS = (
    ("cost_optimization", "rightsize", "aws", ["storage", "tier"], "Flytta kall lagring till billigare lagringsklass"),
    ("cost_optimization", "reserve", "aws", ["compute"], "Boka kapacitet i förväg"),
    ("security", "rotate_keys", "gcp", ["identity"], "Byt nycklar var månad"),
    ("reliability", "backups", "azure", ["storage"], "Säkerhetskopiera lagring varje natt"),
)
for group in ("a1", "a2"):
    for n, (category, action, provider, tags, text) in enumerate(STEPS, 1):
        FACTS["recommendation", f"{group}-{n}"] = {
            "assessment": group, "title": f"Steg {n} {action}", "text": text, "category": category, "tags": tags,
            "action": action, "provider": provider, "confidence": 0.5 + n / 10, "saving": 100.0 * n, "cost": 400.0 / n,
            "effort": 8.0 * n, "risk": 0.1 * n, "priority": ("low", "medium", "high", "critical")[n - 1],
            "language": "sv", "created": "2026-03-03T00:00:00+00:00", "expires": "2027-03-03T00:00:00+00:00",
        }  # fmt: skip


def facts(**changed: dict[str, Any]) -> list[Event]:
    """Return the facts as events, those of an entity changed by its id with `_` for `-`; None leaves one out."""
    out = []
    for (kind, name), fields in FACTS.items():
        values = {**fields, **changed.get(name.replace("-", "_"), {})}
        known = {field: value for field, value in values.items() if value is not None}
        out.append(Event(id=f"{kind} {name}", type=ENTITY_SET, at=START, actor=EntityRef(kind, name), fields=known))
    return out


def act(user: EntityRef, type: str, item: str, days: float, **fields: Any) -> Event:
    target = EntityRef("recommendation", item)
    at = START + timedelta(days=days)
    return Event(id=f"{user.id} {type} {item} {days}", type=type, at=at, actor=user, target=target, fields=fields)


PAST = (
    *(act(BOB, "impression", f"a2-{n}", 2) for n in (1, 2, 3, 4)),
    *(act(BOB, "view", f"a2-{n}", 2.1, seconds=10.0 * n) for n in (1, 2, 3)),
    act(BOB, "click", "a2-1", 2.2), act(BOB, "implement", "a2-1", 3), act(BOB, "dismiss", "a2-3", 3.1),
    act(BOB, "rate", "a2-2", 3.2, stars=4.0),
    *(act(EVA, "impression", f"a1-{n}", 4) for n in (1, 2, 3, 4)),
    act(EVA, "view", "a1-1", 4.1, seconds=30.0), act(EVA, "click", "a1-1", 4.2), act(EVA, "save", "a1-1", 4.3),
    act(EVA, "dismiss", "a1-4", 4.4), act(EVA, "implement", "a1-2", 4.5),
    act(ANN, "view", "a1-1", 10, seconds=5.0), act(ANN, "click", "a1-1", 10.1), act(ANN, "dismiss", "a1-3", 10.2),
    act(ANN, "rate", "a1-2", 10.3, stars=5.0),
)  # fmt: skip


def folded(events: Any) -> State:
    """Return the state after these events, numbered in this order."""
    from msgspec.structs import replace

    state = State(app.view, app.schema, subject=app.subject, item=app.item)
    state.fold([replace(event, sequence=place) for place, event in enumerate(events, 1)])
    return state


def matrix(
    state: State, user: EntityRef | None = ANN, group: str = "a1", at: datetime = NOW, **context: Any
) -> NDArray[np.float32]:
    """Return the columns of an assessment's recommendations (n, columns)."""
    return app.view.matrix(state.batch(user, state.members(group), at.timestamp(), context))


def column(state: State, name: str, *args: Any, **rest: Any) -> list[float]:
    """Return one column as a list."""
    return matrix(state, *args, **rest)[:, app.view.columns.index(name)].tolist()
