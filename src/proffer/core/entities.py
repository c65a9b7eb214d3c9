"""Entities: the users, posts and other things events speak of."""

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

_53_BITS = (1 << 53) - 1


class EntityRef(NamedTuple):
    """The kind and id of an entity.

    >>> EntityRef("post", "p1")
    EntityRef(kind='post', id='p1')
    """

    kind: str
    id: str


@lru_cache(maxsize=1 << 20)
def stable_key(kind: str, text: str) -> int:
    """Return a stable 53-bit hash of an id, exact in a float64 and never 0.

    >>> stable_key("post", "p1") == stable_key("post", "p1") != stable_key("user", "p1")
    True
    """
    digest = blake2b(f"{kind}\x00{text}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") & _53_BITS) or 1
