"""Reading what a request brings: body, path and query string, each within its limits."""

import zlib
from typing import Any
from urllib.parse import parse_qsl, unquote

import anyio
import msgspec
from starlette.requests import Request

from proffer.api.operations import Operation
from proffer.api.problems import TooSlow, UnsupportedMedia, misfit
from proffer.core.checks import check_id
from proffer.core.errors import Invalid, Malformed, TooLarge

BODY_BYTES = 4_000_000
FOREIGN_BYTES = 512_000
"""What a body may have of which nobody is known yet who sends it; Segment's own limit is 500 kB."""
BODY_SECONDS = 10.0
DEPTH = 32
LARGEST_KEY = 200
_ANY = msgspec.json.Decoder()


async def read_body(request: Request, operation: Operation) -> Any:
    """Return the body as the operation's type. Raises Malformed, Invalid, TooLarge, TooSlow or UnsupportedMedia."""
    if not operation.foreign:
        _check_form(request, ("application/json",), ("identity",))
        return decode(await _raw(request, BODY_BYTES), operation)
    # A page that leaves can send a plain text alone (sendBeacon) to another origin without asking first.
    packed = _check_form(request, ("application/json", "text/plain"), ("identity", "gzip")) == "gzip"
    raw = await _raw(request, FOREIGN_BYTES)
    return decode(_unpacked(raw) if packed else raw, operation)


def decode(raw: bytes, operation: Operation) -> Any:
    """Return JSON as the operation's type; unreadable JSON is Malformed even where its beginning does not fit."""
    hint = f"See {operation.name} in /api/openapi.json."
    try:
        return _shallow(operation.decoder.decode(raw))
    except msgspec.ValidationError as error:
        if not _is_number(error):
            _read_any(raw)
        raise misfit(error, hint) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from None


def read_query(request: Request, operation: Operation) -> Any:
    """Return the query string as the operation's type; unknown and repeated parameters are refused."""
    try:
        text = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        raise Malformed("the query string cannot be read", field="query", remedy="Percent-encode UTF-8.") from None
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid("stands twice in the query string", field=twice[:80], remedy="Send it once.")
    if operation.query is None:
        if values:
            raise Invalid(
                "this operation has no query parameters", field=next(iter(values))[:80], remedy="Leave it out."
            )
        return None
    try:
        return msgspec.convert(values, operation.query, strict=False)
    except msgspec.ValidationError as error:
        raise misfit(error, f"Use only {', '.join(operation.query.__struct_fields__)}.") from None


def read_path(request: Request) -> dict[str, str]:
    """Return the parameters of the path, decoded; an id that no event could hold is refused."""
    found = {}
    for name, value in request.path_params.items():
        try:
            found[name] = check_id(unquote(value, errors="strict"), name)
        except UnicodeDecodeError:
            raise Malformed("not UTF-8", field=name, remedy="Percent-encode the UTF-8 bytes of the id.") from None
    return found


def read_key(request: Request) -> str | None:
    """Return the Idempotency-Key, None without one. Raises Invalid for a malformed one."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    key = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if not 0 < len(key) <= LARGEST_KEY or not all("!" <= character <= "~" for character in key):
        remedy = f"Send 1 to {LARGEST_KEY} printable ASCII characters, for example a UUID."
        raise Invalid("malformed", field="Idempotency-Key", remedy=remedy)
    return key


def _check_form(request: Request, forms: tuple[str, ...], codings: tuple[str, ...]) -> str:
    """Return how the body is coded. Raises UnsupportedMedia."""
    form, *parameters = request.headers.get("content-type", "").lower().split(";")
    charset = "".join(parameters).strip().replace('"', "")
    if form.strip() not in forms or charset not in ("", "charset=utf-8"):
        raise UnsupportedMedia("the body is not JSON", field="Content-Type", remedy="Send application/json in UTF-8.")
    coding = request.headers.get("content-encoding", "identity").lower()
    if coding not in codings:
        raise UnsupportedMedia("the body is compressed", field="Content-Encoding", remedy="Send it as it is.")
    return coding


def _unpacked(raw: bytes) -> bytes:
    """Return what was gzipped; no more is made of it than a body may have."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        body = unpacking.decompress(raw, FOREIGN_BYTES + 1)
    except zlib.error:
        raise Malformed("the body is no gzip", field="Content-Encoding", remedy="Send it as it is.") from None
    if len(body) > FOREIGN_BYTES:
        raise _too_large(FOREIGN_BYTES)
    if not unpacking.eof:
        raise Malformed("the gzip ends too early", field="body", remedy="Send all of it.")
    return body


async def _raw(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > most:
        raise _too_large(most)
    parts, size = [], 0
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
    except TimeoutError:
        message = f"the body did not arrive within {BODY_SECONDS:.0f} s"
        raise TooSlow(message, field="body", remedy="Send it in one go.") from None
    return b"".join(parts)


def _too_large(most: int) -> TooLarge:
    size = f"{most // 1_000_000} MB" if most >= 1_000_000 else f"{most // 1000} kB"
    message = f"the body has more than {size}"
    return TooLarge(message, field="body", remedy="Send fewer events a request.")


def _shallow(body: Any) -> Any:
    """Return a body nested at most 32 deep, so that nobody downstream meets the end of the stack."""
    level = [body]
    for _ in range(DEPTH):
        inside = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for members in inside for each in members if isinstance(each, dict | list)]
        if not level:
            return body
    raise Malformed(f"the JSON is nested deeper than {DEPTH}", field="body", remedy="Flatten it.")


def _read_any(raw: bytes) -> None:
    try:
        _shallow(_ANY.decode(raw))
    except msgspec.ValidationError as error:
        raise misfit(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from None


def _is_number(error: msgspec.ValidationError) -> bool:
    return "out of range" in str(error)


def _malformed(error: Exception) -> Malformed:
    if isinstance(error, RecursionError):
        return Malformed("the JSON is nested too deep", field="body", remedy="Flatten it.")
    reason = (
        "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).removeprefix("JSON is malformed: ")
    )
    return Malformed(f"the JSON cannot be read: {reason}", field="body", remedy="Send well-formed JSON in UTF-8.")
