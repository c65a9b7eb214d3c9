"""`proffer models`: which model versions there are, how each compared, which serves, and which shall."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer

from proffer.cli.evaluating import Pipeline
from proffer.cli.opening import Home, Json, Name, reading, served, writing
from proffer.cli.reports import show_evaluation
from proffer.cli.terminal import show, show_json, show_table
from proffer.cli.whatif import show_reviews
from proffer.core.errors import Invalid, NotFound
from proffer.core.ports import ModelVersion
from proffer.engine.engine import Engine
from proffer.engine.report import Report
from proffer.engine.status import PipelineStatus, Trained, status, trained


def models(
    name: Name,
    pipeline: Pipeline = None,
    version: Annotated[str | None, typer.Option(metavar="VERSION", help="Show this version's whole report.")] = None,
    promote: Annotated[str | None, typer.Option(metavar="VERSION", help="Check it and let it serve.")] = None,
    rollback: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Take it out of service; what served before it returns.")
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """List the model versions, which serves and why; show one, promote one, or go back to what served before."""
    if sum(given is not None for given in (version, promote, rollback)) > 1:
        raise Invalid("only one at a time", field="--version", remedy="Use --version, --promote or --rollback.")
    if promote is not None or rollback is not None:
        changed = _change(name, home, promote, rollback)
        show_json(changed) if json else _show_change(changed)
        return
    with reading(home, name) as engine:
        if version is not None:
            found, reviews = _version(engine, version), engine.stores.registry.reviews(version)
            if json:
                show_json({**msgspec.to_builtins(found), "reviews": reviews})
            else:
                _show_version(found)
                show_reviews(reviews)
            return
        chosen = [engine.app.pipeline(pipeline)] if pipeline else engine.app.pipelines
        told = [status(engine, each) for each in chosen]
        now, registry = engine.clock.now(), engine.stores.registry
        listed = [[trained(each, now) for each in registry.history(one.pipeline)] for one in told]
    if json:
        show_json([{"status": one, "versions": versions} for one, versions in zip(told, listed, strict=True)])
        return
    for one, versions in zip(told, listed, strict=True):
        _show_pipeline(one, versions)


def _change(name: str, home: Any, promote: str | None, rollback: str | None) -> Mapping[str, Any]:
    """Promote or roll back, through the server where one runs, and return what serves now."""
    with served(home, name) as remote:
        if remote is not None and rollback is not None:
            return dict(remote.ask("POST", f"/models/{rollback}/rollback"))
        if remote is not None:
            revisions = {each["pipeline"]: each["revision"] for each in remote.ask("GET", "/models")["pipelines"]}
            with reading(home, name) as engine:
                pipeline = engine.stores.registry.load(str(promote))[0].pipeline
            body = {"expected_revision": revisions.get(pipeline, 0)}
            return dict(remote.ask("POST", f"/models/{promote}/promote", body))
    with writing(home, name) as engine:
        if rollback is not None:
            return dict(engine.rollback(rollback)._asdict())
        pipeline = engine.stores.registry.load(str(promote))[0].pipeline
        revision = engine.release(str(promote), engine.stores.registry.champion(pipeline)[1])
        return {"pipeline": pipeline, "champion": promote, "revision": revision}


def _version(engine: Engine, id: str) -> ModelVersion:
    versions = [each for one in engine.app.pipelines for each in engine.stores.registry.history(one.name)]
    found = next((each for each in versions if each.id == id), None)
    if found is None:
        raise NotFound(f"no model version {id[:40]!r}", field="--version", remedy="List them: proffer models.")
    return found


def _show_change(changed: Mapping[str, Any]) -> None:
    serves = changed["champion"] or "the ladder"
    show(f"{serves} serves {changed['pipeline']} from now on, revision {changed['revision']}.", "bold")


def _show_version(version: ModelVersion) -> None:
    try:
        show_evaluation(msgspec.convert(version.metrics, Report))
    except msgspec.ValidationError:
        show("Its report was written by other code; see it with --json.")
    since, until = (f"{at:%Y-%m-%d %H:%M}" if at else "?" for at in (version.since, version.until))
    show(f"{version.id} ({version.name}) of {version.pipeline}, made {version.created_at:%Y-%m-%d %H:%M}", "bold")
    show(f"by code {version.code or '?'} from {version.events:,} interactions, {since} until {until}.")


def _show_pipeline(one: PipelineStatus, versions: Sequence[Trained]) -> None:
    serving = one.model.id if one.model else None
    rows = [
        (
            each.model.id, each.model.name, f"{each.model.created_at:%Y-%m-%d %H:%M}", each.model.events,
            each.comparison.ndcg.value if each.comparison.ndcg else None, _lead(each), each.comparison.fallback,
            each.comparison.wins,
        )
        for each in versions
    ]  # fmt: skip
    columns = ["version", "name", "made", "interactions", "ndcg@10", "lead", "over", "wins"]
    marked = next((place for place, each in enumerate(versions) if each.model.id == serving), None)
    if rows:
        show_table(f"Versions of {one.pipeline}, newest first", columns, rows, marked=marked)
    what = f"{serving} serves" if serving else f"{one.rung or 'what is declared'} serves"
    show(f"{one.pipeline}: {what}, revision {one.revision}{f': {one.why}' if one.why else ''}.", "bold")


def _lead(each: Trained) -> str:
    lead = each.comparison.lead
    if lead is None or lead.low is None or lead.high is None:
        return "" if lead is None else f"{lead.value:+.3f}"
    return f"{lead.value:+.3f} ({lead.low:+.3f} to {lead.high:+.3f})"
