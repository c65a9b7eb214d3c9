"""What an application may declare; an application is one immutable `App` value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import CannotStart, Invalid
from proffer.core.events import Event
from proffer.core.queries import Query
from proffer.core.schema import EntityKind, EventType, Schema
from proffer.features.conditions import OPERATORS, Condition
from proffer.features.view import FeatureView
from proffer.models.base import Retriever
from proffer.models.rankers.linear import LinearHeuristic


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule as data, changeable while the server runs.

    `filter` keeps only items that match `where`; `pin` puts `item` at `position`; `boost` adds `by` standard deviations
    of the list's scores to items that match; `cap` allows `at_most` items per value of the attribute `per` in a slate;
    `seen_out` drops items the subject answered to (only with events of `types`, only `within_days`, where given).
    `subject` limits a rule to subjects whose attributes match. A condition is a value, a list of values, or
    {"in" | "not_in": [...]}, {"above" | "below": number}, {"exists": true | false}.
    """

    do: Literal["filter", "pin", "boost", "cap", "seen_out"]
    name: str = ""
    where: dict[str, Condition] = {}
    subject: dict[str, Condition] = {}
    item: str | None = None
    position: int | None = None
    by: float | None = None
    per: str | None = None
    at_most: int | None = None
    types: list[str] = []
    within_days: float | None = None


class Eligible(Protocol):
    """A condition of the application that an item must meet to be shown at all, with a name for explanations."""

    name: str

    def __call__(self, query: Query, state: Any) -> NDArray[np.bool_]:
        """Return which items of the catalogue (n,) the subject may see."""
        ...


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Words for a reason that a column gives when its value is at least `above`; {value}, {author} ... fill in."""

    code: str
    column: str
    above: float
    en: str
    sv: str


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """How a slate is made: sources, heuristics below them, conditions, rules, words.

    `retrievers` are makers of unfitted retrievers; declared `weights` blend them without any training (most pipelines
    declare none and learn them); `heuristics` are weighted feature columns by name, whose weights
    settings can change; `ladder` names what answers, in this order, when no model can: heuristics or retrievers, the
    last one a retriever that cannot fail. `pool` is how many candidates each source proposes; `diversity` the default
    lambda of MMR (1 = relevance only).
    """

    name: str
    retrievers: tuple[Callable[[], Retriever], ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    heuristics: Mapping[str, LinearHeuristic] = field(default_factory=dict)
    ladder: tuple[str, ...] = ("newest",)
    eligible: tuple[Eligible, ...] = ()
    rules: tuple[Rule, ...] = (Rule(do="seen_out", name="seen"),)
    templates: tuple[Template, ...] = ()
    pool: int = 100
    diversity: float = 1.0


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What can change while the server runs; each change is an event of the log, so a decision's `as_of` fixes it.

    `labels`: grade per event type. `content`: weight per content attribute (title, text, category, author, tags).
    `heuristics`: weights of feature columns by heuristic. `rules`: replace the pipeline's by pipeline name.
    `diversity`: default lambda by pipeline name.
    """

    labels: dict[str, float] = {}
    content: dict[str, float] = {}
    heuristics: dict[str, dict[str, float]] = {}
    rules: dict[str, list[Rule]] = {}
    diversity: dict[str, float] = {}


class World(Protocol):
    """A toy world with a known answer: its events, oldest first, and how much each subject wants each item when."""

    events: Sequence[Event]

    def utility(self, subject: str, item: str, at: datetime) -> float:
        """Return the chance that the subject answers to the item when shown it at that time."""
        ...


