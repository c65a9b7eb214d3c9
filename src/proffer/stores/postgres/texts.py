"""What a text column of PostgreSQL cannot hold."""

from typing import Any

from proffer.core.errors import Invalid


def can_hold(text: str) -> bool:
    """Tell whether PostgreSQL can store a text: one without U+0000 and without half a surrogate pair.

    >>> can_hold("caf\\u00e9"), can_hold("a\\x00b"), can_hold("\\ud800")
    (True, False, False)
    """
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_cells(cells: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row's cells. Raises Invalid where a text among them is none that PostgreSQL can store."""
    if "\0" in "".join(cell for cell in cells if isinstance(cell, str)):
        raise Invalid("a text holds U+0000", field="event", remedy="Check it against the application's schema first.")
    return cells
