"""Contract suites: what a store, a retriever or a ranker must pass, ours and a stranger's.

A new implementation is tested by a class of a few lines, which pytest then runs:

    class TestMyLog(LogContract):
        def open(self, folder):
            return contextlib.closing(MyLog(folder))

    class TestMyRetriever(RetrieverContract):
        make = MyRetriever
"""

from proffer.testing.decision_contract import DecisionLogContract
from proffer.testing.job_contract import JobStoreContract
from proffer.testing.log_contract import LogContract
from proffer.testing.ranker_contract import RankerContract, sample_lists
from proffer.testing.registry_contract import ModelRegistryContract
from proffer.testing.retriever_contract import RetrieverContract
from proffer.testing.samples import NAUGHTY, sample_decision, sample_event
from proffer.testing.snapshot_contract import StateStoreContract
from proffer.testing.token_contract import TokenStoreContract
from proffer.testing.world import World, ask, paths, tastes

__all__ = [
    "NAUGHTY",
    "DecisionLogContract",
    "JobStoreContract",
    "LogContract",
    "ModelRegistryContract",
    "RankerContract",
    "RetrieverContract",
    "StateStoreContract",
    "TokenStoreContract",
    "World",
    "ask",
    "paths",
    "sample_decision",
    "sample_event",
    "sample_lists",
    "tastes",
]
