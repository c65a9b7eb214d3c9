"""Texts of the command line become values."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from proffer.core.checks import check_time
from proffer.core.errors import Invalid, Malformed, NotFound
from proffer.engine.engine import Engine


def pairs(texts: Iterable[str], flag: str) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping. Raises Invalid.

    >>> pairs(["a=b=c"], "--field")
    {'a': 'b=c'}
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise Invalid(f"{text!r} is not NAME=VALUE", field=flag, remedy=f"For example {flag} name=value.")
        found[name.strip()] = value.strip()
    return found


def translations(text: str, flag: str) -> dict[str, str]:
    """Return "A=b,C=d" as a mapping. Raises Invalid.

    >>> translations("VIEW=view,LIKE=like", "--types")
    {'VIEW': 'view', 'LIKE': 'like'}
    """
    return pairs((part for part in text.split(",") if part.strip()), flag)


OBJECTIVES = "Weigh what the slate is to be good for."


def weights(texts: Iterable[str], flag: str) -> dict[str, float] | None:
    """Return NAME=WEIGHT texts as a mapping, None where there are none. Raises Invalid.

    >>> weights(["cost=0.5", "risk=0.2"], "--objective")
    {'cost': 0.5, 'risk': 0.2}
    """
    found = {}
    for name, value in pairs(texts, flag).items():
        try:
            found[name] = float(value)
        except ValueError:
            remedy = f"For example {flag} {name}=0.5."
            raise Invalid(f"{value[:40]!r} is not a number", field=flag, remedy=remedy) from None
    return found or None


def moment(text: str, flag: str) -> datetime:
    """Return a date (its first moment in UTC) or an RFC 3339 time. Raises Invalid.

    >>> moment("2016-09-01", "--from").isoformat()
    '2016-09-01T00:00:00+00:00'
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return check_time(text, flag)
    except Invalid as error:
        remedy = "Give a date like 2016-09-01, or a time like 2016-09-01T12:00:00Z."
        raise Invalid(error.message, field=flag, remedy=remedy) from None


DECIDED_AT = "The time to decide at [default: now; the last event's, where that is more than a day ago]."


def decided_at(text: str | None, engine: Engine) -> datetime:
    """Return the time asked for, else now; but where nothing has happened for a day, the time of the last event.

    A log imported from the past is answered as of its end: nothing in it would be fresh or recent today.
    """
    if text:
        return moment(text, "--at")
    now, last = engine.clock.now(), datetime.fromtimestamp(engine.state.latest, UTC)
    return last if engine.state.latest and now - last > timedelta(days=1) else now


def json_object(text: str, flag: str) -> dict[str, Any]:
    """Return the JSON object in a text. Raises Malformed."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise Malformed(f"not JSON: {str(error)[:120]}", field=flag, remedy="Give one JSON object.") from None
    if not isinstance(found, dict):
        raise Malformed("not a JSON object", field=flag, remedy='Give {"name": value, ...}.')
    return found


def file_text(path: Path, flag: str) -> str:
    """Return a text file's content. Raises NotFound, Malformed."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed(f"{path} is not UTF-8 text", field=flag, remedy="Save it as UTF-8.") from None
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror}", field=flag, remedy="Check the path.") from None
