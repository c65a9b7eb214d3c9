"""Items that read like what somebody wanted."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.ports import LiveState
from proffer.core.queries import Query
from proffer.models.base import DAY, Family, Parameters, ScoringRetriever
from proffer.models.elementwise import halved
from proffer.models.histories import ITEM, seeds
from proffer.models.retrievers.hashing import BUCKETS, Bag, fact_bag, spread, text_bags
from proffer.models.retrievers.met import Met
from proffer.models.retrievers.vectors import ItemVectors, alike, products, rows_of, some_products

RELEARNED = 0.01


class Content(ScoringRetriever):
    """Score = cosine between an item's vector and the recency-weighted mean of those the subject wanted lately.

    A vector is the sum of bags of length 1: for each of `texts` its character 3-5-grams and its words, and one of all
    `facts` together (attributes whose values are labels, or lists of them); `weigh` lengthens or shortens the part of
    an attribute. Where `shares` are given, a vector is of these attributes alone, each with such a part of its squared
    length as its share is of those of the attributes that say something: two items alike in one of them and in nothing
    else are as alike as its share. Bags are hashed with signs into `dims` dimensions and weighted by a rarity per hash
    bucket that `fit` learns (all equal before). New items need no fit. Without any of these attributes nothing is
    proposed.
    """

    name = "content"
    family: Family = "content"

    def __init__(
        self, texts: tuple[str, ...] = ("title", "text"),
        facts: tuple[str, ...] = ("category", "author", "tags", "language"),
        *, shares: Mapping[str, float] | None = None, dims: int = 256, recent: int = 30, half_life: float = 30 * DAY,
    ) -> None:  # fmt: skip
        self.shares = dict(shares or {})
        self.texts = tuple(name for name in texts if not self.shares or name in self.shares)
        self.facts = tuple(name for name in facts if not self.shares or name in self.shares)
        self.dims = dims
        self.recent = recent
        self.half_life = half_life
        self.weights: dict[str, float] = {}
        self.learned = 0
        self.rarity = np.ones(BUCKETS, np.float32)
        self.vectors = ItemVectors(self.encode, dims)
        self._met = Met(self._buckets)

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Let each attribute count so much from now on; 1 for one that is not named."""
        if self.weights != weights:
            self.weights = dict(weights)
            self.vectors.forget()

    def fit(self, state: LiveState, *, at: float, weights: Mapping[str, float]) -> Self:  # noqa: ARG002
        """Learn how rare each hash bucket is among the items published before the cut and return self.

        As long as fewer than one item in a hundred was described anew since, what was learned is kept.
        """
        described = state.revised() > self.learned
        if self.learned and described.sum() < RELEARNED * len(described):
            return self
        self.learned = state.position
        met, items = self._met.count(state, at)
        self.rarity = np.log((1.0 + items) / (1.0 + met) + 1.0).astype(np.float32)
        self.vectors.forget()
        return self

    def _buckets(self, attributes: Mapping[str, Any]) -> NDArray[np.int64]:
        """Return the hash buckets that attributes fall into, each once."""
        bags = [buckets for (buckets, _), _ in self._bags(attributes)]
        return np.unique(np.concatenate(bags)) if bags else np.empty(0, np.int64)

    def scores(self, query: Query, state: LiveState) -> NDArray[np.float64]:
        """Return the cosine (n,), NaN where the item or the subject has no vector."""
        blocks, known = self.vectors.look(state)
        found, profile = self._profile(query, state, blocks, known)
        if not len(found):
            return np.full(len(known), np.nan)
        scores = np.where(known, products(blocks, profile, len(known)), np.nan)
        if ITEM in query.context:
            scores[found] = np.nan
        return scores

    def some(self, query: Query, state: LiveState, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of these items (m,)."""
        blocks, known = self.vectors.look(state)
        found, profile = self._profile(query, state, blocks, known)
        if not len(found):
            return np.full(len(ordinals), np.nan)
        scores = np.where(known[ordinals], some_products(blocks, profile, ordinals), np.nan)
        if ITEM in query.context:
            scores[np.isin(ordinals, found)] = np.nan
        return scores

    def _profile(
        self, query: Query, state: LiveState, blocks: NDArray[np.float32], known: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the items with a vector that the answer goes by, and the mean of their vectors (dims,)."""
        found, times = seeds(query, state, self.recent)
        times, found = times[known[found]], found[known[found]]
        if not len(found):
            return found, np.zeros(self.dims, np.float32)
        weights = halved(times[0] - times, self.half_life)
        return found, _unit((rows_of(blocks, found) * weights[:, None]).sum(axis=0))

    def similarity(self, ordinals: NDArray[np.int64], state: LiveState) -> NDArray[np.float32]:
        """Return the cosine of each pair of these items (m, m), cut to 0..1; 0 for an item without a vector."""
        blocks, _ = self.vectors.look(state)
        return alike(rows_of(blocks, ordinals))

    def prepare(self, state: LiveState, most: int) -> bool:
        """Make the vectors of at most so many items; return whether there are more to make."""
        self.vectors.look(state, most)
        return self.vectors.behind(state)

    def encode(self, attributes: Mapping[str, Any]) -> NDArray[np.float32] | None:
        """Return the unit vector (dims,) of an item's attributes, None when none of them says anything."""
        out = np.zeros(self.dims)
        for (buckets, counts), share in self._bags(attributes):
            spread(buckets, counts, self.rarity, share, out)
        return _unit(out) if out.any() else None

    def parameters(self) -> Parameters:
        """Return the rarity of each bucket."""
        return {"dims": self.dims}, {"rarity": self.rarity}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG002
        """Take over rarities and return self."""
        self.rarity = arrays["rarity"].astype(np.float32)
        self.vectors.forget()
        return self

    def memory(self, users: int, items: int, interactions: int) -> int:  # noqa: ARG002
        """Return the bytes of the vectors while they grow, and of the rarities."""
        return (3 * 4 * self.dims + 24) * items + 12 * BUCKETS

    def _bags(self, attributes: Mapping[str, Any]) -> Iterator[tuple[Bag, float]]:
        if self.shares:
            yield from self._shared(attributes)
            return
        for name in self.texts:
            if isinstance(attributes.get(name), str):
                yield from ((bag, self.weights.get(name, 1.0)) for bag in text_bags(attributes[name]))
        facts = {name: _labels(attributes.get(name)) for name in self.facts}
        total = sum(len(labels) for labels in facts.values())
        for name, labels in facts.items():
            if labels:
                share = math.sqrt(len(labels) / total)
                yield fact_bag((name, label) for label in labels), share * self.weights.get(name, 1.0)

    def _shared(self, attributes: Mapping[str, Any]) -> Iterator[tuple[Bag, float]]:
        """Return the bags of each attribute, together as long as the root of its share."""
        for name in self.texts:
            bags = text_bags(attributes[name]) if isinstance(attributes.get(name), str) else []
            for bag in bags:
                yield bag, math.sqrt(self.shares[name] / len(bags)) * self.weights.get(name, 1.0)
        for name in self.facts:
            labels = _labels(attributes.get(name))
            if labels:
                bag = fact_bag((name, label) for label in labels)
                yield bag, math.sqrt(self.shares[name]) * self.weights.get(name, 1.0)


def _labels(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [str(label) for label in value]
    return [] if value is None or value == "" else [str(value)]


def _unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    length = float(np.sqrt((vector * vector).sum(dtype=np.float64)))
    return (vector / (length or 1.0)).astype(np.float32)
