"""A coarse copy of a catalogue that finds a shortlist sure to hold the best items of each user, and their order."""

import numpy as np
from numpy.typing import NDArray

from proffer.models.compiled import compiled
from proffer.models.products import product
from proffer.models.tiles import ITEMS, VECTORS, bytes_are_fast, tile

BLOCK = 1024
FINE = 1e-9


class Screen:
    """Items in order of length, longest first, in blocks of 1,024 with one scale each, as bytes or float32.

    For a user u and an item v with coarse copies u' and v' the true product lies within
    |u| |v - v'| + |u - u'| |v'|, plus the rounding of the coarse sum, of the coarse one. These lengths are measured
    in double precision, block by block, so the bound is proved and not assumed.
    """

    def __init__(
        self, factors: NDArray[np.floating], lengths: NDArray[np.float64], *, coarse: bool | None = None
    ) -> None:
        self.factors = factors
        n, f = factors.shape
        self.bytes = bytes_are_fast() if coarse is None else coarse
        self.order = np.argsort(-lengths, kind="stable")
        blocks, per_word = -(-n // BLOCK), 4 if self.bytes else 1
        words = max(-(-f // per_word), 1)
        kind = np.int32 if self.bytes else np.float32
        self.packed = np.zeros(blocks * BLOCK * words, kind)
        self.start = np.zeros(blocks * BLOCK, kind)
        # A float32 sum of f products is off by at most f + 2 roundings of what it adds up; a sum of bytes is exact.
        self.rounding = 0.0 if self.bytes else (f + 2) * 2.0**-24 * 1.01
        self.blocks = np.zeros((blocks, 4))
        cells = self.packed.view(np.int8) if self.bytes else self.packed
        _pack(factors, self.order, words, per_word, self.blocks, self.start, cells)

    def top(
        self, users: NDArray[np.floating], first: int, last: int, k: int, ranks: NDArray[np.int64],
        seen: tuple[NDArray[np.int64], NDArray[np.int64]], rows: NDArray[np.int64], scores: NDArray[np.float64],
        done: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Fill `rows` and `scores` (b, k) of the users from `first` to `last`, ties in order of `ranks` (n,).

        `done` (b,) tells for whom; for the others too many items are too close together for a shortlist.
        """
        words = len(self.packed) // len(self.start)
        theirs = np.zeros(words * VECTORS, self.packed.dtype)
        limits, sums = np.zeros(VECTORS, self.packed.dtype), np.zeros(VECTORS * ITEMS, self.packed.dtype)
        room = 8 * k + 1024
        _top(
            users, first, last, k, self.factors, self.order, self.packed, self.start, self.blocks, self.rounding,
            words, 4 if self.bytes else 1, theirs, theirs.view(np.uint8) if self.bytes else theirs, limits, sums,
            room, ranks, seen[0], seen[1], rows, scores, done,
        )  # fmt: skip


@compiled
def lengths_of(factors):  # type: ignore[no-untyped-def]
    """Return the length of each row (n,); NaN or infinite where a number of it is."""
    found = np.empty(len(factors))
    for row in range(len(factors)):
        total = 0.0
        for column in range(factors.shape[1]):
            total += np.float64(factors[row, column]) ** 2
        found[row] = np.sqrt(total)
    return found


@compiled
def _pack(factors, order, words, per_word, blocks, start, cells):  # type: ignore[no-untyped-def]
    """Copy the items coarsely; `blocks` gets scale, longest item, longest error and longest copy of each."""
    n, f = factors.shape
    for block in range(len(blocks)):
        end = min((block + 1) * BLOCK, n)
        largest = 0.0
        for place in range(block * BLOCK, end):
            for column in range(f):
                largest = max(largest, abs(np.float64(factors[order[place], column])))
        scale = _scale(largest, per_word)
        longest = wrong = copied = 0.0
        for place in range(block * BLOCK, end):
            row, panel, slot = order[place], place // ITEMS, place % ITEMS
            length = error = copy = 0.0
            total = 0
            for column in range(f):
                value = np.float64(factors[row, column])
                step = _step(value, scale, per_word)
                word, part = column // per_word, column % per_word
                cells[((panel * words + word) * ITEMS + slot) * per_word + part] = step
                total += int(step)
                length += value * value
                error += (value - step * scale) ** 2
                copy += (step * scale) ** 2
            # A user's bytes are 128 too high, which this takes back.
            start[place] = -128 * total if per_word == 4 else 0
            longest, wrong, copied = max(longest, length), max(wrong, error), max(copied, copy)
        blocks[block, 0], blocks[block, 1] = scale, np.sqrt(longest)
        blocks[block, 2], blocks[block, 3] = np.sqrt(wrong), np.sqrt(copied)


@compiled
def _scale(largest, per_word):  # type: ignore[no-untyped-def]
    scale = largest / 127.0 if per_word == 4 else largest
    return scale if scale > 1e-150 else 1.0


@compiled
def _step(value, scale, per_word):  # type: ignore[no-untyped-def]
    if per_word == 4:
        return np.float64(min(max(np.rint(value / scale), -127.0), 127.0))
    return np.float64(np.float32(value / scale))


@compiled
def _top(  # type: ignore[no-untyped-def]
    users, first, last, k, factors, order, packed, start, blocks, rounding, words, per_word, theirs, cells, limits,
    sums, room, ranks, seen_start, seen_items, rows, scores, done
):  # fmt: skip
    masks = np.zeros(VECTORS, np.uint32)
    kept = np.empty((VECTORS, room), np.int64)
    high, heap = np.empty((VECTORS, room)), np.empty((VECTORS, k))
    marks = np.zeros(len(order), np.uint8)
    count = np.zeros(VECTORS, np.int64)
    sizes, floor = np.zeros((VECTORS, 3)), np.zeros(VECTORS)
    scale_error = np.zeros((VECTORS, 2))
    full = np.zeros(VECTORS, np.bool_)
    for begin in range(first, last, VECTORS):
        here = min(VECTORS, last - begin)
        for slot in range(VECTORS):
            full[slot] = slot >= here
            count[slot], floor[slot], heap[slot, :] = 0, -np.inf, -np.inf
            if slot < here:
                _pack_user(users, begin + slot, slot, per_word, cells, sizes)
                _mark(marks, seen_items[seen_start[begin + slot] : seen_start[begin + slot + 1]], slot, True)
        for block in range(len(blocks)):
            if not _enter(block, blocks, sizes, rounding, floor, full, scale_error, limits, per_word):
                break
            end = min((block + 1) * BLOCK, len(order))
            for place in range(block * BLOCK, end, ITEMS):
                at = place * words
                if tile(packed, at, theirs, 0, words, start, place, limits, sums, masks) == 0:
                    continue
                for slot in range(here):
                    if masks[slot] == 0 or full[slot]:
                        continue
                    _push(
                        masks[slot], place, end, order, sums[slot * ITEMS : (slot + 1) * ITEMS], scale_error[slot],
                        marks, slot, kept[slot], high[slot], heap[slot], count,
                    )  # fmt: skip
                    if heap[slot, 0] > floor[slot]:
                        floor[slot] = heap[slot, 0]
                        limits[slot] = _limit(floor[slot], scale_error[slot], False, per_word)
                    if count[slot] > room - ITEMS:
                        _prune(slot, kept, high, count, floor)
                        if count[slot] > room - 8 * ITEMS:
                            full[slot] = True
                            limits[slot] = _limit(0.0, scale_error[slot], True, per_word)
        for slot in range(here):
            _mark(marks, seen_items[seen_start[begin + slot] : seen_start[begin + slot + 1]], slot, False)
            if not full[slot]:
                _prune(slot, kept, high, count, floor)
                _settle(users, begin + slot, factors, kept[slot, : count[slot]], k, ranks, rows, scores)
                done[begin + slot] = True


@compiled
def _pack_user(users, user, slot, per_word, cells, sizes):  # type: ignore[no-untyped-def]
    """Copy a user coarsely into his slot of the tile; `sizes` gets his scale, length and error."""
    largest = 0.0
    for column in range(users.shape[1]):
        largest = max(largest, abs(np.float64(users[user, column])))
    scale = _scale(largest, per_word)
    length = error = 0.0
    for column in range(users.shape[1]):
        value = np.float64(users[user, column])
        step = _step(value, scale, per_word)
        where = ((column // per_word) * VECTORS + slot) * per_word + column % per_word
        cells[where] = step + 128.0 if per_word == 4 else step
        length += value * value
        error += (value - step * scale) ** 2
    sizes[slot, 0], sizes[slot, 1], sizes[slot, 2] = scale, np.sqrt(length), np.sqrt(error)


@compiled
def _enter(block, blocks, sizes, rounding, floor, full, scale_error, limits, per_word):  # type: ignore[no-untyped-def]
    """Set each slot's limit for a block; return whether any user may still find something in it or after it."""
    scale, longest, wrong, copied = blocks[block]
    alive = False
    for slot in range(len(floor)):
        # No product exceeds the product of the lengths (Cauchy and Schwarz), and later blocks are shorter still.
        reach = sizes[slot, 1] * longest * (1.0 + FINE)
        passed = full[slot] or reach < floor[slot]
        error = sizes[slot, 1] * wrong + sizes[slot, 2] * copied + (sizes[slot, 1] + sizes[slot, 2]) * copied * rounding
        scale_error[slot, 0] = scale * sizes[slot, 0]
        scale_error[slot, 1] = error * (1.0 + FINE) + reach * FINE
        limits[slot] = _limit(floor[slot], scale_error[slot], passed, per_word)
        alive = alive or not passed
    return alive


@compiled
def _limit(floor, scale_error, passed, per_word):  # type: ignore[no-untyped-def]
    """Return what a coarse sum must exceed, in its own units, rounded down."""
    most = 2147483000.0 if per_word == 4 else 3e38
    if passed:
        return most
    wanted = (floor - scale_error[1]) / scale_error[0]
    wanted = np.floor(wanted) - 1.0 if per_word == 4 else wanted - abs(wanted) * 1e-6 - 1e-30
    return min(max(wanted, -most), most)


@compiled
def _mark(marks, seen, slot, on):  # type: ignore[no-untyped-def]
    """Set or clear a slot's bit at the items its user has seen."""
    bit = np.uint8(1 << slot)
    for row in seen:
        marks[row] = marks[row] | bit if on else marks[row] & ~bit


@compiled
def _push(mask, place, end, order, sums, scale_error, marks, slot, kept, high, heap, count):  # type: ignore[no-untyped-def]
    """Keep what passed the limit, and in `heap` the k highest of what its products are at least."""
    size, bit = count[slot], np.uint8(1 << slot)
    for lane in range(min(ITEMS, end - place)):
        if (mask >> np.uint32(lane)) & np.uint32(1):
            row = order[place + lane]
            if marks[row] & bit:
                continue
            coarse = np.float64(sums[lane]) * scale_error[0]
            kept[size], high[size] = row, coarse + scale_error[1]
            size += 1
            if coarse - scale_error[1] > heap[0]:
                _replace_least(heap, coarse - scale_error[1])
    count[slot] = size


@compiled
def _replace_least(heap, value):  # type: ignore[no-untyped-def]
    """Put a value in place of the least of a heap."""
    at, size = 0, len(heap)
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value


@compiled
def _prune(slot, kept, high, count, floor):  # type: ignore[no-untyped-def]
    """Drop what cannot be among the k best: k others are sure to be better."""
    left = 0
    for at in range(count[slot]):
        if high[slot, at] >= floor[slot]:
            kept[slot, left], high[slot, left] = kept[slot, at], high[slot, at]
            left += 1
    count[slot] = left


@compiled
def _settle(users, user, factors, found, k, ranks, rows, scores):  # type: ignore[no-untyped-def]
    """Score a shortlist exactly and put its k best in order, each where it belongs among those before."""
    size = 0
    for row in found:
        score = product(users, user, factors, row)
        at = min(size, k)
        while at > 0:
            other = rows[user, at - 1]
            if scores[user, at - 1] > score or (scores[user, at - 1] == score and ranks[other] < ranks[row]):
                break
            if at < k:
                rows[user, at], scores[user, at] = other, scores[user, at - 1]
            at -= 1
        if at < k:
            rows[user, at], scores[user, at] = row, score
            size = min(size + 1, k)
