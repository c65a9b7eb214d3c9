"""The kernels that walk trees laid end to end, for `trees.Trees`."""

import numpy as np

from proffer.models.compiled import compiled

BLOCK = 128
"""Rows scored together, so that what is known of their leaves stays in the nearest cache."""
ZERO = float(np.float32(1e-35))
"""What LightGBM takes for zero (`kZeroThreshold`)."""
PLAIN, NAN_LEFT, ZERO_LEFT, ZERO_RIGHT = 0, 1, 2, 3
"""How a node sends an unknown value: right, left; zeros and unknown ones left, zeros and unknown ones right."""
_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BITS = np.zeros(64, np.int64)
_BITS[[(int(_BRUIJN) << bit & (2**64 - 1)) >> 58 for bit in range(64)]] = np.arange(64)


@compiled
def flushed(X):  # type: ignore[no-untyped-def]
    """Return rows (n, d) by column (d, n), with what LightGBM takes for zero as zero."""
    columns = np.empty((X.shape[1], X.shape[0]), np.float32)
    for row in range(X.shape[0]):
        for column in range(X.shape[1]):
            columns[column, row] = np.float32(0.0) if abs(X[row, column]) <= ZERO else X[row, column]
    return columns


@compiled
def sound(nodes, left, right):  # type: ignore[no-untyped-def]
    """Return whether every inner node and leaf of every tree has one parent, above it."""
    start = 0
    for tree in range(len(nodes)):
        size = nodes[tree]
        inner, outer = np.zeros(size + 1, np.int64), np.zeros(size + 1, np.int64)
        for node in range(size):
            for child in (left[start + node], right[start + node]):
                if child >= 0:
                    if child <= node or child >= size:
                        return False
                    inner[child] += 1
                else:
                    if ~child > size:
                        return False
                    outer[~child] += 1
        for node in range(1, size):
            if inner[node] != 1:
                return False
        for leaf in range(size + 1):
            if size > 0 and outer[leaf] != 1:
                return False
        start += size
    return True


@compiled
def laid_out(nodes, leaves, left, right):  # type: ignore[no-untyped-def]
    """Return for each node the bits of the leaves that stay when a row goes right, and the leaves from left to right.

    Bit b of a tree stands for its leaf b from the left.
    """
    masks = np.empty(len(left), np.uint64)
    order = np.empty(leaves.sum(), np.int64)
    start, first = 0, 0
    for tree in range(len(nodes)):
        size = nodes[tree]
        below = np.ones(size, np.int64)
        for node in range(size - 1, -1, -1):
            a, b = left[start + node], right[start + node]
            below[node] = (below[a] if a >= 0 else 1) + (below[b] if b >= 0 else 1)
        place = np.zeros(size, np.int64)
        if size == 0:
            order[first] = first
        for node in range(size):
            a, b = left[start + node], right[start + node]
            width = below[a] if a >= 0 else 1
            ones = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - width)
            masks[start + node] = ~(ones << np.uint64(place[node]))
            for child, at in ((a, place[node]), (b, place[node] + width)):
                if child >= 0:
                    place[child] = at
                else:
                    order[first + at] = first + ~child
        start += size
        first += leaves[tree]
    return masks, order


@compiled
def means(nodes, leaves, left, right, value, count):  # type: ignore[no-untyped-def]
    """Return the mean of the leaves below each node, each counted as often as rows fell into it."""
    means = np.zeros(len(left))
    start, first = 0, 0
    for tree in range(len(nodes)):
        size = nodes[tree]
        rows = np.zeros(size)
        for node in range(size - 1, -1, -1):
            total = 0.0
            for child in (left[start + node], right[start + node]):
                n = rows[child] if child >= 0 else count[first + ~child]
                total += n * (means[start + child] if child >= 0 else value[first + ~child])
                rows[node] += n
            means[start + node] = total / rows[node]
        start += size
        first += leaves[tree]
    return means


@compiled
def leaf_sums(columns, nodes, leaves, feature, below, kinds, masks, values):  # type: ignore[no-untyped-def]
    """Score rows given by column (d, n): every node clears the leaves that a row going right cannot reach any more,
    and the leftmost leaf left is the row's (QuickScorer; Lucchese et al. 2015). No branch depends on a value."""
    n = columns.shape[1]
    out = np.zeros(n)
    everything = ~(masks[:1] & ~masks[:1])
    bits = np.empty(min(BLOCK, n), masks.dtype)
    for begin in range(0, n, BLOCK):
        end = min(begin + BLOCK, n)
        width = end - begin
        start, first = 0, 0
        for tree in range(len(nodes)):
            bits[:width] = everything[0]
            for node in range(start, start + nodes[tree]):
                clear(columns[feature[node], begin:end], below[node], kinds[node], masks[node : node + 1], bits)
            for row in range(width):
                v = np.uint64(bits[row])
                low = v & (~v + np.uint64(1))
                out[begin + row] += values[first + _BITS[(low * _BRUIJN) >> np.uint64(58)]]
            start += nodes[tree]
            first += leaves[tree]
    return out


@compiled
def clear(x, threshold, kind, mask, bits):  # type: ignore[no-untyped-def]
    """Keep of each row's bits those of the mask, where its value goes right."""
    keep = mask[0]
    everything = keep | ~keep
    if kind == PLAIN:
        for row in range(len(x)):
            bits[row] &= everything if x[row] <= threshold else keep
    elif kind == NAN_LEFT:
        for row in range(len(x)):
            bits[row] &= keep if x[row] > threshold else everything
    elif kind == ZERO_LEFT:
        for row in range(len(x)):
            bits[row] &= keep if x[row] > threshold and x[row] != 0.0 else everything
    else:
        for row in range(len(x)):
            bits[row] &= everything if x[row] <= threshold and x[row] != 0.0 else keep


@compiled
def goes_left(x, threshold, kind):  # type: ignore[no-untyped-def]
    """Return whether a value goes left."""
    if kind == PLAIN:
        return x <= threshold
    if kind == NAN_LEFT:
        return not x > threshold
    if kind == ZERO_LEFT:
        return not (x > threshold and x != 0.0)
    return x <= threshold and x != 0.0


@compiled
def path_sums(X, nodes, leaves, feature, below, kinds, left, right, value, means):  # type: ignore[no-untyped-def]
    """Walk every row down every tree, and add each difference of means to the column that was split on."""
    out = np.zeros((X.shape[0], X.shape[1] + 1))
    start, first = 0, 0
    for tree in range(len(nodes)):
        for row in range(X.shape[0]):
            if nodes[tree] == 0:
                out[row, -1] += value[first]
                continue
            out[row, -1] += means[start]
            node = 0
            while node >= 0:
                at = start + node
                child = left[at] if goes_left(X[row, feature[at]], below[at], kinds[at]) else right[at]
                then = means[start + child] if child >= 0 else value[first + ~child]
                out[row, feature[at]] += then - means[at]
                node = child
        start += nodes[tree]
        first += leaves[tree]
    return out
