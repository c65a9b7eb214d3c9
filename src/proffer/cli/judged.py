"""Judged sets at the command line: a file of them comes in, and rankers are judged on them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import proffer.bootstrap as bootstrap
from proffer.cli.imported import mapping_line, show_causes
from proffer.cli.opening import home_of
from proffer.cli.reports import figure, label, lead
from proffer.cli.terminal import note, progress, show, show_bars, show_json, show_table
from proffer.core.errors import Invalid, NotFound
from proffer.engine.engine import Progress
from proffer.engine.imports.judged import SetReport, bring, recognised, set_name
from proffer.engine.imports.judged_table import Taken
from proffer.engine.judged_set import JudgedSet, unpack
from proffer.engine.measure import TARGET
from proffer.engine.metrics import Gain
from proffer.engine.report import Report
from proffer.engine.set_found import FoldChoice, SetJudged
from proffer.engine.set_judging import FOLDS, judge_set
from proffer.engine.set_models import PEER

GAINS: tuple[Gain, ...] = ("exponential", "grade", "binary")
SHOWN = (TARGET, "ndcg@5", "ndcg@20", "mrr", "map")


@dataclass(frozen=True)
class Asked:
    """What options say of a judged set."""

    grade: str | None = None
    cuts: str | None = None
    drop: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    as_: str | None = None
    header: bool | None = None

    @property
    def anything(self) -> bool:
        """Return whether any option was given that only a judged set has."""
        single = (self.grade, self.cuts, self.as_, self.header)
        return any(one is not None for one in single) or bool(self.drop or self.keep)

    def taken(
        self, *, query: str | None, id: str | None, delimiter: str | None, decimal: str | None, missing: list[str]
    ) -> Taken:
        """Return what is said of the columns."""
        return Taken(
            query=query, grade=self.grade, id=id, drop=tuple(self.drop), keep=tuple(self.keep), header=self.header,
            delimiter=delimiter, decimal=decimal or ".", missing=tuple(missing),
        )  # fmt: skip

    def cut(self) -> list[float]:
        """Return the cuts. Raises Invalid."""
        try:
            return [float(text) for text in (self.cuts or "").split(",") if text.strip()]
        except ValueError:
            raise Invalid("not numbers", field="--cuts", remedy="For example --cuts 0,0.07,0.14,0.41.") from None


def import_set(
    home: Path | None, workspace: str, file: Path, asked: Asked, taken: Taken, *, encoding: str | None, dry_run: bool,
    json: bool, show_map: bool = False,
) -> bool:  # fmt: skip
    """Import a file as a judged set and show what became of it; False where it is something else.

    A set lies beside the log and is no part of it: this goes on beside a server, too.
    """
    found = recognised(file, taken, asked=asked.anything, encoding=encoding)
    if found is None:
        if asked.anything and not file.is_file():
            raise NotFound(f"no file {file}", field="file", remedy="Check the path.")
        if asked.anything:
            raise Invalid(f"{file} is no file of judged rows", field="file", remedy="Give SVMlight or delimited text.")
        return False
    sets = bootstrap.open_sets(home_of(home), workspace)
    if show_map:
        show_json(found.mapping())
        return True
    note(f"A judged set: {mapping_line(found.mapping())}")
    with progress(not json) as tell:
        report = bring(
            found, file, asked.as_ or set_name(file), sets, cuts=asked.cut(), keep=asked.keep, dry_run=dry_run,
            progress=tell,
        )  # fmt: skip
    show_json(report) if json else _show_import(report, workspace)
    return True


def evaluate_set(
    home: Path | None, workspace: str | None, train: str, test: str | None, folds: int | None, gain: str | None,
    seed: int, lists: int, tell: Progress,
) -> Report:  # fmt: skip
    """Judge rankers on a set of a workspace."""
    if workspace is None:
        raise Invalid("missing", field="WORKSPACE", remedy="Name the workspace that the set was imported into.")
    how = next((one for one in GAINS if one == gain), None)
    if gain is not None and how is None:
        raise Invalid(f"no gain {gain[:40]!r}", field="--gain", remedy=f"Use one of {', '.join(GAINS)}.")
    if test is not None and folds is not None:
        raise Invalid("a test set needs none", field="--folds", remedy="Leave out --folds, or --test-set.")
    return judge_set(
        _opened(home, workspace, train), None if test is None else _opened(home, workspace, test),
        folds=FOLDS if folds is None else folds, gain=how, seed=seed, lists=lists, progress=tell,
    )  # fmt: skip


def show_judged(report: Report) -> None:
    """Show the table, by how much the champion leads, and what was chosen inside."""
    assert report.judged is not None
    found = report.judged
    show(_what(found))
    names = [name for name in SHOWN if name in report.rows[0].metrics]
    rows = [
        (
            label(row, report), *(figure(row.metrics[name], TARGET if name == "ndcg@5" else name) for name in names),
            lead(report.leads.get(row.name)), lead(found.over_peer.get(row.name)),
        )
        for row in report.rows
    ]  # fmt: skip
    marked = next(place for place, row in enumerate(report.rows) if row.name == report.champion)
    title = f"{report.protocol}: {report.lists:,} lists with a grade above 0; {found.without:,} without are in no mean"
    show_table(title, ["contender", *names, f"lead of {report.champion}", f"over {PEER}"], rows, marked=marked)
    show_bars(TARGET, [(row.name, row.metrics[TARGET].value) for row in report.rows])
    _show_folds(found.folds)
    if report.tried:
        tried = [(one.name, mapping_line(one.settings) or "as declared", one.ndcg, one.taken) for one in report.tried]
        show_table(f"Tried inside, mean {TARGET}", ["contender", "settings", TARGET, "taken by most"], tried)
    names = list(report.segments[0].ndcg) if report.segments else []
    segments = [(one.name, one.lists, *(figure(one.ndcg[name], TARGET) for name in names)) for one in report.segments]
    if segments:
        show_table(f"By length of the list, {TARGET}", ["lists", "count", *names], segments)
    for text in report.notes:
        show(f"Note: {text}.")
    show(f"Champion: {report.champion}; {report.choice.why}.", "bold")
    regret = report.regret
    if regret.value > 0:
        show(f"Regret in hindsight: {regret.value:.4f}; {regret.best} was best ({lead(regret.interval)} ahead).")


def _show_folds(folds: list[FoldChoice]) -> None:
    rows = []
    for one in folds:
        steps = "; ".join(f"{step.challenger} {lead(step.lead)}" for step in one.steps if step.taken)
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in one.weights.items())
        rows.append((one.fold, one.lists, one.champion, steps, one.feature, weights))
    columns = ["fold", "lists", "champion", "taken over, by a lead of", "best feature", "blend"]
    show_table("Chosen inside, without a look at the fold", columns, rows)


def _what(found: SetJudged) -> str:
    how = f"{found.lists:,} lists, {found.rows:,} rows, {found.features:,} features; gain {found.gain}"
    if found.test is None:
        return f"Each of {len(found.folds)} folds by what was learned and chosen on the others: {how}."
    return f"Learned and chosen on {found.pooled:,} lists of {found.train}, reported on {found.test}: {how}."


def _opened(home: Path | None, workspace: str, name: str) -> JudgedSet:
    digest, packed = bootstrap.open_sets(home_of(home), workspace).get(name)
    return unpack(name, packed, digest)


def _show_import(report: SetReport, workspace: str) -> None:
    counts = report.counts
    verdicts: list[tuple[str, Any]] = [
        ("accepted", counts.accepted), ("duplicates", counts.duplicates), ("conflicts", counts.conflicts),
        ("quarantined", counts.quarantined), ("all", report.rows),
    ]  # fmt: skip
    title = f"{report.file}: {report.rows:,} rows{' (dry run, nothing written)' if report.dry_run else ''}"
    show_table(title, ["rows", "count"], verdicts)
    show_causes(report.causes, "line")
    show(
        f"Set {report.set}: {report.lists:,} lists of up to {report.longest:,} rows, {report.features:,} features; "
        f"{report.without:,} lists have no grade above 0."
    )
    if report.grades:
        show_table("Rows by grade", ["grade", "rows"], list(report.grades.items()))
    elif not report.whole:
        show("Its grades are no whole numbers: they count as gains. Cut them into grades with --cuts.")
    for name, why in report.left_out.items():
        show(f"No feature: {name}, {why}.")
    for text, count in report.notes.items():
        show(f"{count:,} {text}.")
    show(f"Judge rankers on it: proffer evaluate {workspace} --set {report.set}", "dim")
