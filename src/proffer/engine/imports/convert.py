"""Texts and numbers of a table become the values an event takes."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from proffer.core.errors import Invalid
from proffer.engine.imports.mapping import Mapping

UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}
TRUE, FALSE = frozenset({"true", "t", "yes", "y", "1"}), frozenset({"false", "f", "no", "n", "0"})

Convert = Callable[[Any], Any]


class Missing:
    """Tells which values mean none: null, blank texts, and the texts the mapping lists."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = frozenset(text.strip() for text in texts)

    def __call__(self, value: Any) -> bool:
        """Return whether the value means none."""
        if value is None or value == "":
            return True
        if isinstance(value, str):
            text = value.strip()
            return not text or text in self._texts
        return False


def time_reader(mapping: Mapping) -> Callable[[Any], float]:
    """Return what turns a value of the time column into epoch seconds; it raises Invalid. Raises Invalid itself."""
    zone = _zone(mapping.time_zone)
    unit, form = UNITS.get(mapping.time_unit or ""), mapping.time_format

    def read(value: Any) -> float:
        try:
            if isinstance(value, datetime):
                at = value
            elif unit is not None:
                return float(value) / unit
            elif form:
                at = datetime.strptime(str(value).strip(), form)  # noqa: DTZ007 - the zone follows below
            else:
                at = datetime.fromisoformat(str(value).strip())
            return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
        except (ValueError, TypeError, OverflowError):
            raise Invalid(f"no time: {str(value)[:40]!r}", field="at", remedy=_expected(mapping)) from None

    return read


def moment(seconds: float) -> datetime:
    """Return epoch seconds as a time in UTC. Raises Invalid beyond the years 1 to 9999.

    >>> moment(0.5).isoformat()
    '1970-01-01T00:00:00.500000+00:00'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Invalid("a time beyond the years 1 to 9999", field="at", remedy="Check --time-unit.") from None


def converter(type: str, mapping: Mapping, cut: str = "") -> Convert:
    """Return what turns a value of a column into a field or attribute of this type; it raises Invalid."""
    if type == "number":
        return lambda value: to_number(value, mapping.decimal)
    if type == "flag":
        return _flag
    if type == "time":
        return _stamp(mapping)
    if type == "list":
        return lambda value: _list(value, cut)
    if type == "map":
        return _json
    return text_of


def to_number(value: Any, decimal: str = ".") -> float:
    """Return a finite number. Raises Invalid.

    >>> to_number("1,5", ",")
    1.5
    """
    try:
        if isinstance(value, str):
            value = value.replace(",", ".") if decimal == "," else value
            if "_" in value:
                raise ValueError
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        raise Invalid(f"no number: {str(value)[:40]!r}", remedy="Mend it, or see --decimal and --missing.") from None
    if not math.isfinite(number):
        raise Invalid(f"no finite number: {str(value)[:40]!r}", remedy="Leave it empty, or list it in --missing.")
    return number


def text_of(value: Any) -> str:
    """Return a value as text; a whole number loses its `.0`.

    >>> text_of(12.0), text_of("a")
    ('12', 'a')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool | list | dict):
        return msgspec.json.encode(value).decode()
    return str(value)


def _flag(value: Any) -> bool:
    text = text_of(value).strip().lower()
    if text not in TRUE and text not in FALSE:
        raise Invalid(f"neither yes nor no: {text[:40]!r}", remedy="Use true or false.")
    return text in TRUE


def _list(value: Any, cut: str) -> list[str]:
    if isinstance(value, list | tuple):
        return [text_of(member) for member in value]
    text = text_of(value)
    parts = text.split(cut) if cut else [text]
    return [part.strip() for part in parts if part.strip()]


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise Invalid("no JSON object", remedy="Write the members as a JSON object.") from None


def unit_of(number: float) -> Literal["s", "ms", "us"]:
    """Return the unit in which a number of this size means a time of our days.

    >>> unit_of(1.4e9), unit_of(1.4e12), unit_of(1.4e15)
    ('s', 'ms', 'us')
    """
    return "s" if abs(number) < 1e11 else "ms" if abs(number) < 1e14 else "us"


def _stamp(mapping: Mapping) -> Convert:
    read = time_reader(Mapping(time_zone=mapping.time_zone, time_format=mapping.time_format))

    def stamp(value: Any) -> str:
        try:
            number = float(value)
        except (ValueError, TypeError, OverflowError):
            return moment(read(value)).isoformat()
        return moment(number / UNITS[unit_of(number)]).isoformat()

    return stamp


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = "Use a name like Europe/Stockholm."
        raise Invalid(f"unknown time zone {name!r}", field="--time-zone", remedy=remedy) from None


def _expected(mapping: Mapping) -> str:
    if mapping.time_unit:
        return f"A number of {mapping.time_unit} since 1970 was expected."
    return f"{mapping.time_format or 'ISO 8601'} was expected."
