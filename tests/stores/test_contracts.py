from contextlib import contextmanager, nullcontext

from proffer.stores.memory import MemoryDecisions, MemoryLog, MemoryRegistry, MemorySnapshots, MemoryTokens
from proffer.stores.snapshots import FileSnapshots
from proffer.stores.sqlite import sqlite_stores
from proffer.testing import (
    DecisionLogContract,
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


class TestMemorySnapshots(StateStoreContract):
    def open(self, folder):
        return nullcontext(MemorySnapshots())
