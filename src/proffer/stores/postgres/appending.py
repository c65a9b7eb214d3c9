"""The thread that appends: what waits at the same time shares a transaction, and the log's lock is taken once."""

import secrets
import threading

from proffer.core.errors import Busy, ProfferError, StorageFull
from proffer.core.events import Receipt
from proffer.stores.grouping import Grouped, Nothing
from proffer.stores.postgres.append import Asked, Group
from proffer.stores.postgres.bell import Bell
from proffer.stores.postgres.database import Database


class _Job:
    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.rows = len(asked.rows)
        self.alone = False
        self.receipts: list[Receipt] = []
        self.error: BaseException | None = None
        self.done = threading.Event()


class Appender(Grouped[_Job]):
    """Appends for many threads in groups; a call is on disk when it returns. `commits` counts the transactions.

    Other processes hear of it by `bell`, after the commit: a notification inside the transaction would make the commits
    of all workspaces of a server wait for one another.
    """

    def __init__(self, database: Database, bell: Bell) -> None:
        self.commits = 0
        self._database = database
        self._bell = bell
        self._writer = secrets.token_hex(8)
        self._number = 0
        super().__init__(Nothing())
        self._start(f"appender of {database.schema}")

    def append(self, asked: Asked) -> list[Receipt]:
        """Store the rows of a call, whole or not at all, and return their receipts.

        Raises Busy when the database is away; where that was in the middle of a commit, the same rows sent again are
        known as duplicates if they were stored. Raises StorageFull when its disk is full, with nothing written.
        """
        return self._put(_Job(asked)).receipts

    def close(self) -> None:
        """Finish what waits and end the thread."""
        self._finish()

    def _transact(self, jobs: list[_Job]) -> None:
        self._number += 1
        group = Group([job.asked for job in jobs], self._writer, self._number)
        try:
            outcomes = self._database.session(group.store)
            self.commits += 1
        except Exception as error:
            if len(jobs) > 1 and not isinstance(error, Busy | StorageFull):
                # Something in one of them: the others shall not bear it.
                for job in jobs:
                    self._transact([job])
                return
            for job in jobs:
                job.error = error
            return
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, ProfferError):
                job.error = outcome
            else:
                job.receipts = outcome

    def _told(self) -> None:
        self._bell.ring()
