"""What an application may declare; an application is one immutable `App` value."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.cron import check_cron
from proffer.core.errors import CannotStart, Invalid
from proffer.core.events import RESERVED, Event
from proffer.core.labels import AS_DECLARED, Grading, Labels, Scale
from proffer.core.queries import Query
from proffer.core.schema import EntityKind, EventType, Schema, check_kinds
from proffer.features.conditions import OPERATORS, Condition
from proffer.features.view import FeatureView
from proffer.models.base import Ranker, Retriever
from proffer.models.rankers.linear import LinearHeuristic

SOURCE = "source:"
"""How a template names a source instead of a feature column."""
MOST_DAYS, MOST_SPREADS, MOST_VALUE = 36_500.0, 1_000.0, 1e15
MOST_PEAKED, DEEPEST = 0.001, 500
ORIGIN = re.compile(r"https?://([a-z0-9_.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
MOST_ORIGINS = 100
TRAINING = {
    "seconds": (1.0, 604_800.0), "memory_mb": (64.0, 1_048_576.0), "min_interactions": (1.0, 1e9),
    "lookback_days": (0.01, MOST_DAYS), "validation_split": (0.01, 0.9), "num_boost_round": (1.0, 10_000.0),
}  # fmt: skip
"""What a training may be limited to or told, from and to."""
WHOLE = ("min_interactions", "num_boost_round")
WATCH = {"seconds": (0.0, 604_800.0), "sample": (1.0, 10_000.0), "memory_mb": (64.0, 1_048_576.0)}
"""How often decisions may be replayed to look for skew, how many, and within what memory, from and to."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule as data, changeable while the server runs.

    `filter` keeps only items that match `where`; `pin` puts `item` at `position`; `boost` adds `by` standard deviations
    of the list's scores to items that match; `cap` allows `at_most` items per value of the attribute `per` in a slate;
    `seen_out` drops items the subject answered to (only with events of `types`, only `within_days`, where given), but
    none that the query itself gives as candidates.
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
    """A condition of the application that an item must meet to be shown at all, with a name for explanations.

    One that also has `some(query, state, ordinals)`, which says the same of these ordinals (m,) alone, answers a query
    that gives its candidates without a look at the rest of the catalogue.
    """

    name: str

    def __call__(self, query: Query, state: Any) -> NDArray[np.bool_]:
        """Return which items of the catalogue (n,) the subject may see."""
        ...


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Words for a reason that a column gives when its value is at least `above`; {value}, {author} ... fill in.

    `also` names further columns with the value each must reach, so that a place in a list says no more than is so.
    `akin` names columns that tell the same in another way: where reasons are told by what their columns add to the
    score, what these add counts too.
    """

    code: str
    column: str
    above: float
    en: str
    sv: str
    also: tuple[tuple[str, float], ...] = ()
    akin: tuple[str, ...] = ()


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """Something a slate is to be good for: the model's own relevance, or more or less of a feature `column`.

    Each counts as its rank percentile in the list, so that weights mean the same whatever the units; an unknown value
    counts as the middle. `en` and `sv` name it for people.
    """

    en: str
    sv: str
    column: str | None = None
    better: Literal["more", "less"] = "more"


class Exploration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How places of a slate are drawn by chance, so that what is never shown first can be learned about.

    `epsilon` draws each place, with that chance, evenly among the best `depth` that are left; `plackett_luce` draws
    each in proportion to exp(score / temperature), scores in standard deviations of the best `depth`: a low
    temperature stays close to their order (Plackett 1975). Each place's propensity is logged with the decision.
    """

    policy: Literal["off", "epsilon", "plackett_luce"] = "off"
    epsilon: float = 0.05
    temperature: float = 0.1
    depth: int = 50


