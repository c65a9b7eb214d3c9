"""What an operation of the API is: one row of the table that routes, checks and documentation come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from proffer.core.errors import CannotStart

if TYPE_CHECKING:
    from proffer.api.site import Site
    from proffer.engine.engine import Engine

PUBLIC, READ, TRACK, WRITE, ADMIN = "public", "read", "track", "write", "admin"
SCOPES = (PUBLIC, READ, TRACK, WRITE, ADMIN)
"""public: anybody. read: ask and look. track: record interactions with known items, and nothing else. write: record
what happened, facts too. admin: settings and which model serves."""

LOOP, WATCH, REPLAY = "loop", "watch", "replay"

BASE = "/api/v1/{workspace}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request after every check: what an operation is called with.

    `engines` are those the token may see; `path` holds the decoded parameters of the path, `query` and `body` values
    of the types the operation declares, `key` the Idempotency-Key, `scopes` are the token's.
    """

    site: "Site"
    engines: Mapping[str, "Engine"]
    path: Mapping[str, str]
    query: Any = None
    body: Any = None
    key: str | None = None
    scopes: tuple[str, ...] = ()

    @property
    def engine(self) -> "Engine":
        """Return the engine of the workspace the path names, else that of the token's."""
        return self.engines[self.path["workspace"]] if "workspace" in self.path else next(iter(self.engines.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an operation returns when a status, a header or a form other than 200 and JSON is due."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method on one path.

    `body`, `query` and `returns` are types msgspec can check and describe; `query` is a Struct whose members are the
    parameters of the query string; `shape` documents a body that is checked row by row; a tuple of types means any of
    them. `examples` are bodies by name, `answer` an example of what comes back. `also` are further statuses with the
    reason for each. `keyed` operations take an Idempotency-Key as the event's id. `lane` says who does the work:
    `loop` answers on the event loop, `read` and `write` wait for a thread, `watch` has threads of its own so that it
    answers under load, `replay` one of its own so that long work on the past keeps nobody waiting. What answers
    `from_memory` goes on while a shared database is away. A `foreign` operation speaks the protocol of somebody else's
    clients: the token is the user name of Basic authentication or the `writeKey` of the body, which may be gzipped or
    come as text/plain.
    """

    name: str
    method: str
    path: str
    summary: str
    call: Callable[[Call], Any]
    scope: str = ""
    tag: str = "workspace"
    body: Any = None
    shape: Any = None
    query: type[msgspec.Struct] | None = None
    returns: Any = None
    media_type: str = "application/json"
    status: int = 200
    examples: Mapping[str, Any] = field(default_factory=dict)
    answer: Any = None
    also: Mapping[int, str] = field(default_factory=dict)
    lane: str = READ
    keyed: bool = False
    from_memory: bool = False
    foreign: bool = False

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Any]:
        """Return the decoder of the body."""
        return msgspec.json.Decoder(self.body)


def check_table(operations: tuple[Operation, ...]) -> None:
    """Refuse to start with an operation that declares no scope, or with two of one name or place."""
    for operation in operations:
        if operation.scope not in SCOPES:
            remedy = f"Declare one of {', '.join(SCOPES)}."
            raise CannotStart(f"the operation {operation.name} declares no scope", field=operation.name, remedy=remedy)
    names = [operation.name for operation in operations]
    places = [f"{operation.method} {operation.path}" for operation in operations]
    twice = {place for place in (*names, *places) if (names + places).count(place) > 1}
    if twice:
        raise CannotStart(f"declared twice: {', '.join(sorted(twice))}")
