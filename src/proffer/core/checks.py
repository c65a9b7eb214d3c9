"""Checks of single values that come from outside; each error names the field and the remedy."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from proffer.core.errors import Invalid

ID_CHARACTERS = 256
TEXT_BYTES = 100_000
DEPTH = 8
EXACT = 2**53
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(hours=24)


def check_id(value: Any, field: str) -> str:
    """Return an id: 1 to 256 characters, none of them a control character or half of a surrogate pair.

    >>> check_id("p1", "target")
    'p1'
    """
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARACTERS:
        raise Invalid(f"an id is a text of 1 to {ID_CHARACTERS} characters", field=field, remedy="Send a shorter text.")
    if value.isprintable():
        return value
    if any(character < " " or character == "\x7f" for character in value):
        raise Invalid("an id has no control characters", field=field, remedy="Remove them.")
    return check_text(value, field)


def check_text(value: Any, field: str) -> str:
    """Return a text without NUL and lone surrogates, at most 100 kB in UTF-8."""
    if not isinstance(value, str):
        raise Invalid(f"expected a text, got {_kind(value)}", field=field, remedy="Quote the value.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid("the text holds a lone surrogate", field=field, remedy="Send well-formed Unicode.") from None
    if size > TEXT_BYTES:
        raise Invalid(f"the text has {size} bytes, at most {TEXT_BYTES} are taken", field=field, remedy="Shorten it.")
    if "\x00" in value:
        raise Invalid("the text holds a NUL character", field=field, remedy="Remove it.")
    return value


def check_number(value: Any, field: str) -> float:
    """Return a finite number that a float64 holds exactly or nearly; true is not 1, "12" is not 12."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(f"expected a number, got {_kind(value)}", field=field, remedy="Send a JSON number.")
    if not math.isfinite(value) if isinstance(value, float) else abs(value) > EXACT:
        raise Invalid("the number is not finite or beyond 2^53", field=field, remedy="Send a finite number.")
    return float(value)


def check_flag(value: Any, field: str) -> bool:
    """Return true or false; 0 and 1 are numbers, not flags."""
    if not isinstance(value, bool):
        raise Invalid(f"expected true or false, got {_kind(value)}", field=field, remedy="Send true or false.")
    return value


def check_time(value: Any, field: str, *, latest: datetime | None = None) -> datetime:
    """Return an RFC 3339 time in UTC; it names its zone and lies between 1970 and `latest`.

    >>> check_time("2026-01-01T01:00:00+01:00", "at").isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    try:
        at = value if isinstance(value, datetime) else msgspec.convert(value, datetime)
        if at.tzinfo is None:
            raise Invalid("the time has no zone", field=field, remedy="End it with Z or an offset like +01:00.")
        at = at.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        remedy = "Send RFC 3339, for example 2026-01-31T12:00:00Z."
        raise Invalid("expected a time", field=field, remedy=remedy) from None
    if at < EARLIEST or (latest is not None and at > latest):
        raise Invalid("the time lies before 1970 or more than 24 hours ahead", field=field, remedy="Mend the clock.")
    return at


def check_json(value: Any, field: str, depth: int = DEPTH) -> Any:
    """Return a JSON value whose texts and numbers are sound and which is nested at most 8 deep."""
    if depth == 0:
        raise Invalid(f"nested deeper than {DEPTH}", field=field, remedy="Flatten it.")
    if isinstance(value, dict):
        if len(value) > 100:
            raise Invalid("an object has at most 100 members", field=field, remedy="Send fewer.")
        return {
            check_text(key, field): check_json(member, f"{field}.{key}", depth - 1) for key, member in value.items()
        }
    if isinstance(value, list | tuple):
        if len(value) > 1000:
            raise Invalid("a list has at most 1000 members", field=field, remedy="Send fewer.")
        return [check_json(member, f"{field}[{place}]", depth - 1) for place, member in enumerate(value)]
    if isinstance(value, str):
        return check_text(value, field)
    if value is None or isinstance(value, bool):
        return value
    check_number(value, field)
    return value


def _kind(value: Any) -> str:
    names = {bool: "true or false", str: "a text", dict: "an object", list: "a list", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
