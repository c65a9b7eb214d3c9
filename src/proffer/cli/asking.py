"""`proffer recommend` and `proffer features`: what the engine would say."""

import time
from typing import Annotated

import typer

from proffer.api.answers import Slate
from proffer.cli import arguments
from proffer.cli.opening import Home, Json, Name, reading
from proffer.cli.terminal import cell, show, show_json, show_table
from proffer.core.checks import check_id
from proffer.core.decisions import Decision, TradeOff
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.queries import Query
from proffer.engine import serve
from proffer.engine.engine import Engine
from proffer.engine.explain import Explanation

TITLE = 60


def recommend(
    name: Name,
    subject: Annotated[str, typer.Argument(help="Whom to recommend to.", show_default=False)],
    n: Annotated[int, typer.Option("-n", "--n", help="How many items.")] = 10,
    lambda_: Annotated[
        float | None, typer.Option("--lambda", metavar="0..1", help="1: relevance only; less: more diverse.")
    ] = None,
    objective: Annotated[list[str], typer.Option(metavar="NAME=WEIGHT", help=arguments.OBJECTIVES)] = [],  # noqa: B006
    language: Annotated[str, typer.Option(help="Language of the reasons: en or sv.")] = "en",
    pipeline: Annotated[str | None, typer.Option(help="Pipeline [default: the application's first].")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="ID", help="Rank the members of this group, such as an assessment.")
    ] = None,
    context: Annotated[list[str], typer.Option(metavar="NAME=VALUE", help="What is known of the moment.")] = [],  # noqa: B006
    at: Annotated[str | None, typer.Option(metavar="TIME", help=arguments.DECIDED_AT)] = None,
    explain: Annotated[str | None, typer.Option(metavar="ITEM", help="Say why this item is shown or not.")] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Show what a subject would be shown, with scores and reasons; nothing is logged."""
    with reading(home, name) as engine:
        query = Query(
            id=engine.ids.new("q"), pipeline=engine.app.pipeline(pipeline or engine.app.pipelines[0].name).name,
            subject=EntityRef(engine.app.subject, check_id(subject, "SUBJECT")),
            at=arguments.decided_at(at, engine), n=n,
            context=arguments.pairs(context, "--context"), diversity=lambda_, language=language,
            objectives=arguments.weights(objective, "--objective"),
            group=None if group is None else check_id(group, "--group"),
        )  # fmt: skip
        if explain is not None:
            explanation = engine.explain(query, check_id(explain, "--explain"))
            show_json(explanation) if json else _show_explanation(explanation)
            return
        decision = serve.recommend(engine, query, time.perf_counter(), drawing=False)
        if json:
            show_json(Slate.of(decision))
        else:
            _show_slate(engine, decision)


def features(
    name: Name,
    user: Annotated[str | None, typer.Option(help="Id of a subject.")] = None,
    item: Annotated[str | None, typer.Option(help="Id of an item.")] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Show the features of a subject, an item, or the two together."""
    if user is None and item is None:
        raise Invalid("nothing to show", field="--user", remedy="Give --user, --item, or both.")
    with reading(home, name) as engine:
        found = engine.reader.features(user and check_id(user, "--user"), item and check_id(item, "--item"))
        if json:
            show_json(found)
            return
        about = {column.name: column for feature in engine.app.view.features for column in feature.columns}
        rows = [
            (column, "unknown" if value is None else cell(value), about[column].formula, about[column].window)
            for column, value in found.items()
        ]
        show_table(f"Features as of event {engine.state.position:,}", ["column", "value", "formula", "window"], rows)


def _show_slate(engine: Engine, decision: Decision) -> None:
    if not decision.slate:
        why = None if decision.query.group is None else decision.fallback
        show(f"Nothing can be shown: {why or 'no item passes the conditions. Try --explain ITEM'}.")
        return
    rows = [
        (
            placed.rank,
            placed.id,
            title_of(engine, placed.id),
            placed.score,
            "; ".join(reason.text for reason in placed.reasons),
        )
        for placed in decision.slate
    ]
    by = f"{decision.model}{f', since {decision.fallback}' if decision.fallback else ''}"
    show_table(f"{decision.query.subject.id}: by {by}", ["rank", "item", "title", "score", "reasons"], rows)
    if decision.tradeoff is not None:
        _show_trade_off(decision.tradeoff)
    spread = "" if decision.diversity_score is None else f" Diversity score {decision.diversity_score:.3f}."
    show(
        f"{len(decision.considered.ids):,} candidates in {decision.took_ms:.1f} ms, as of event {decision.as_of:,}."
        f"{spread}",
        "dim",
    )


def _show_trade_off(found: TradeOff) -> None:
    if found.why is not None:
        show(f"Not weighed: {found.why}.", "yellow")
        return
    rows = [
        (name, aim.weight, f"{aim.better} {aim.column or 'relevance'}", aim.mean, aim.alone)
        for name, aim in found.aims.items()
    ]
    columns = ["objective", "weight", "wanted", "this slate", "by relevance alone"]
    entered = f"{found.entered} {'item' if found.entered == 1 else 'items'} entered"
    show_table(f"What it gains and costs: {found.relevance:.1%} of the relevance kept, {entered}", columns, rows)


def title_of(engine: Engine, item: str) -> str:
    """Return an item's title as it is now, cut to what a table has room for; empty where it has none."""
    known = engine.state.attributes(EntityRef(engine.app.item, item)) or {}
    text = str(known.get(engine.app.schema.entities[engine.app.item].role("title") or "", ""))
    return text if len(text) <= TITLE else f"{text[:TITLE]}…"


def _show_explanation(found: Explanation) -> None:
    show(f"{found.item} is shown at rank {found.rank}." if found.shown else f"{found.item} is not shown.", "bold")
    rows = [("yes" if step.passed else "no", step.step, step.text) for step in found.steps]
    show_table("Step by step", ["met", "step", "what was found"], rows)
    if found.placed:
        for reason in found.placed.reasons:
            show(f"Reason: {reason.text}")
