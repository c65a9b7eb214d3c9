"""The feed in one process: record what happened, ask for a slate with reasons, hide a post, ask again.

python examples/feed.py
"""

import tempfile
from pathlib import Path

from proffer import EntityRef, Query, create, open_engine
from proffer.core.decisions import Decision

POSTS = [
    ("bread", "Bread in an hour", "food", "eve"),
    ("soup", "A soup for March", "food", "eve"),
    ("derby", "The derby, minute by minute", "sports", "tom"),
    ("fog", "Fog over the harbour", "city", "tom"),
]


def main() -> None:
    """Make a workspace in a temporary folder and show two slates."""
    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder), "feed", "feed")
        engine = open_engine(Path(folder), "feed")
        for name, title, category, author in POSTS:
            fields = {"title": title, "category": category, "author": author}
            engine.record([{"type": "entity.set", "actor": {"kind": "post", "id": name}, "fields": fields}])
        engine.record(
            [
                {"type": "follow", "actor": "ann", "target": {"kind": "user", "id": "eve"}},
                {"type": "view", "actor": "ann", "target": "bread", "fields": {"seconds": 48}},
            ]
        )

        def ask() -> Decision:
            subject = EntityRef("user", "ann")
            query = Query(
                id=engine.ids.new("q"), pipeline="home", subject=subject, at=engine.clock.now(), n=3, language="en"
            )
            return engine.recommend(query)

        show("What Ann is shown", ask())
        engine.record([{"type": "hide", "actor": "ann", "target": "soup"}])
        show("After she hid the soup", ask())
        engine.close()


def show(title: str, decision: Decision) -> None:
    """Print a slate with its reasons."""
    print(f"{title} (by {decision.model}; {decision.fallback})")
    for placed in decision.slate:
        print(f"  {placed.rank}. {placed.id}: {'; '.join(reason.text for reason in placed.reasons)}")


if __name__ == "__main__":
    main()
