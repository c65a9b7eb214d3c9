"""The table of operations: the single source of routes, checks and documentation."""

from proffer.api import admin, entities, events, models, monitor, privacy, replays, slates, training
from proffer.api.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *events.OPERATIONS,
    *entities.OPERATIONS,
    *privacy.OPERATIONS,
    *slates.OPERATIONS,
    *replays.OPERATIONS,
    *admin.OPERATIONS,
    *models.OPERATIONS,
    *training.OPERATIONS,
    *monitor.OPERATIONS,
)
