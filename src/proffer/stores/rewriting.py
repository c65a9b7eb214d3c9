"""What every log does when events are put in the places of others and quarantined rows are blanked."""

from collections.abc import Collection, Sequence

from proffer.core.errors import Conflict, Invalid
from proffer.core.events import Event, Reject

ERASED_REASON = "erased"
"""Why a blanked row is in quarantine."""


def check_places(events: Sequence[Event], known: Collection[int]) -> None:
    """Raise Invalid unless each event has a place of its own among these sequences."""
    places = [event.sequence for event in events]
    if len(set(places)) < len(places) or not set(places) <= set(known):
        raise Invalid("no such place in the log, or one named twice", field="sequence", remedy="Scan the log again.")


def check_rows(numbers: Sequence[int], known: Collection[int]) -> None:
    """Raise Invalid unless each number is that of a quarantined row."""
    if not set(numbers) <= set(known):
        raise Invalid("no such row in quarantine", field="blank", remedy="Look at the quarantine again.")


def blanked() -> Reject:
    """Return what stays of a quarantined row: that there was one, and that it was erased."""
    return Reject(raw="", reason=ERASED_REASON, source="")


def taken() -> Conflict:
    """Return the error of a rewrite that would give two events one id."""
    return Conflict("an event has that id already", field="id", remedy="Scan the log again.")
