"""Replay: any past decision again, from the log at its place and the model version of then; and other than it was."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from proffer.app import App, Pipeline, Rule, Settings, check_objectives, check_rule
from proffer.core.decisions import Decision
from proffer.core.errors import CannotReplay, Invalid, NotFound
from proffer.core.ports import EventLog
from proffer.core.queries import Query
from proffer.engine import serve
from proffer.engine.bygone import Past, position_at
from proffer.engine.erasures import notes
from proffer.engine.fitted import DECLARED, UNTRAINED, Fitted
from proffer.engine.otherwise import Move, Stand, moves
from proffer.engine.queries import earlier_pages
from proffer.engine.ranking import Ranked
from proffer.engine.settings import settings_in_force
from proffer.engine.verdict import Difference, Ground, Verdict, compare, ground

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

__all__ = ["NOTHING", "Again", "Change", "Otherwise", "Past", "Replayed", "make_again", "replay_decision"]

INFINITE = float("inf")
MEETING = timedelta(minutes=10)
"""So long at most a process takes to replay a log from which somebody was erased."""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be other than it was; None leaves a thing as it was.

    `model` is a saved version of the pipeline, `at` a time (the log as of then, and the query asked then), `diversity`
    the lambda of MMR, `objectives` the weights of what the slate is to be good for, `rules` replace those of the
    pipeline.
    """

    model: str | None = None
    at: datetime | None = None
    diversity: float | None = None
    objectives: Mapping[str, float] | None = None
    rules: tuple[Rule, ...] | None = None


NOTHING = Change()


class Again(NamedTuple):
    """A decision made again: what it was answered from, the answer, the decision that follows, earlier pages' items.

    `asked` and `decided` look into the state of the past: use them before it moves on.
    """

    asked: serve.Asked
    decided: serve.Decided
    decision: Decision
    shown: tuple[str, ...]

    def stand(self, also: Decision | None = None) -> Stand:
        """Return where everything stood, and what another slate shows, to be kept when the past moves on."""
        ids = [] if also is None else [placed.id for placed in also.slate]
        return Stand.of(self.asked, self.decided, self.shown, ids)


