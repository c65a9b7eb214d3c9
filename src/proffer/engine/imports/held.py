"""A row while it waits for its turn."""

from hashlib import blake2b
from typing import Any

import msgspec

from proffer.engine.imports.convert import moment


class Held(msgspec.Struct, array_like=True, gc=False):
    """A row as it waits for its turn: the members of an event, and what it says of its actor and its target."""

    type: str
    at: float | None
    actor: Any
    target: Any = None
    query: str | None = None
    fields: dict[str, Any] | None = None
    id: str | None = None
    actor_facts: dict[str, Any] | None = None
    target_facts: dict[str, Any] | None = None

    def event(self, id: str, at: float) -> dict[str, Any]:
        """Return the row in the form the log reads."""
        row = {"id": id, "type": self.type, "at": moment(at), "actor": self.actor}
        if self.target is not None:
            row["target"] = self.target
        if self.query is not None:
            row["query_id"] = self.query
        if self.fields:
            row["fields"] = self.fields
        return row


def content_id(packed: bytes, at: float, copy: int = 0) -> str:
    """Return the id of a row from its content; `copy` counts identical rows that are separate.

    It begins with the time: a log keeps an index of ids, and one that grows at its end is several times cheaper to
    write than one that grows everywhere.

    >>> content_id(b"row", 1.5)
    'row_0000000005dc3f17798d6f3f4acfd6ac'
    """
    content = packed + copy.to_bytes(8, "big") if copy else packed
    return f"row_{max(int(at * 1000), 0):012x}{blake2b(content, digest_size=10).hexdigest()}"
