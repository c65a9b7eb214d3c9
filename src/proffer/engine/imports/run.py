"""One import, from file to report."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from proffer.core.errors import Malformed
from proffer.engine.imports.arrivals import Arrivals
from proffer.engine.imports.guess import complete
from proffer.engine.imports.mapping import Mapping as Columns
from proffer.engine.imports.mapping import column_of, show_mapping
from proffer.engine.imports.profile import Column, Profile
from proffer.engine.imports.report import Report, Tally, top
from proffer.engine.imports.rows import reading
from proffer.engine.imports.sending import Sending
from proffer.engine.imports.table import Chunk, Table
from proffer.engine.imports.targets import Known, Target

Progress = Callable[[str, int, int], None]
HOPELESS = 20


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody of progress."""


class Import:
    """Reads a table whole, then sends its rows in order of time, then reports.

    `given` are the members of a mapping that are known, `now` is when the import begins; `mapping` is complete from
    the start. `progress` is told (what, done, of how many); `stop` is asked between batches whether to go on. Until
    `read` is done nothing is written; whatever `send` leaves undone, a repeat of the whole import mends.
    Raises Invalid for a mapping that does not fit, Malformed or Corrupt for a file that cannot be used.
    """

    def __init__(
        self, table: Table, given: Mapping[str, Any], known: Known, now: datetime,
        *, progress: Progress = silent, stop: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._table, self._known, self._now = table, known, now
        self._progress, self._stop = progress, stop
        self._started = time.perf_counter()
        self._chunks = table.chunks()
        self._first = next(self._chunks, Chunk())
        self.mapping = complete(given, table.columns, self._first.rows, known.app, wire=table.wire)
        self._refuse_ambiguous()
        self._reading = reading(self.mapping, known.app, table.columns)
        self._profile = Profile(table.columns, self.mapping.missing, self.mapping.outcome, _keys(self.mapping))
        self._arrivals = Arrivals()
        self._tallies = Tally(), Tally()
        self._interrupted = False

    def read(self) -> None:
        """Read every row. Raises Malformed when not one of them can be used."""
        for chunk in self._all():
            self._profile.add(chunk.rows)
            self._arrivals.add(chunk, self._reading)
            self._progress("reading", self._table.position, self._table.size)
            if self._stop():
                self._interrupted = True
                return
        refused = self._arrivals.refused
        if len(refused) == len(self._arrivals) >= HOPELESS:
            first = refused[0]
            where = f"{self._table.unit} {first.number}"
            remedy = f"Mend the mapping or the file; the first is {where}: {first.reason}"
            raise Malformed(
                f"none of the {len(refused):,} rows can be read; nothing was written", field="file", remedy=remedy
            )

    def send(self, target: Target) -> None:
        """Send every row, in order of time, damaged ones last."""
        sending = Sending(self._known, target, self.mapping, self._now)
        self._tallies = sending.rows, sending.facts
        batches = 0
        for number, packed, held in self._arrivals.in_order():
            sending.put(number, packed, held)
            if sending.batches != batches:
                batches = sending.batches
                if self._halted(sending.rows.counts.received):
                    return
        for row in self._arrivals.refused:
            sending.refuse(row)
            if sending.batches != batches:
                batches = sending.batches
                if self._halted(sending.rows.counts.received):
                    return
        sending.flush()
        self._halted(sending.rows.counts.received)

    def report(self, *, dry_run: bool = False) -> Report:
        """Return what was read and what became of it."""
        table, arrivals, (rows, facts) = self._table, self._arrivals, self._tallies
        mapping = show_mapping(self.mapping)
        if self._reading.types:
            mapping["types"] = {**self._reading.types, **self.mapping.types}
        return Report(
            file=table.path.name, format=table.format, unit=table.unit, rows=len(arrivals),
            counts=rows.counts, unsent=len(arrivals) - rows.counts.received, facts=facts.counts,
            causes=rows.causes + facts.causes, notes=self._notes(), period=arrivals.period, types=dict(arrivals.types),
            actors=len(arrivals.actors), targets=len(arrivals.targets), top=top(arrivals.targets),
            months=arrivals.months(), columns=self._columns(), mapping=mapping, sorted=arrivals.sorted,
            interrupted=self._interrupted, dry_run=dry_run, seconds=round(time.perf_counter() - self._started, 3),
        )  # fmt: skip

    def _halted(self, received: int) -> bool:
        self._progress("importing", received, len(self._arrivals))
        self._interrupted = received < len(self._arrivals) and self._stop()
        return self._interrupted

    def _all(self) -> Iterator[Chunk]:
        yield self._first
        yield from self._chunks

    def _notes(self) -> dict[str, int]:
        unused = {f"values of {what}, which it does not take (not used)": n for what, n in self._reading.unused.items()}
        return {**self._table.notes, **unused}

    def _columns(self) -> list[Column]:
        return [] if self.mapping.wire else self._profile.columns()

    def _refuse_ambiguous(self) -> None:
        twice = next((name for name in _mapped(self.mapping) if name in self._table.repeated), None)
        if twice is not None:
            remedy = "Rename one of them."
            raise Malformed(f"two columns are called {twice!r}", field="file", remedy=remedy)


def _keys(mapping: Columns) -> list[str]:
    return [name for name in (mapping.actor, mapping.target, mapping.id) if name]


def _mapped(mapping: Columns) -> list[str]:
    single = (mapping.actor, mapping.target, mapping.type, mapping.rating, mapping.time, mapping.id, mapping.query)
    grouped = (mapping.fields, mapping.actor_attributes, mapping.target_attributes, mapping.attributes)
    texts = [text for group in grouped for text in group.values()]
    return [name for name in single if name] + [column_of(text, {})[0] for text in texts] + texts
