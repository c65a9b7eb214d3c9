"""A line to the server that writes a workspace."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec

from proffer.core.errors import Busy, ProfferError
from proffer.core.events import Receipt

PATIENCE = 60.0
TRIES = 5


class Remote:
    """Requests to one workspace of a running server, with the token of its run.

    Raises ProfferError with the server's own words, Busy when it does not answer.
    """

    rows, size = 1_000, 2_000_000

    def __init__(self, url: str, workspace: str, token: str) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=f"{url}/api/v1/{workspace}", timeout=PATIENCE, trust_env=False,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )  # fmt: skip

    def __enter__(self) -> "Remote":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, *, patience: float = PATIENCE) -> Any:
        """Send a request and return the JSON of the answer, waiting for each part of it at most so many seconds."""
        content = None if body is None else msgspec.json.encode(body)
        for last in [False] * (TRIES - 1) + [True]:
            answer = self._once(method, path, content, patience)
            if answer.status_code in (429, 503) and not last:
                time.sleep(min(float(answer.headers.get("Retry-After", "1") or 1), 10.0))
                continue
            if answer.is_success:
                return msgspec.json.decode(answer.content) if answer.content else None
            break
        raise _problem(answer)

    def send(self, rows: Sequence[Mapping[str, Any]]) -> list[Receipt]:
        """Record rows, at most 1,000 and about 2 MB, and return their receipts: what an import needs of a target."""
        answer = self.ask("POST", "/events", list(rows))
        return msgspec.convert(answer["receipts"], list[Receipt])

    def _once(self, method: str, path: str, content: bytes | None, patience: float) -> httpx.Response:
        try:
            return self._client.request(method, path, content=content, timeout=patience)
        except httpx.HTTPError as error:
            remedy = f"Wait until it is up again, or stop it and repeat. ({error})"
            raise Busy(f"the server at {self.url} does not answer", remedy=remedy) from None


def _problem(answer: httpx.Response) -> ProfferError:
    try:
        body = msgspec.json.decode(answer.content)
        error = ProfferError(str(body["detail"]), field=body.get("field"), remedy=body.get("remedy"))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        error = ProfferError(f"the server answered {answer.status_code}", remedy="See its log.")
    return error
