"""What an evaluation looks like in the terminal: phases, plan, the table, leads, segments, the gate."""

from proffer.cli.terminal import show, show_bars, show_table
from proffer.engine.measure import TARGET
from proffer.engine.metrics import Interval
from proffer.engine.plan import size_text
from proffer.engine.report import Phase, Report, Row

CUTS = ("ndcg@5", TARGET)
SHOWN = (TARGET, "ndcg@5", "ndcg@20", "recall@10", "recall@20", "hitrate@10", "mrr", "map", "coverage", "diversity",
         "novelty", "popularity_bias")  # fmt: skip


def show_evaluation(report: Report) -> None:
    """Show where the phases lie, the table with the champion marked, and what is to be concluded."""
    _show_phases(report)
    _show_table(report)
    _show_train(report)
    _show_costs(report)
    show_bars(TARGET, [(row.name, row.metrics[TARGET].value) for row in report.rows])
    _show_important(report)
    _show_left_out(report)
    _show_conclusion(report)


def _show_phases(report: Report) -> None:
    budget = report.plan.budget
    show(
        f"Planned for {budget.seconds:g} s and {size_text(budget.memory)}: {len(report.plan.retrievers)} retrievers, "
        f"{len(report.plan.rankers)} rankers, {len(report.tried)} settings tried."
    )
    rows = [(phase.name, _period(phase), phase.lists, phase.users) for phase in report.phases]
    show_table("Phases, each judged with what was fitted before it", ["phase", "period", "lists", "users"], rows)


def _show_table(report: Report) -> None:
    title = f"{report.protocol}: {report.lists:,} lists of {report.users:,} users, {report.wanted:,} wanted items, "
    title += f"{report.unknown_share:.0%} of them not known yet"
    names = [name for name in SHOWN if report.rows and name in report.rows[0].metrics]
    rows = [
        (label(row, report), row.family, *(figure(row.metrics.get(name), name) for name in names))
        for row in report.rows
    ]  # fmt: skip
    marked = next((place for place, row in enumerate(report.rows) if row.name == report.champion), None)
    show_table(title, ["contender", "family", *names], rows, marked=marked)


def _show_train(report: Report) -> None:
    if not any(row.train for row in report.rows):
        return
    rows = [
        (
            label(row, report), *(spread(row.train.get(name)) for name in CUTS),
            *(spread(row.metrics.get(name)) for name in CUTS), lead(report.leads.get(row.name)),
        )
        for row in report.rows
    ]  # fmt: skip
    marked = next((place for place, row in enumerate(report.rows) if row.name == report.champion), None)
    columns = [*(f"{part} {name}" for part in ("train", "newest") for name in CUTS), "champion leads by"]
    show_table(
        "On the lists before, and on the newest, which taught nobody", ["contender", *columns], rows, marked=marked
    )


def _show_important(report: Report) -> None:
    if not report.importances:
        return
    rows = [
        (one.name, f"{one.gain:.1%}", "" if one.permutation is None else f"{one.permutation:+.4f}")
        for one in report.importances
    ]
    title = f"What {report.explained} goes by: share of gain, {TARGET} lost on the newest lists when shuffled"
    show_table(title, ["column", "gain", "permutation"], rows)


def _show_costs(report: Report) -> None:
    rows = []
    for row in report.rows:
        cost = report.costs.get(row.name)
        spent = (cost.fit_seconds, cost.list_ms) if cost is not None else (None, None)
        made = ", ".join(f"{name} {weight:.2f}" for name, weight in row.weights.items()) if len(row.weights) > 1 else ""
        settings = "; ".join(f"{name}: {_settings(values)}" for name, values in row.settings.items())
        rows.append((row.name, *spent, size_text(row.memory), row.ranker or "", made, settings))
    columns = ["contender", "fit s", "list ms", "memory", "ranker", "weights", "settings"]
    show_table("What each costs on this machine, and is made of", columns, rows)


def _show_left_out(report: Report) -> None:
    for one in report.skipped:
        show(f"Left out: {one.name}, {one.why}.")
    for text in report.notes:
        show(f"Note: {text}.")


def _show_conclusion(report: Report) -> None:
    for step in report.choice.steps:
        verdict = "takes over" if step.taken else "does not"
        show(f"{step.challenger} against {step.incumbent} on {step.lists:,} lists: {lead(step.lead)}: {verdict}.")
    show(f"Chosen before the report was read: {report.champion}; {report.choice.why}.", "bold")
    against = dict.fromkeys((report.fallback, report.choice.single, "previous"))
    for name in against:
        if name in report.leads:
            show(f"Lead of {report.champion} over {name} in the report: {lead(report.leads[name])}.")
    regret = report.regret
    if regret.value > 0:
        show(f"Regret in hindsight: {regret.value:.4f}; {regret.best} was best ({lead(regret.interval)} ahead).")
    else:
        show("Regret in hindsight: 0; the champion was best.")
    if report.segments:
        names = list(report.segments[0].ndcg)
        rows = [
            (one.name, one.lists, *(figure(one.ndcg[name], TARGET) for name in names), lead(one.lead))
            for one in report.segments
        ]
        show_table(f"Segments, {TARGET}", ["segment", "lists", *names, f"lead over {report.fallback}"], rows)
    show(f"{'Serves' if report.gate.wins else 'Does not serve'}: {report.gate.why}.", "bold")


def label(row: Row, report: Report) -> str:
    """Return a contender's name, the champion and the fallback marked."""
    marks = [mark for mark, name in (("champion", report.champion), ("fallback", report.fallback)) if name == row.name]
    return f"{row.name} ({', '.join(marks)})" if marks else row.name


def figure(found: Interval | None, name: str) -> str:
    """Return a measure as the table shows it, the target with its interval.

    >>> figure(Interval(value=0.1234, low=0.1, high=0.2), "ndcg@10")
    '0.123 (0.100-0.200)'
    """
    if found is None:
        return ""
    if name != TARGET or found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f}-{found.high:.3f})"


def spread(found: Interval | None) -> str:
    """Return a measure with its interval.

    >>> spread(Interval(value=0.1234, low=0.1, high=0.2))
    '0.123 (0.100-0.200)'
    """
    return figure(found, TARGET)


def lead(found: Interval | None) -> str:
    """Return a difference with its interval.

    >>> lead(Interval(value=0.01, low=-0.002, high=0.022))
    '+0.0100 (-0.0020 to +0.0220)'
    """
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.value:+.4f}"
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def _period(phase: Phase) -> str:
    if phase.since is None or phase.until is None:
        return ""
    return f"{phase.since:%Y-%m-%d %H:%M} to {phase.until:%Y-%m-%d %H:%M}"


def _settings(values: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
