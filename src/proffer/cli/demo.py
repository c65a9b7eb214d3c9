"""`proffer demo`: toy worlds, imported, trained, served and asked, in a minute."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

import proffer.bootstrap as bootstrap
from proffer.cli.child import Child, free_port
from proffer.cli.demo_advisor import Advice
from proffer.cli.demo_world import World
from proffer.cli.remote import Remote
from proffer.cli.terminal import show, show_table
from proffer.cli.workspaces import new_token
from proffer.core.clock import SystemClock
from proffer.core.errors import Conflict, Invalid
from proffer.engine.imports.forms import open_table
from proffer.engine.imports.run import Import
from proffer.engine.imports.targets import Direct, Known
from proffer.engine.plan import Budget

FOLDER, MARK = Path(".demo"), "made-by-proffer-demo"
APP = "feed"
PEOPLE = 40
PATIENCE = 1.0
POSTED = "Written this very second"
TRAINING = 20.0
"""Seconds of one core that the demo's training may take, as declared."""

Stage = Callable[[str], None]


def demo(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the server [default: 8750, or any free].")
    ] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End after showing.")] = False,
    size: Annotated[str, typer.Option(help="Of the world: small or medium.")] = "medium",
    seed: Annotated[int, typer.Option(help="Of the world.")] = 0,
) -> None:
    """Make toy worlds whose right answers are known, serve them on this machine and show what is recommended.

    It lives in the folder .demo, made anew each time, and goes on serving until Ctrl-C.
    """
    stage = _stages()
    home = _fresh(FOLDER)
    simulate = bootstrap.application(APP).simulate
    if simulate is None:
        raise Invalid(f"application {APP} has no toy world", field="demo", remedy="Use another application.")
    world = World(simulate(seed, size), SystemClock().now())
    stage(f"made a world of {world.users:,} users, {world.posts:,} posts and {len(world.toy.events):,} events")
    secret = _fill(home, world, stage)
    advice = Advice(home, SystemClock().now(), {"small": "tiny"}.get(size, "small"), seed, stage)
    advice.fill()
    free = free_port(bootstrap.environment().port) if port is None else port
    with Child(home, APP, free, "--page", also=(advice.name,)) as child:
        stage(f"serving at {child.url}")
        with Remote(child.url, APP, secret) as remote:
            decision = _show(remote, world, stage)
        advice.show(child.url)
        stays = not no_serve and sys.stdout.isatty()
        _next(child.url, secret, home, decision, stays=stays)
        advice.next(child.url)
        if stays:
            show("Serving until Ctrl-C.", "bold")
            child.wait()


def _fill(home: Path, world: World, stage: Stage) -> str:
    bootstrap.create(home, APP, APP, store=bootstrap.SQLITE)
    engine = bootstrap.open_engine(home, APP)
    try:
        run = Import(open_table(world.write(home / "world.jsonl")), {}, Known.by(engine), engine.clock.now())
        run.read()
        run.send(Direct(engine))
        stage(f"imported {run.report().counts.accepted:,} events")
        version = engine.train(budget=Budget.of(TRAINING))
        stage(f"trained: {version.metrics['gate']['why']}")
        return new_token(engine.stores.tokens, engine.clock, "demo", ("read", "write", "admin"))
    finally:
        engine.close()


def _show(remote: Remote, world: World, stage: Stage) -> str:
    """Ask this and that, and return the id of the first decision."""
    user = world.someone()
    first = slate = remote.ask("POST", "/recommend", {"subject": user, "n": 5})
    stage(f"a slate for {user}, who likes {world.taste(user)}")
    _show_slate(world, slate)
    stage("the same in Swedish")
    _show_slate(world, remote.ask("POST", "/recommend", {"subject": user, "n": 5, "language": "sv"}))
    _show_new_post(remote, world, user, stage)
    slate = remote.ask("POST", "/recommend", {"subject": "newcomer", "n": 3})
    stage("somebody nobody knows")
    _show_slate(world, slate)
    _show_hide(remote, user, stage)
    _show_replay(remote, first["decision"], stage)
    _show_closeness(remote, world, stage)
    return str(first["decision"])


