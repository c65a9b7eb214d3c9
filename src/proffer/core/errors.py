"""Every error Proffer raises, as one tree.

ProfferError
  Invalid            input that can never work as given (HTTP 422)
    Malformed        input that cannot be read at all (HTTP 400)
    TooLarge         more than the stated limit (HTTP 413)
  Unauthorized       no token, or one that is not known (HTTP 401)
  Forbidden          a token without the scope (HTTP 403)
  NotFound           a thing of that name does not exist here (HTTP 404)
  Conflict           it exists with other content, or changed meanwhile (HTTP 409)
    CannotServe      a model version that must not serve, and why
    CannotReplay     what is gone that a decision was made from
  Busy               somebody else holds it now (HTTP 503, with Retry-After)
    WorkspaceBusy    another process writes this workspace
  StorageFull        the disk refuses; nothing was written (HTTP 507)
  Corrupt            a file that does not match its hash or cannot be read
  CannotTrain        what is missing before a model can be fitted
  CannotStart        configuration that must be mended first
"""


class ProfferError(Exception):
    """An error with a message, the field at fault and what to do about it."""

    status = 500
    title = "Internal error"

    def __init__(self, message: str, *, field: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        then = f". {self.remedy}" if self.remedy else ""
        return f"{where}{self.message}{then}"


class Invalid(ProfferError):
    """Input that was read but is impossible."""

    status = 422
    title = "Impossible input"


class Malformed(Invalid):
    """Input that cannot be read."""

    status = 400
    title = "Unreadable input"


class TooLarge(Invalid):
    """Input beyond a stated limit."""

    status = 413
    title = "Too large"


class Unauthorized(ProfferError):
    """No token, or one nobody issued."""

    status = 401
    title = "Not authenticated"


class Forbidden(ProfferError):
    """A token that lacks the scope of the operation."""

    status = 403
    title = "Not allowed"


class NotFound(ProfferError):
    """A name that does not exist in this workspace."""

    status = 404
    title = "Not found"


class Conflict(ProfferError):
    """A thing that exists with other content, or changed meanwhile."""

    status = 409
    title = "Conflict"


class CannotServe(Conflict):
    """A model version that must not serve: damaged, made for other features, or not what it was when it was fitted."""


class CannotReplay(Conflict):
    """A decision that cannot be made again: its model, its part of the log or its code is gone."""


class Busy(ProfferError):
    """A resource somebody else holds for now."""

    status = 503
    title = "Busy"


class WorkspaceBusy(Busy):
    """A workspace that another process is writing."""


class StorageFull(ProfferError):
    """A store that refuses to take more; nothing was written."""

    status = 507
    title = "Storage full"


class Corrupt(ProfferError):
    """A file that does not match its hash, or cannot be read."""

    title = "Corrupt file"


class CannotTrain(ProfferError):
    """A training that lacks something, and says what."""

    status = 409
    title = "Cannot train"


class CannotStart(ProfferError):
    """A configuration that must be mended before anything starts."""
