from contextlib import contextmanager, nullcontext

from proffer.stores.memory import MemoryDecisions, MemoryJobs, MemoryLog, MemorySnapshots, MemoryTokens
from proffer.stores.memory_registry import MemoryRegistry
from proffer.stores.snapshots import FileSnapshots
from proffer.stores.sqlite import sqlite_stores
from proffer.testing import (
    DecisionLogContract,
    JobStoreContract,
    LogContract,
    ModelRegistryContract,
    StateStoreContract,
    TokenStoreContract,
)


@contextmanager
def opened(folder, part):
    stores = sqlite_stores(folder)
    try:
        yield getattr(stores, part)
    finally:
        stores.log.close()


class TestSqliteLog(LogContract):
    def open(self, folder):
        return opened(folder, "log")


class TestSqliteDecisions(DecisionLogContract):
    def open(self, folder):
        return opened(folder, "decisions")


class TestSqliteRegistry(ModelRegistryContract):
    def open(self, folder):
        return opened(folder, "registry")


class TestSqliteTokens(TokenStoreContract):
    def open(self, folder):
        return opened(folder, "tokens")


class TestSqliteJobs(JobStoreContract):
    def open(self, folder):
        return opened(folder, "jobs")


class TestFileSnapshots(StateStoreContract):
    def open(self, folder):
        return nullcontext(FileSnapshots(folder))


class TestMemoryLog(LogContract):
    durable = False

    def open(self, folder):
        return nullcontext(MemoryLog())


class TestMemoryDecisions(DecisionLogContract):
    durable = False

    def open(self, folder):
        return nullcontext(MemoryDecisions())


class TestMemoryRegistry(ModelRegistryContract):
    def open(self, folder):
        return nullcontext(MemoryRegistry())


class TestMemoryTokens(TokenStoreContract):
    def open(self, folder):
        return nullcontext(MemoryTokens())


class TestMemoryJobs(JobStoreContract):
    durable = False

    def open(self, folder):
        return nullcontext(MemoryJobs())


class TestMemorySnapshots(StateStoreContract):
    def open(self, folder):
        return nullcontext(MemorySnapshots())
