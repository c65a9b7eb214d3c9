"""The check of an event that is about to be stored, the same in every log."""

import msgspec

from proffer.core.errors import Invalid
from proffer.core.events import Event


def seal(event: Event) -> tuple[str | None, bytes]:
    """Return an event's fields as JSON, None when it has none, and the digest of its body.

    Raises Invalid for what no log can hold: values that are not JSON, half a surrogate pair, a time without zone.
    """
    try:
        event.id.encode()
        fields = msgspec.json.encode(dict(event.fields)).decode() if event.fields else None
        digest = event.digest()
    except (TypeError, ValueError, OverflowError) as error:
        remedy = "Check it against the application's schema first."
        raise Invalid(f"the event cannot be stored: {error}", field="event", remedy=remedy) from error
    if event.at.tzinfo is None:
        raise Invalid("the time has no zone", field="at", remedy="Give it one.")
    return fields, digest
