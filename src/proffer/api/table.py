"""The table of operations: the single source of routes, checks and documentation."""

from proffer.api import (
    admin,
    advisor,
    entities,
    events,
    histories,
    interactions,
    models,
    monitor,
    privacy,
    replays,
    segment,
    slates,
    training,
    web,
)
from proffer.api.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *events.OPERATIONS,
    *entities.OPERATIONS,
    *privacy.OPERATIONS,
    *slates.OPERATIONS,
    *replays.OPERATIONS,
    # The fixed path before the one that takes any assessment's id.
    *interactions.OPERATIONS,
    *histories.OPERATIONS,
    *advisor.OPERATIONS,
    *admin.OPERATIONS,
    *models.OPERATIONS,
    *training.OPERATIONS,
    *segment.OPERATIONS,
    *monitor.OPERATIONS,
    *web.OPERATIONS,
)
