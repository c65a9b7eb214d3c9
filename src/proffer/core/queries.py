"""Queries: what a decision is asked for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from proffer.core.entities import EntityRef


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A subject in a context asks a pipeline for `n` candidates at a time.

    `candidates` limits the answer to these ids (rank); None means: retrieve them. `group` is the id of an entity whose
    members, whatever they are by then, are the candidates (an assessment's recommendations). `after` is the decision
    whose slate this one continues (paging without repeats). `diversity` is the lambda of MMR in 0..1, 1 = relevance
    only; None means the pipeline's own. `objectives` weighs what a slate is to be good for, by the names the pipeline
    declares; None means the settings' or its own. `language` is that of the reasons.
    """

    id: str
    pipeline: str
    subject: EntityRef
    at: datetime
    n: int
    context: Mapping[str, Any] = {}
    candidates: tuple[str, ...] | None = None
    after: str | None = None
    diversity: float | None = None
    language: str = "en"
    group: str | None = None
    objectives: Mapping[str, float] | None = None

    @property
    def given(self) -> bool:
        """Return whether it says itself what the candidates are, so that none are retrieved."""
        return self.candidates is not None or self.group is not None
