"""Pseudonyms: names that lead nowhere without the key, for logs, notes and files that outlive an erasure."""

import hmac
import re
import secrets
from collections.abc import Mapping
from functools import lru_cache

from proffer.core.entities import EntityRef
from proffer.core.errors import CannotStart

KEY_BYTES = 32
DIGITS = 32
TOMBSTONE = "erased_"
"""What the id of an event begins with that stands where an erased one stood."""


class Pseudonyms:
    """HMAC-SHA256 names of entities and events under keys by version; the highest version names, all recognise.

    A name is the version and 128 bits, "1-" and 32 hexadecimal digits (RFC 2104; FIPS 198-1).

    >>> names = Pseudonyms({1: b"k" * 32})
    >>> names.of(EntityRef("user", "u1"))
    '1-b156a17799d3dd60a40104391131c24b'
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys or any(len(key) < KEY_BYTES for key in keys.values()):
            message = f"a pseudonym key has at least {KEY_BYTES} bytes"
            raise CannotStart(message, field="PROFFER_PSEUDONYM_KEY", remedy="Make one with: openssl rand -hex 32")
        self._keys = dict(sorted(keys.items(), reverse=True))
        self._named = lru_cache(maxsize=1 << 16)(self._name)

    @classmethod
    def read(cls, text: str) -> "Pseudonyms":
        """Return the pseudonyms of a text of keys, VERSION:HEX each, apart by commas or spaces.

        Raises CannotStart for anything else.
        """
        keys: dict[int, bytes] = {}
        for part in re.split(r"[,\s]+", text.strip()):
            version, colon, digits = part.rpartition(":")
            try:
                keys[int(version) if colon else 1] = bytes.fromhex(digits)
            except ValueError:
                remedy = "Write VERSION:HEX, as in 1: and the 64 digits of openssl rand -hex 32."
                raise CannotStart("not a key", field="PROFFER_PSEUDONYM_KEY", remedy=remedy) from None
        return cls(keys)

    @classmethod
    def fresh(cls) -> "Pseudonyms":
        """Return pseudonyms under a new random key."""
        return cls({1: secrets.token_bytes(KEY_BYTES)})

    def text(self) -> str:
        """Return the keys as `read` takes them: a secret."""
        return "\n".join(f"{version}:{key.hex()}" for version, key in sorted(self._keys.items()))

    @property
    def marks(self) -> tuple[str, ...]:
        """Return what tells one key from another and nothing else of it, the newest first."""
        return tuple(self._name(version, "key", "")[: DIGITS // 4] for version in self._keys)

    def of(self, ref: EntityRef) -> str:
        """Return the name of an entity under the newest key."""
        return self.all_of(ref)[0]

    def all_of(self, ref: EntityRef) -> tuple[str, ...]:
        """Return the names of an entity under every key, the newest first."""
        return tuple(self._named(version, f"entity\x00{ref[0]}", ref[1]) for version in self._keys)

    def tombstones(self, event: str) -> tuple[str, ...]:
        """Return the ids that stand for an event's id where it was erased, the newest key's first."""
        return tuple(f"{TOMBSTONE}{self._name(version, 'event', event)}" for version in self._keys)

    def _name(self, version: int, what: str, text: str) -> str:
        message = f"{what}\x00{text}".encode("utf-8", "surrogatepass")
        return f"{version}-{hmac.digest(self._keys[version], message, 'sha256').hex()[:DIGITS]}"
