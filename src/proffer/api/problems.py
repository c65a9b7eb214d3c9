"""Every error as problem details (RFC 9457): what is wrong, where, and what to do about it."""

import logging
import re
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from proffer.core.errors import (
    Busy,
    CannotStart,
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    ProfferError,
    StorageFull,
    TooLarge,
    Unauthorized,
)

MEDIA_TYPE = "application/problem+json"
WORDS = {
    "str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "object": "an object",
    "array": "an array", "null": "null",
}  # fmt: skip
logger = logging.getLogger("proffer.http")


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An error as it goes over the wire; `type` is stable and names its page in the documentation."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    remedy: str | None = None
    request_id: str | None = None


class UnsupportedMedia(Invalid):
    """A body in another form than plain JSON."""

    status = 415
    title = "Unsupported media type"


class MethodNotAllowed(ProfferError):
    """A path that exists, asked with a method it does not have."""

    status = 405
    title = "Method not allowed"


class TooSlow(Invalid):
    """A body that did not arrive in time."""

    status = 408
    title = "Body too slow"


class TooMany(Busy):
    """More requests than a token may make."""

    status = 429
    title = "Too many requests"


KINDS: tuple[type[ProfferError], ...] = (
    Malformed, Unauthorized, Forbidden, NotFound, MethodNotAllowed, TooSlow, Conflict, TooLarge, UnsupportedMedia,
    Invalid, TooMany, Busy, StorageFull,
)  # fmt: skip
TITLES = {kind.status: kind.title for kind in KINDS}
RETRY_SECONDS = 1


def of_error(error: Exception, request_id: str) -> Problem:
    """Return the problem an exception means; what nobody expected is logged and shows nothing of the inside."""
    if isinstance(error, HTTPException):
        title = TITLES.get(error.status_code, HTTPStatus(error.status_code).phrase)
        return _problem(error.status_code, title, error.detail, request_id=request_id)
    if (isinstance(error, ProfferError) and error.status < 500) or isinstance(error, Busy | StorageFull):
        return _problem(error.status, error.title, error.message, error.field, error.remedy, request_id)
    if isinstance(error, CannotStart):
        # It did start: a password, a right or a table was taken away since, and all is well once that is mended.
        logger.warning("request %s: %s", request_id, error)
        return _problem(Busy.status, Busy.title, error.message, error.field, error.remedy, request_id)
    logger.error("request %s failed", request_id, exc_info=error)
    remedy = "Look for the request_id in the server's log."
    return _problem(500, ProfferError.title, "the server met an error it did not expect", None, remedy, request_id)


def response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return the HTTP answer to a problem."""
    sent = dict(headers or {})
    if problem.status == 401:
        sent["WWW-Authenticate"] = 'Bearer realm="proffer"'
    if problem.status in (429, 503):
        sent.setdefault("Retry-After", str(RETRY_SECONDS))
    return Response(msgspec.json.encode(problem), problem.status, sent, media_type=MEDIA_TYPE)


def misfit(error: msgspec.ValidationError, hint: str = "") -> Invalid:
    """Return what msgspec says of a value that does not fit its type, as field, message and remedy.

    >>> str(misfit(msgspec.ValidationError("Expected `int` >= 1 - at `$.n`")))
    'n: expected a whole number >= 1. Send a whole number >= 1.'
    """
    text = re.sub(r"(?<!field )`(\w+)`", lambda found: WORDS.get(found[1], found[0]), str(error))
    message, _, place = text.partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    named = re.search(r"(missing required|contains unknown) field `(?P<name>[^`]*)`", message)
    if named is not None:
        field = f"{path}.{named['name']}".removeprefix(".")
        missing = named[1] == "missing required"
        wrong, then = ("missing", f"Send it. {hint}") if missing else ("unknown field", f"Leave it out. {hint}")
        return Invalid(wrong, field=field[:80], remedy=then.strip())
    wanted = re.match(r"Expected (?P<wanted>.+?)(?:, got .+)?$", message)
    remedy = f"Send {wanted['wanted']}." if wanted else hint or "Send another value."
    return Invalid(message[0].lower() + message[1:], field=path[:80] or "body", remedy=remedy)


def _problem(
    status: int,
    title: str,
    detail: str,
    field: str | None = None,
    remedy: str | None = None,
    request_id: str | None = None,
) -> Problem:
    kind = "about:blank" if title not in TITLES.values() else f"urn:proffer:problem:{title.lower().replace(' ', '-')}"
    return Problem(
        type=kind, title=title, status=status, detail=detail, field=field, remedy=remedy, request_id=request_id
    )
