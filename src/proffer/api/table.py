"""The table of operations: the single source of routes, checks and documentation."""

from proffer.api import admin, entities, events, models, monitor, slates, training
from proffer.api.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *events.OPERATIONS,
    *entities.OPERATIONS,
    *slates.OPERATIONS,
    *admin.OPERATIONS,
    *models.OPERATIONS,
    *training.OPERATIONS,
    *monitor.OPERATIONS,
)