def _show_new_post(remote: Remote, world: World, user: str, stage: Stage) -> None:
    post = {
        "title": POSTED,
        "category": world.taste(user),
        "author": world.author(),
        "language": "en",
    }
    started = time.perf_counter()
    remote.ask("PUT", "/entities/post/breaking", post)
    while True:
        slate = remote.ask("POST", "/recommend", {"subject": user, "n": 50})
        found = next((item for item in slate["items"] if item["id"] == "breaking"), None)
        waited = time.perf_counter() - started
        if found or waited > PATIENCE:
            break
    where = (
        f"at rank {found['rank']} after {waited * 1000:.0f} ms"
        if found
        else f"not among the first 50 within {PATIENCE} s"
    )
    stage(f"a new post about {world.taste(user)} is shown to {user} {where}")


def _show_hide(remote: Remote, user: str, stage: Stage) -> None:
    first = remote.ask("POST", "/recommend", {"subject": user, "n": 5})["items"][0]["id"]
    remote.ask("POST", "/events", {"type": "hide", "actor": user, "target": first})
    left = [item["id"] for item in remote.ask("POST", "/recommend", {"subject": user, "n": 50})["items"]]
    stage(f"{user} hides {first}: it is {'still there' if first in left else 'gone'} from the next slate")


def _show_replay(remote: Remote, decision: str, stage: Stage) -> None:
    again = remote.ask("POST", f"/decisions/{decision}/replay", {})
    stage(f"the first slate again, from the log as of event {again['logged']['as_of']:,}: {again['text']}")
    other = remote.ask("POST", f"/decisions/{decision}/replay", {"diversity": 0.3})["otherwise"]
    rows = [(move["before"], move["after"], move["item"], move["why"]) for move in other["moves"]]
    show("and with more diversity (lambda 0.3)")
    show_table("", ["then", "instead", "post", "why"], rows)


def _show_closeness(remote: Remote, world: World, stage: Stage) -> None:
    served, popular, newest = [], [], []
    for user in world.people(PEOPLE):
        items = remote.ask("POST", "/recommend", {"subject": user, "n": 11})["items"]
        served.append(world.closeness(user, [item["id"] for item in items if item["id"] != "breaking"][:10]))
        popular.append(world.closeness(user, world.by_popularity(user)[:10]))
        newest.append(world.closeness(user, world.by_newest(user)[:10]))
    stage(f"ten posts each for {PEOPLE} users, beside the ten that the world itself knows to be best (100 %)")
    orders = {"Proffer": served, "newest first": newest, "most popular first": popular}
    rows = [(name, f"{sum(shares) / len(shares):.0%}") for name, shares in orders.items()]
    show_table("", ["order", "of the best possible"], rows)


def _show_slate(world: World, slate: dict[str, Any]) -> None:
    rows = [
        (item["rank"], item["id"], world.title(item["id"]) or POSTED, round(item["score"], 3),
         "; ".join(reason["text"] for reason in item["reasons"]))
        for item in slate["items"]
    ]  # fmt: skip
    show(f"by {slate['model']}{', since ' + slate['fallback'] if slate['fallback'] else ''}")
    show_table("", ["rank", "post", "title", "score", "reasons"], rows)


def _next(url: str, secret: str, home: Path, decision: str, *, stays: bool) -> None:
    proffer = "proffer" if shutil.which("proffer") else os.path.relpath(sys.argv[0])
    header = f"-H 'Authorization: Bearer {secret}' -H 'Content-Type: application/json'"
    body = msgspec.json.encode({"subject": "u2", "n": 5}).decode()
    show("What to try next", "bold")
    if not stays:
        show(f"  {proffer} --home {home} serve --page --port {url.rsplit(':', 1)[1]} &")
    show(f"  curl {header} {url}/api/v1/{APP}/recommend -d '{body}'")
    show(f"  curl {header} '{url}/api/v1/{APP}/similar/p200?n=5'")
    show(f"  {proffer} --home {home} recommend {APP} u2 --explain p200")
    show(f"  {proffer} --home {home} replay {decision} --lambda 0.5")
    show(f"  {proffer} --home {home} status {APP}")
    show(f"  {proffer} init myfeed --app feed; {proffer} import myfeed your-events.csv --dry-run")


def _fresh(folder: Path) -> Path:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise Conflict(f"{folder} exists and is not a demo's", field="demo", remedy="Run it in another folder.")
    server = bootstrap.running(folder, APP) if (folder / APP).is_dir() else None
    if server is not None:
        raise Conflict(
            f"a demo is being served at {server.url}", field="demo", remedy=f"Stop it first: kill {server.pid}"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / MARK).touch()
    return folder


def _stages() -> Stage:
    started = time.perf_counter()
    return lambda text: show(f"[{time.perf_counter() - started:5.1f} s] {text}", "bold")
