"""`proffer batch-recommend`: slates for many into a file."""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from proffer.cli import arguments
from proffer.cli.opening import Home, Json, Name, reading
from proffer.cli.terminal import Progress, progress, show, show_json
from proffer.core.checks import check_id
from proffer.core.errors import Invalid
from proffer.engine.batch import Recommended, recommend_all
from proffer.engine.engine import Engine

COLUMNS = ("user", "item", "score", "rank")
KINDS = (".csv", ".parquet")


def batch_recommend(
    name: Name,
    out: Annotated[Path, typer.Option(help="File to write: .csv or .parquet.", show_default=False)],
    n: Annotated[int, typer.Option(help="Items for each user.")] = 20,
    users: Annotated[
        Path | None, typer.Option(help="Ids, one a line, or a CSV with a column `user`; all known users without.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help=arguments.DECIDED_AT)] = None,
    pipeline: Annotated[str | None, typer.Option(help="Pipeline [default: the application's first].")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="ID", help="Rank the members of this group, such as an assessment.")
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Write the slates of all or listed users as user, item, score, rank; the same log gives the same file."""
    if out.suffix not in KINDS:
        raise Invalid(f"{out.name} is neither .csv nor .parquet", field="--out", remedy="Name it so.")
    if not out.parent.is_dir():
        raise Invalid(f"no folder {out.parent}", field="--out", remedy="Make it first.")
    with reading(home, name) as engine, progress(not json) as tell:
        subjects = _listed(users) if users else sorted(engine.state.listing(engine.app.subject))
        moment = arguments.decided_at(at, engine)
        within = None if group is None else check_id(group, "--group")
        slates = recommend_all(engine, subjects, n=n, at=moment, pipeline=pipeline, group=within)
        rows = _counted(slates, len(subjects), tell)
        written = write_rows(out, (row for slate in rows for row in slate))
        result = {
            "out": str(out),
            "users": len(subjects),
            "rows": written,
            "at": moment,
            "model": _model(engine, pipeline),
        }
    told = f"{written:,} rows for {len(subjects):,} users in {out}, by {result['model']}, as of {moment:%Y-%m-%d %H:%M}"
    show_json(result) if json else show(f"{told}.")


def write_rows(out: Path, rows: Iterable[Recommended]) -> int:
    """Write rows to a CSV or Parquet file whole or not at all; return how many."""
    count = 0
    with _replacing(out) as text:
        with text.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for count, row in enumerate(rows, 1):  # noqa: B007 - the last number is the count
                writer.writerow((row.user, row.item, repr(row.score), row.rank))
            file.flush()
            os.fsync(file.fileno())
        if out.suffix == ".parquet":
            _to_parquet(text)
    return count


def _to_parquet(path: Path) -> None:
    import duckdb

    packed = path.with_suffix(".packed")
    types = "{'user': 'VARCHAR', 'item': 'VARCHAR', 'score': 'DOUBLE', 'rank': 'INTEGER'}"
    read = (
        f"read_csv(?, header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', columns = {types})"
    )
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(f"CREATE TABLE rows AS SELECT * FROM {read}", [str(path)])
        connection.execute("COPY rows TO ? (FORMAT parquet)", [str(packed)])
    packed.replace(path)


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """Give a file beside `out` that takes its place at the end, or leaves no trace."""
    draft = out.with_name(f".{out.name}.{os.getpid()}.draft")
    try:
        yield draft
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _counted(slates: Iterable[list[Recommended]], total: int, tell: Progress) -> Iterator[list[Recommended]]:
    for done, slate in enumerate(slates, 1):
        tell("recommending", done, total)
        yield slate


def _listed(path: Path) -> list[str]:
    lines = [line for line in arguments.file_text(path, "--users").splitlines() if line.strip()]
    if not lines:
        raise Invalid(f"{path} lists nobody", field="--users", remedy="Write one id a line.")
    header = next(csv.reader([lines[0]]))
    if "user" in header:
        place = header.index("user")
        found = [row[place] for row in csv.reader(lines[1:]) if len(row) > place and row[place]]
    else:
        found = [line.strip() for line in lines]
    return list(dict.fromkeys(found))


def _model(engine: Engine, pipeline: str | None) -> str:
    fitted = engine.fitted[pipeline or engine.app.pipelines[0].name]
    return f"{engine.app.pipelines[0].ladder[0]} ({fitted.why})" if fitted.why else fitted.version
