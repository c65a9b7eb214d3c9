"""`proffer events`: what the log holds, what it refused, and how that is mended."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from proffer.cli import arguments
from proffer.cli.opening import Home, Json, Name, reading, served, writing
from proffer.cli.terminal import show, show_json, show_table
from proffer.core.checks import LATEST_AHEAD
from proffer.core.entities import EntityRef
from proffer.core.errors import Conflict, Invalid, NotFound
from proffer.core.events import ERASED, Event, Receipt, Reject, Verdict
from proffer.core.ports import EventLog
from proffer.engine.engine import Engine

PAGE = 1_000
PAUSE = 0.5
WIDEST = 200


def events(
    name: Name,
    type: Annotated[str | None, typer.Option(help="Only events of this type.")] = None,
    entity: Annotated[str | None, typer.Option(metavar="KIND/ID", help="Only events of or about this entity.")] = None,
    limit: Annotated[int, typer.Option(help="How many: the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes.")] = False,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="List what was refused and is not mended.")] = False,
    repair: Annotated[int | None, typer.Option(metavar="NUMBER", help="Mend a refused row.")] = None,
    with_: Annotated[
        str | None, typer.Option("--with", metavar="JSON", help="The mended event, or @FILE that holds it.")
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """List the newest events, oldest first; with --json one object a line, as `proffer import` reads them."""
    if limit < 1:
        raise Invalid("at least 1", field="--limit", remedy="Give a larger number.")
    if (repair is None) != (with_ is None):
        raise Invalid("--repair and --with go together", field="--repair", remedy="Give --repair N --with '{...}'.")
    if repair is not None and with_ is not None:
        receipt = _repair(home, name, repair, with_)
        show_json(receipt) if json else show(f"Row {repair} is mended: {receipt.verdict} as {receipt.id}.")
        return
    with reading(home, name) as engine:
        log = engine.stores.log
        if quarantine:
            _show_quarantine(log, limit, json)
            return
        ref = _ref(entity, engine)
        if type is not None and type not in engine.app.schema.events and "." not in type and type != ERASED:
            remedy = f"Use one of {', '.join(engine.app.schema.events)}, or entity.set and the like."
            raise Invalid(f"unknown event type {type[:40]!r}", field="--type", remedy=remedy)
        found = newest(log, type, ref, limit)
        _show_events(found, json)
        if follow:
            _follow(log, type, ref, found[-1].sequence if found else log.last(), json)


def newest(log: EventLog, type: str | None, entity: EntityRef | None, limit: int) -> list[Event]:
    """Return the last `limit` events that match, oldest first."""
    after = max(log.last() - limit, 0) if type is None and entity is None else 0
    return list(deque(_matching(log, type, entity, after), maxlen=limit))


def _matching(log: EventLog, type: str | None, entity: EntityRef | None, after: int) -> Iterator[Event]:
    while page := log.find(type=type, entity=entity, after=after, limit=PAGE):
        yield from page
        after = page[-1].sequence


def _follow(log: EventLog, type: str | None, entity: EntityRef | None, after: int, json: bool) -> None:
    try:
        while True:
            page = list(_matching(log, type, entity, after))
            if page:
                after = page[-1].sequence
                _show_events(page, json)
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        return


def _show_events(found: list[Event], json: bool) -> None:
    if json:
        for event in found:
            show_json(_wire(event), lines=True)
    elif found:
        rows = [
            (e.sequence, f"{e.at:%Y-%m-%d %H:%M:%S}", e.type, "/".join(e.actor), "/".join(e.target or ()), _fields(e))
            for e in found
        ]
        show_table("", ["number", "at (UTC)", "type", "actor", "target", "fields"], rows)
    else:
        show("No events.")


def _wire(event: Event) -> dict[str, Any]:
    row = {
        "id": event.id, "type": event.type, "at": event.at, "actor": event.actor._asdict(),
        "target": event.target and event.target._asdict(), "query_id": event.query_id,
        "fields": dict(event.fields), "sequence": event.sequence,
    }  # fmt: skip
    return {name: value for name, value in row.items() if value not in (None, {})}


def _fields(event: Event) -> str:
    return _short(msgspec.json.encode(dict(event.fields)).decode()) if event.fields else ""


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[:WIDEST]}…"


def _show_quarantine(log: EventLog, limit: int, json: bool) -> None:
    found = log.quarantined(limit=limit)
    if json:
        for row in found:
            show_json(row, lines=True)
    elif found:
        rows = [(row.number, f"{row.received_at:%Y-%m-%d %H:%M}", *_refused(row.reject)) for row in found]
        show_table("In quarantine", ["number", "received", "from", "field", "reason", "row"], rows)
        show('Mend one with: --repair NUMBER --with \'{"type": ..., "actor": ..., ...}\'', "dim")
    else:
        show("Nothing is in quarantine.")


def _refused(reject: Reject) -> tuple[str, str, str, str]:
    return reject.source, reject.field or "", reject.reason, _short(reject.raw)


def _ref(text: str | None, engine: Engine) -> EntityRef | None:
    if text is None:
        return None
    kind, slash, id = text.partition("/")
    if not slash or not id or kind not in engine.app.schema.entities:
        remedy = f"Write KIND/ID with a kind of {', '.join(engine.app.schema.entities)}."
        raise Invalid(f"{text[:60]!r} names no entity", field="--entity", remedy=remedy)
    return EntityRef(kind, id)


def _repair(home: Path | None, name: str, number: int, text: str) -> Receipt:
    row = arguments.json_object(arguments.file_text(Path(text[1:]), "--with") if text[:1] == "@" else text, "--with")
    with served(home, name) as remote:
        if remote is not None:
            return msgspec.convert(remote.ask("POST", f"/quarantine/{number}/repair", row), Receipt)
    with writing(home, name) as engine:
        now = engine.clock.now()
        engine.app.schema.read(row, id="unused", latest=now + LATEST_AHEAD, now=now)
        open_rows = engine.stores.log.quarantined(after=number - 1, limit=1)
        if not open_rows or open_rows[0].number != number:
            remedy = "See --quarantine for what waits."
            raise NotFound(f"no row {number} waits in quarantine", field="--repair", remedy=remedy)
        receipt = engine.record([row], repairs=number)[0]
    if receipt.verdict in (Verdict.CONFLICT, Verdict.QUARANTINED):
        raise Conflict(receipt.reason or "the id is taken by another event", field="--with", remedy="Send another id.")
    return receipt
