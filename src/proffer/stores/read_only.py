"""What a store that was opened for reading only says to whoever wants to write."""

from proffer.core.errors import Invalid


def read_only() -> Invalid:
    """Return the error to raise."""
    return Invalid("the workspace was opened for reading only", field="workspace", remedy="Open it for writing.")
