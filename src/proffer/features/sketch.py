"""Text sketches: a text as a short vector, a pure function of its characters.

Signed feature hashing (Weinberger et al. 2009, Feature hashing for large scale multitask learning) of words of four
letters and more and of the character 3- and 4-grams inside words, so that compounds and inflections meet halfway.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from proffer.core.entities import stable_key
from proffer.features.compile import compiled

DIMENSIONS = 24
TAGS = 16
_BITS = np.arange(TAGS)
CHARACTERS = 2000
_GAPS = re.compile(r"[\W_]+")
_SPACE = 32


@compiled
def _add(out: NDArray[np.float64], text: NDArray[np.uint32], start: int, stop: int, weight: float) -> None:
    """Add a run of characters at the place and with the sign its hash gives (FNV-1a, splitmix64's finaliser)."""
    h = np.uint64(0xCBF29CE484222325)
    for place in range(start, stop):
        h = (h ^ np.uint64(text[place])) * np.uint64(0x100000001B3)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    h = h ^ (h >> np.uint64(31))
    sign = 1.0 if h & np.uint64(1) else -1.0
    out[np.int64((h >> np.uint64(1)) % np.uint64(out.size))] += sign * weight


@compiled
def _sketch(out: NDArray[np.float64], text: NDArray[np.uint32], weight: float) -> None:
    start = 0
    for place in range(text.size + 1):
        if place < text.size and text[place] != _SPACE:
            continue
        length = place - start
        if length >= 4:
            _add(out, text, start, place, weight)
            grams = 2 * length - 5
            for left in range(start, place - 2):
                _add(out, text, left, left + 3, weight / grams)
                if left + 4 <= place:
                    _add(out, text, left, left + 4, weight / grams)
        start = place + 1


def sketch(title: str, text: str) -> NDArray[np.float32]:
    """Return a unit vector (24,) of a title (which counts three times) and the first 2,000 characters of a text.

    All zeros when there is no word of four letters.

    >>> vector = sketch("Svensk ordbok", "")
    >>> vector.shape, round(float(vector @ vector), 6)
    ((24,), 1.0)
    """
    out = np.zeros(DIMENSIONS)
    for part, weight in ((title, 3.0), (text, 1.0)):
        clean = _GAPS.sub(" ", unicodedata.normalize("NFKC", part[:CHARACTERS]).lower())
        _sketch(out, np.frombuffer(clean.encode("utf-32-le", "surrogatepass"), np.uint32), weight)
    norm = np.sqrt((out * out).sum())
    return (out / norm if norm > 0 else out).astype(np.float32)


def tag_sketch(tags: Sequence[str]) -> NDArray[np.float32]:
    """Return a unit vector (16,) of labels, each a row of signs that its hash gives, without case; zeros for none.

    Two labels have a cosine of 0 on average, 0.25 apart from it as a rule.

    >>> round(float(tag_sketch(["TLS", "edge"]) @ tag_sketch(["edge", "tls"])), 6)
    1.0
    """
    out = np.zeros(TAGS)
    for tag in sorted({tag.casefold() for tag in tags}):
        out += (stable_key("tag", tag) >> _BITS & 1) * 2.0 - 1.0
    norm = np.sqrt((out * out).sum())
    return (out / norm if norm > 0 else out).astype(np.float32)


def count_words(text: str) -> int:
    """Return how many words a text has."""
    return len(_GAPS.sub(" ", text).split())
