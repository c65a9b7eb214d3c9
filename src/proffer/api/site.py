"""What every request shares: engines, tokens, limits, counts, the description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from proffer.api.auth import Keyring
from proffer.api.limits import Lane, Limits, Rate
from proffer.api.metrics import Metrics
from proffer.api.operations import READ, REPLAY, WATCH, WRITE, Operation, check_table
from proffer.core.clock import SystemClock
from proffer.engine.engine import Engine
from proffer.engine.schedule import Schedule
from proffer.engine.watch import Watch

PAST_WAITING = 16
"""So many requests about the past may wait for the one before: each takes seconds."""


@dataclass(kw_only=True)
class Site:
    """One server: the engines it serves and what guards them. `stopping` turns readiness off before the end;
    `page` shows the demo's page.

    `schedule` knows the planned trainings, `watch` looks for skew; the process that runs jobs starts them.
    """

    engines: Mapping[str, Engine]
    operations: Sequence[Operation]
    keyring: Keyring
    limits: Limits
    document: bytes
    metrics: Metrics = field(default_factory=Metrics)
    version: str = field(default_factory=lambda: version("proffer"))
    stopping: bool = False
    page: bool = False

    def __post_init__(self) -> None:
        check_table(tuple(self.operations))
        clock = next((engine.clock for engine in self.engines.values()), None)
        self.schedule = Schedule(self.engines, clock=clock or SystemClock())
        self.watch = Watch(self.engines, clock=clock or SystemClock())
        self.rate = Rate(self.limits.requests_per_minute)
        self.lanes = {
            READ: Lane(self.limits.readers, self.limits.waiting),
            WRITE: Lane(self.limits.writers, self.limits.waiting),
            WATCH: Lane(2, self.limits.waiting),
            REPLAY: Lane(1, PAST_WAITING),
        }
