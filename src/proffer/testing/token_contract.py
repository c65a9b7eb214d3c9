"""What every TokenStore must do."""

from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

import pytest

from proffer.core.errors import Conflict, NotFound
from proffer.core.ports import Token, TokenStore
from proffer.testing.samples import START


class TokenStoreContract:
    """Subclass it and give `open`."""

    def open(self, folder: Path) -> AbstractContextManager[TokenStore]:
        """Return the store in a folder, opened for writing."""
        raise NotImplementedError

    def test_tokens(self, tmp_path: Path) -> None:
        """Kept by name, found by digest, gone when removed."""
        with self.open(tmp_path / "store") as tokens:
            ada, bob = token("bob"), token("ada")
            tokens.add(ada)
            tokens.add(bob)
            assert tokens.all() == [bob, ada]
            assert tokens.by_digest(bob.digest) == bob
            assert tokens.by_digest("") is None
            with pytest.raises(Conflict):
                tokens.add(token("ada", of="other"))
            assert tokens.by_digest(bob.digest) == bob
            tokens.remove("ada")
            assert tokens.by_digest(bob.digest) is None
            assert tokens.all() == [ada]
            with pytest.raises(NotFound):
                tokens.remove("ada")


def token(name: str, *, of: str = "") -> Token:
    """Return a token of that name; its secret is `of`, or the name."""
    digest = sha256((of or name).encode()).hexdigest()
    return Token(name=name, digest=digest, scopes=("events:write", "read"), created_at=START)
