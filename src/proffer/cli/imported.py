"""The report of an import, in words and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from proffer.cli.terminal import note, show, show_table, spark
from proffer.engine.imports.report import Cause, Report


def mapping_line(mapping: Mapping[str, Any]) -> str:
    """Return a mapping on one line.

    >>> mapping_line({"actor": "userId", "types": {"VIEW": "view"}})
    'actor=userId, types={VIEW=view}'
    """
    return ", ".join(f"{name}={_shown(value)}" for name, value in mapping.items() if value not in ({}, []))


def show_report(report: Report) -> None:
    """Show what became of the rows, and what came in."""
    counts = report.counts
    verdicts = [
        ("accepted", counts.accepted), ("duplicates", counts.duplicates), ("conflicts", counts.conflicts),
        ("quarantined", counts.quarantined),
    ]  # fmt: skip
    if report.unsent:
        verdicts.append(("not sent", report.unsent))
    title = f"{report.file}: {report.rows:,} rows{' (dry run, nothing written)' if report.dry_run else ''}"
    show_table(title, ["rows", "count"], [*verdicts, ("all", report.rows)])
    if report.facts.received:
        show(f"Beside them {report.facts.received:,} changes of attributes of actors and targets.")
    show_causes(report.causes, report.unit)
    for text, count in report.notes.items():
        show(f"{count:,} {text}.")
    _show_content(report)
    _show_columns(report)
    rate = report.rows / report.seconds if report.seconds else 0
    show(f"Took {report.seconds:.1f} s, {rate:,.0f} rows/s.", "dim")


def show_causes(causes: Sequence[Cause], unit: str) -> None:
    """Show why rows were not accepted, where any were."""
    if causes:
        rows = [(cause.verdict, cause.count, f"{unit} {cause.example}", cause.reason) for cause in causes]
        show_table("Not accepted", ["verdict", "rows", "first", "reason"], rows)


def note_interrupted(report: Report) -> None:
    """Say how far an interrupted import came, and that repeating it is safe."""
    done = report.counts.received
    note(f"Interrupted after {done:,} of {report.rows:,} rows. Repeat the same command: it completes the rest.")


def _show_content(report: Report) -> None:
    if not report.rows:
        show("The file has a header and no rows.")
        return
    if report.period:
        order = "in order of time" if report.sorted else "not in order of time; the log has them in order"
        show(f"From {report.period[0]} to {report.period[1]}, {order}.")
    show(f"{report.actors:,} actors, {report.targets:,} targets.")
    if report.months:
        months = list(report.months)
        show(f"By month {months[0]} {spark(list(report.months.values())[-120:])} {months[-1]}")
    show_table("Events by type", ["type", "rows"], sorted(report.types.items(), key=lambda pair: -pair[1]))
    if report.top:
        show_table("Most frequent targets", ["target", "rows"], report.top)


def _show_columns(report: Report) -> None:
    if report.columns:
        rows = [
            (c.name, c.missing, f"over {c.distinct:,}" if c.more else f"{c.distinct:,}", "; ".join(c.suspicious))
            for c in report.columns
        ]
        show_table("Columns", ["column", "missing", "different", "suspicious"], rows)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={text}" for name, text in value.items()) + "}"
    return str(value)
