"""Compare and set: what every registry holds a change of what serves against."""

from proffer.core.errors import Conflict


def check_revision(revision: int, expected: int) -> None:
    """Raise Conflict unless the champion is at the revision that a change counts on."""
    if revision != expected:
        message = f"the champion is at revision {revision}, not {expected}"
        raise Conflict(message, field="expected_revision", remedy="Look at the new champion, then decide.")
