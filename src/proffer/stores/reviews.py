"""Reviews as every registry keeps them: JSON, with finite numbers alone."""

from typing import Any

import msgspec

from proffer.core.errors import Invalid
from proffer.core.ports import Review

_decode = msgspec.json.Decoder(Review).decode


def encoded(review: Review) -> bytes:
    """Return a review as JSON. Raises Invalid for a body that JSON cannot hold."""
    try:
        return msgspec.json.encode(review, enc_hook=_plain)
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"not JSON: {error}", field="body", remedy="Keep numbers, texts, lists and mappings.") from None


def decoded(body: bytes) -> Review:
    """Return the review that JSON holds."""
    return _decode(body)


def written(review: Review) -> Review:
    """Return a review as it comes back from any store. Raises Invalid for a body that JSON cannot hold."""
    return decoded(encoded(review))


def _plain(value: Any) -> Any:
    # Numbers of NumPy are numbers.
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()
    raise TypeError(f"a {type(value).__name__} is neither number, text, list nor mapping")
