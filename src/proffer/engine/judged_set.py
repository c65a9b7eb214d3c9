"""Judged sets: lists of rows with grades and features that somebody made ready, as learning to rank publishes them."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Corrupt

KEPT_FAULTS = 10_000
"""So many damaged rows are kept as they came; the number of all is always told."""


class Damaged(msgspec.Struct, frozen=True, array_like=True):
    """A row that could not be used: its number in the file, the row as it came (cut), and why."""

    number: int
    raw: str
    reason: str


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a set comes from: the file, its format, what its columns were taken for, its damaged rows.

    `cuts` are where a continuous relevance was cut into grades; empty where grades are as they came.
    """

    file: str
    format: str
    mapping: dict[str, Any] = {}
    cuts: list[float] = []
    damaged: int = 0
    faults: list[Damaged] = []


@dataclass(frozen=True, kw_only=True)
class JudgedSet:
    """Lists laid end to end: X float32 (n, d), NaN unknown; y (n,) grades; `sizes` (lists,) rows of each list.

    `queries` are the ids of the lists. In a `sparse` set a column that a row does not name is 0.
    """

    name: str
    columns: tuple[str, ...]
    X: NDArray[np.float32]
    y: NDArray[np.float64]
    sizes: NDArray[np.int64]
    queries: tuple[str, ...]
    sparse: bool
    origin: Origin

    @property
    def whole(self) -> bool:
        """Return whether every grade is a whole number, as classes of relevance are."""
        return bool((self.y == np.rint(self.y)).all())

    def drawn(self, lists: int, seed: int) -> "JudgedSet":
        """Return at most so many of its lists, drawn."""
        if lists >= len(self.sizes):
            return self
        kept = np.sort(np.random.default_rng(seed).permutation(len(self.sizes))[:lists])
        rows = np.repeat(np.isin(np.arange(len(self.sizes)), kept), self.sizes)
        queries = tuple(self.queries[place] for place in kept.tolist())
        return replace(self, X=self.X[rows], y=self.y[rows], sizes=self.sizes[kept], queries=queries)

    def digest(self) -> str:
        """Return a hash of all there is in it but its name."""
        found = sha256(msgspec.json.encode((self.columns, self.queries, self.sparse, self.origin), order="sorted"))
        for part in (self.X, self.y, self.sizes):
            found.update(np.ascontiguousarray(part).data)
        return found.hexdigest()

    def pack(self) -> bytes:
        """Return it as the bytes of a compressed npz file without any object in it."""
        head = msgspec.json.encode(
            {"columns": self.columns, "queries": self.queries, "sparse": self.sparse, "origin": self.origin}
        )
        packed = BytesIO()
        np.savez_compressed(
            packed, X=self.X, y=self.y, sizes=self.sizes, head=np.frombuffer(head, np.uint8), allow_pickle=False
        )
        return packed.getvalue()


class _Head(msgspec.Struct, frozen=True):
    columns: tuple[str, ...]
    queries: tuple[str, ...]
    sparse: bool
    origin: Origin


def unpack(name: str, packed: bytes, digest: str) -> JudgedSet:
    """Return the set in these bytes. Raises Corrupt where they are not what `digest` was made of."""
    remedy = "Remove the file and import it again."
    try:
        with np.load(BytesIO(packed), allow_pickle=False) as held:
            arrays: Mapping[str, NDArray[Any]] = {part: held[part] for part in ("X", "y", "sizes", "head")}
        head = msgspec.json.decode(arrays["head"].tobytes(), type=_Head)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, msgspec.DecodeError) as error:
        raise Corrupt(f"the set {name} cannot be read: {str(error)[:120]}", field="set", remedy=remedy) from None
    found = JudgedSet(
        name=name, columns=head.columns, X=arrays["X"], y=arrays["y"], sizes=arrays["sizes"], queries=head.queries,
        sparse=head.sparse, origin=head.origin,
    )  # fmt: skip
    if found.digest() != digest:
        raise Corrupt(f"the set {name} is not what it was when it was imported", field="set", remedy=remedy)
    return found


class Sets(Protocol):
    """The judged sets of a workspace, by name."""

    def names(self) -> list[str]:
        """Return the names of all sets, sorted."""
        ...

    def put(self, name: str, digest: str, packed: bytes) -> bool:
        """Keep a set, whole or not at all; False where this very one is kept already.

        Raises Conflict where another one has the name.
        """
        ...

    def get(self, name: str) -> tuple[str, bytes]:
        """Return a set's digest and bytes. Raises NotFound naming those there are."""
        ...
