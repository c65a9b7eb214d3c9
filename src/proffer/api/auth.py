"""Who asks, and what they may do: bearer tokens of one workspace each."""

import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import anyio
import anyio.to_thread

from proffer.api.operations import ADMIN, PUBLIC, READ, TRACK, WRITE, Operation
from proffer.core.clock import Clock
from proffer.core.errors import Busy, Conflict, Forbidden, NotFound, Unauthorized
from proffer.core.ports import Token, TokenStore

EVERYTHING = (READ, WRITE, ADMIN)
GRANTED = (READ, TRACK, WRITE, ADMIN)
"""What a token may be given; who may write may track."""
SECRET_BYTES = 32
LONGEST = 200
KEPT_SECONDS = 1.0
"""So long a token that was taken away may still open a workspace that several processes serve."""
ASKED_SECONDS, ASKERS = 1.0, 4
"""How long a request waits for a database to know its token, and how many may ask at once."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a token opens: one workspace, with scopes; `name` is the token's."""

    workspace: str
    name: str
    scopes: tuple[str, ...]


def mint() -> str:
    """Return a new secret: `pf_` and 256 bits of chance."""
    return f"pf_{secrets.token_urlsafe(SECRET_BYTES)}"


def digest(secret: str) -> str:
    """Return the SHA-256 a secret is kept as; with 256 random bits there is nothing to salt or to stretch.

    >>> len(digest("pf_x"))
    64
    """
    return sha256(secret.encode()).hexdigest()


def first_token(tokens: TokenStore, clock: Clock) -> str | None:
    """Make the first token of a workspace and return its secret, the only time it is seen; None when there is one."""
    if tokens.all():
        return None
    secret = mint()
    try:
        tokens.add(Token(name="first", digest=digest(secret), scopes=EVERYTHING, created_at=clock.now()))
    except Conflict:
        # Of several processes that start at once one shows it.
        return None
    return secret


class Keyring:
    """The tokens of every workspace served, and those of this run alone.

    Tokens are found by the digest of what was sent, so that the time taken tells nothing of a secret. Those of a
    workspace in `shared` are kept in memory for a second, so that not every request asks a database, and for as long as
    the database is away, which its entry tells: who was let in before goes on.
    """

    def __init__(
        self, stores: Mapping[str, TokenStore], local: Mapping[str, str],
        shared: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:  # fmt: skip
        self._stores = dict(stores)
        self._local = {digest(secret): workspace for workspace, secret in local.items()}
        self._shared = dict(shared or {})
        self._kept: dict[str, tuple[Access, float]] = {}
        self._askers = anyio.CapacityLimiter(ASKERS)

    async def access(self, header: str | None) -> Access:
        """Return what the Authorization header opens. Raises Unauthorized, the same for every reason."""
        scheme, _, secret = (header or "").partition(" ")
        return await self.opened(secret if scheme.lower() == "bearer" else "")

    async def opened(self, secret: str) -> Access:
        """Return what a secret opens. Raises Unauthorized, the same for every reason.

        A database is asked by a thread and for a second at most: then who was let in before is let in, another one gets
        Busy.
        """
        if not (0 < len(secret) <= LONGEST and secret.isascii()):
            raise _stranger()
        key = digest(secret)
        known, until = self._kept.get(key, (None, 0.0))
        if known is not None and (time.monotonic() < until or self._shared[known.workspace]()):
            return known
        if key in self._local or not self._shared:
            return self._found(key)
        try:
            with anyio.fail_after(ASKED_SECONDS):
                return await anyio.to_thread.run_sync(
                    self._found, key, limiter=self._askers, abandon_on_cancel=True
                )  # fmt: skip
        except (TimeoutError, Busy) as error:
            if known is not None:
                return known
            if isinstance(error, Busy):
                raise
            raise Busy("the database that keeps the tokens does not answer", remedy="Try again.") from None

    def _found(self, key: str) -> Access:
        if key in self._local:
            return Access(self._local[key], "local", EVERYTHING)
        away: Busy | None = None
        for workspace, store in self._stores.items():
            try:
                token = store.by_digest(key)
            except Busy as error:
                # It may be a token of another workspace, whose store can be reached.
                away = error
                continue
            if token is not None:
                found = Access(workspace, token.name, token.scopes)
                if workspace in self._shared:
                    self._kept[key] = found, time.monotonic() + KEPT_SECONDS
                return found
        if away is not None:
            raise away
        self._kept.pop(key, None)
        raise _stranger()


def write_key(header: str | None, body: Any) -> str:
    """Return the secret of a request in Segment's protocol: Bearer, Basic with it as user name, else in the body.

    >>> write_key("Basic cGZfa2V5Og==", {}), write_key(None, {"writeKey": "pf_key"})
    ('pf_key', 'pf_key')
    """
    scheme, _, sent = (header or "").partition(" ")
    if header is None:
        named = body.get("writeKey") if isinstance(body, dict) else None
        return named if isinstance(named, str) else ""
    if scheme.lower() != "basic":
        return sent if scheme.lower() == "bearer" else ""
    try:
        return b64decode(sent[: 2 * LONGEST], validate=True).decode("ascii").partition(":")[0]
    except ValueError:
        return ""


def _stranger() -> Unauthorized:
    remedy = "Send the header Authorization: Bearer TOKEN with a token of this workspace."
    return Unauthorized("no token, or one that is not known here", field="Authorization", remedy=remedy)


def opens(scopes: tuple[str, ...], scope: str) -> bool:
    """Return whether scopes reach an operation's: who may write may track.

    >>> opens(("write",), "track"), opens(("track",), "write")
    (True, False)
    """
    return scope == PUBLIC or scope in scopes or (scope == TRACK and WRITE in scopes)


def check_access(operation: Operation, access: Access, workspace: str | None) -> None:
    """Raise NotFound for a workspace that is not the token's, Forbidden where its scopes do not reach.

    A workspace of somebody else and one that does not exist are answered alike.
    """
    if workspace is not None and workspace != access.workspace:
        raise NotFound("no such workspace", field="workspace", remedy="Use the workspace the token was made for.")
    if not opens(access.scopes, operation.scope):
        message = f"the token {access.name} lacks the scope {operation.scope}"
        raise Forbidden(message, field="Authorization", remedy="Use a token that has it.")
