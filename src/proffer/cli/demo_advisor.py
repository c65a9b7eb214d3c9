"""The advisor's half of the demo: a toy world of assessments, imported, trained, asked, and shown on a page."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

import proffer.bootstrap as bootstrap
from proffer.apps.advisor.simulate import Toy, Visit
from proffer.cli.remote import Remote
from proffer.cli.terminal import show, show_table
from proffer.cli.workspaces import new_token
from proffer.core.errors import CannotTrain
from proffer.core.events import Event
from proffer.engine.imports.forms import open_table
from proffer.engine.imports.run import Import
from proffer.engine.imports.targets import Direct, Known
from proffer.engine.plan import Budget

APP = "advisor"
TRAINING = 60.0
"""Seconds of one core that the training may take, as declared."""
WEEKS = {"small": 7}
"""So long a log of a world the gate opens on: about 700 lists, 140 of them to report on. It decides all the same."""
ORDERS = ("confidence", "saving", "urgency", "effort")
"""What visitors of the page of before sorted its lists by."""
OFFERED = 5
"""So many assessments can be chosen on the page."""
SHOWN = 5

Stage = Callable[[str], None]


class Advice:
    """The advisor's toy world in a workspace of the demo, moved so that it ends now."""

    name = APP

    def __init__(self, home: Path, now: datetime, size: str, seed: int, stage: Stage) -> None:
        self.home, self.stage = home, stage
        self.toy = Toy(seed, size)
        self.toy.weeks = WEEKS.get(size, self.toy.weeks)
        self.events = self.toy.lived(ORDERS)
        self._shift = now - self.events[-1].at
        self.read = self.track = ""

    def fill(self) -> None:
        """Make the workspace: events through the importer, a training, two tokens."""
        bootstrap.create(self.home, APP, APP, store=bootstrap.SQLITE)
        engine = bootstrap.open_engine(self.home, APP)
        try:
            run = Import(open_table(self._written()), {}, Known.by(engine), engine.clock.now())
            run.read()
            run.send(Direct(engine))
            self.stage(
                f"advisor: imported {run.report().counts.accepted:,} events of {self._assessments():,} assessments"
            )
            # What moves on the page then moves by what was done on it, and by nothing drawn by chance.
            engine.configure({"exploration": {engine.app.pipelines[0].name: {"policy": "off"}}})
            try:
                version = engine.train(budget=Budget.of(TRAINING))
                self.stage(f"advisor: trained: {version.metrics['gate']['why']}")
            except CannotTrain as error:
                self.stage(f"advisor: {error.message}")
            self.read = new_token(engine.stores.tokens, engine.clock, "demo page, reads", ("read",))
            self.track = new_token(engine.stores.tokens, engine.clock, "demo page, tracks", ("track",))
        finally:
            engine.close()

    def show(self, url: str) -> None:
        """Ask for a list and tell where the page is."""
        visit = self.visits()[0]
        with Remote(url, APP, self.read) as remote:
            answer = remote.ask("GET", f"/recommendations/{visit.group}?user={visit.subject}&n={SHOWN}")
            summary = answer["summary"]
            by = "the trained model" if summary["ml_ranking_applied"] else f"confidence, since {summary['reason']}"
            self.stage(f"advisor: recommendations of assessment {visit.group} for {visit.subject}, by {by}")
            ids = [item["recommendation_id"] for item in answer["items"]]
            # The world's own clock: it is the demo's that was moved.
            chances = self.toy.utilities(visit.subject, ids, self.events[-1].at)
            facts = self._titles(ids)
            rows = [
                (item["rank"], item["recommendation_id"], facts[item["recommendation_id"]], f"{chance:.0%}",
                 "; ".join(reason["text"] for reason in item["reasons"]))
                for item, chance in zip(answer["items"], chances.tolist(), strict=True)
            ]  # fmt: skip
            show_table("", ["rank", "recommendation", "title", "would do it", "reasons"], rows)

    def page(self, url: str) -> str:
        """Return the address of the page; what it may do stands in the fragment, which no server sees."""
        visits = self.visits()
        groups = list(dict.fromkeys(visit.group for visit in visits))[:OFFERED]
        words = {
            "workspace": APP, "read": self.read, "track": self.track, "user": visits[0].subject,
            "assessments": ",".join(groups),
        }  # fmt: skip
        return f"{url}/demo#{urlencode(words, safe=',')}"

    def next(self, url: str) -> None:
        """Tell what to open."""
        show(f"  the advisor's page, which learns from what you click: {self.page(url)}")

    def visits(self) -> Sequence[Visit]:
        """Return the newest visits, the last one first."""
        return self.toy.visits(self.toy.weeks - 1)[::-1]

    def _assessments(self) -> int:
        return self.toy.weeks * self.toy.assessments

    def _titles(self, ids: Sequence[str]) -> dict[str, str]:
        return {event.actor.id: str(event.fields["title"]) for event in self.events if event.actor.id in ids}

    def _written(self) -> Path:
        path = self.home / "advisor.jsonl"
        with path.open("wb") as file:
            for event in self.events:
                file.write(msgspec.json.encode(_row(event, event.at + self._shift)) + b"\n")
        return path


def _row(event: Event, at: datetime) -> dict[str, Any]:
    """Return an event in the form that imports read."""
    row = {
        "id": event.id, "type": event.type, "at": at, "actor": event.actor._asdict(), "query_id": event.query_id,
        "target": event.target and event.target._asdict(), "fields": dict(event.fields),
    }  # fmt: skip
    return {name: value for name, value in row.items() if value}
