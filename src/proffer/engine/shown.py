"""Lists that somebody saw, gathered from decisions, impressions and visits, with the answers they got."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from proffer.core.decisions import Considered, Decision, Placed
from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_DELETE, ENTITY_SET, Event
from proffer.core.queries import Query
from proffer.engine.grades import Grader
from proffer.engine.logged import Joined
from proffer.engine.past import Past

MOST = 10_000
"""So many of the newest decisions are looked at."""


def shown_lists(past: Past, since: float = 0.0) -> list[Joined]:
    """Return every list shown since epoch seconds `since`, answered or not, in the log's order, with its answers.

    A list is a logged decision of the pipeline; or the impressions that name one query of which no decision is known;
    or, where neither tells what was shown, a visit: what a subject did with the members of one group within
    `Labels.window`, of which nobody knows in which places they stood. Each is as of just before it began.
    """
    gathered = _Gathered(past, since)
    for decision in past.decisions():
        gathered.decide(decision)
    gathered.index()
    for chunk in past.chunks():
        for event in chunk:
            gathered.take(event)
    return gathered.lists()


@dataclass
class _Members:
    """Which items are whose members, as of a place in the log."""

    attribute: str | None
    group: dict[str, str] = field(default_factory=dict)
    members: dict[str, dict[str, None]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Follow a fact about an item."""
        if self.attribute is None:
            return
        item = event.actor.id
        gone = event.type == ENTITY_DELETE
        if not gone and self.attribute not in event.fields:
            return
        before = self.group.pop(item, None)
        if before is not None:
            self.members[before].pop(item, None)
        value = None if gone else event.fields[self.attribute]
        if value:
            self.group[item] = str(value)
            self.members.setdefault(str(value), {})[item] = None

    def of(self, item: str) -> tuple[str | None, tuple[str, ...]]:
        """Return the group of an item, and its members."""
        group = self.group.get(item)
        return group, () if group is None else tuple(self.members[group])


class _Gathered:
    """Lists as they are found."""

    def __init__(self, past: Past, since: float) -> None:
        self.past, self.since = past, since
        self.until = float(past.times[-1]) if len(past) else 0.0
        app = past.app
        self.grader = Grader(app, past.settings)
        self.window = past.labels.window.total_seconds()
        self.members = _Members(app.schema.entities[app.item].role("group"))
        self.impression, self.item, self.subject = app.impression, app.item, app.subject
        self.decided: deque[Joined] = deque(maxlen=MOST)
        self.found: list[Joined] = []
        self.elsewhere: set[str] = set()
        self.by_query: dict[str, Joined] = {}
        self.by_subject: dict[str, list[Joined]] = {}

    def decide(self, decision: Decision) -> None:
        """Take a decision, where it is the pipeline's and of the time; what names another one is no list of these."""
        at = decision.query.at.timestamp()
        if decision.query.pipeline == self.past.pipeline.name and self.since <= at <= self.until and decision.slate:
            if len(self.decided) == MOST:
                self.elsewhere.add(self.decided[0].decision.query.id)
            self.decided.append(Joined(decision))
        else:
            self.elsewhere.add(decision.query.id)

    def index(self) -> None:
        """Make the decisions known to those who answer."""
        self.found = [*self.decided]
        self.by_query = {one.decision.query.id: one for one in self.found}
        for one in sorted(self.found, key=lambda one: one.at):
            self.by_subject.setdefault(one.decision.query.subject.id, []).append(one)

    def take(self, event: Event) -> None:
        """Take the next event of the log."""
        if event.type in (ENTITY_SET, ENTITY_DELETE):
            if event.actor.kind == self.item:
                self.members.take(event)
            return
        at, target = event.at.timestamp(), event.target
        if target is None or target.kind != self.item or event.actor.kind != self.subject:
            return
        if not self.since <= at <= self.until or event.query_id in self.elsewhere:
            return
        if event.type == self.impression:
            self._shown(event, target.id, at)
        elif grade := self.grader(event):
            answered = self._answered(event, target.id, at)
            if answered is not None:
                answered.answer(event, target.id, grade, self.past.labels)

    def lists(self) -> list[Joined]:
        """Return what was found, in the log's order."""
        return sorted(self.found, key=lambda one: (one.decision.as_of, one.decision.query.id))

    def _shown(self, event: Event, item: str, at: float) -> None:
        """Add an item to the list that its impression names; that of a decision knows its items."""
        name = event.query_id
        if name is None:
            return
        one = self.by_query.get(name)
        if one is None:
            group, members = self.members.of(item)
            one = self._begin(event, name, at, group, members)
            self.by_query[name] = one
        if one.decision.id or one.decision.query.subject != event.actor:
            return
        position = event.fields.get("position")
        rank = int(position) if isinstance(position, int | float) and position >= 1 else len(one.decision.slate) + 1
        if all(placed.id != item for placed in one.decision.slate):
            placed = (*one.decision.slate, Placed(id=item, rank=rank, score=0.0))
            one.decision = replace(one.decision, slate=placed)
            one.items.add(item)

    def _answered(self, event: Event, item: str, at: float) -> Joined | None:
        """Return the list an event answers: of the query it names, else the subject's last that held the item."""
        named = self.by_query.get(event.query_id) if event.query_id is not None else None
        if named is not None:
            return named if item in named.items else None
        for one in reversed(self.by_subject.get(event.actor.id, ())):
            if one.at + self.window < at:
                break
            if one.at <= at and item in one.items:
                return one
        return self._visited(event, item, at)

    def _visited(self, event: Event, item: str, at: float) -> Joined | None:
        """Begin a visit to the group of an item."""
        group, members = self.members.of(item)
        if group is None or item not in members:
            return None
        return self._begin(event, f"{event.actor.id}/{group}/{event.sequence}", at, group, members)

    def _begin(self, event: Event, name: str, at: float, group: str | None, members: Sequence[str]) -> Joined:
        query = Query(
            id=name, pipeline=self.past.pipeline.name, subject=EntityRef(self.subject, event.actor.id), at=event.at,
            n=max(len(members), 1), group=group,
        )  # fmt: skip
        made = Decision(
            id="", query=query, as_of=event.sequence - 1, considered=Considered(ids=tuple(members)), slate=(), model="",
            schema="",
        )  # fmt: skip
        one = Joined(made)
        one.at = at
        self.found.append(one)
        mine = self.by_subject.setdefault(event.actor.id, [])
        mine.append(one)
        mine.sort(key=lambda one: one.at)
        return one
