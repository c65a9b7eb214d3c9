"""Who asks, and what they may do: bearer tokens of one workspace each."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from proffer.api.operations import ADMIN, PUBLIC, READ, WRITE, Operation
from proffer.core.clock import Clock
from proffer.core.errors import Forbidden, NotFound, Unauthorized
from proffer.core.ports import Token, TokenStore

EVERYTHING = (READ, WRITE, ADMIN)
SECRET_BYTES = 32
LONGEST = 200


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
    tokens.add(Token(name="first", digest=digest(secret), scopes=EVERYTHING, created_at=clock.now()))
    return secret


class Keyring:
    """The tokens of every workspace served, and those of this run alone.

    Tokens are found by the digest of what was sent, so that the time taken tells nothing of a secret.
    """

    def __init__(self, stores: Mapping[str, TokenStore], local: Mapping[str, str]) -> None:
        self._stores = dict(stores)
        self._local = {digest(secret): workspace for workspace, secret in local.items()}

    def access(self, header: str | None) -> Access:
        """Return what the Authorization header opens. Raises Unauthorized, the same for every reason."""
        scheme, _, secret = (header or "").partition(" ")
        if scheme.lower() == "bearer" and 0 < len(secret) <= LONGEST and secret.isascii():
            found = self._found(digest(secret))
            if found is not None:
                return found
        remedy = "Send the header Authorization: Bearer TOKEN with a token of this workspace."
        raise Unauthorized("no token, or one that is not known here", field="Authorization", remedy=remedy)

    def _found(self, key: str) -> Access | None:
        if key in self._local:
            return Access(self._local[key], "local", EVERYTHING)
        for workspace, store in self._stores.items():
            token = store.by_digest(key)
            if token is not None:
                return Access(workspace, token.name, token.scopes)
        return None


def check_access(operation: Operation, access: Access, workspace: str | None) -> None:
    """Raise NotFound for a workspace that is not the token's, Forbidden where its scopes do not reach.

    A workspace of somebody else and one that does not exist are answered alike.
    """
    if workspace is not None and workspace != access.workspace:
        raise NotFound("no such workspace", field="workspace", remedy="Use the workspace the token was made for.")
    if operation.scope != PUBLIC and operation.scope not in access.scopes:
        message = f"the token {access.name} lacks the scope {operation.scope}"
        raise Forbidden(message, field="Authorization", remedy="Use a token that has it.")
