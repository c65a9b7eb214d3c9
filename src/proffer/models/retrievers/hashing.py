"""Texts and attributes as short dense vectors, by signed hashing."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from proffer.models.compiled import compiled

BUCKETS = 1 << 16
Bag = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Different buckets of one text, ascending, and how often each occurs."""

_WORDS = re.compile(r"\w+")
_CHARACTERS = 1_000
_SPACE = 32
_KEPT = 1 << 13
"""So many bags of each kind are kept: an item is read again after every fit, and says much that others say too."""


def plain(text: str) -> str:
    """Return the words of a text, normalised (NFKC, case folded), joined by single spaces; its first 1,000 characters.

    >>> plain("Räksmörgås,  HELLO")
    'räksmörgås hello'
    """
    return " ".join(_WORDS.findall(unicodedata.normalize("NFKC", text[:_CHARACTERS]).casefold()))


def text_bags(text: str) -> list[Bag]:
    """Return the bag of a text's character 3-, 4- and 5-grams and the bag of its words; nothing for an empty one."""
    return [*_text_bags(text)]


def fact_bag(facts: Iterable[tuple[str, str]]) -> Bag:
    """Return the bag of name-value pairs, each one token."""
    return _fact_bag(tuple(facts))


@lru_cache(_KEPT)
def _text_bags(text: str) -> tuple[Bag, ...]:
    words = plain(text)
    if not words:
        return ()
    codes = _codes(f" {words} ")
    return _bag(_grams(codes, 3, 5)), _bag(_words(codes))


@lru_cache(_KEPT)
def _fact_bag(facts: tuple[tuple[str, str], ...]) -> Bag:
    tokens = [_token(_codes(f"{name}\x00{plain(value)}")) for name, value in facts]
    return _bag(np.asarray(tokens, np.int64))


@compiled
def spread(buckets, counts, rarity, share, out):  # type: ignore[no-untyped-def]
    """Add a bag to a vector (dims,): each bucket at its own dimension and sign, weighted (1 + ln count) x rarity.

    The bag is scaled to length `share` first, so that long and short ones say as much. Feature hashing: Weinberger
    et al., ICML 2009.
    """
    own = np.zeros(len(out))
    for place in range(len(buckets)):
        mixed = _mixed(buckets[place] + 1)
        weight = (1.0 + np.log(counts[place])) * rarity[buckets[place]]
        own[mixed % len(out)] += weight if mixed >> 40 & 1 else -weight
    length = np.sqrt((own * own).sum())
    if length > 0.0:
        out += share * own / length


def _codes(text: str) -> NDArray[np.int64]:
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32).astype(np.int64)


def _bag(hashes: NDArray[np.int64]) -> Bag:
    buckets, counts = np.unique(hashes % BUCKETS, return_counts=True)
    return buckets, counts.astype(np.int64)


@compiled
def _mixed(value):  # type: ignore[no-untyped-def]
    value = (value ^ (value >> 29)) * 0x1CE4E5B9BF58476D
    value = (value ^ (value >> 32)) * 0x14D049BB133111EB
    return (value ^ (value >> 29)) & 0x7FFFFFFFFFFFFFFF


@compiled
def _grams(codes, shortest, longest):  # type: ignore[no-untyped-def]
    out = np.empty(len(codes) * (longest - shortest + 1), np.int64)
    size = 0
    for start in range(len(codes)):
        value = 0
        for end in range(start, min(start + longest, len(codes))):
            value = _mixed(value + codes[end] + 1)
            if end - start + 1 >= shortest:
                out[size] = value
                size += 1
    return out[:size]


@compiled
def _words(codes):  # type: ignore[no-untyped-def]
    out = np.empty(len(codes), np.int64)
    size, value = 0, 1
    for place in range(1, len(codes)):
        if codes[place] != _SPACE:
            value = _mixed(value + codes[place])
        else:
            out[size] = value
            size += 1
            value = 1
    return out[:size]


@compiled
def _token(codes):  # type: ignore[no-untyped-def]
    value = 2
    for code in codes:
        value = _mixed(value + code)
    return value
