"""The advisor in one process: two assessments, what was done with the steps of one, lists for the other.

python examples/advisor.py
"""

import tempfile
from pathlib import Path
from typing import Any

from proffer import EntityRef, Query, create, open_engine
from proffer.core.decisions import Decision

STEPS = [
    ("rightsize", "Use smaller machines at night", "cost_optimization", 0.7, 900, 200, 0.2),
    ("backups", "Back the database up every hour", "reliability", 0.9, 0, 600, 0.1),
    ("keys", "Change access keys each month", "security", 0.8, 0, 100, 0.1),
    ("archive", "Move old logs to cheaper storage", "cost_optimization", 0.5, 400, 50, 0.3),
]


def facts() -> list[dict[str, Any]]:
    """Return two assessments of shops, each with the same four steps."""
    rows = [fact("user", "ann", role="engineer", company="acme"), fact("user", "bo", role="engineer", company="bolt")]
    for name, owner in (("a1", "bo"), ("a2", "ann")):
        rows.append(fact("assessment", name, owner=owner, industry="retail", spend=4000, priority="cost_optimization"))
        for action, title, category, confidence, saving, cost, risk in STEPS:
            rows.append(
                fact(
                    "recommendation",
                    f"{name}-{action}",
                    assessment=name,
                    action=action,
                    title=title,
                    category=category,
                    confidence=confidence,
                    saving=saving,
                    cost=cost,
                    risk=risk,
                )
            )
    return rows


def fact(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return the event that says what is known of an entity."""
    return {"type": "entity.set", "actor": {"kind": kind, "id": name}, "fields": fields}


def main() -> None:
    """Make a workspace in a temporary folder and show lists before and after something was done."""
    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder), "advisor", "advisor")
        engine = open_engine(Path(folder), "advisor")
        engine.record(facts())
        engine.record(
            [
                {"type": "view", "actor": "bo", "target": "a1-rightsize", "fields": {"seconds": 40}},
                {"type": "implement", "actor": "bo", "target": "a1-rightsize"},
                {"type": "dismiss", "actor": "bo", "target": "a1-keys"},
            ]
        )

        def ask(**objectives: float) -> Decision:
            subject = EntityRef("user", "ann")
            query = Query(
                id=engine.ids.new("q"),
                pipeline="assessment",
                subject=subject,
                at=engine.clock.now(),
                n=4,
                group="a2",
                objectives=objectives or None,
            )
            return engine.recommend(query)

        show("By confidence", ask())
        show("For saving and little risk", ask(cost=1.0, risk=0.5))
        engine.record([{"type": "implement", "actor": "ann", "target": "a2-backups"}])
        show("After the backups were set up", ask())
        engine.close()


def show(title: str, decision: Decision) -> None:
    """Print a slate with its reasons."""
    print(f"{title} (by {decision.model}; {decision.fallback})")
    for placed in decision.slate:
        print(f"  {placed.rank}. {placed.id}: {'; '.join(reason.text for reason in placed.reasons)}")


if __name__ == "__main__":
    main()
