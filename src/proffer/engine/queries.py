"""What may be asked: queries that cannot be answered, and what the pages before one showed."""

from collections import Counter
from typing import TYPE_CHECKING

from proffer.app import check_objectives
from proffer.core.checks import check_json
from proffer.core.errors import Invalid, NotFound
from proffer.core.queries import Query

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

LARGEST = 500
LANGUAGES = ("en", "sv")


def check(engine: "Engine", query: Query) -> None:
    """Raise Invalid for a query that cannot be answered, naming the field."""
    pipeline = engine.app.pipeline(query.pipeline)
    check_n(query.n)
    if query.objectives is not None:
        check_objectives(query.objectives, pipeline, "objectives")
    if query.diversity is not None and not 0 <= query.diversity <= 1:
        raise Invalid("lambda lies in 0..1", field="diversity", remedy="1 means relevance only.")
    if query.language not in LANGUAGES:
        raise Invalid("reasons speak en or sv", field="language", remedy="Send en or sv.")
    if query.at.tzinfo is None:
        raise Invalid("the time has no zone", field="at", remedy="Give one, for example UTC.")
    # What cannot be logged could not be made again.
    check_json(dict(query.context), "context")
    if query.subject.kind != engine.app.subject:
        raise Invalid(f"the subject is a {engine.app.subject}", field="subject", remedy="Send its id.")
    if query.candidates is not None:
        _check_candidates(engine, query.candidates)
    if query.group is not None:
        _check_group(engine, query)
    elif query.candidates is None and not pipeline.retrieving:
        _refuse_all(engine, query)


def check_n(n: int) -> None:
    """Raise Invalid for a slate of no items or of too many."""
    if not 1 <= n <= LARGEST:
        raise Invalid(f"n lies in 1..{LARGEST}", field="n", remedy="Page with `after` for more.")


def _check_candidates(engine: "Engine", candidates: tuple[str, ...]) -> None:
    if not candidates:
        raise Invalid("there are no candidates", field="candidates", remedy="Send at least one, or call recommend.")
    if len(set(candidates)) < len(candidates):
        twice = next(id for id, times in Counter(candidates).items() if times > 1)
        raise Invalid(f"{twice[:40]!r} stands twice", field="candidates", remedy="Send each candidate once.")
    ordinals = engine.state.ordinals(candidates)
    if (ordinals < 0).any():
        missing = [id for id, row in zip(candidates, ordinals.tolist(), strict=True) if row < 0]
        names = ", ".join(repr(id[:40]) for id in missing[:5])
        remedy = f"Set each {engine.app.item} first, or leave it out."
        raise Invalid(f"{len(missing)} do not exist, among them {names}", field="candidates", remedy=remedy)


def _check_group(engine: "Engine", query: Query) -> None:
    kind, item = engine.app.group, engine.app.item
    if kind is None:
        raise Invalid(f"a {item} of {engine.app.name} is nobody's member", field="group", remedy="Leave it out.")
    if query.candidates is not None:
        message = f"the candidates are the {kind}'s {item}s"
        raise Invalid(message, field="candidates", remedy="Send either candidates or a group.")
    if not engine.state.has_group(str(query.group)):
        remedy = f"Look at the id, or set the {kind} first."
        raise NotFound(f"no {kind} {str(query.group)[:40]!r}", field="group", remedy=remedy)


def _refuse_all(engine: "Engine", query: Query) -> None:
    remedy = f"Send the id of the {engine.app.group} as group, or candidates." if engine.app.group else "Send them."
    raise Invalid(f"{query.pipeline} ranks what it is given", field="candidates", remedy=remedy)


def earlier_pages(engine: "Engine", query: Query) -> tuple[str, ...]:
    """Return what the pages before this one showed; raises NotFound or Invalid for a foreign cursor."""
    shown: list[str] = []
    after = query.after
    while after is not None:
        page = engine.reader.decision(after)
        if (page.query.subject, page.query.pipeline, page.query.group) != (query.subject, query.pipeline, query.group):
            message = "the page before belongs to another subject, pipeline or group"
            raise Invalid(message, field="after", remedy="Start anew.")
        shown += [placed.id for placed in page.slate]
        after = page.query.after
    return tuple(shown)
