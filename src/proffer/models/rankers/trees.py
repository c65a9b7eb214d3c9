"""Boosted trees as plain arrays: read from LightGBM's text once, scored by our own kernel ever after.

Serving so never hands a file to a native loader, which a damaged one can crash, and a list is scored faster than
LightGBM scores it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Corrupt
from proffer.models.rankers.walks import (
    NAN_LEFT,
    PLAIN,
    ZERO_LEFT,
    ZERO_RIGHT,
    flushed,
    laid_out,
    leaf_sums,
    means,
    path_sums,
    sound,
)

LEAVES = 64
"""The most leaves a tree may have: one bit each."""
CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2


@dataclass(frozen=True)
class Trees:
    """Trees laid end to end.

    `nodes` and `leaves` (trees,) count each tree's. Of each inner node: `feature` (a column), `threshold`, `decision`
    (LightGBM's bits), `left` and `right`: an inner node of its tree, above its parent, or ~leaf. Of each leaf: its
    `value` and the number of rows `count` it was learned from.
    """

    nodes: NDArray[np.int64]
    leaves: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    decision: NDArray[np.uint8]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    count: NDArray[np.float64]

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the trees of a LightGBM text model. Raises Corrupt for what is none, and for splits by category."""
        blocks = [_block(block) for block in text.split("\nTree=")[1:]]
        if not blocks:
            raise Corrupt("the model holds no trees", field="ranker", remedy="Train again.")
        if any(int(block["num_cat"]) or int(block["is_linear"]) for block in blocks):
            raise Corrupt("splits by category and linear leaves are not read", field="ranker", remedy="Train again.")
        leaves = [int(block["num_leaves"]) for block in blocks]

        def joined(name: str, kind: type[np.generic]) -> NDArray[Any]:
            return np.array([float(part) for block in blocks for part in block.get(name, "").split()], kind)

        count = [block.get("leaf_count", "") or "1" for block in blocks]
        return cls(
            nodes=np.array(leaves, np.int64) - 1,
            leaves=np.array(leaves, np.int64),
            feature=joined("split_feature", np.int32),
            threshold=joined("threshold", np.float64),
            decision=joined("decision_type", np.uint8),
            left=joined("left_child", np.int32),
            right=joined("right_child", np.int32),
            value=joined("leaf_value", np.float64),
            count=np.array([float(part) for parts in count for part in parts.split()]),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], columns: int) -> Self:
        """Return trees of such arrays over so many columns. Raises Corrupt where they are no such trees."""
        try:
            trees = cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise Corrupt(f"the trees lack {error}", field="ranker", remedy="Train again.") from None
        trees.check(columns)
        return trees

    def check(self, columns: int) -> None:
        """Raise Corrupt unless a walk from any root ends in a leaf and reads no other than these columns."""
        inner, outer = int(self.nodes.sum()), int(self.leaves.sum())
        lengths = {len(part) for part in (self.feature, self.threshold, self.decision, self.left, self.right)}
        whole = (
            lengths == {inner}
            and {len(self.value), len(self.count)} == {outer}
            and len(self.nodes) == len(self.leaves)
            and bool(
                (self.nodes == self.leaves - 1).all() and (self.leaves >= 1).all() and (self.leaves <= LEAVES).all()
            )
            and bool(((self.feature >= 0) & (self.feature < columns)).all())
            and not (self.decision & CATEGORICAL).any()
            and bool(np.isfinite(self.value).all() and not np.isnan(self.threshold).any())
        )
        if not whole or not sound(self.nodes, self.left, self.right):
            raise Corrupt("the arrays are no trees", field="ranker", remedy="Train again.")

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sum of the leaves each row of X (n, d) falls into (n,), bit for bit LightGBM's raw score."""
        if len(self._masks[0]) == 0:
            return np.full(len(X), _plain_sum(self.value))
        out: NDArray[np.float64] = leaf_sums(
            _by_column(X), self.nodes, self.leaves, self.feature, *self._masks, self._values
        )
        return out

    def contributions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what each column adds to each row's score, and the score of an average row, float64 (n, d + 1).

        A split adds the difference that its side makes to the mean of the leaves below (Saabas 2014); the sum over a
        row is its score up to rounding.
        """
        out: NDArray[np.float64] = path_sums(
            _by_column(X).T, self.nodes, self.leaves, self.feature, self._below, self._kinds,
            self.left, self.right, self.value, self._means,
        )  # fmt: skip
        return out

    @cached_property
    def _kinds(self) -> NDArray[np.uint8]:
        missing = (self.decision >> 2) & 3
        left = (self.decision & DEFAULT_LEFT) > 0
        # Where training saw no unknown value, LightGBM reads one as 0.
        nan_left = np.where(missing == MISSING_NAN, left, self.threshold >= 0)
        kinds = np.where(nan_left, NAN_LEFT, PLAIN)
        return np.where(missing == MISSING_ZERO, np.where(left, ZERO_LEFT, ZERO_RIGHT), kinds).astype(np.uint8)

    @cached_property
    def _below(self) -> NDArray[np.float32]:
        """Return the highest float32 that is not above each threshold: a float32 compares alike with both."""
        near = self.threshold.astype(np.float32)
        return np.where(near > self.threshold, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)

    @cached_property
    def _masks(self) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.unsignedinteger[Any]]]:
        width = np.uint32 if int(self.leaves.max()) <= 32 else np.uint64
        masks, _ = self._laid_out
        return self._below, self._kinds, masks.astype(width)

    @cached_property
    def _values(self) -> NDArray[np.float64]:
        return self.value[self._laid_out[1]]

    @cached_property
    def _laid_out(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        found: tuple[NDArray[np.uint64], NDArray[np.int64]] = laid_out(self.nodes, self.leaves, self.left, self.right)
        return found

    @cached_property
    def _means(self) -> NDArray[np.float64]:
        found: NDArray[np.float64] = means(
            self.nodes, self.leaves, self.left, self.right, self.value, np.maximum(self.count, 1.0)
        )
        return found


def _block(text: str) -> dict[str, str]:
    lines = text.split("\n\n", 1)[0].split("\n")[1:]
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    missing = {"num_leaves", "num_cat", "leaf_value", "is_linear"} - set(found)
    if missing:
        raise Corrupt(f"a tree lacks {', '.join(sorted(missing))}", field="ranker", remedy="Train again.")
    return found


def _by_column(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows as contiguous columns (d, n), with what LightGBM takes for zero as zero."""
    columns: NDArray[np.float32] = flushed(np.ascontiguousarray(X, np.float32))
    return columns


def _plain_sum(values: NDArray[np.float64]) -> float:
    total = 0.0
    for value in values.tolist():
        total += value
    return total
