"""Contract suites: what an implementation of a port must pass, ours and a stranger's.

A new implementation is tested by a class of a few lines, which pytest then runs:

    class TestMyLog(LogContract):
        def open(self, folder):
            return contextlib.closing(MyLog(folder))
"""

from proffer.testing.decision_contract import DecisionLogContract
from proffer.testing.log_contract import LogContract
from proffer.testing.registry_contract import ModelRegistryContract
from proffer.testing.samples import NAUGHTY, sample_decision, sample_event
from proffer.testing.snapshot_contract import StateStoreContract
from proffer.testing.token_contract import TokenStoreContract

__all__ = [
    "NAUGHTY",
    "DecisionLogContract",
    "LogContract",
    "ModelRegistryContract",
    "StateStoreContract",
    "TokenStoreContract",
    "sample_decision",
    "sample_event",
]