NO_EXPLORATION = Exploration()


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """How a slate is made: sources, heuristics below them, conditions, rules, words.

    `retrievers` are makers of unfitted retrievers; declared `weights` blend them without any training (most pipelines
    declare none and learn them); `heuristics` are weighted feature columns by name, whose weights
    settings can change; `ladder` names what answers, in this order, when no model can: heuristics or retrievers, the
    last one a retriever that cannot fail. `rankers` are makers of unfitted rankers, challengers of the blend at each
    training; where one fails, `without_ranker` says who answers, the blend it orders the best of or the ladder. `pool`
    is how many candidates each source proposes; `diversity` the default lambda of MMR (1 = relevance only);
    `exploration` how places are drawn by chance where settings do not say; neither touches what a rung of the ladder
    answers.
    `objectives` are what a request may weigh, `aims` their weights where neither it nor the settings do; none weighed
    means relevance alone. `reasons` are told in the order declared, or by what their columns add to the score.
    `protocol` is how evaluations and trainings judge by default, `schedule` when a server trains where settings do not
    say; with `quiet` it then waits until the last training is so old, where too little happened since. Unless
    `retrieving`, a query names its candidates or a group: what belongs to one group is nobody else's to see.
    """

    name: str
    retrievers: tuple[Callable[[], Retriever], ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    heuristics: Mapping[str, LinearHeuristic] = field(default_factory=dict)
    ladder: tuple[str, ...] = ("newest",)
    rankers: tuple[Callable[[], Ranker], ...] = ()
    without_ranker: Literal["blend", "ladder"] = "blend"
    eligible: tuple[Eligible, ...] = ()
    rules: tuple[Rule, ...] = (Rule(do="seen_out", name="seen"),)
    templates: tuple[Template, ...] = ()
    pool: int = 100
    diversity: float = 1.0
    exploration: Exploration = NO_EXPLORATION
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    aims: Mapping[str, float] = field(default_factory=dict)
    reasons: Literal["declared", "contributions"] = "declared"
    protocol: str = "daily"
    schedule: str = "0 2 * * *"
    quiet: timedelta | None = None
    retrieving: bool = True


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What can change while the server runs; each change is an event of the log, so a decision's `as_of` fixes it.

    `labels`: grade per event type. `content`: weight per content attribute (title, text, category, author, tags).
    `heuristics`: weights of feature columns by heuristic. `rules`: replace the pipeline's by pipeline name.
    `diversity`: default lambda by pipeline name. `assume_seen`: how many first places of a served slate count as
    impressions at once, by pipeline name; without it only what the page reports as seen counts.
    `schedule`: when a server trains a pipeline by itself, a cron expression in the machine's local time or "off".
    `training`: what a training may use, `seconds` of wall clock and `memory_mb` of resident memory, and what it goes
    by: `min_interactions`, `lookback_days`, `validation_split`, `num_boost_round`.
    `exploration`: how places are drawn by chance, by pipeline name.
    `watch`: every so many `seconds` (0: never) a child of `memory_mb` replays a `sample` of the decisions since.
    `grading`: how the events of a subject and an item become one grade. `objectives`: weights of what slates are to be
    good for, by pipeline name. `origins`: web origins whose pages may record interactions ("https://shop.example").
    """

    labels: dict[str, float] = {}
    content: dict[str, float] = {}
    heuristics: dict[str, dict[str, float]] = {}
    rules: dict[str, list[Rule]] = {}
    diversity: dict[str, float] = {}
    assume_seen: dict[str, int] = {}
    schedule: dict[str, str] = {}
    training: dict[str, float] = {}
    exploration: dict[str, Exploration] = {}
    watch: dict[str, float] = {}
    grading: Grading = AS_DECLARED
    objectives: dict[str, dict[str, float]] = {}
    origins: list[str] = []


def unset_settings() -> dict[str, Any]:
    """Return every member of the settings as it is where nobody set it, in JSON's types.

    >>> unset_settings()["origins"], unset_settings()["labels"]
    ([], {})
    """
    return {name: msgspec.to_builtins(getattr(Settings(), name)) for name in Settings.__struct_fields__}


class World(Protocol):
    """A toy world with a known answer: its events, oldest first, and how much each subject wants each item when."""

    @property
    def events(self) -> Sequence[Event]:
        """What happened, oldest first."""
        ...

    def utility(self, subject: str, item: str, at: datetime) -> float:
        """Return the chance that the subject answers to the item when shown it at that time."""
        ...


class Visit(Protocol):
    """Somebody of a toy world comes to a page: who, to which group (None where items are nobody's members), when."""

    @property
    def subject(self) -> str:
        """The id of who comes."""
        ...

    @property
    def group(self) -> str | None:
        """The id of the group whose members are the candidates."""
        ...

    @property
    def at(self) -> datetime:
        """When he comes."""
        ...


class LivingWorld(World, Protocol):
    """A toy world that answers what it is shown, round by round, so that a loop can be closed in it.

    It begins at `start`; `page` is how many items a page shows at most; `rates` names what a simulation counts: events
    of one type per those of another, or per list. Two worlds of one seed have the same visits, and who looks at the
    same item does the same with it.
    """

    start: datetime
    page: int
    rates: Mapping[str, tuple[str, str]]

    def news(self, round: int) -> Sequence[Event]:
        """Return the facts that appear before a round (from 0), in order of time."""
        ...

    def visits(self, round: int) -> Sequence[Visit]:
        """Return who comes in a round, in order of time."""
        ...

    def answers(self, visit: Any, slate: Sequence[str], query_id: str) -> Sequence[Event]:
        """Return what the visitor does with a slate, in order of time; the world remembers it."""
        ...

    def utilities(self, subject: str, items: Sequence[str], at: datetime) -> NDArray[np.float64]:
        """Return the `utility` of each of these items (n,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class App:
    """An application: entities, events, features and pipelines; the first pipeline is the default.

    `subject` and `item` name the kinds that pipelines bring together. `response` names two feature columns: the
    smoothed rate of answers per impression, and log1p of the impressions behind it. `impression` names the event type
    that says an item was on the subject's screen. `labels` combines the events of a subject and an item into a grade.
    `values` names, by event type, the field that a client's plain `value` fills (seconds of a view, stars of a rating).
    `simulate(seed, size)` makes a toy world; sizes are small and medium.
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
    impression: str | None = None
    labels: Labels = field(default_factory=Labels)
    values: Mapping[str, str] = field(default_factory=dict)
    simulate: Callable[[int, str], World] | None = None

    def __post_init__(self) -> None:
        kinds = {kind.name for kind in self.entities}
        missing = {self.subject, self.item} - kinds
        if missing:
            raise CannotStart(f"application {self.name} declares no entity kind {', '.join(sorted(missing))}")
        check_kinds(self.entities, self.item)
        if not self.pipelines:
            raise CannotStart(f"application {self.name} declares no pipeline")
        taken = RESERVED & {*(event.name for event in self.events), *kinds}
        if taken:
            raise CannotStart(f"{', '.join(sorted(taken))} of {self.name} is a name of the engine's own")
        for event in self.events:
            unknown = {event.actor, *event.targets} - kinds
            if unknown:
                raise CannotStart(f"event {event.name} of {self.name} names unknown kinds {', '.join(sorted(unknown))}")
        for pipeline in self.pipelines:
            _declared(pipeline, self.view.columns)
        if set(self.response or ()) - set(self.view.columns):
            raise CannotStart(f"the response of {self.name} names columns that its view does not have")
        try:
            check_scales(self.labels.scales, self.events, "scales")
        except Invalid as error:
            raise CannotStart(f"the labels of {self.name}: {error}") from None
        if self.labels.window <= timedelta(0):
            raise CannotStart(f"the labels of {self.name} have a window of no time")
        if self.impression is not None and self.impression not in self.weights:
            raise CannotStart(f"the impression of {self.name} is no event it declares")
        for name, filled in self.values.items():
            if filled not in {one.name for event in self.events if event.name == name for one in event.fields}:
                raise CannotStart(f"the value of {name} of {self.name} fills no field that it declares")

    @cached_property
    def schema(self) -> Schema:
        """Return the checks of this application's rows."""
        return Schema(self.events, self.entities)

    @property
    def group(self) -> str | None:
        """Return the kind of entity whose members items are, None where they are nobody's."""
        return self.schema.group(self.item)

    def labels_in_force(self, settings: Settings) -> Labels:
        """Return how events become grades under these settings."""
        return settings.grading.over(self.labels)

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
        if settings.grading == AS_DECLARED:
            # The one that is left out where settings are shown is told apart by identity.
            settings = msgspec.structs.replace(settings, grading=AS_DECLARED)
        _known(settings.labels, self.weights, "labels")
        _known(settings.rules, {p.name for p in self.pipelines}, "rules")
        _known(settings.diversity, {p.name for p in self.pipelines}, "diversity")
        attributes = {a.name for kind in self.entities if kind.name == self.item for a in kind.attributes}
        _known(settings.content, attributes, "content")
        for name, weight in settings.content.items():
            _between(weight, 0.0, MOST_SPREADS, f"content.{name}")
        for name, weight in settings.labels.items():
            _between(weight, -MOST_SPREADS, MOST_SPREADS, f"labels.{name}")
        _known(settings.heuristics, {name for p in self.pipelines for name in p.heuristics}, "heuristics")
        for name, weights in settings.heuristics.items():
            for column, weight in weights.items():
                _between(weight, -MOST_SPREADS, MOST_SPREADS, f"heuristics.{name}.{column}")
            for pipeline in self.pipelines:
                if name in pipeline.heuristics:
                    pipeline.heuristics[name].weighted(weights)
        for name, value in settings.diversity.items():
            if not 0 <= value <= 1:
                raise Invalid("lambda lies in 0..1", field=f"diversity.{name}", remedy="1 means relevance only.")
        _known(settings.assume_seen, {p.name for p in self.pipelines}, "assume_seen")
        if settings.assume_seen and self.impression is None:
            raise Invalid(f"{self.name} declares no impression", field="assume_seen", remedy="Leave it out.")
        for name, places in settings.assume_seen.items():
            if places < 1:
                raise Invalid("counts from 1", field=f"assume_seen.{name}", remedy="Leave it out to assume nothing.")
        _known(settings.schedule, {p.name for p in self.pipelines if not p.weights}, "schedule")
        for name, expression in settings.schedule.items():
            check_cron(expression, f"schedule.{name}")
        check_training(settings.training)
        check_grading(settings.grading, self.events)
        _known(settings.watch, WATCH, "watch")
        for name, value in settings.watch.items():
            _between(value, *WATCH[name], f"watch.{name}")
        _known(settings.objectives, {p.name for p in self.pipelines}, "objectives")
        for name, aims in settings.objectives.items():
            check_objectives(aims, self.pipeline(name), f"objectives.{name}")
        _known(settings.exploration, {p.name for p in self.pipelines}, "exploration")
        for name, exploration in settings.exploration.items():
            check_exploration(exploration, f"exploration.{name}")
        for rules in settings.rules.values():
            for rule in rules:
                check_rule(rule, self)
        check_origins(settings.origins)
        return settings


def check_training(values: Mapping[str, float]) -> None:
    """Raise Invalid for a limit or option of trainings that there is not, or out of its range."""
    _known(values, TRAINING, "training")
    for name, value in values.items():
        _between(value, *TRAINING[name], f"training.{name}")
        if name in WHOLE and value != int(value):
            raise Invalid("not a whole number", field=f"training.{name}", remedy="Send one without a fraction.")


def check_grading(grading: Grading, events: Sequence[EventType]) -> None:
    """Raise Invalid for grades that no event could get."""
    if grading.window_hours is not None and not 0.0 < grading.window_hours <= 24 * MOST_DAYS:
        raise Invalid("out of range", field="grading.window_hours", remedy="Send hours above 0.")
    if grading.outweighed is not None:
        _between(grading.outweighed, -MOST_SPREADS, MOST_SPREADS, "grading.outweighed")
    check_scales(grading.scales, events, "grading.scales")


def check_scales(scales: Mapping[str, Scale], events: Sequence[EventType], field: str) -> None:
    """Raise Invalid for a scale of an unknown event or field, and for points that do not ascend."""
    declared = {event.name: event for event in events}
    _known(scales, declared, field)
    for name, scale in scales.items():
        numbers = [one.name for one in declared[name].fields if one.type == "number"]
        if scale.field not in numbers:
            remedy = f"Use {' or '.join(numbers)}." if numbers else f"A {name} has no number to go by: leave it out."
            raise Invalid(f"no numeric field of {name}", field=f"{field}.{name}.field", remedy=remedy)
        place = f"{field}.{name}.points"
        if not scale.points:
            raise Invalid("there are none", field=place, remedy="Send [[value, grade], ...], values ascending.")
        for value, grade in scale.points:
            _between(value, -MOST_VALUE, MOST_VALUE, place)
            _between(grade, -MOST_SPREADS, MOST_SPREADS, place)
        if any(later <= earlier for (earlier, _), (later, _) in pairwise(scale.points)):
            raise Invalid("the values do not ascend", field=place, remedy="Sort them, each once.")


def check_exploration(exploration: Exploration, field: str) -> None:
    """Raise Invalid for a chance, temperature or depth that cannot be drawn with."""
    _between(exploration.epsilon, 0.0, 1.0, f"{field}.epsilon")
    _between(exploration.temperature, MOST_PEAKED, MOST_SPREADS, f"{field}.temperature")
    _between(exploration.depth, 2, DEEPEST, f"{field}.depth")


def check_objectives(weights: Mapping[str, float], pipeline: Pipeline, field: str) -> None:
    """Raise Invalid for weights of what a pipeline does not declare, or that leave nothing to go by."""
    if not pipeline.objectives:
        raise Invalid(f"{pipeline.name} declares no objectives", field=field, remedy="Leave them out.")
    _known(weights, pipeline.objectives, field)
    for name, weight in weights.items():
        _between(weight, 0.0, MOST_SPREADS, f"{field}.{name}")
    if not any(weights.values()):
        raise Invalid("no weight is above 0", field=field, remedy="Give one a weight, or leave them out.")


def check_origins(origins: Sequence[str]) -> None:
    """Raise Invalid for what is no web origin as browsers send it: scheme, host, and a port that is not the usual."""
    if len(origins) > MOST_ORIGINS:
        raise Invalid(f"at most {MOST_ORIGINS} origins", field="origins", remedy="Send fewer.")
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            remedy = "Send it as browsers do, in lower case and without a path: https://shop.example"
            raise Invalid(f"{origin[:60]!r} is no web origin", field="origins", remedy=remedy)


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
    if rule.by is not None:
        _between(rule.by, -MOST_SPREADS, MOST_SPREADS, "rules.by")
    if rule.within_days is not None:
        _between(rule.within_days, 0.0, MOST_DAYS, "rules.within_days")
    silent = next((name for name in rule.types if not app.weights[name]), None)
    if silent is not None:
        remedy = "Name events with a weight: of the others no one keeps who did them to what."
        raise Invalid(f"{silent} is no answer to an item", field="rules.types", remedy=remedy)
    for name, condition in (*rule.where.items(), *rule.subject.items()):
        _check_condition(condition, f"rules.{name}")


def _check_condition(condition: Condition, field: str) -> None:
    if not isinstance(condition, dict):
        return
    if len(condition) != 1 or next(iter(condition)) not in OPERATORS:
        raise Invalid("unknown condition", field=field, remedy=f"Use one of {', '.join(OPERATORS)}.")
    operator, wanted = next(iter(condition.items()))
    if operator in ("in", "not_in"):
        sound = isinstance(wanted, list) and all(isinstance(member, str | int | float) for member in wanted)
    elif operator == "exists":
        sound = isinstance(wanted, bool)
    else:
        sound = isinstance(wanted, int | float) and not isinstance(wanted, bool) and math.isfinite(wanted)
    if not sound:
        remedy = "Send a list with in and not_in, a number with above and below, true or false with exists."
        raise Invalid(f"not a value for {operator}", field=field, remedy=remedy)


def _declared(pipeline: Pipeline, columns: Sequence[str]) -> None:
    """Raise CannotStart when a pipeline names a source or a feature column that there is not."""
    retrievers = [make().name for make in pipeline.retrievers]
    sources = {*retrievers, *pipeline.heuristics}
    check_exploration(pipeline.exploration, f"exploration of {pipeline.name}")
    if len(sources) < len(retrievers) + len(pipeline.heuristics):
        raise CannotStart(f"two sources of pipeline {pipeline.name} have one name")
    rankers = [make().name for make in pipeline.rankers]
    if len(set(rankers)) < len(rankers):
        raise CannotStart(f"two rankers of pipeline {pipeline.name} have one name")
    if not pipeline.ladder or pipeline.ladder[-1] not in retrievers:
        raise CannotStart(f"the ladder of pipeline {pipeline.name} does not end with one of its retrievers")
    named = {template.column for template in pipeline.templates}
    named |= {column for template in pipeline.templates for column, _ in template.also}
    named |= {column for template in pipeline.templates for column in template.akin}
    named |= {objective.column for objective in pipeline.objectives.values() if objective.column is not None}
    named |= {f"{SOURCE}{name}" for name in (*pipeline.weights, *pipeline.ladder)}
    named |= {name for heuristic in pipeline.heuristics.values() for name in heuristic.terms}
    if sum(objective.column is None for objective in pipeline.objectives.values()) > 1:
        raise CannotStart(f"two objectives of pipeline {pipeline.name} are its relevance")
    if pipeline.aims:
        check_objectives(pipeline.aims, pipeline, f"aims of {pipeline.name}")
    try:
        check_cron(pipeline.schedule, "schedule")
    except Invalid as error:
        raise CannotStart(f"pipeline {pipeline.name}: {error.message}") from None
    unknown = named - {*columns, *(f"{SOURCE}{name}" for name in sources)}
    if unknown:
        raise CannotStart(f"pipeline {pipeline.name} names what does not exist: {', '.join(sorted(unknown))}")


def _between(value: float, low: float, high: float, field: str) -> None:
    if not low <= value <= high:
        raise Invalid("out of range", field=field, remedy=f"Send a number from {low:g} to {high:g}.")


def _known(names: Any, known: Any, field: str) -> None:
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        remedy = f"Use one of {', '.join(sorted(known)[:60])}."
        raise Invalid(f"unknown name {str(unknown)[:40]!r}", field=field, remedy=remedy)
