"""`proffer init`, `status`, `settings` and `token`: a workspace itself."""

import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

import proffer.bootstrap as bootstrap
from proffer.api.auth import GRANTED, digest, mint
from proffer.app import unset_settings
from proffer.cli import arguments
from proffer.cli.opening import Home, Json, Name, home_of, reading, served, writing
from proffer.cli.terminal import cell, show, show_json, show_table
from proffer.core.checks import check_id
from proffer.core.clock import Clock, SystemClock
from proffer.core.errors import Busy, Invalid
from proffer.core.ports import Token, TokenStore


def init(
    name: Name,
    app: Annotated[str | None, typer.Option(help="Application [default: the one of the workspace's name].")] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="postgresql://user@host/database [default: PROFFER_DATABASE, else sqlite]."),
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Make a workspace: an application's own log, state, models and tokens; or join one that a database keeps."""
    asked = SystemClock().now()
    place = bootstrap.create(home_of(home), name, app or name, store=store)
    found = bootstrap.workspace(home_of(home), name)
    if json:
        show_json({"name": name, "app": found.app, "folder": str(place), "store": found.kept})
        return
    if found.store is None:
        show(f"Made workspace {name} in {place}.")
    else:
        how = f"Joined the one of {found.created_at:%Y-%m-%d %H:%M}" if found.created_at < asked else "Made it"
        show(f"Workspace {name}: {place} and {found.kept}. {how}.")
        show("A password is never kept: commands take it from PROFFER_DATABASE, PGPASSWORD or a passfile.", "dim")
    show(f"Next: proffer import {name} FILE, or proffer serve {name}.", "dim")


def status(name: Name, json: Json = False, home: Home = None) -> None:
    """Show how a workspace is: its parts, its counts, what serves, and whether a server runs."""
    with reading(home, name) as engine:
        health, counts = engine.reader.health(), engine.stores.log.counts()
        server = bootstrap.running(home_of(home), name)
        kept = bootstrap.workspace(home_of(home), name).kept
        champions = {}
        for pipeline in engine.app.pipelines:
            version, revision = engine.stores.registry.champion(pipeline.name)
            champions[pipeline.name] = {
                "version": version.id if version else engine.fitted[pipeline.name].version,
                "model": version and version.name, "revision": revision, "why": engine.fitted[pipeline.name].why,
                "trained_at": version and version.created_at,
            }  # fmt: skip
        found = {
            "workspace": name, "app": engine.app.name, "store": kept, "server": server and server.url, "health": health,
            "counts": counts, "received": counts.received, "champions": champions,
        }  # fmt: skip
    if json:
        show_json(found)
        return
    served_at = f"served at {server.url}" if server else "no server runs here"
    show(f"{name} ({found['app']}, {kept}): {health.status}; {served_at}", "bold")
    parts = [(part, one.status, one.text, _figures(one.figures)) for part, one in health.parts.items()]
    show_table("Parts", ["part", "status", "meaning", "figures"], parts)
    rows = [
        (pipeline, one["model"] or (f"the ladder: {one['why']}" if one["why"] else ""), one["version"], one["revision"])
        for pipeline, one in champions.items()
    ]
    show_table("What serves", ["pipeline", "model", "version", "revision"], rows)


def settings(
    name: Name,
    set_: Annotated[
        Path | None, typer.Option("--set", metavar="FILE", help="JSON that replaces the settings from now on.")
    ] = None,
    home: Home = None,
) -> None:
    """Show the settings that differ from what the application declares, or replace them."""
    if set_ is None:
        with reading(home, name) as engine:
            show_json(engine.settings)
        return
    values = arguments.json_object(arguments.file_text(set_, "--set"), "--set")
    with served(home, name) as remote:
        if remote is not None:
            show_json(remote.ask("PUT", "/settings", values))
            return
    with writing(home, name) as engine:
        engine.app.settings(values)
        show_json(engine.configure({**unset_settings(), **values}))


def token(
    name: Name,
    scopes: Annotated[
        str, typer.Option("--scopes", "--scope", help="What it may do: read, track, write, admin, with commas.")
    ] = "read,write",
    token_name: Annotated[
        str | None, typer.Option("--name", help="What to call it [default: its scopes and a number].")
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Make a bearer token and show it once; only its hash is kept."""
    wanted = tuple(dict.fromkeys(scope.strip() for scope in scopes.split(",") if scope.strip()))
    unknown = next((scope for scope in wanted if scope not in GRANTED), None)
    if unknown is not None or not wanted:
        remedy = f"Use {', '.join(GRANTED)}."
        raise Invalid(f"unknown scope {(unknown or scopes)[:40]!r}", field="--scopes", remedy=remedy)
    called = check_id(token_name, "--name") if token_name else f"{'-'.join(wanted)}-{secrets.token_hex(3)}"
    with served(home, name) as remote:
        if remote is not None:
            message = f"the server at {remote.url} has the workspace, and tokens are not made over HTTP"
            raise Busy(message, remedy="Stop it, make the token, start it again.")
    stores = bootstrap.open_stores(home_of(home) / name)
    try:
        secret = new_token(stores.tokens, SystemClock(), called, wanted)
    finally:
        stores.log.close()
    show_token({"name": called, "scopes": wanted, "token": secret}, json)


def new_token(tokens: TokenStore, clock: Clock, name: str, scopes: tuple[str, ...]) -> str:
    """Keep a new token's hash and return its secret. Raises Conflict when the name is taken."""
    secret = mint()
    tokens.add(Token(name=name, digest=digest(secret), scopes=scopes, created_at=clock.now()))
    return secret


def show_token(made: dict[str, Any], json: bool) -> None:
    """Show a new token, the only time it is seen."""
    if json:
        show_json(made)
        return
    show(f"Token {made['name']} ({', '.join(made['scopes'])}), shown this once:")
    show(made["token"], "bold")


def _figures(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {cell(value)}" for name, value in figures.items() if value is not None)
