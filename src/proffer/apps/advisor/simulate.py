"""A toy advisor whose right answers are known: what companies need, what users do of what they look at."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proffer.apps.advisor import toy
from proffer.apps.advisor.toy import ALL_ACTIONS, CATEGORIES, MEMBERS, NATURE, OFFERED, Companies, Nature, Week
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.events import ENTITY_SET, Event

START = datetime(2026, 1, 5, tzinfo=UTC)
SIZES = {"tiny": (12, 8, 3), "small": (40, 40, 4), "medium": (150, 120, 8)}
"""Companies, assessments a week, weeks of the log."""
AGAIN = 1.5
"""How many visits an assessment has beside the owner's first, on average."""
SCREEN = 4
"""So many places are on the screen before anybody scrolls."""
RATES = {
    "click-through": ("click", "view"),
    "implementation": ("implement", "click"),
    "clicks a list": ("click", "list"),
    "implementations a list": ("implement", "list"),
}
"""What is counted per what: the rates of the statistics routes, and what a visit comes to."""


class Visit(NamedTuple):
    """A user comes to an assessment; `number` makes what he does the same whatever else happens."""

    subject: str
    group: str
    at: datetime
    number: int


class Toy:
    """The world: `utility` is the chance that a user who looks at a recommendation implements it.

    It is the chance of a click times that of doing it then, both rising with one wish: what the company needs of the
    category (by industry, size and the assessment's priority), saving beside spend, effort beside size, cost beside
    budget, what the action is worth in itself and for the workload, provider, risk, urgency, the taste of the user's
    role and his own, and something that nobody can know. `Nature` has the weights. A recommendation that was done, or
    that the user dismissed, is wished no more.
    """

    def __init__(self, seed: int = 0, size: str = "small", nature: Nature = NATURE) -> None:
        if size not in SIZES:
            raise Invalid(f"unknown size {size[:20]!r}", field="size", remedy=f"Use one of {', '.join(SIZES)}.")
        self.seed, self.nature, self.start, self.page, self.rates = seed, nature, START, OFFERED, RATES
        self.companies, self.assessments, self.weeks = SIZES[size]
        self.known = Companies.draw(np.random.default_rng([seed, 0]), self.companies, nature)
        self._weeks: dict[int, Week] = {}
        self._done: dict[str, datetime] = {}
        self._dismissed: dict[tuple[str, str], datetime] = {}

    @cached_property
    def events(self) -> Sequence[Event]:
        """Everything that happens in the weeks of the log, oldest first: lists in order of confidence, tracked."""
        return self.lived(("confidence",))

    def lived(self, orders: Sequence[str]) -> list[Event]:
        """Return the log of a page on which each visitor sorts the list by one of these, drawn by chance.

        They are confidence, saving, urgency and effort (least first).
        """
        return sorted(self._happen(orders), key=lambda event: event.at)

    def utility(self, subject: str, item: str, at: datetime) -> float:
        """Return the chance that the user implements the recommendation when he looks at it at that time."""
        return float(self.utilities(subject, [item], at)[0])

    def utilities(self, subject: str, items: Sequence[str], at: datetime) -> NDArray[np.float64]:
        """Return the utility of each of these recommendations (n,)."""
        wish = self._wish(subject, items)
        still = np.array([self._open(subject, item, at) for item in items], np.bool_)
        return np.where(still, _chance(wish + self.nature.clicked) * _chance(wish + self.nature.done), 0.0)

    def news(self, week: int) -> list[Event]:
        """Return what appears in a week (from 0): its assessments and their recommendations; first of all, users."""
        users = [self._user(user) for user in range(self.companies * MEMBERS)] if week == 0 else []
        return [*users, *(event for place in range(self.assessments) for event in self._assessment(week, place))]

    def visits(self, week: int) -> list[Visit]:
        """Return who comes to which assessment of a week, in order of time."""
        rng, drawn = np.random.default_rng([self.seed, 2, week]), self._week(week)
        found: list[Visit] = []
        for place in range(self.assessments):
            owner, company = int(drawn.owner[place]), int(drawn.company[place])
            times = np.sort(rng.uniform(26, 160, 1 + int(rng.poisson(AGAIN))))
            for turn, hour in enumerate(times.tolist()):
                user = owner if turn == 0 else company * MEMBERS + int(rng.integers(0, MEMBERS))
                at = START + timedelta(weeks=week, hours=hour)
                found.append(Visit(f"u{user + 1}", f"a{week * self.assessments + place + 1}", at, len(found)))
        found.sort(key=lambda visit: visit.at)
        return [visit._replace(number=week * 100_000 + number) for number, visit in enumerate(found)]

    def answers(self, visit: Visit, slate: Sequence[str], query_id: str) -> list[Event]:
        """Return what happens when a slate is shown, in order of time, and remember what was done and dismissed.

        A place k is looked at with the chance 1 / k^eta. What a user does with a recommendation he looks at hangs on
        chances of his own for it, so that another order of the same list is another look at the same person.
        """
        rng = np.random.default_rng([self.seed, 3, visit.number])
        luck = rng.random((OFFERED, 8))[[_number(item)[1] for item in slate]]
        looked = luck[:, 0] < np.arange(1, len(slate) + 1) ** -self.nature.looked
        scrolled = max(SCREEN, int(np.flatnonzero(looked)[-1]) + 1 if looked.any() else 0)
        wish = self._wish(visit.subject, slate)
        found: list[Event] = []
        for place, item in enumerate(slate[:scrolled]):
            at = visit.at + timedelta(seconds=12 * place)
            still = self._open(visit.subject, item, at)
            for turn, (type, fields) in enumerate(
                self._acts(float(wish[place]) if still else -9.0, luck[place], place, looked=bool(looked[place]))
            ):
                found.append(
                    Event(
                        id=f"toy-{visit.number}-{item}-{type}",
                        type=type,
                        at=at + timedelta(seconds=turn),
                        actor=EntityRef("user", visit.subject),
                        target=EntityRef("recommendation", item),
                        query_id=query_id,
                        fields=fields,
                    )
                )
                if type == "implement":
                    self._done[item] = at
                elif type == "dismiss":
                    self._dismissed[visit.subject, item] = at
        return found

    def _acts(
        self, wish: float, luck: NDArray[np.float64], place: int, *, looked: bool
    ) -> Iterator[tuple[str, Mapping[str, object]]]:
        """Yield what a user does with a recommendation on his screen."""
        yield "impression", {"position": place + 1}
        if not looked:
            # Some of what is passed over stands on the screen for a moment all the same.
            if luck[1] < 0.25:
                yield "view", {"seconds": round(1 + 2 * float(luck[2]), 1)}
            return
        seconds = 4 + 20 * float(luck[2]) * float(_chance(np.array(wish)))
        yield "view", {"seconds": round(seconds, 1)}
        if luck[3] >= _chance(np.array(wish + self.nature.clicked)):
            if luck[4] < 0.1 * _chance(np.array(-wish)):
                yield "dismiss", {}
            return
        yield "click", {}
        if luck[5] < _chance(np.array(wish + self.nature.done)):
            yield "implement", {}
            if luck[6] < 0.4:
                yield "rate", {"stars": float(np.clip(round(3.5 + wish / 2), 1, 5))}
        elif luck[6] < 0.3:
            yield "save", {}
        elif luck[7] < 0.1:
            yield "share", {}

    def _happen(self, orders: Sequence[str]) -> Iterator[Event]:
        for week in range(self.weeks):
            yield from self.news(week)
            drawn = self._week(week)
            for visit in self.visits(week):
                rng = np.random.default_rng([self.seed, 4, visit.number])
                by = orders[int(rng.integers(0, len(orders)))]
                values = getattr(drawn, by)[_place(visit.group) % self.assessments]
                order = np.argsort(values if by == "effort" else -values, kind="stable")
                slate = [f"{visit.group}-{row + 1}" for row in order.tolist()]
                yield from self.answers(visit, slate, f"toy-{visit.number}")

    def _wish(self, subject: str, items: Sequence[str]) -> NDArray[np.float64]:
        user = int(subject[1:]) - 1
        found = np.empty(len(items))
        for place, item in enumerate(items):
            group, row = _number(item)
            week = self._week(group // self.assessments)
            at = group % self.assessments
            found[place] = week.wish[at, row] + self.known.taste[user, week.category[at, row]]
        return self.nature.slope * found

    def _open(self, subject: str, item: str, at: datetime) -> bool:
        done, dismissed = self._done.get(item), self._dismissed.get((subject, item))
        return (done is None or done >= at) and (dismissed is None or dismissed >= at)

    def _week(self, week: int) -> Week:
        if week not in self._weeks:
            rng = np.random.default_rng([self.seed, 1, week])
            self._weeks[week] = Week.draw(rng, self.assessments, self.known, self.nature)
        return self._weeks[week]

    def _user(self, user: int) -> Event:
        role = toy.ROLES[self.known.role[user]]
        fields = {"name": f"User {user + 1}", "role": role, "company": f"c{user // MEMBERS + 1}", "language": "en"}
        return _fact("user", f"u{user + 1}", START, fields)

    def _assessment(self, week: int, place: int) -> Iterator[Event]:
        drawn, known, name = self._week(week), self.known, f"a{week * self.assessments + place + 1}"
        company, first, second = int(drawn.company[place]), int(drawn.priority[place]), int(drawn.wanted[place])
        at = START + timedelta(weeks=week, hours=float(drawn.created[place]))
        said = drawn.said[place, 0].tolist()
        goals = " ".join(
            [*(toy.WORDS[CATEGORIES[first]].split()[word] for word in said),
             *(toy.WORDS[CATEGORIES[second]].split()[word] for word in said[:2])]
        )  # fmt: skip
        providers = dict.fromkeys((known.provider[company], known.second[company]))
        fields = {
            "title": f"Assessment of company {company + 1}", "goals": goals, "owner": f"u{drawn.owner[place] + 1}",
            "industry": toy.INDUSTRIES[known.industry[company]], "company_size": toy.SIZES[known.size[company]],
            "employees": float(20 * 6 ** int(known.size[company])), "budget": round(float(drawn.budget[place]), 2),
            "spend": round(float(known.spend[company]), 2), "workload": toy.WORKLOADS[known.workload[company]],
            "priority": CATEGORIES[first], "providers": [toy.PROVIDERS[one] for one in providers],
            "provider": toy.PROVIDERS[known.provider[company]], "created": at.isoformat(),
        }  # fmt: skip
        yield _fact("assessment", name, at, fields)
        for row in range(OFFERED):
            yield _fact("recommendation", f"{name}-{row + 1}", at, self._offered(drawn, name, place, row, at))

    def _offered(self, drawn: Week, name: str, place: int, row: int, at: datetime) -> Mapping[str, object]:
        category = CATEGORIES[drawn.category[place, row]]
        action = ALL_ACTIONS[drawn.action[place, row]]
        words = toy.WORDS[category].split()
        said = [words[word] for word in drawn.said[place, row].tolist()]
        no_text, no_saving, no_effort = drawn.unknown[place, row].tolist()
        fields = {
            "assessment": name, "title": f"{action.capitalize()}: {said[0]}",
            "text": None if no_text else f"{toy.PHRASES[category]}: {action}, {said[0]}, {said[1]}",
            "category": category, "tags": [words[0], said[0]],
            "action": action.replace(" ", "_"), "provider": toy.PROVIDERS[drawn.provider[place, row]],
            "confidence": round(float(drawn.confidence[place, row]), 4),
            "saving": None if no_saving else round(float(drawn.saving[place, row]), 2),
            "cost": round(float(drawn.cost[place, row]), 2),
            "effort": None if no_effort else round(float(drawn.effort[place, row]), 1),
            "risk": round(float(drawn.risk[place, row]), 3),
            "priority": toy.URGENCIES[drawn.urgency[place, row]], "language": "en", "created": at.isoformat(),
        }  # fmt: skip
        return {field: value for field, value in fields.items() if value is not None}


def _fact(kind: str, name: str, at: datetime, fields: Mapping[str, object]) -> Event:
    return Event(id=f"toy-{name}", type=ENTITY_SET, at=at, actor=EntityRef(kind, name), target=None, fields=fields)


def _chance(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logit)))


def _place(group: str) -> int:
    return int(group[1:]) - 1


def _number(item: str) -> tuple[int, int]:
    group, row = item[1:].split("-")
    return int(group) - 1, int(row) - 1
