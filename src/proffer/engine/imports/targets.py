"""Where imported rows go, and what is known there already."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from proffer.app import App
from proffer.core.checks import LATEST_AHEAD
from proffer.core.entities import EntityRef
from proffer.core.errors import Invalid
from proffer.core.events import Receipt, Verdict
from proffer.core.ports import EventLog

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

SOURCE = "import"


@dataclass(frozen=True)
class Known:
    """What an import reads of a workspace: its application, its log, and what it knows of an entity."""

    app: App
    log: EventLog
    attributes: Callable[[EntityRef], Mapping[str, Any] | None]

    @classmethod
    def by(cls, engine: "Engine") -> "Known":
        """Return what an engine knows, which may be a read-only one beside a server."""
        return cls(engine.app, engine.stores.log, engine.state.attributes)


class Target(Protocol):
    """Takes rows of JSON, at most `rows` and about `size` bytes at once, and says what became of each.

    A row that cannot be read is `{"id": ..., "reject": {"raw", "reason", "field", "source"}}`.
    """

    rows: int
    size: int

    def send(self, rows: Sequence[Mapping[str, Any]]) -> list[Receipt]:
        """Store rows durably and return a receipt for each, in order."""
        ...


class Direct:
    """Rows go into the engine of this process."""

    rows, size = 20_000, 16_000_000

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def send(self, rows: Sequence[Mapping[str, Any]]) -> list[Receipt]:
        """Record rows."""
        return self._engine.record(rows, source=SOURCE)


class Dry:
    """Rows go nowhere: each is checked, and compared with what the log holds and with the rows before it."""

    rows, size = 20_000, 16_000_000

    def __init__(self, known: Known, now: datetime) -> None:
        self._schema, self._log, self._now = known.app.schema, known.log, now
        self._seen: dict[str, bytes] = {}

    def send(self, rows: Sequence[Mapping[str, Any]]) -> list[Receipt]:
        """Say what would become of each row."""
        return [self._receipt(row) for row in rows]

    def _receipt(self, row: Mapping[str, Any]) -> Receipt:
        if "reject" in row:
            reject = row["reject"]
            return Receipt(verdict=Verdict.QUARANTINED, reason=reject["reason"], field=reject["field"])
        try:
            event = self._schema.read(row, id=row["id"], latest=self._now + LATEST_AHEAD, now=self._now)
        except Invalid as error:
            return Receipt(verdict=Verdict.QUARANTINED, reason=error.message, field=error.field)
        digest = event.digest()
        earlier = self._seen.get(event.id)
        if earlier is None:
            self._seen[event.id] = digest
            found = self._log.get(event.id)
            if found is None:
                return Receipt(verdict=Verdict.ACCEPTED, id=event.id)
            earlier = found.digest()
        return Receipt(verdict=Verdict.DUPLICATE if earlier == digest else Verdict.CONFLICT, id=event.id)
