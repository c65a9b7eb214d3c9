"""Every store of a workspace on one machine: one SQLite file, and folders for snapshots and models."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from proffer.core.clock import Clock, SystemClock
from proffer.core.errors import CannotStart
from proffer.core.ports import Stores
from proffer.stores.artifacts import Artifacts
from proffer.stores.durable import flush_folder
from proffer.stores.read_only import read_only
from proffer.stores.snapshots import FileSnapshots
from proffer.stores.sqlite.decisions import SqliteDecisionQueue, SqliteDecisions
from proffer.stores.sqlite.jobs import SqliteJobs
from proffer.stores.sqlite.lock import Lock, Writing, announce, busy, writing
from proffer.stores.sqlite.log import SqliteLog
from proffer.stores.sqlite.readers import Readers
from proffer.stores.sqlite.registry import SqliteRegistry
from proffer.stores.sqlite.tables import migrate as migrate_tables
from proffer.stores.sqlite.tables import open_reader, open_writer
from proffer.stores.sqlite.tokens import SqliteTokens
from proffer.stores.sqlite.writer import Writer

__all__ = ["Writing", "announce", "migrate", "sqlite_stores", "writing"]


def sqlite_stores(root: Path, *, writable: bool = True, clock: Clock | None = None) -> Stores:
    """Open the stores of the workspace in a folder; `stores.log.close()` closes all of them.

    For writing it makes what is missing and takes the folder's lock; for reading it changes nothing there, but for
    the folders of models that `registry.save` writes. Raises WorkspaceBusy when another process writes, NotFound
    when there is nothing to read, CannotStart for a newer database, Corrupt for a damaged one.
    """
    clock = clock or SystemClock()
    readers = Readers(root)
    queue = SqliteDecisionQueue()
    artifacts = Artifacts(root / "models")
    lock, thread = _start(root, queue) if writable else (None, None)
    if lock is None:
        open_reader(root).close()
    else:
        artifacts.sweep(clock.now())

    def writer() -> Writer:
        if thread is None:
            raise _read_only(root)
        return thread

    decisions = SqliteDecisions(readers, writer, queue)

    def close() -> None:
        with ExitStack() as last:
            if lock is not None and thread is not None:
                last.callback(lock.release)
                last.callback(thread.close)
            last.callback(readers.close)
            decisions.flush()

    return Stores(
        log=SqliteLog(readers, writer, clock, close),
        decisions=decisions,
        snapshots=FileSnapshots(root / "snapshots", writable=writable),
        registry=SqliteRegistry(readers, writer, artifacts, writable=writable),
        tokens=SqliteTokens(readers, writer),
        jobs=SqliteJobs(readers, writer, clock),
        root=root,
        writable=writable,
    )


def migrate(root: Path) -> Iterator[int]:
    """Lead a workspace's tables on to this code's version; yield the number of each step once it is on disk.

    Raises WorkspaceBusy when another process writes it.
    """
    lock = Lock(root)
    try:
        yield from migrate_tables(root)
    finally:
        lock.release()


def _start(root: Path, queue: SqliteDecisionQueue) -> tuple[Lock, Writer]:
    try:
        if not root.is_dir():
            root.mkdir(parents=True)
            flush_folder(root.parent)
        lock = Lock(root)
    except OSError as error:
        message = f"the folder {root} cannot be written: {error.strerror}"
        raise CannotStart(message, field="workspace", remedy="Choose another, or see its rights.") from error
    try:
        return lock, Writer(root, open_writer, queue)
    except BaseException:
        lock.release()
        raise


def _read_only(root: Path) -> Exception:
    by = writing(root)
    if by is not None:
        return busy(root, by)
    return read_only()