class Otherwise(msgspec.Struct, frozen=True, kw_only=True):
    """What would have been shown: the decision under a change, and every item that moved, entered or left."""

    change: Change
    decision: Decision
    moves: tuple[Move, ...]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was logged and as it comes out now.

    `verdict` is "exact" (bit for bit), "close" (within 1e-6) or "differs", then with the `differences`; `ground` says
    whether code, packages and processor are those of then; `since` tells in words what else happened since that can
    explain a difference. `otherwise` is there where a change was asked for. Where the model of then is gone and another
    one was asked for, the verdict is "gone" and `since` says why.
    """

    logged: Decision
    again: Decision | None
    verdict: Verdict
    differences: tuple[Difference, ...]
    ground: Ground
    since: tuple[str, ...] = ()
    otherwise: Otherwise | None = None

    @property
    def text(self) -> str:
        """Return the verdict and its ground in words."""
        on = self.ground.text()
        if self.verdict == "gone":
            return "cannot be made again as it was"
        if self.verdict == "exact":
            return f"equal bit for bit, {'on' if self.ground.same else 'though'} {on}"
        if self.verdict == "close":
            return f"equal within 1e-6, not bit for bit: {on}"
        told = "; ".join(one.text for one in self.differences)
        return f"comes out otherwise: {told}; {on}"


def replay_decision(
    engine: "Engine", decision: Decision | str, change: Change = NOTHING, past: Past | None = None
) -> Replayed:
    """Make a logged decision again and compare it; with a change, say also what would have been shown instead.

    Without `past` the engine's own is used, by one caller at a time. Raises NotFound for an unknown id, CannotReplay
    where the model or the log of then is gone, Invalid for an impossible change, Busy while somebody else replays.
    """
    logged = engine.reader.decision(decision) if isinstance(decision, str) else decision
    check_change(engine.app, pipeline_of(engine.app, logged), change)
    with engine.past.held() if past is None else nullcontext(past) as held:
        again, since = _original(held, logged, change)
        # Kept before the past moves on: a change of time reads another state.
        stood = None if again is None or change == NOTHING else again.stand()
        made = None if again is None else again.decision
        otherwise = None if change == NOTHING else _otherwise(held, logged, stood, change)
    verdict, differences = ("gone", ()) if made is None else compare(logged, made)
    return Replayed(
        logged=logged, again=made, verdict=verdict, differences=differences, ground=ground(logged.made),
        since=(*since, *_since(engine, logged)), otherwise=otherwise,
    )  # fmt: skip


def _original(past: Past, logged: Decision, change: Change) -> tuple[Again | None, list[str]]:
    """Return the decision made again; None and why where its model is gone, but another one was asked for."""
    try:
        return make_again(past, logged), []
    except CannotReplay as error:
        if change.model is None or error.field != "model":
            raise
        return None, [error.message]


def make_again(past: Past, logged: Decision, change: Change = NOTHING) -> Again:
    """Make a decision again, under a change where one is given, and nothing else: neither compared nor logged.

    Nothing is late: the rung that answered then answers again, from what had answered it. Under another model that
    model answers, and the ladder only where it cannot.
    """
    engine = past.engine
    if logged.schema != engine.app.view.version:
        message = f"{logged.id} was made with feature view {logged.schema}, this code has {engine.app.view.version}"
        raise CannotReplay(message, field="schema", remedy="Replay it with the release that made it.")
    pipeline = pipeline_of(engine.app, logged)
    fitted = past.fitted(pipeline, change.model or loaded(engine, logged), check=change.model is not None)
    position = logged.as_of if change.at is None else position_at(engine.stores.log, change.at)
    shown = _shown(engine, logged)
    state = past.at(position)
    settings = _settings(settings_in_force(engine.app, state.settings), pipeline, change)
    query = _query(logged.query, change)
    if change.model is None:
        fitted = _without_failed_ranker(fitted, logged)
    asked = serve.Asked.of(query, fitted, settings, state, shown)
    if change.model is None:
        decided = serve.answer(asked, _repeated(asked, logged), logged.model, logged.fallback)
    else:
        decided = serve.decide(asked, 0.0, INFINITE)
    decision = serve.written(logged.id, asked, decided)
    return Again(asked, decided, msgspec.structs.replace(decision, arm=logged.arm), shown)


def pipeline_of(app: App, logged: Decision) -> Pipeline:
    """Return the pipeline that was asked. Raises CannotReplay where the application no longer declares it."""
    try:
        return app.pipeline(logged.query.pipeline)
    except Invalid as error:
        message = f"{logged.id} was made by the pipeline {logged.query.pipeline}, which this code no longer has"
        raise CannotReplay(message, field="schema", remedy="Replay it with the release that made it.") from error


def _shown(engine: "Engine", logged: Decision) -> tuple[str, ...]:
    try:
        return earlier_pages(engine, logged.query)
    except NotFound as error:
        # A crash may take the last moment's decisions, an erasure those of a subject.
        message = f"{logged.id} continues a page that is not in the decision log"
        raise CannotReplay(message, field="after", remedy="Replay another decision.") from error


def loaded(engine: "Engine", logged: Decision) -> str:
    """Return the version that was loaded for a decision; one logged before that was noted tells only who answered."""
    if logged.version:
        return logged.version
    if engine.app.pipeline(logged.query.pipeline).weights:
        return DECLARED
    known = {version.id for version in engine.stores.registry.history(logged.query.pipeline)}
    return logged.model if logged.model in known else UNTRAINED


def check_change(app: App, pipeline: Pipeline, change: Change) -> None:
    """Raise Invalid for a change that cannot be made, naming the field."""
    if change.diversity is not None and not 0 <= change.diversity <= 1:
        raise Invalid("lambda lies in 0..1", field="diversity", remedy="1 means relevance only.")
    if change.objectives is not None:
        check_objectives(change.objectives, pipeline, "objectives")
    if change.at is not None and change.at.tzinfo is None:
        raise Invalid("the time has no zone", field="at", remedy="Send for example 2026-03-01T12:00:00Z.")
    if change.model is not None and pipeline.weights:
        remedy = "Leave the model out, or replay a decision of a pipeline that is trained."
        raise Invalid(f"{pipeline.name} declares its weights and has no models", field="model", remedy=remedy)
    for rule in change.rules or ():
        check_rule(rule, app)


def _otherwise(past: Past, logged: Decision, stood: Stand | None, change: Change) -> Otherwise:
    changed = make_again(past, logged, change)
    found = moves(logged, stood, changed.decision, changed.stand(logged))
    return Otherwise(change=change, decision=changed.decision, moves=found)


def _settings(settings: Settings, pipeline: Pipeline, change: Change) -> Settings:
    if change.rules is None:
        return settings
    rules: Mapping[str, list[Rule]] = {**settings.rules, pipeline.name: list(change.rules)}
    return msgspec.structs.replace(settings, rules=rules)


def _query(query: Query, change: Change) -> Query:
    return msgspec.structs.replace(
        query, at=change.at or query.at, diversity=query.diversity if change.diversity is None else change.diversity,
        objectives=query.objectives if change.objectives is None else change.objectives,
    )  # fmt: skip


def _without_failed_ranker(fitted: Fitted, logged: Decision) -> Fitted:
    """Return a version without its ranker where that failed or was late when the model answered: the blend did."""
    failed = logged.model == fitted.version and logged.fallback is not None
    return replace(fitted, ranker=None) if failed else fitted


def _repeated(asked: serve.Asked, logged: Decision) -> Ranked:
    """Rank by the model or the rung that answered, from the sources that had scored then."""
    if logged.model == asked.fitted.version:
        return serve.by_model(asked)
    known = asked.fitted.retrievers
    names = (logged.model,) if logged.model in known else logged.asked if logged.version else tuple(known)
    gone = [name for name in (logged.model, *names) if name not in asked.fitted.sources]
    if gone:
        message = f"{logged.id} was answered from {', '.join(gone)}, which this code no longer has"
        raise CannotReplay(message, field="id", remedy="Replay it with the release that made it, or another model.")
    for name in names:
        try:
            asked.ask(name)
        except Exception as error:
            message = f"{name} answered then and fails now: {type(error).__name__}: {error}"
            raise CannotReplay(message, field="id", remedy="Replay it with the release that made it.") from error
    return serve.by_one(asked, logged.model, tuple(name for name in known if name in asked.scored))


def erasures(log: EventLog, logged: Decision) -> int:
    """Return how many erasures changed the log that a decision was made from.

    Those of just before count too: a process may have answered from what it had folded until it met the note.
    """
    return sum(note.sequence > logged.as_of or note.at > logged.query.at - MEETING for note in notes(log))


def _since(engine: "Engine", logged: Decision) -> tuple[str, ...]:
    """Return in words what happened after a decision that changed the log before it, or what is known of it."""
    found = []
    if erased := erasures(engine.stores.log, logged):
        found.append(f"{erased} {'erasure' if erased == 1 else 'erasures'} since changed the log it was made from")
    if not logged.version:
        found.append("logged by an earlier release, which did not note the version loaded nor the sources asked")
    return tuple(found)
