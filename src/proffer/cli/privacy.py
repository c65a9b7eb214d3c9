"""`proffer export` and `proffer erase`: everything that is kept of somebody, as a file, and then no more of it."""

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

import proffer.bootstrap as bootstrap
from proffer.cli.opening import Home, Json, Name, home_of, reading, served, writing
from proffer.cli.terminal import note, show, show_json
from proffer.core.checks import check_id
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.engine.erase import Erased

PATIENCE = 3600.0
"""Seconds: a log of many millions of events is read and written anew."""

Kind = Annotated[str | None, typer.Option(help="Kind of entity [default: the one that is served].")]


def export(
    name: Name,
    id: Annotated[str, typer.Argument(metavar="ID", help="Whose data.", show_default=False)],
    kind: Kind = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to a file, for its owner.")] = None,
    home: Home = None,
) -> None:
    """Show everything that is kept of somebody as JSON; others in it go by pseudonyms."""
    ref = _refs(home, name, [id], kind)[0]
    found: Any = None
    with served(home, name) as remote:
        if remote is not None:
            # What the server has not written yet belongs to it.
            found = remote.ask("GET", f"{_path(ref)}/export")
    if found is None:
        with reading(home, name) as engine:
            found = engine.export(ref)
    if out is None:
        show_json(found)
        return
    out.touch(mode=0o600)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    show(f"Wrote {out}.")


def erase(
    name: Name,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Whom to erase.", show_default=False)],
    kind: Kind = None,
    texts: Annotated[
        bool, typer.Option("--texts", help="Also blank the id among other words in texts of others.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
    home: Home = None,
) -> None:
    """Erase somebody from everything that is kept, for good; repeat it where it was interrupted."""
    refs = _refs(home, name, ids, kind)
    _confirm(name, refs, yes)
    with served(home, name) as remote:
        if remote is not None:
            query = "?texts=true" if texts else ""
            for ref in refs:
                # One after the other: where one of them is unknown, what became of those before it was told.
                answer = remote.ask("POST", f"{_path(ref)}/erase{query}", patience=PATIENCE)
                _show(msgspec.convert(answer, Erased), json)
            return
    with writing(home, name) as engine:
        _show(engine.erase(refs, texts=texts), json)


def _refs(home: Path | None, name: str, ids: list[str], kind: str | None) -> list[EntityRef]:
    app = bootstrap.application(bootstrap.workspace(home_of(home), name).app)
    kinds = app.schema.entities
    if kind is not None and kind not in kinds:
        raise Invalid(f"unknown kind {kind[:40]!r}", field="--kind", remedy=f"Use one of {', '.join(kinds)}.")
    return [EntityRef(kind or app.subject, check_id(id, "ID")) for id in ids]


def _path(ref: EntityRef) -> str:
    return f"/entities/{quote(ref.kind, safe='')}/{quote(ref.id, safe='')}"


def _confirm(name: str, refs: list[EntityRef], yes: bool) -> None:
    if yes:
        return
    called = ", ".join(ref.id for ref in refs)
    if not sys.stdin.isatty():
        raise Invalid("it cannot be taken back, so somebody must agree", field="--yes", remedy="Add --yes.")
    typer.confirm(f"Erase the {refs[0].kind} {called} from {name}? It cannot be taken back.", abort=True)


def _show(found: Erased, json: bool) -> None:
    if json:
        show_json(found)
        return
    show(
        f"Erased {', '.join(found.pseudonyms)}: {found.events:,} events, {found.decisions:,} decisions, "
        f"{found.quarantined:,} refused rows; noted as event {found.sequence:,}."
    )
    if found.unknown:
        show(f"Nothing was known of {', '.join(found.unknown)}.")
    if found.mentions:
        note(f"{found.mentions:,} texts of others name them among other words. --texts blanks those, too.")
    if found.again:
        note("It had been erased before; what was left to do is done.")
