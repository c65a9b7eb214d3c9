"""What every log says of a row, so that all say the same."""

from collections.abc import Sequence

from proffer.core.errors import Conflict, Invalid, NotFound
from proffer.core.events import Event, Receipt, Reject, Verdict

CONFLICTING = "an event with this id and another content is already in the log"


def accepted(id: str, sequence: int) -> Receipt:
    """Return the receipt of a new event."""
    return Receipt(verdict=Verdict.ACCEPTED, id=id, sequence=sequence)


def again(id: str, sequence: int, *, same: bool) -> Receipt:
    """Return the receipt of an event whose id the log has at `sequence` already, with the same body or another."""
    if same:
        return Receipt(verdict=Verdict.DUPLICATE, id=id, sequence=sequence)
    return Receipt(verdict=Verdict.CONFLICT, id=id, field="id", reason=CONFLICTING)


def refused(row: Reject, number: int) -> Receipt:
    """Return the receipt of a row that is kept in quarantine under this number."""
    return Receipt(verdict=Verdict.QUARANTINED, id=row.event_id, quarantine=number, field=row.field, reason=row.reason)


def check_repairing(rows: Sequence[Event | Reject], repairs: int | None) -> None:
    """Check that an append that repairs has a row to repair with, and a number there can be.

    Raises Invalid and NotFound.
    """
    if repairs is not None and not rows:
        raise Invalid("a repair needs the mended row", field="rows", remedy="Send the event in place of the bad row.")
    if repairs is not None and not 0 < repairs < 1 << 63:
        raise _unknown(repairs)


def check_repairable(number: int, found: tuple[str | None] | None, by: Event | Reject) -> None:
    """Check that a quarantined row, found with the id that repaired it, may be repaired by this event.

    Raises NotFound when there is none, Conflict when another event has repaired it.
    """
    if found is None:
        raise _unknown(number)
    if found[0] is not None and (isinstance(by, Reject) or by.id != found[0]):
        raise Conflict(f"row {number} was repaired by event {found[0]}", field="repairs", remedy="Leave it.")


def closes(first: Receipt, found: tuple[str | None] | None) -> bool:
    """Tell whether the first row's receipt closes the quarantined row found with the id that repaired it."""
    return found == (None,) and first.verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE)


def _unknown(number: int) -> NotFound:
    remedy = "See the list of quarantined rows."
    return NotFound(f"no row {number} in quarantine", field="repairs", remedy=remedy)
