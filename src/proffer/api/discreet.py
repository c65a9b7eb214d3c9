"""The server's log without people in it: what an unforeseen error says may be anybody's id or text."""

import copy
import logging
import os
import traceback
from pathlib import Path

from proffer.core.errors import ProfferError


class Discreet(logging.Formatter):
    """Writes what kind of error happened and where, and not what it says; Proffer's own errors keep their words.

    With PROFFER_TRACEBACK set everything is written, to look for a fault.
    """

    def __init__(self, form: str, *, open: bool | None = None) -> None:
        super().__init__(form)
        self.open = bool(os.environ.get("PROFFER_TRACEBACK")) if open is None else open

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        if not self.open:
            record = copy.copy(record)
            record.exc_text = None
            if isinstance(record.args, tuple):
                record.args = tuple(named(arg) if isinstance(arg, BaseException) else arg for arg in record.args)
        return super().format(record)

    def formatException(self, ei) -> str:  # type: ignore[no-untyped-def]  # noqa: N802 - as logging names it
        """Return the places an error came by and what kind it is."""
        if self.open or ei[1] is None:
            return super().formatException(ei)
        lines: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None:
            lines += [f"{named(error)}, by way of", *(f"  {place}" for place in _places(error))]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(lines)


def named(error: BaseException) -> str:
    """Return what an error is and where it was raised; what it says only where Proffer said it.

    >>> named(KeyError("u1"))
    'KeyError'
    >>> named(ProfferError("the disk is full"))
    'the disk is full'
    """
    if isinstance(error, ProfferError):
        return str(error)
    places = _places(error)
    return f"{type(error).__name__} at {places[-1]}" if places else type(error).__name__


def _places(error: BaseException) -> list[str]:
    return [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
