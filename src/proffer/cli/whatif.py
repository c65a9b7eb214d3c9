"""What a period's decisions would have been under another model, in the terminal."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from proffer.cli import arguments
from proffer.cli.opening import served, writing
from proffer.cli.terminal import progress, show, show_json, show_table
from proffer.core.errors import Invalid
from proffer.core.ports import Review
from proffer.engine import whatif
from proffer.engine.clicks import Clicks
from proffer.engine.metrics import Interval
from proffer.engine.whatif import SHADOW, WhatIf

PATIENCE = 3600.0


def what_if(
    name: str, *, since: str | None, until: str | None, model: str | None, sample: int, seed: int, json: bool,
    home: Path | None,
) -> None:  # fmt: skip
    """Replay a sample of a workspace's decisions under a model, here or by its server, and show what comes of it."""
    if model is None:
        remedy = f"Name a version: proffer models {name} lists them."
        raise Invalid("a period is replayed under a model", field="--model", remedy=remedy)
    begin = None if since is None else arguments.moment(since, "--from")
    end = None if until is None else arguments.moment(until, "--until")
    with served(home, name) as remote:
        if remote is not None:
            asked = {"from": begin, "until": end, "model": model, "sample": sample, "seed": seed}
            body = {member: value for member, value in asked.items() if value is not None}
            found = msgspec.convert(remote.ask("POST", "/replay", body, patience=PATIENCE), WhatIf)
    if remote is None:
        with writing(home, name) as engine, progress(not json) as tell:
            found = whatif.what_if(engine, model, begin, end, sample=sample, seed=seed, progress=tell)
    show_json(found) if json else show_what_if(found)


def show_what_if(found: WhatIf) -> None:
    """Show a report: how much the two agree, what each shows and takes, and the clicks to expect."""
    show(
        f"{found.replayed:,} of {found.decisions:,} decisions of {found.pipeline}, {found.since:%Y-%m-%d %H:%M} to "
        f"{found.until:%Y-%m-%d %H:%M}, as they were and under {found.version}",
        "bold",
    )
    for words, counts in (
        ("Answered by", found.versions),
        ("Came out again", found.verdicts),
        ("Left out", found.left_out),
    ):
        if counts:
            show(f"{words}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}.")
    rows = [(name, one.value, one.low, one.high) for name, one in found.agreement.items()]
    show_table("How much the two agree, with 95 % intervals over subjects", ["measure", "mean", "low", "high"], rows)
    sides = [
        (name, side.p50_ms, side.p99_ms, f"{side.fallback:.1%}", side.items, f"{side.coverage:.1%}")
        for name, side in (("as it was", found.logged), (found.version, found.model))
    ]
    columns = ["", "p50 ms", "p99 ms", "by the ladder", "items in a top 10", "of the catalogue"]
    show_table("What each shows and takes", columns, sides)
    _show_clicks(found.clicks)


def _show_clicks(clicks: Clicks) -> None:
    whys = [depth.why for depth in clicks.depths]
    rows = [
        (
            depth.places, depth.ess, depth.expected_ess, depth.mean_weight, f"{depth.lost:.1%}",
            "enough" if depth.why is None else "likewise" if depth.why in whys[:row] else depth.why,
        )
        for row, depth in enumerate(clicks.depths)
    ]  # fmt: skip
    if rows:
        columns = ["first places", "ESS", "expected ESS", "mean weight", "never shown", "can be told"]
        show_table("How far down the slates the log can tell of clicks", columns, rows)
    if clicks.why is not None:
        show(f"No expected clicks: {clicks.why}.", "bold")
        return
    told = [
        ("as logged", clicks.logged), ("IPS", clicks.ips), ("SNIPS", clicks.snips), ("doubly robust", clicks.dr),
        ("lead, doubly robust - logged", clicks.lead),
    ]  # fmt: skip
    numbers = [(name, one.value, one.low, one.high) for name, one in told if one is not None]
    title = f"Wanted answers per decision on the first {clicks.places} places, from {clicks.decisions:,} decisions of "
    show_table(f"{title}{clicks.subjects:,} subjects, 95 % intervals", ["estimate", "mean", "low", "high"], numbers)
    if clicks.left_out:
        show(f"Left out of these: {', '.join(f'{count:,} ({why})' for why, count in clicks.left_out.items())}.")


def show_reviews(reviews: Sequence[Review]) -> None:
    """Show in short what replays of past decisions under a version found, newest first."""
    found = [(review, one) for review in reviews if (one := _read(review)) is not None]
    rows = [
        (
            f"{review.at:%Y-%m-%d %H:%M}", f"{one.since:%Y-%m-%d} to {one.until:%Y-%m-%d}", one.replayed,
            _value(one.agreement.get("kendall")), _value(one.agreement.get("overlap@10")), one.model.p99_ms,
            in_short(one.clicks),
        )
        for review, one in found
    ]  # fmt: skip
    if rows:
        columns = ["when (UTC)", "period", "replayed", "kendall", "overlap@10", "p99 ms", "clicks"]
        show_table("Past decisions under it", columns, rows)


def _read(review: Review) -> WhatIf | None:
    """Return a report as it was kept; None for one of another kind, or that other code wrote."""
    try:
        return msgspec.convert(review.body, WhatIf) if review.kind == SHADOW else None
    except msgspec.ValidationError:
        return None


def in_short(clicks: Clicks) -> str:
    """Return the lead in expected clicks in a few words."""
    lead = clicks.lead
    if lead is None or lead.low is None or lead.high is None:
        return "cannot be told"
    return f"{lead.value:+.3f} ({lead.low:+.3f} to {lead.high:+.3f}) on {clicks.places}"


def _value(one: Interval | None) -> float | None:
    return None if one is None else one.value
