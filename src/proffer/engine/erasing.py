"""What takes the place of each event, row and decision that names somebody who is erased: pure, nothing is stored."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from proffer.core.decisions import Considered, Decision, Placed, Reason
from proffer.core.entities import EntityRef
from proffer.core.events import ENTITY_SET, ERASED, NOT_NAMED, SETTINGS_SET, Event, Reject
from proffer.core.pseudonyms import TOMBSTONE, Pseudonyms
from proffer.core.schema import Schema

TELLING = 4
"""An id of fewer characters may be any word: it is looked for only where it can be nothing else."""
BLANK = "\u2026"
ITEM = "item"
"""The member of a rule or a context that names an item."""


class Eraser:
    """Puts nothing, or a random name, in the place of an entity and all its names.

    A subject that is no item leaves nothing: its events become tombstones, which name an item only where that was
    mentioned for the first time, so that the catalogue keeps its order and models what they learned by it. Any other
    entity goes by the names of `tokens` from now on, and what was known of it is dropped. Events must be given in
    order of the log, each once. `mentioned` counts texts of others in which an id stands among other words; they stay,
    unless `texts`. `met` are the entities that were found, `used` those whose tokens stand somewhere.
    """

    def __init__(
        self, refs: Sequence[EntityRef], tokens: Mapping[EntityRef, EntityRef], schema: Schema, names: Pseudonyms,
        *, subject: str, item: str, texts: bool = False,
    ) -> None:  # fmt: skip
        self.refs, self.tokens = frozenset(refs), dict(tokens)
        self.mentioned = 0
        self.used: set[EntityRef] = set()
        self.met: set[EntityRef] = set()
        self._schema, self._names, self._texts = schema, names, texts
        self._subject, self._item = subject, item
        self._ids = {ref.id for ref in refs}
        self._instead = {ref.id: self.tokens[ref].id if ref in self.tokens else None for ref in refs}
        self._item_ids = {ref.id: token.id for ref, token in self.tokens.items() if ref.kind == item}
        self._telling = {id for id in self._ids if len(id) >= TELLING}
        self._persons = {ref.id for ref in refs if ref.kind == subject}
        self._words = words(self._ids)
        self._told_words = words(self._telling) if self._telling else None
        self._seen: set[str] = set()

    def event(self, event: Event) -> Event | None:
        """Return what stands in the place of an event from now on, None where it stays as it is."""
        found = self._event(event)
        for ref in (event.actor, event.target) if found is None else (found.actor, found.target):
            if ref is not None and ref.kind == self._item:
                self._seen.add(ref.id)
        return found

    def row(self, reject: Reject) -> bool:
        """Tell whether a quarantined row names one of the ids as a word of its own."""
        texts = (reject.reason, reject.field, reject.event_id, reject.source, *spelled_out(reject.raw))
        found = {match for text in texts if text for match in self._words.findall(text)}
        self.met |= {ref for ref in self.refs if ref.id in found}
        return bool(found)

    def decision(self, decision: Decision) -> Decision | None:
        """Return another subject's decision without the entity, None where it does not name it."""
        query = decision.query
        changed = msgspec.structs.replace(
            decision,
            query=msgspec.structs.replace(
                query,
                context=self._walk(dict(query.context)),
                group=None if query.group is None else self._group(query.group),
                candidates=None if query.candidates is None else self._named(query.candidates),
            ),
            considered=self._considered(decision.considered),
            slate=tuple(self._placed(placed) for placed in decision.slate),
            fallback=None if decision.fallback is None else self._why(decision.fallback, query.group),
        )
        return None if changed == decision else changed

    def told(self, text: str) -> str:
        """Return a text of the server's own, a line of a log, without the ids."""
        return text if self._told_words is None else self._told_words.sub(BLANK, text)

    def _event(self, event: Event) -> Event | None:
        if event.type == SETTINGS_SET:
            walked = self._walk(dict(event.fields), settings=True)
            return None if walked == event.fields else self._changed(event, fields=walked)
        own, about = event.actor in self.refs, event.target in self.refs
        self.met |= self.refs.intersection((event.actor, event.target)) if own or about else set()
        if event.type == ERASED and not (own or about):
            return None
        if own and self._vanishes(event):
            return self._tombstone(event)
        if about and event.target not in self.tokens:
            return self._changed(event, type=ERASED, target=None, fields={}, query_id=None)
        fields: Mapping[str, Any] = {} if own and event.type == ENTITY_SET else self._fields(event)
        if not own and not about and fields == event.fields:
            return None
        return self._changed(event, actor=self._ref(event.actor), target=self._ref(event.target), fields=fields)

    def _vanishes(self, event: Event) -> bool:
        """Tell whether what an erased entity did leaves a tombstone: all of a subject's doings."""
        if event.actor not in self.tokens:
            return True
        return event.actor.kind == self._subject and event.type in self._schema.events

    def _tombstone(self, event: Event) -> Event:
        """Return what keeps the order of first mentions of the catalogue, and nothing else."""
        actor = self._ref(event.actor) if event.actor in self.tokens and self._first(event.actor) else NOT_NAMED
        target = None if event.target is None or not self._first(event.target) else self._ref(event.target)
        at = event.at if target is not None or actor != NOT_NAMED else _day(event.at)
        return self._changed(event, type=ERASED, actor=actor, target=target, at=at, fields={}, query_id=None)

    def _first(self, ref: EntityRef) -> bool:
        named = self.tokens.get(ref, ref)
        return ref.kind == self._item and named.id not in self._seen

    def _changed(self, event: Event, **values: Any) -> Event:
        # What was changed before is found by the id it was first sent with.
        id = event.id if event.id.startswith(TOMBSTONE) else self._names.tombstones(event.id)[0]
        return msgspec.structs.replace(event, id=id, **values)

    def _ref(self, ref: EntityRef | None) -> Any:
        if ref in self.tokens:
            self.used.add(ref)
            return self.tokens[ref]
        return ref

    def _fields(self, event: Event) -> Mapping[str, Any]:
        if not event.fields:
            return event.fields
        if event.type != ENTITY_SET:
            return dict(self._walk(dict(event.fields)))
        kind = self._schema.entities.get(event.actor.kind)
        roles = {} if kind is None else {attribute.name: attribute.role for attribute in kind.attributes}
        found = {}
        for name, value in event.fields.items():
            role = roles.get(name, "")
            # What another word means (a category, a language) is no id, even where it looks like one.
            if role == "author":
                found[name] = _without(value, self._persons)
            elif role == "group":
                found[name] = self._group(value)
            elif role in ("", "title", "text"):
                found[name] = self._walk(value) if role == "" else self._text(value)
            else:
                found[name] = value
        return found

    def _walk(self, value: Any, name: str = "", *, settings: bool = False) -> Any:
        """Return a JSON value without members that are an id; where it was an item's, with its new name.

        In settings something stays in its place, so that a condition means no more than it did.
        """
        if isinstance(value, str):
            if name == ITEM and value in self._item_ids:
                return self._item_ids[value]
            if value not in self._telling:
                return self._text(value)
            return self._instead[value] or (BLANK if settings else None)
        if isinstance(value, list | tuple):
            walked = [self._walk(one, settings=settings) for one in value]
            return [one for one, before in zip(walked, value, strict=True) if one is not None or before is None]
        if isinstance(value, Mapping):
            return {self._key(name): self._walk(one, name, settings=settings) for name, one in value.items()}
        return value

    def _key(self, name: str) -> str:
        return self._instead[name] or BLANK if name in self._telling else name

    def _text(self, value: Any) -> Any:
        if not isinstance(value, str) or self._told_words is None or not self._told_words.search(value):
            return value
        if self._texts or value in self._telling:
            return self._told_words.sub(BLANK, value)
        self.mentioned += 1
        return value

    def _named(self, ids: Sequence[str]) -> tuple[str, ...]:
        if self._item_ids.keys().isdisjoint(ids):
            return tuple(ids)
        return tuple(self._item_ids.get(id, id) for id in ids)

    def _group(self, id: str) -> str | None:
        """Return the id that a group goes by from now on, None for one that leaves nothing."""
        ref = EntityRef(self._schema.group(self._item) or "", id)
        if ref not in self.refs:
            return id
        self.met.add(ref)
        token = self._ref(ref)
        return None if token == ref else str(token.id)

    def _why(self, fallback: str, group: str | None) -> str:
        """Return why a model did not answer, without the ids; a group's own, however short, stands there as a word."""
        if group is not None and self._group(group) != group:
            fallback = words({group}).sub(BLANK, fallback)
        return self.told(fallback)

    def _considered(self, considered: Considered) -> Considered:
        return msgspec.structs.replace(considered, ids=self._named(considered.ids))

    def _placed(self, placed: Placed) -> Placed:
        if placed.id in self._item_ids:
            return msgspec.structs.replace(placed, id=self._item_ids[placed.id], reasons=())
        return msgspec.structs.replace(placed, reasons=tuple(self._reason(reason) for reason in placed.reasons))

    def _reason(self, reason: Reason) -> Reason:
        named = {value for value in reason.values.values() if isinstance(value, str) and value in self._ids}
        named = {value for value in named if value in self._telling or value == reason.values.get("author")}
        if not named:
            return msgspec.structs.replace(reason, text=self.told(reason.text))
        values = {name: BLANK if value in named else value for name, value in reason.values.items()}
        return msgspec.structs.replace(reason, text=words(named).sub(BLANK, reason.text), values=values)


def words(ids: Sequence[str] | set[str]) -> re.Pattern[str]:
    """Return what finds any of these ids where no letter or digit stands right before or after it.

    >>> bool(words({"u1"}).search("by u1, at")), bool(words({"u1"}).search("u12"))
    (True, False)
    """
    longest = sorted(ids, key=len, reverse=True)
    return re.compile("|".join(f"{_edge(id[0], '<!')}{re.escape(id)}{_edge(id[-1], '!')}" for id in longest))


def spelled_out(raw: str) -> list[str]:
    """Return a row as it came, and where it is JSON every text in it.

    >>> spelled_out('{"actor": "\\u00e5sa"}')[1:]
    ['actor', 'åsa']
    """
    try:
        return [raw, *texts_in(json.loads(raw))]
    except (ValueError, RecursionError):
        return [raw]


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, names of members and numbers too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield name
            yield from texts_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_in(one)


def _edge(character: str, look: str) -> str:
    return rf"(?{look}\w)" if re.match(r"\w", character) else ""


def _without(value: Any, ids: set[str]) -> Any:
    if isinstance(value, list | tuple):
        return [one for one in value if one not in ids]
    return None if value in ids else value


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)
