"""`proffer import`: a file of rows into the log."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from proffer.cli import arguments, imported, judged
from proffer.cli.opening import Home, Json, Name, reading, served, writing
from proffer.cli.terminal import note, progress, show_json
from proffer.core.entities import EntityRef
from proffer.engine.imports.forms import open_table
from proffer.engine.imports.mapping import load_mapping, show_mapping
from proffer.engine.imports.run import Import
from proffer.engine.imports.shown import ShownTable, is_shown
from proffer.engine.imports.table import Table
from proffer.engine.imports.targets import Direct, Dry, Known, Target

INTERRUPTED = 130

File = Annotated[Path, typer.Argument(help="CSV, JSON lines or Parquet; may be gzipped.", show_default=False)]


def column(help: str) -> Any:
    """Return an option that names a column."""
    return typer.Option(metavar="COLUMN", help=help, show_default=False)


def columns(help: str) -> Any:
    """Return an option NAME=COLUMN that may be repeated."""
    return typer.Option(metavar="NAME=COLUMN", help=help, show_default=False)


def import_(
    name: Name,
    file: File,
    map: Annotated[Path | None, typer.Option(help="Mapping as JSON or TOML; options below go before it.")] = None,
    actor: Annotated[str | None, column("Who acted.")] = None,
    target: Annotated[str | None, column("What it was done to.")] = None,
    target_kind: Annotated[str | None, typer.Option(metavar="KIND", help="Kind of the targets.")] = None,
    type: Annotated[str | None, column("Type of the event.")] = None,
    types: Annotated[str | None, typer.Option(metavar="VALUE=TYPE,...", help="What the types are called here.")] = None,
    fixed_type: Annotated[str | None, typer.Option(metavar="TYPE", help="Type of every row.")] = None,
    rating: Annotated[str | None, column("A rating that decides the type.")] = None,
    grades: Annotated[
        str | None,
        typer.Option(metavar="LOWEST=TYPE,...", help='Types by lowest rating: "4=like,2.5=view,below=hide".'),
    ] = None,
    time: Annotated[str | None, column("When it happened.")] = None,
    time_unit: Annotated[str | None, typer.Option(metavar="s|ms|us", help="Unit of times that are numbers.")] = None,
    time_zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Zone of times without one.")] = None,
    time_format: Annotated[str | None, typer.Option(metavar="FORMAT", help="As in strptime: '%d/%m/%Y %H:%M'.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Time of every row, where no column has it.")] = None,
    id: Annotated[str | None, column("Id of the event, or of the entity.")] = None,
    ids: Annotated[
        str | None, typer.Option(metavar="content|row", help="Identical rows: one event, or several.")
    ] = None,
    query: Annotated[str | None, column("Id of the query that led to the event.")] = None,
    field: Annotated[list[str], columns("A field of the event.")] = [],  # noqa: B006 - typer copies it
    actor_attribute: Annotated[list[str], columns("An attribute of the actor.")] = [],  # noqa: B006
    target_attribute: Annotated[list[str], columns("An attribute of the target.")] = [],  # noqa: B006
    entities: Annotated[str | None, typer.Option(metavar="KIND", help="Each row is an entity of this kind.")] = None,
    attribute: Annotated[
        list[str], columns("An attribute of the entity; lists are cut at the character after the column: tags=genres:|")
    ] = [],  # noqa: B006
    missing: Annotated[list[str], typer.Option(metavar="TEXT", help="A text that means no value.")] = [],  # noqa: B006
    decimal: Annotated[str | None, typer.Option(metavar=".|,", help="Decimal sign.")] = None,
    outcome: Annotated[str | None, column("Warn of columns that give this one away.")] = None,
    grade: Annotated[str | None, column("Of a judged set: how relevant a row is.")] = None,
    cuts: Annotated[
        str | None, typer.Option(metavar="NUMBER,...", help="Grades from a relevance: how many of these it is above.")
    ] = None,
    drop: Annotated[list[str], column("Of a judged set: no feature.")] = [],  # noqa: B006
    keep: Annotated[list[str], column("Of a judged set: a feature, although it looks like an id.")] = [],  # noqa: B006
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Name of a judged set [default: the file's].")
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Of a judged set: the first row has names [default: guessed]."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the text [default: from its first bytes].")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between fields of CSV [default: the one that fits].")] = None,
    show_map: Annotated[bool, typer.Option("--show-map", help="Write the mapping as JSON and stop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, write nothing.")] = False,
    json: Json = False,
    home: Home = None,
) -> None:
    """Import a file of events or entities; what is not said about its columns is guessed and shown.

    Every row is accounted for: accepted, duplicate, conflict, or quarantined with a reason. Repeating an import is
    harmless, and completes one that was interrupted. JSON lines with `items` are lists that were shown, with their
    answers. SVMlight (LETOR), and rows of a query id, a grade and features, become a judged set for `evaluate --set`.
    """
    asked = judged.Asked(grade=grade, cuts=cuts, drop=drop, keep=keep, as_=as_, header=header)
    of_events = (actor, target, type, fixed_type, rating, time, entities, map)
    if asked.anything or not any(of_events):
        taken = asked.taken(query=query, id=id, delimiter=delimiter, decimal=decimal, missing=missing)
        if judged.import_set(
            home, name, file, asked, taken, encoding=encoding, dry_run=dry_run, json=json, show_map=show_map
        ):
            return
    single = {
        "actor": actor, "target": target, "target_kind": target_kind, "type": type, "fixed_type": fixed_type,
        "rating": rating, "time": time, "time_unit": time_unit, "time_zone": time_zone, "time_format": time_format,
        "at": at, "id": id, "ids": ids, "query": query, "entities": entities, "decimal": decimal, "outcome": outcome,
        "missing": missing or None,
        "types": arguments.translations(types, "--types") if types else None,
        "grades": arguments.translations(grades, "--grades") if grades else None,
        "fields": arguments.pairs(field, "--field") or None,
        "actor_attributes": arguments.pairs(actor_attribute, "--actor-attribute") or None,
        "target_attributes": arguments.pairs(target_attribute, "--target-attribute") or None,
        "attributes": arguments.pairs(attribute, "--attribute") or None,
    }  # fmt: skip
    given = {
        **(load_mapping(map) if map else {}),
        **{name: value for name, value in single.items() if value is not None},
    }
    with ExitStack() as stack:
        remote = None if dry_run or show_map else stack.enter_context(served(home, name))
        read_only = dry_run or show_map or remote is not None
        engine = stack.enter_context((reading if read_only else writing)(home, name))
        stop = stack.enter_context(interruptible())
        stack.enter_context(uncollected())
        known, now = Known.by(engine), engine.clock.now()
        table = _table(file, known, encoding, delimiter)
        with progress(not json) as tell:
            run = Import(table, given, known, now, progress=tell, stop=stop)
            if show_map:
                show_json(show_mapping(run.mapping))
                return
            note(f"Mapping: {imported.mapping_line(show_mapping(run.mapping))}")
            target_: Target = Dry(known, now) if dry_run else remote or Direct(engine)
            run.read()
            run.send(target_)
    report = run.report(dry_run=dry_run)
    show_json(report) if json else imported.show_report(report)
    if report.interrupted:
        imported.note_interrupted(report)
        raise typer.Exit(INTERRUPTED)


def _table(file: Path, known: Known, encoding: str | None, delimiter: str | None) -> Table:
    """Return the file as a table, that of lists that were shown where it is one."""
    if not is_shown(file):
        return open_table(file, encoding=encoding, delimiter=delimiter)
    app = known.app
    attribute = app.schema.entities[app.item].role("group")

    def belongs(item: str) -> str | None:
        held = (known.attributes(EntityRef(app.item, item)) or {}).get(attribute or "")
        return None if held is None else str(held)

    return ShownTable(file, app, belongs, encoding)


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector of cycles away: looking through a growing state again and again cost a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Give what tells whether the user wants to stop: asked between batches, so that none is left half done.

    A second signal ends the process at once; what was acknowledged is on disk, and state is rebuilt from the log.
    """
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:
            os._exit(INTERRUPTED)
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
