"""Messages of Segment's clients become rows of the log."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from proffer.app import App
from proffer.core.checks import check_time
from proffer.core.errors import Invalid
from proffer.core.events import ENTITY_MERGE, ENTITY_SET
from proffer.core.schema import EventType

APART = timedelta(minutes=1)
"""A client's clock that is off by more is set right."""
THEIRS = frozenset((
    "active", "app", "campaign", "channel", "device", "groupId", "instanceId", "ip", "library", "locale", "location",
    "network", "os", "page", "protocols", "referrer", "screen", "timezone", "traits", "userAgent", "userAgentData",
))  # fmt: skip
"""Members of a message's context that clients add by themselves: about the device, and computed with by nobody."""
ITEM_NAMES = ("target", "item_id", "itemId", "id")

Row = dict[str, Any]


def row_of(app: App, message: Any) -> Row:
    """Return the row of the log that a message means, but for its time. Raises Invalid naming the member at fault.

    `track` is an event of that name, `identify` sets attributes of the subject, `alias` merges a visitor into a user;
    `page`, `screen` and `group` are events of an application that declares one of that name.
    """
    if not isinstance(message, Mapping):
        raise Invalid("a message is an object", field="batch", remedy="Send {type, userId, ...}.")
    kind = message.get("type")
    makers: dict[Any, Callable[[App, Mapping[str, Any]], Row]] = {
        "track": _track, "identify": _identify, "alias": _alias, "page": _named, "screen": _named, "group": _named,
    }  # fmt: skip
    if not isinstance(kind, str) or kind not in makers:
        raise Invalid("unknown type of message", field="type", remedy=f"Use one of {', '.join(makers)}.")
    row = makers[kind](app, message)
    return row if message.get("messageId") is None else {**row, "id": _id(message, "messageId")}


def moment_of(message: Mapping[str, Any], sent_at: Any, now: datetime) -> tuple[datetime | None, bool]:
    """Return when a message happened (None: it does not say), and whether it will say the same when sent again.

    A clock that `sentAt` shows to be more than a minute off moves by the difference, as Segment's own servers do it.
    Raises Invalid for what is no time.
    """
    told = message.get("originalTimestamp") or message.get("timestamp")
    if told is None:
        return None, False
    at = check_time(told, "timestamp")
    sent = message.get("sentAt") or sent_at
    behind = timedelta() if sent is None else now - check_time(sent, "sentAt")
    if abs(behind) <= APART:
        # The way of the next try may take longer; no way takes half a minute more.
        return at, abs(behind) <= APART / 2
    try:
        return at + behind, False
    except OverflowError:
        raise Invalid("the time lies beyond the calendar", field="timestamp", remedy="Mend the clock.") from None


def _track(app: App, message: Mapping[str, Any]) -> Row:
    return _event(app, message, event_named(app, message.get("event")))


def _named(app: App, message: Mapping[str, Any]) -> Row:
    kind = message["type"]
    if kind not in app.schema.events:
        remedy = f"Track what people do with a {app.item}."
        raise Invalid(f"{app.name} has no event for a {kind} call", field="type", remedy=remedy)
    return _event(app, message, app.schema.events[kind])


def _event(app: App, message: Mapping[str, Any], event: EventType) -> Row:
    properties = _object(message, "properties")
    row: Row = {"type": event.name, "actor": _who(message)}
    if event.targets:
        row["target"] = _target(event, properties)
    query = properties.pop("query_id", None) or properties.pop("queryId", None)
    if query is not None:
        row["query_id"] = query
    filled = app.values.get(event.name)
    if filled is not None and properties.get(filled) is None and "value" in properties:
        properties[filled] = properties.pop("value")
    around = {name: value for name, value in _object(message, "context").items() if name not in THEIRS}
    more = properties.pop("context", None)
    if more is not None and not isinstance(more, Mapping):
        raise Invalid("not an object", field="properties.context", remedy="Send {name: value}.")
    row["fields"] = fields_of(event, {**around, **(more or {}), **properties})
    return row


def fields_of(event: EventType, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event: the members it declares, and the others as its context; null is left out."""
    declared = {field.name for field in event.fields}
    known = {name: value for name, value in members.items() if value is not None}
    fields = {name: value for name, value in known.items() if name in declared}
    context = {name: value for name, value in known.items() if name not in declared}
    return {**fields, "context": context} if context else fields


def _identify(app: App, message: Mapping[str, Any]) -> Row:
    names = {attribute.name for attribute in app.schema.entities[app.subject].attributes}
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in _object(message, "traits").items():
        own = name if name in names else _snake(name)
        (fields if own in names else extra)[own if own in names else name] = value
    if extra:
        fields["extra"] = extra
    return {"type": ENTITY_SET, "actor": {"kind": app.subject, "id": _who(message)}, "fields": fields}


def _alias(app: App, message: Mapping[str, Any]) -> Row:
    into, other = ({"kind": app.subject, "id": _id(message, name)} for name in ("userId", "previousId"))
    return {"type": ENTITY_MERGE, "actor": into, "target": other}


def event_named(app: App, name: Any) -> EventType:
    """Return the event type a name means: "Recommendation Saved", "saved" and "save" are one. Raises Invalid."""
    found = None
    if isinstance(name, str):
        found = name if name in app.schema.events else _forms(app.events, app.item).get(_snake(name))
    if found is None:
        known = ", ".join(app.schema.events)
        raise Invalid(f"unknown event {str(name)[:40]!r}", field="event", remedy=f"Use one of {known}.")
    return app.schema.events[found]


@lru_cache(maxsize=64)
def _forms(events: tuple[EventType, ...], item: str) -> Mapping[str, str]:
    """Return the event type of each way to write it; the type's own name goes before any other's form."""
    own = {_snake(event.name): event.name for event in events}
    past = {f"{base}{ending}": name for base, name in own.items() for ending in ("ed", "d")}
    plain = {**past, **own}
    return {**{f"{_snake(item)}_{form}": name for form, name in plain.items()}, **plain}


def _snake(name: str) -> str:
    """Return a name in lower case with underscores.

    >>> _snake("companySize"), _snake("Recommendation Saved")
    ('company_size', 'recommendation_saved')
    """
    return re.sub(r"[^0-9a-z]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:200]).lower()).strip("_")


def _target(event: EventType, properties: dict[str, Any]) -> Any:
    """Take what an event is about out of its properties."""
    for kind in event.targets:
        head, *rest = _snake(kind).split("_")
        for name in (f"{kind}_id", f"{head}{''.join(part.title() for part in rest)}Id"):
            if properties.get(name) is not None:
                return {"kind": kind, "id": _checked(properties.pop(name), f"properties.{name}")}
    for name in ITEM_NAMES:
        if properties.get(name) is not None:
            found = properties.pop(name)
            return found if isinstance(found, Mapping) else _checked(found, f"properties.{name}")
    wanted = f"properties.{event.targets[0]}_id"
    raise Invalid("missing", field=wanted, remedy=f"Send the id of the {event.targets[0]}.")


def _who(message: Mapping[str, Any]) -> str:
    """Return the id of who did it: the user's, else the visitor's."""
    return _id(message, "userId" if message.get("userId") not in (None, "") else "anonymousId")


def _id(message: Mapping[str, Any], name: str) -> str:
    return _checked(message.get(name), name)


def _checked(value: Any, field: str) -> str:
    """Return an id, which some clients send as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise Invalid("missing, or no id", field=field, remedy="Send a text.")
    return value


def _object(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = message.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Invalid("not an object", field=name, remedy="Send {name: value}.")
    return dict(found)
