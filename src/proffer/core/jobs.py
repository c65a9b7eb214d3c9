"""Trainings as jobs: what was asked, how far it is, what came of it."""

from datetime import datetime
from typing import Any, Literal

import msgspec

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Cause = Literal["request", "schedule", "first", "drift"]
"""Who or what asks for a training: somebody, the plan, the first interactions, or answers worse than promised."""
ACTIVE: tuple[JobState, ...] = ("queued", "running")


class Progress(msgspec.Struct, frozen=True):
    """What is being done, how many of it are done, and how many there are (0: unknown)."""

    what: str
    done: int
    total: int


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A training that was asked for: its limits, its state, its last words and what came of it.

    `search` says whether everything is compared anew or the champion's recipe fitted again. `seconds` of wall clock and
    `memory_mb` of resident memory are what the child process may use, `budget` the seconds that what it tries may cost
    by its own declaration (None: half of `seconds`, at most 600), `seed` that of what is drawn by chance. `position` is
    the last event of the log that a finished training has seen. `released` says whether `version` was put in charge,
    `why` explains it; `error` and `remedy` tell why a job failed. `log` are the last lines the child wrote; `key` is
    the Idempotency-Key it came with. `options` are those of the training (`min_interactions`, `lookback_days`,
    `validation_split`, `num_boost_round`); with `evaluate_only` nothing is saved, and `report` tells what was found.
    `holder` names the process that runs it under a lease, `fence` counts the leases.
    """

    id: str
    pipeline: str
    search: bool
    by: Cause
    seconds: float
    memory_mb: int
    budget: float | None = None
    seed: int = 0
    state: JobState
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: Progress | None = None
    position: int | None = None
    version: str | None = None
    released: bool | None = None
    why: str | None = None
    error: str | None = None
    remedy: str | None = None
    log: tuple[str, ...] = ()
    key: str | None = None
    holder: str | None = None
    fence: int = 0
    options: dict[str, float] = {}
    evaluate_only: bool = False
    report: dict[str, Any] | None = None

    @property
    def active(self) -> bool:
        """Return whether it waits or runs."""
        return self.state in ACTIVE
