"""What is assumed seen: impressions of the first places of a slate, where the settings declare them."""

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef
from proffer.core.errors import Busy

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

OWED = 10_000
"""Of so many decisions the impressions are kept while the log cannot be reached; then the oldest are let go."""


class Seen:
    """Records the impressions that the settings let count as made once a slate is answered.

    Where a log that several processes share cannot be reached, they are kept and follow later: their ids are made of
    the decision's, so that none counts twice.
    """

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._owed: deque[list[dict[str, Any]]] = deque(maxlen=OWED)

    @property
    def owed(self) -> int:
        """Return of how many decisions the impressions wait for the log."""
        return len(self._owed)

    def assume(self, decision: Decision) -> None:
        """Record the impressions of a decision. Raises Busy where nobody follows the log and it cannot be reached."""
        rows = self._rows(decision)
        if not rows:
            return
        tail = self._engine.tail
        if not self._owed and not tail.away:
            try:
                self._engine.record(rows, source="assumed")
                return
            except Busy:
                if not tail.running:
                    raise
        # The slate is answered all the same.
        self._owed.append(rows)

    def pay(self) -> None:
        """Record the impressions that the log could not take when they happened. Raises Busy where it still cannot."""
        while self._owed:
            rows = self._owed[0]
            self._engine.record(rows, source="assumed")
            self._let_go(rows)

    def forget(self) -> None:
        """Let go of the impressions of whoever was erased meanwhile."""
        kind, known = self._engine.app.subject, self._engine.known_erased
        for rows in list(self._owed):
            if known.erased(EntityRef(kind, rows[0]["actor"])):
                self._let_go(rows)

    def _let_go(self, rows: list[dict[str, Any]]) -> None:
        # Who pays and who forgets are two threads.
        with suppress(ValueError):
            self._owed.remove(rows)

    def _rows(self, decision: Decision) -> list[dict[str, Any]]:
        app, places = self._engine.app, self._engine.settings.assume_seen.get(decision.query.pipeline, 0)
        return [
            {
                "id": f"{decision.id}.{placed.rank}", "type": app.impression, "actor": decision.query.subject.id,
                "target": {"kind": app.item, "id": placed.id}, "query_id": decision.query.id, "at": decision.query.at,
            }
            for placed in decision.slate[:places]
        ]  # fmt: skip