@dataclass(frozen=True, kw_only=True)
class App:
    """An application: entities, events, features and pipelines; the first pipeline is the default.

    `subject` and `item` name the kinds that pipelines bring together. `response` names two feature columns: the
    smoothed rate of answers per impression, and log1p of the impressions behind it. `simulate(seed, size)` makes a
    toy world; sizes are small and medium.
    """

    name: str
    doc: str
    entities: tuple[EntityKind, ...]
    events: tuple[EventType, ...]
    subject: str
    item: str
    view: FeatureView
    pipelines: tuple[Pipeline, ...]
    response: tuple[str, str] | None = None
    simulate: Callable[[int, str], World] | None = None

    def __post_init__(self) -> None:
        kinds = {kind.name for kind in self.entities}
        missing = {self.subject, self.item} - kinds
        if missing:
            raise CannotStart(f"application {self.name} declares no entity kind {', '.join(sorted(missing))}")
        if not self.pipelines:
            raise CannotStart(f"application {self.name} declares no pipeline")
        for event in self.events:
            unknown = {event.actor, *event.targets} - kinds
            if unknown:
                raise CannotStart(f"event {event.name} of {self.name} names unknown kinds {', '.join(sorted(unknown))}")

    @property
    def schema(self) -> Schema:
        """Return the checks of this application's rows."""
        return Schema(self.events, self.entities)

    @property
    def weights(self) -> dict[str, float]:
        """Return the declared grade of each event type."""
        return {event.name: event.weight for event in self.events}

    def pipeline(self, name: str) -> Pipeline:
        """Return a pipeline by name. Raises Invalid naming those there are."""
        found = next((pipeline for pipeline in self.pipelines if pipeline.name == name), None)
        if found is None:
            names = ", ".join(pipeline.name for pipeline in self.pipelines)
            raise Invalid(f"unknown pipeline {name[:40]!r}", field="pipeline", remedy=f"Use one of {names}.")
        return found

    def settings(self, values: Mapping[str, Any]) -> Settings:
        """Return settings after checking every name in them against what is declared. Raises Invalid."""
        try:
            settings = msgspec.convert(values, Settings)
        except msgspec.ValidationError as error:
            raise Invalid(str(error), field="settings", remedy="See GET /settings for the shape.") from None
        _known(settings.labels, self.weights, "labels")
        _known(settings.rules, {p.name for p in self.pipelines}, "rules")
        _known(settings.diversity, {p.name for p in self.pipelines}, "diversity")
        _known(settings.heuristics, {name for p in self.pipelines for name in p.heuristics}, "heuristics")
        for name, weights in settings.heuristics.items():
            for pipeline in self.pipelines:
                if name in pipeline.heuristics:
                    pipeline.heuristics[name].weighted(weights)
        for name, value in settings.diversity.items():
            if not 0 <= value <= 1:
                raise Invalid("lambda lies in 0..1", field=f"diversity.{name}", remedy="1 means relevance only.")
        for rules in settings.rules.values():
            for rule in rules:
                check_rule(rule, self)
        return settings


def check_rule(rule: Rule, app: App) -> None:
    """Raise Invalid when a rule lacks what its verb needs, or names what does not exist."""
    needs = {"pin": ("item", "position"), "boost": ("by", "where"), "cap": ("per", "at_most"), "filter": ("where",)}
    for name in needs.get(rule.do, ()):
        if getattr(rule, name) in (None, {}):
            raise Invalid(f"a {rule.do} rule needs it", field=f"rules.{name}", remedy=f"Add {name} to {rule.name!r}.")
    attributes = {kind.name: {a.name for a in kind.attributes} for kind in app.entities}
    _known(rule.where, attributes[app.item], "rules.where")
    _known(rule.subject, attributes[app.subject], "rules.subject")
    _known(rule.types, app.weights, "rules.types")
    if rule.per is not None:
        _known([rule.per], attributes[app.item], "rules.per")
    if (rule.position is not None and rule.position < 1) or (rule.at_most is not None and rule.at_most < 1):
        raise Invalid("counts from 1", field="rules.position", remedy="Send 1 or more.")
    for name, condition in {**rule.where, **rule.subject}.items():
        if isinstance(condition, dict) and (len(condition) != 1 or next(iter(condition)) not in OPERATORS):
            raise Invalid("unknown condition", field=f"rules.{name}", remedy=f"Use one of {', '.join(OPERATORS)}.")


def _known(names: Any, known: Any, field: str) -> None:
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        remedy = f"Use one of {', '.join(sorted(known)[:60])}."
        raise Invalid(f"unknown name {str(unknown)[:40]!r}", field=field, remedy=remedy)
