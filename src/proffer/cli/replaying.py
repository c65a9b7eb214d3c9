"""`proffer replay`: a past decision again, or other than it was; and a whole period under another model."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

import proffer.bootstrap as bootstrap
from proffer.api import answers
from proffer.app import Rule
from proffer.cli import arguments
from proffer.cli.asking import title_of
from proffer.cli.opening import Home, Json, home_of, reading
from proffer.cli.terminal import show, show_json, show_table
from proffer.core.checks import check_id
from proffer.core.decisions import Decision
from proffer.core.errors import Invalid, Malformed, NotFound, ProfferError
from proffer.engine.engine import Engine
from proffer.engine.replay import Change, Replayed

WHAT = """Nothing to replay. Some of what can be asked:

  proffer replay d_019a5f3c                        the decision again, compared bit for bit
  proffer replay d_019a5f3c --model m_0f3a         what another model would have shown
  proffer replay d_019a5f3c --lambda 0.5           ... with more diversity
  proffer replay d_019a5f3c --objective fresh=0.5  ... weighed otherwise
  proffer replay d_019a5f3c --rules rules.json     ... under other rules
  proffer replay d_019a5f3c --at 2026-03-01        ... at another time
  proffer replay feed --from 2026-03-01 --until 2026-03-08 --model m_0f3a
                                                   a period's decisions under another model

Decisions' ids are in every slate of a server; those of a user: GET /api/v1/feed/decisions?subject=u1"""


def replay(
    target: Annotated[
        str | None, typer.Argument(metavar="TARGET", help="Id of a decision; or a workspace, for a period.")
    ] = None,
    workspace: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where the decision was made [default: looked for in all].")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="VERSION", help="Under this model version.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Asked at this time, with what the log held then.")
    ] = None,
    lambda_: Annotated[
        float | None, typer.Option("--lambda", metavar="0..1", help="1: relevance only; less: more diverse.")
    ] = None,
    objective: Annotated[list[str], typer.Option(metavar="NAME=WEIGHT", help=arguments.OBJECTIVES)] = [],  # noqa: B006
    rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A JSON list of rules in place of the pipeline's.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="A period's first moment.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="The first moment after it.")] = None,
    sample: Annotated[int, typer.Option(help="Of a period so many decisions, drawn by chance.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the draw of a period's decisions.")] = 0,
    json: Json = False,
    home: Home = None,
) -> None:
    """Make a past decision again and compare it bit for bit; say what another model, time or rule would have shown."""
    if target is None:
        show(WHAT)
        return
    if target in bootstrap.workspaces(home_of(home)):
        given = {"--workspace": workspace, "--at": at, "--lambda": lambda_, "--rules": rules}
        _refuse({**given, "--objective": objective or None}, "a period")
        from proffer.cli.whatif import what_if

        what_if(target, since=since, until=until, model=model, sample=sample, seed=seed, json=json, home=home)
        return
    _refuse({"--from": since, "--until": until}, "a decision")
    id = check_id(target, "TARGET")
    change = Change(
        model=model, at=None if at is None else arguments.moment(at, "--at"), diversity=lambda_,
        objectives=arguments.weights(objective, "--objective"),
        rules=None if rules is None else rules_in(rules),
    )  # fmt: skip
    with reading(home, workspace or holder(home_of(home), id)) as engine:
        replayed = engine.replay(id, change)
        show_json(answers.Replayed.of(replayed)) if json else _show(engine, replayed)


def holder(home: Path, id: str) -> str:
    """Return the name of the workspace that logged a decision. Raises NotFound naming where it was looked for."""
    names, shut = bootstrap.workspaces(home), dict[str, ProfferError]()
    for name in names:
        try:
            stores = bootstrap.open_stores(home / name, writable=False)
        except ProfferError as error:
            shut[name] = error
            continue
        try:
            if stores.decisions.get(id) is not None:
                return name
        finally:
            stores.log.close()
    seen = [name for name in names if name not in shut]
    message = f"there are no workspaces in {home}"
    if seen:
        message = f"there is no workspace or decision in {', '.join(seen)} named {id[:60]!r}"
    elif shut:
        message = f"there is no workspace named {id[:60]!r}"
    remedy = "Take the id from a slate that a server gave (proffer recommend logs nothing), or say --home."
    if shut:
        # Where it could not be looked for it may be: what is wrong there is the next thing to mend.
        message += "; " + "; ".join(f"{name} could not be opened: {why.message}" for name, why in shut.items())
        remedy = next((why.remedy for why in shut.values() if why.remedy), remedy)
    raise NotFound(message, field="TARGET", remedy=remedy)


def rules_in(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a JSON file. Raises NotFound, Malformed, or Invalid naming what is wrong."""
    text = arguments.file_text(path, "--rules")
    remedy = 'Write a list like [{"do": "cap", "per": "category", "at_most": 2}].'
    try:
        return msgspec.json.decode(text, type=tuple[Rule, ...])
    except msgspec.ValidationError as error:
        raise Invalid(f"{path}: {error}", field="--rules", remedy=remedy) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"{path} is not JSON: {str(error)[:120]}", field="--rules", remedy=remedy) from None


def _refuse(given: dict[str, object], what: str) -> None:
    flag = next((flag for flag, value in given.items() if value is not None), None)
    if flag is not None:
        raise Invalid(f"does not go with {what}", field=flag, remedy="Leave it out. proffer replay shows what can be.")


def _show(engine: Engine, replayed: Replayed) -> None:
    logged = replayed.logged
    query = logged.query
    by = logged.model if logged.fallback is None else f"{logged.model}, since {logged.fallback}"
    within = "" if query.group is None else f" for {query.group}"
    show(f"{logged.id}: {query.subject.id} asked {query.pipeline}{within} at {query.at:%Y-%m-%d %H:%M:%S}, event "
         f"{logged.as_of:,}; answered by {by}", "bold")  # fmt: skip
    good = replayed.verdict in ("exact", "close")
    show(f"{replayed.text[:1].upper()}{replayed.text[1:]}.", "bold green" if good else "bold red")
    for told in (*(f"{one.where}: {one.text}" for one in replayed.differences), *replayed.since):
        show(f"  {told}")
    _show_slate(engine, "What was shown", logged)
    if replayed.otherwise is not None:
        _show_otherwise(engine, replayed)


def _show_slate(engine: Engine, title: str, decision: Decision) -> None:
    rows = [
        (one.rank, one.id, title_of(engine, one.id), one.score, "; ".join(reason.text for reason in one.reasons))
        for one in decision.slate
    ]
    show_table(title, ["rank", "item", "title", "score", "reasons"], rows)


def _show_otherwise(engine: Engine, replayed: Replayed) -> None:
    found = replayed.otherwise
    assert found is not None
    told = msgspec.to_builtins(found.change)
    words = ", ".join(f"{name} {value if name != 'rules' else f'of {len(value)}'}" for name, value in told.items())
    decision = found.decision
    same = sum(one.rank is not None for one in decision.slate) - sum(move.after is not None for move in found.moves)
    show(f"With {words}: answered by {decision.model}, as of event {decision.as_of:,}; {same} of "
         f"{len(decision.slate)} items stand where they stood.", "bold")  # fmt: skip
    _show_slate(engine, "What would have been shown", decision)
    rows = [
        (move.before, move.after, move.item, title_of(engine, move.item), move.why) for move in found.moves
    ]  # fmt: skip
    if rows:
        show_table("What is different", ["then", "instead", "item", "title", "why"], rows)
