"""The check that arrays hold numbers, texts or bytes: whatever else there is would need pickle."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from proffer.core.errors import Invalid

KINDS = "biufcSU"


def check_plain(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise Invalid naming the array that cannot be kept without pickle."""
    for name, array in arrays.items():
        if array.dtype.kind not in KINDS:
            remedy = "Use numbers, texts or bytes."
            raise Invalid(f"array {name!r} holds {array.dtype}", field=name, remedy=remedy)
